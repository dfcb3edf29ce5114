"""What a message's whole life costs in the journal, in batches of several sizes.

One life: accepted with its first attempt in the same commit, answered with a
provider id, one receipt; three events.  `batch` lives go side by side, as they
do behind a window of that size, so that each commit is shared by that many.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from gdemoi.journal import Journal
from gdemoi.life import Acceptance, Answered, Submitted
from gdemoi.message import Accepted, Outbound, Receipt, State

BATCHES = {1: 300, 10: 3_000, 50: 20_000, 200: 40_000}
# µs per life; at 50 it is promised, the others are what we saw (with room)
BUDGETS = {1: 3_000.0, 10: 150.0, 50: 30.0, 200: 25.0}
Row = tuple[str, float, str, float | None]


def _message(number: int, now: float) -> Outbound:
    return Outbound(
        id=f"bench-{number}",
        to=f"+7916{number:07d}",
        accepted_at=now,
        expires_at=now + 7200,
        from_="GdeMoi",
        text="setparam 2001:internet;2004:track.example.org;2005:5027",
    )


async def _lives(journal: Journal, first: int, batch: int) -> None:
    """Let `batch` messages live side by side."""
    now = time.time()
    messages = [_message(first + number, now) for number in range(batch)]
    await gatherResults(
        [
            journal.accept([Acceptance(message, b"fingerprint-0123", "smsc", True)])
            for message in messages
        ]
    )
    await gatherResults(
        [
            journal.note(
                Answered(
                    message.id,
                    1,
                    "smsc",
                    "smsc",
                    Accepted(provider_ids=(f"{first + number:x}",)),
                    Submitted(),
                    now,
                )
            )
            for number, message in enumerate(messages)
        ]
    )
    await gatherResults(
        [
            journal.receipt(
                Receipt(
                    account="smsc",
                    channel="smsc",
                    provider_id=f"{first + number:x}",
                    state=State.DELIVERED,
                    about=message.to[1:],
                )
            )
            for number, message in enumerate(messages)
        ]
    )


async def _measure(folder: str) -> list[Row]:
    rows: list[Row] = []
    journal = Journal(f"sqlite:///{folder}/journal.sqlite", reactor)
    await journal.open()
    number = 0
    for batch, lives in BATCHES.items():
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(lives // batch):
            await _lives(journal, number, batch)
            number += batch
        wall = (time.perf_counter() - wall) / lives * 1e6
        cpu = (time.process_time() - cpu) / lives * 1e6
        rows.append((f"journal life, batch {batch}", wall, "µs", BUDGETS[batch]))
        rows.append((f"journal life, batch {batch}, CPU", cpu, "µs", None))
    await journal.close()
    return rows


def main() -> list[Row]:
    """Run on a fresh SQLite file beside the project (a real disk, not tmpfs)."""
    rows: list[Row] = []
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(dir=here, prefix="journal-") as folder:

        def start() -> None:
            done: Deferred[list[Row]] = Deferred.fromCoroutine(_measure(folder))
            done.addCallback(rows.extend)
            done.addErrback(lambda failure: failure.printTraceback(sys.stderr))
            done.addBoth(lambda _: reactor.stop())  # type: ignore[attr-defined]

        reactor.callWhenRunning(start)  # type: ignore[attr-defined]
        reactor.run()  # type: ignore[attr-defined]
    return rows


if __name__ == "__main__":
    for name, value, unit, budget in main():
        print(f"{name:40} {value:10.1f} {unit}  {budget or ''}")
