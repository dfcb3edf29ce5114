"""Random and mutated PDUs into a bound channel.

Whatever an SMSC sends, nothing may be raised, the bind may end only for unbind or for
a lost frame, each deliver_sm must be answered once, and memory must not grow.
"""

from __future__ import annotations

import random
import resource
import time
from collections import Counter
from struct import pack
from typing import Any, cast

from bench.soak_codec import mutated, seeds
from gdemoi.message import Outbound
from gdemoi.smpp.session_types import SessionState
from tests.smpp.rig import NOW, ChannelRig

# What ends a session by right: unbind and its answer (a session that was told to
# end before this batch is ending, and ESME_RINVBNDSTS makes us bind again).
ENDS = {0x06, 0x80000006}
SEGMENTS = 20
BATCH = 50
GROWTH_KIB = 16 * 1024


class Sink:
    """A transport that counts what is written and forgets it."""

    def __init__(self) -> None:
        self.answers = 0
        self.closed = False

    def write(self, octets: bytes) -> None:
        at = 0
        while at < len(octets):
            if octets[at + 4 : at + 8] in (b"\x80\0\0\5", b"\x80\0\1\3"):
                self.answers += 1
            at += int.from_bytes(octets[at : at + 4], "big")

    def loseConnection(self) -> None:
        self.closed = True

    abortConnection = loseConnection

    def unregisterProducer(self) -> None:
        """Nothing is produced here."""

    pauseProducing = resumeProducing = unregisterProducer


def fresh() -> tuple[ChannelRig, Any, Sink]:
    """Return a bound channel whose connection is in our hands."""
    rig = ChannelRig(window=SEGMENTS, pdu_ring=50)
    esme = rig.channel.sender.esme
    assert esme is not None
    sink = Sink()
    esme.transport = cast(Any, sink)
    return rig, esme, sink


def submit(rig: ChannelRig, count: int) -> None:
    """Keep a few messages under way, so that answers may find them."""
    if len(rig.channel.sender) or not rig.channel.sender.esme:
        return
    message = Outbound(
        id=f"m{count}",
        to="+79161234567",
        accepted_at=NOW,
        expires_at=NOW + 60,
        text="x" * 300,
    )
    prepared = rig.channel.prepare(message)
    rig.channel.submit(prepared, 1).addCallback(lambda _: None)  # type: ignore


def main(count: int) -> int:
    """Feed PDUs, tell what happened, return 1 when something should not have."""
    rng = random.Random(34)
    known = seeds()
    told: Counter[str] = Counter()
    first_kib, wrong = 0, 0
    begun = time.monotonic()
    rig, esme, sink = fresh()
    for done in range(0, count, BATCH):
        submit(rig, done)
        frames = [mutated(rng, known) for _ in range(BATCH)]
        if rng.random() < 0.5:
            number = rng.randrange(60)
            frames.append(pack(">IIII", 16, 0x80000004, rng.choice((0, 0x58)), number))
        octets = b"".join(frames)
        was_bound = esme.session.bound
        cut = rng.randrange(len(octets))
        for piece in (octets[:cut], octets[cut:]):
            esme.dataReceived(piece)
        rig.clock.advance(0.001)
        told["PDUs"] += len(frames)
        if esme.session.state is not SessionState.CLOSED and not sink.closed:
            continue
        kinds = {int.from_bytes(frame[4:8], "big") for frame in frames}
        whole = all(int.from_bytes(f[:4], "big") == len(f) for f in frames)
        bad_status = rig.channel.sender.statuses[0x04]
        if was_bound and whole and not kinds & ENDS and not bad_status:
            wrong += 1
        told["sessions"] += 1
        seen = rig.channel.deliveries
        told["receipts"] += seen.receipts
        told["messages in"] += seen.messages
        told["answers"] += sink.answers
        rig, esme, sink = fresh()
        if not first_kib and done > count / 10:
            first_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first_kib
    told["KiB grown"] = grown_kib
    told["binds ended without a reason"] = wrong
    seconds = time.monotonic() - begun
    print(f"{seconds:.0f} s: " + ", ".join(f"{v:,} {k}" for k, v in told.items()))
    return 1 if wrong or grown_kib > GROWTH_KIB else 0
