"""The journal's tables, in SQLAlchemy Core, for every dialect alike.

This file knows columns and indices and the reason of each; what the blobs hold
is known to `record` and `gdemoi.message`.  The migrations build the same tables
(a test compares them).

A message is one row.  `message` is what the platform gave (JSON, never written
again), `record` is its state and whole story (msgpack); the other columns are
what is searched by.  `deadline` is when `sweep` has to look at it next, or some
time before; NULL when the message is over.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

# SQLite makes only INTEGER PRIMARY KEY its row id
_Key: Final = BigInteger().with_variant(Integer(), "sqlite")
_Time: Final = Float(53)

messages = Table(
    "messages",
    metadata,
    Column("n", _Key, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("channel", Text),
    Column("sender", Text),
    Column("recipient", Text, nullable=False),
    Column("accepted_at", _Time, nullable=False),
    # the backlog that it waits in, and from when on (0: at once)
    Column("lane", Text),
    Column("due", _Time, nullable=False),
    # 9 - priority, so that one ascending index gives the order of a lane
    Column("rank", Integer, nullable=False),
    Column("deadline", _Time),
    Column("message", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("messages_id", "id", unique=True),
    Index("messages_recipient", "recipient"),
)
Index(
    "messages_lane",
    messages.c.owner,
    messages.c.lane,
    messages.c.due,
    messages.c.rank,
    messages.c.n,
    sqlite_where=messages.c.lane.is_not(None),
    postgresql_where=messages.c.lane.is_not(None),
)

# Only what is not over is in it, so that it stays small.
Index(
    "messages_deadline",
    messages.c.owner,
    messages.c.deadline,
    sqlite_where=messages.c.deadline.is_not(None),
    postgresql_where=messages.c.deadline.is_not(None),
)

provider_ids = Table(
    "provider_ids",
    metadata,
    # first, so that many keys of one account are found one by one
    Column("key", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("message", _Key, primary_key=True, autoincrement=False),
    # as the provider spelled it
    Column("provider_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

# The outbox: written in the transaction of the state that it tells.  All events
# of a commit share a few rows, since each row costs more than what it holds;
# `seq` is the number of the last one in it.
events = Table(
    "events",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("at", _Time, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
# On SQLite one gateway owns all, and the primary key is the order.
Index("events_owner", events.c.owner, events.c.seq).ddl_if(dialect="postgresql")

unmatched = Table(
    "unmatched",
    metadata,
    Column("n", _Key, primary_key=True, autoincrement=False),
    Column("at", _Time, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    Index("unmatched_at", "at"),
)

unmatched_keys = Table(
    "unmatched_keys",
    metadata,
    Column("account", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("receipt", _Key, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# What came in lately, so that a repeat is known as one.
arrivals = Table(
    "arrivals",
    metadata,
    # the account, where the channel has one (`Inbound.origin`)
    Column("channel", Text, primary_key=True),
    Column("dedup", Text, primary_key=True),
    Column("until", _Time, nullable=False),
    Column("inbound_id", Text, nullable=False),
    Index("arrivals_until", "until"),
)

# Long inbound SMS whose segments come one by one.
groups = Table(
    "groups",
    metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("deadline", _Time, nullable=False),
    Column("done", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("groups_deadline", "deadline"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# `seq`: the last event; `n`: the last row number; `state:<word>`: how many
# messages stand there (so that nobody has to count them).
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
