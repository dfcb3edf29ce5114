"""Random and mutated PDUs through framer and decoder.

Nothing but values may come out: a PDU, `Unparsed`, or the framer's `LostFrame`;
whatever was read and can be written must read the same again; and memory must not
grow.
"""

from __future__ import annotations

import random
import resource
import struct
from collections import Counter

from bench.codec import RECEIPT, SUBMIT_SM
from gdemoi.errors import OurFault
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import LostFrame, PduFramer
from gdemoi.text import charset, udh

COMMANDS = [*pdus.BY_ID, 0x0A, 0x00010200, 0x80000022, 0xFFFFFFFF]
# PDUs fed to one framer before it is replaced by a new one
BATCH = 50
# What memory may grow by after the first tenth: noise of the allocator.
GROWTH_KIB = 8 * 1024


def seeds() -> list[bytes]:
    """Return a PDU of every class, and the everyday ones several times."""
    plain = [pdus.encode(cls()) for cls in pdus.ALL]
    multi = pdus.SubmitMulti(
        dest_address=(
            pdus.DestAddress(destination_addr="79161234567"),
            pdus.DistributionList(dl_name="drivers"),
        ),
        short_message=b"x",
    )
    several = [SUBMIT_SM, RECEIPT, multi, pdus.SubmitSmResp(message_id="4d0fe926")]
    return plain + [pdus.encode(pdu) for pdu in several] * 8


def mutated(rng: random.Random, known: list[bytes]) -> bytes:
    """Return a PDU with some of its body wrong; mostly with a right length."""
    kind = rng.random()
    if kind < 0.25:
        body = rng.randbytes(rng.randrange(120))
        octets = bytearray(struct.pack(">III", rng.choice(COMMANDS), 0, 1) + body)
    else:
        octets = bytearray(rng.choice(known)[4:])
        if kind < 0.85:
            for _ in range(rng.randrange(1, 4)):
                octets[rng.randrange(len(octets))] = rng.randrange(256)
        if rng.random() < 0.3:
            del octets[rng.randrange(12, len(octets) + 1) :]
        if rng.random() < 0.1:
            octets += rng.randbytes(rng.randrange(1, 12))
    length = len(octets) + 4
    if rng.random() < 0.002:
        length = rng.choice([0, 4, 15, 70_001, 0x7FFFFFFF, rng.getrandbits(32)])
    return struct.pack(">I", length) + octets


def check(octets: bytes) -> str:
    """Decode one frame; return what came out of it."""
    pdu = pdus.decode(octets)
    if isinstance(pdu, pdus.UnparsedPdu):
        assert pdus.decode(pdus.encode(pdus.answer(pdu)))
        return "unparsed"
    text = getattr(pdu, "short_message", b"")
    header, rest = udh.parse(text)
    for word in ("gsm8", "gsm7", "ucs2"):
        charset.decode(rest, word, header.single_shift, header.locking_shift)
    try:
        again = pdus.encode(pdu)
    except OurFault:
        return "read, too wrong to write"
    if again != octets:
        assert pdu.command_id & pdus.RESPONSE, octets.hex()
        assert type(pdus.decode(again)) is type(pdu), octets.hex()
        return "read, written otherwise"
    return "read and written the same"


def memory_kib() -> int:
    """Return the resident memory now."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


def soak(total: int, seed: int = 1) -> Counter[str]:
    """Put `total` PDUs through; return how many came out as what."""
    rng = random.Random(seed)
    known = seeds()
    found: Counter[str] = Counter()
    base = 0
    done = 0
    while done < total:
        stream = b"".join(mutated(rng, known) for _ in range(BATCH))
        framer = PduFramer()
        place = 0
        while place < len(stream):
            end = place + rng.randrange(1, 2000)
            try:
                frames = framer.feed(stream[place:end])
            except LostFrame as lost:
                frames = lost.frames
                found["streams lost"] += 1
            for octets in frames:
                found[check(octets)] += 1
            place = end
        done += BATCH
        if not base and done >= total // 10:
            base = memory_kib()
    grown = memory_kib() - base
    assert grown < GROWTH_KIB, f"memory grew by {grown} KiB"
    found["KiB grown"] = grown
    return found
