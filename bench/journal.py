"""What a message's whole life costs in the journal, in batches of several sizes.

One life: accepted with its first attempt in the same commit, answered with a
provider id, one receipt; three events.  `batch` lives go side by side, and three
such groups are under way at a time, as behind a window that is always full: while
one group is accepted, another is answered and a third gets its receipts.  Batch 1
is one message after the other with nobody else: the latency of three commits.

The rate is lives per second with the disk as a part of it; CPU is what a life costs
this process.
"""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from bench.cluster import database
from bench.figures import Line
from bench.rig import Work, run_reactor
from gdemoi.facts import Acceptance, AttemptEnded, Submitted
from gdemoi.journal import Journal
from gdemoi.message import Accepted, MessageState, Outbound, Receipt

LIVES = {1: 300, 10: 3_000, 50: 30_000, 200: 48_000}
# docs/scale.rst reckons with these two; every commit is a round trip to the server
LIVES_ON_POSTGRESQL = {1: 200, 50: 12_000}
TARGETS = {50: {"cpu_us": 30.0}}
GROUPS = 3
Facts = tuple[list[Acceptance], list[AttemptEnded], list[Receipt]]


def _message(number: int, now: float) -> Outbound:
    return Outbound(
        id=f"bench-{number}",
        to=f"+7916{number:07d}",
        accepted_at=now,
        expires_at=now + 7200,
        from_="GdeMoi",
        text="setparam 2001:internet;2004:track.example.org;2005:5027",
    )


def facts(
    first: int, batch: int, channel: str = "smsc", *, begun: bool = True
) -> Facts:
    """Return what happens to `batch` messages, made before the clock runs.

    `begun`: the first attempt rides in the commit of the acceptance.
    """
    now = time.time()
    messages = [_message(first + number, now) for number in range(batch)]
    ids = [f"{first + number:x}" for number in range(batch)]
    return (
        [Acceptance(m, b"fingerprint-0123", channel, begun) for m in messages],
        [
            AttemptEnded(m.id, 1, channel, channel, outcome, Submitted(), now)
            for m, outcome in zip(
                messages, (Accepted(provider_ids=(i,)) for i in ids), strict=True
            )
        ],
        [
            Receipt(
                account=channel,
                channel=channel,
                provider_id=i,
                state=MessageState.DELIVERED,
                about=m.to[1:],
            )
            for m, i in zip(messages, ids, strict=True)
        ],
    )


def last_of(answers: list[Deferred[Any]]) -> Deferred[Any]:
    """Return the last of many, which tells of all of them."""
    return answers[-1]


async def live(journal: Journal, groups: list[Facts]) -> None:
    """Let one group after the other live."""
    for acceptances, answers, receipts in groups:
        # each step begins when the one before it is on the disk; answers come in
        # the order of the questions, so the last one tells of all
        await last_of([journal.accept([one]) for one in acceptances])
        await last_of([journal.note(one) for one in answers])
        await last_of([journal.receipt(one) for one in receipts])


async def _measure(address: str, kind: str, all_lives: dict[int, int]) -> list[Line]:
    lines: list[Line] = []
    journal = Journal(address, reactor)
    await journal.open()
    number = 0
    for batch, lives in all_lives.items():
        side_by_side = 1 if batch == 1 else GROUPS
        work: list[list[Facts]] = [[] for _ in range(side_by_side)]
        for index in range(lives // batch):
            work[index % side_by_side].append(facts(number, batch))
            number += batch
        gc.collect()
        commits = journal.commits
        wall, cpu = time.perf_counter(), time.process_time()
        running: list[Deferred[Any]] = [
            Deferred.fromCoroutine(live(journal, groups)) for groups in work
        ]
        await gatherResults(running)
        wall = (time.perf_counter() - wall) / lives * 1e6
        cpu = (time.process_time() - cpu) / lives * 1e6
        share = 3 * lives / (journal.commits - commits)
        lines.append(
            Line(
                name=f"{kind}, a life at batches of {batch}",
                rate=1e6 / wall,
                cpu_us=cpu,
                value=share,
                unit="facts/commit",
                target=TARGETS.get(batch, {}) if all_lives is LIVES else {},
            )
        )
    await journal.close()
    return lines


def main(work: Work) -> list[Line]:
    """Run on a fresh SQLite file beside the project (a real disk, not tmpfs)."""
    here = Path(__file__).parent
    # thousands of live messages are no garbage: look for it seldom
    gc.set_threshold(50_000, 20, 100)
    with tempfile.TemporaryDirectory(dir=here, prefix="journal-") as folder:
        address = f"sqlite:///{folder}/journal.sqlite"
        lines: list[Line] = run_reactor(_measure(address, "journal", LIVES))
    return lines


def on_postgresql(work: Work) -> list[Line]:
    """Run on a database of its own at `GDEMOI_POSTGRES`."""
    gc.set_threshold(50_000, 20, 100)
    with database() as address:
        measure = _measure(address, "PostgreSQL", LIVES_ON_POSTGRESQL)
        lines: list[Line] = run_reactor(measure)
    return lines
