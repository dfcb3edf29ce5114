"""What lines have sent of their budgets, counted in the commits of what they send.

A row says how many segments a line has in one hour, day or month, or how many a number
got from it.  An intent adds to it in its own commit, so that after a crash what may
have left is counted; an outcome that proves that nothing left takes it off again.  One
gateway uses a channel at a time, so it reads the rows of its lines when it begins, and
counts in memory from then on.
"""

from __future__ import annotations

from sqlalchemy import select

from gdemoi.journal import schema as s
from gdemoi.journal.database import Database
from gdemoi.journal.transaction import Transaction

_b = s.budgets.c
# scope, period, segments, when the period ends
Row = tuple[str, str, int, float]


def spent(database: Database, channel: str) -> list[Row]:
    """Read what the lines of a channel have sent, in periods of any age."""
    rows = database.select(
        select(_b.scope, _b.period, _b.units, _b.ends).where(
            _b.scope.startswith(f"{channel}/", autoescape=True)
        )
    )
    return [tuple(row) for row in rows]


def forget(transaction: Transaction, now: float) -> bool:
    """Delete the counts of periods that are over."""
    transaction.database.run(transaction.statements.forget_budgets, (now,))
    return False
