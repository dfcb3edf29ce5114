"""The journal's tables, and the statements on the hot paths, for both databases alike.

A message is one row.  `message` is what the platform gave (JSON, never updated),
`record` is its state and history (msgpack, stored_form.py); the other columns are what
is searched by.  `deadline` is when the sweep has to look at the row next, or some time
before; NULL when the message is final.  The migrations build the same tables (a test
compares them).

SQLAlchemy compiles each statement once for a dialect; it then runs as raw DBAPI, with
its values in the order written here.  Per message even SQLAlchemy's cached execution
would cost more than the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Dialect

metadata = MetaData()

# SQLite makes only INTEGER PRIMARY KEY its row id
_Key: Final = BigInteger().with_variant(Integer(), "sqlite")
_Time: Final = Float(53)

messages = Table(
    "messages",
    metadata,
    Column("n", _Key, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    # the gateway that accepted it, for people; whose it is now its lane says
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

# The outbox: written in the transaction that changed the state.  All events
# of a commit share a few rows, since each row costs more than what it holds;
# `seq` is the number of the last one in it.
events = Table(
    "events",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=False),
    # the gateway that wrote it, for people
    Column("owner", Text, nullable=False),
    Column("at", _Time, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

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

# Bookmarks: of all gateways (`owner` is empty), or of one (`PRIVATE`).
cursors = Table(
    "cursors",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# `seq`: the last event; `n`: the last row number; `state::<word>`: how many
# messages stand there (so that nobody has to count them).
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# The gateways that share a PostgreSQL journal, and what each of them owns at present
# (leases.py); times are the server's.  Empty on SQLite.
gateways = Table(
    "gateways",
    metadata,
    Column("name", Text, primary_key=True),
    # tells one life of a gateway from the next
    Column("life", Text, nullable=False),
    Column("up_since", _Time, nullable=False),
    Column("seen_at", _Time, nullable=False),
    # JSON: `leases.Wishes`
    Column("wishes", LargeBinary, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    # NULL: let go by its last holder
    Column("holder", Text),
    # JSON: what the holder tells of it
    Column("report", LargeBinary),
)

# Bookmarks that each gateway keeps for itself, by the beginning of their names.
PRIVATE: Final = ("account:", "alerts", "beat")


# What is set for single trackers; `version` grows with each change.
trackers = Table(
    "trackers",
    metadata,
    Column("number", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # taken away: other gateways have to hear of it
    Column("gone", Integer, nullable=False),
    Column("setting", LargeBinary, nullable=False),
    Index("trackers_version", "version"),
)

# Commands that later ones to their number wait for, see `gdemoi.journal.turns`.
turns = Table(
    "turns",
    metadata,
    # the message's
    Column("n", _Key, primary_key=True, autoincrement=False),
    Column("recipient", Text, nullable=False),
    Column("id", Text, nullable=False),
    # it is in line from then on
    Column("since", _Time, nullable=False),
    # NULL: for further notice
    Column("until", _Time),
    Column("begun", Integer, nullable=False),
)
# SQLite looks for one number's only when a sequence fails, among few rows.
Index("turns_recipient", turns.c.recipient).ddl_if(dialect="postgresql")
Index(
    "turns_until",
    turns.c.until,
    sqlite_where=turns.c.until.is_not(None),
    postgresql_where=turns.c.until.is_not(None),
)

# The ways that trackers know, see `gdemoi.journal.sticky`.
sticky = Table(
    "sticky",
    metadata,
    Column("account", Text, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # forgotten: other gateways have to hear of it
    Column("gone", Integer, nullable=False),
    Column("way", LargeBinary, nullable=False),
    Index("sticky_version", "version"),
)

# What lines have sent of their budgets, see `gdemoi.journal.budgets`.
budgets = Table(
    "budgets",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("units", BigInteger, nullable=False),
    Column("ends", _Time, nullable=False),
    Index("budgets_ends", "ends"),
)

# Sequences of commands that have stopped, and at which one.
sequences = Table(
    "sequences",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("until", _Time, nullable=False),
    Index("sequences_until", "until"),
)


_m = messages.c
_whole = (
    _m.id,
    _m.owner,
    _m.n,
    _m.message,
    _m.record,
    _m.fingerprint,
    _m.deadline,
)
_zero: Any = literal_column("0")


def _b(name: str) -> Any:
    """Return a bound value; the names keep clear of those of columns."""
    return bindparam("_" + name)


class BulkStatements:
    """A statement for one row, and how SQLite spells it for many at once.

    One statement over many rows costs less than many over one, and above all it
    lets go of the interpreter once, not once per row: with a busy reactor thread
    each turn to get it back may take a whole switch interval.
    """

    def __init__(self, single: str, spell: Callable[[int], str]) -> None:
        self.single = single
        self._spell = spell
        self._spelled: dict[int, str] = {}

    def of(self, rows: int) -> str:
        """Return the statement for so many rows."""
        if rows not in self._spelled:
            self._spelled[rows] = self._spell(rows)
        return self._spelled[rows]


def insert_of(single: str) -> Callable[[int], str]:
    """Spell an INSERT for many rows by repeating its values."""
    head, _, rest = single.partition(" VALUES ")
    values, _, tail = rest.partition(")")
    return lambda rows: f"{head} VALUES {', '.join([values + ')'] * rows)}{tail}"


def update_of(columns: Sequence[str], end: bool) -> Callable[[int], str]:
    """Spell an UPDATE of messages for many rows, in SQLite's dialect.

    It is an INSERT that finds each row there: that way SQLite needs no table of
    its own for the new values, which is half the time.  The blanks are for what
    may not be NULL; they are never seen (`Database.update` makes sure).
    """
    given = [*columns, "n"]
    blanks = [c.name for c in _m if not c.nullable and c.name not in given]
    changes = [f"{name} = excluded.{name}" for name in columns]
    if end:
        changes.append("deadline = NULL")
    one = f"({', '.join(['?'] * len(given) + [repr('')] * len(blanks))})"
    return lambda rows: (
        f"INSERT INTO messages ({', '.join(given + blanks)}) "
        f"VALUES {', '.join([one] * rows)} "
        f"ON CONFLICT (n) DO UPDATE SET {', '.join(changes)}"
    )


class Statements:
    """All statements of the writer as text of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        upsert = sqlite_insert if dialect.name == "sqlite" else postgresql_insert
        text = self._compile
        self.insert_message = self._insert(insert(messages), messages.c.keys())
        self.update_message = self._update(
            ["state", "channel", "lane", "due", "deadline", "record"]
        )
        # most facts change no more than these two; the fewer columns are named, the
        # fewer indices are touched
        self.update_record = self._update(["state", "record"])
        self.end_message = self._update(["state", "record"], end=True)
        self.delete_message = text(delete(messages).where(_m.n == _b("n")), ["_n"])
        self.oldest_messages = text(
            select(*_whole, _m.accepted_at)
            .where(_m.n > _b("n"))
            .order_by(_m.n)
            .limit(_b("limit"))
            .offset(_zero),
            ["_n", "_limit"],
        )
        self.promote = text(
            update(messages)
            .where(_m.lane == _b("lane"), _m.lane.is_not(None))
            .where(_m.due > _zero, _m.due <= _b("now"))
            .values(due=_zero),
            ["_lane", "_now"],
        )
        self.overdue = text(
            select(*_whole)
            .where(_m.deadline <= _b("now"))
            .order_by(_m.deadline)
            .limit(_b("limit"))
            .offset(_zero),
            ["_now", "_limit"],
        )
        self._outbox(text)
        self._receipts(text, upsert)
        self._arrivals(text, upsert)
        self._turns(text, upsert)
        self._budgets(text, upsert)
        known = upsert(trackers)
        self.put_tracker = text(
            known.on_conflict_do_update(
                index_elements=["number"],
                set_={
                    word: known.excluded[word]
                    for word in ("version", "gone", "setting")
                },
            ),
            trackers.c.keys(),
        )

    def _outbox(self, text: Any) -> None:
        e = events.c
        self.insert_events = self._insert(insert(events), events.c.keys())
        self.oldest_events = text(
            select(e.seq, e.at).order_by(e.seq).limit(_b("limit")).offset(_zero),
            ["_limit"],
        )
        self.delete_events = text(
            delete(events).where(e.seq <= _b("seq")),
            ["_seq"],
        )

    def _budgets(self, text: Any, upsert: Any) -> None:
        b, more = budgets.c, upsert(budgets)
        self.spend = self._insert(
            more.on_conflict_do_update(
                index_elements=["scope", "period"],
                set_={"units": b.units + more.excluded.units},
            ),
            b.keys(),
        )
        self.forget_budgets = text(delete(budgets).where(b.ends <= _b("now")), ["_now"])

    def _turns(self, text: Any, upsert: Any) -> None:
        t, q = turns.c, sequences.c
        held = upsert(turns)
        self.put_turn = self._insert(
            held.on_conflict_do_update(
                index_elements=["n"],
                set_={word: held.excluded[word] for word in ("until", "begun")},
            ),
            t.keys(),
        )
        self.delete_turn = BulkStatements(
            text(delete(turns).where(t.n == _b("n")), ["_n"]),
            lambda rows: f"DELETE FROM turns WHERE n IN ({', '.join('?' * rows)})",
        )
        self.find_turns = text(
            select(t.n, t.since, t.until, t.begun).where(
                t.recipient == _b("recipient")
            ),
            ["_recipient"],
        )
        self.message_by_number = text(select(*_whole).where(_m.n == _b("n")), ["_n"])
        self.past_turns = text(
            select(t.n).where(t.until <= _b("now")).limit(_b("limit")).offset(_zero),
            ["_now", "_limit"],
        )
        self.latest_to = text(
            select(*_whole)
            .where(_m.recipient == _b("recipient"))
            .order_by(_m.n.desc())
            .limit(_b("limit"))
            .offset(_zero),
            ["_recipient", "_limit"],
        )
        stopped = upsert(sequences)
        self.put_sequence = text(
            stopped.on_conflict_do_update(
                index_elements=["queue", "name"],
                set_={word: stopped.excluded[word] for word in ("id", "until")},
            ),
            q.keys(),
        )
        self.find_sequence = text(
            select(q.id, q.until).where(q.queue == _b("queue"), q.name == _b("name")),
            ["_queue", "_name"],
        )
        w = sticky.c
        known = upsert(sticky)
        self.put_sticky = text(
            known.on_conflict_do_update(
                index_elements=["account", "number"],
                set_={
                    word: known.excluded[word] for word in ("version", "gone", "way")
                },
            ),
            w.keys(),
        )
        self.find_sticky = text(
            select(w.gone, w.way).where(
                w.account == _b("account"), w.number == _b("number")
            ),
            ["_account", "_number"],
        )
        self.forget_sequences = text(
            delete(sequences).where(q.until <= _b("now")), ["_now"]
        )

    def _receipts(self, text: Any, upsert: Any) -> None:
        p, u, k = provider_ids.c, unmatched.c, unmatched_keys.c
        self.insert_provider_id = self._insert(
            upsert(provider_ids).on_conflict_do_nothing(), p.keys()
        )
        self.delete_provider_id = text(
            delete(provider_ids).where(
                p.account == _b("account"),
                p.key == _b("key"),
                p.message == _b("message"),
            ),
            ["_account", "_key", "_message"],
        )
        self.find_provider_id = text(
            select(p.key, p.provider_id, *_whole)
            .join_from(provider_ids, messages, p.message == _m.n)
            .where(p.account == _b("account"), p.key == _b("key")),
            ["_account", "_key"],
        )
        self.insert_unmatched = text(insert(unmatched), u.keys())
        self.insert_unmatched_key = self._insert(insert(unmatched_keys), k.keys())
        self.find_unmatched = text(
            select(u.n, u.receipt)
            .join_from(unmatched_keys, unmatched, k.receipt == u.n)
            .where(k.account == _b("account"), k.key == _b("key"))
            .order_by(u.n),
            ["_account", "_key"],
        )
        self.old_unmatched = text(
            select(u.n, u.at, u.receipt)
            .where(u.at <= _b("at"))
            .order_by(u.at)
            .limit(_b("limit"))
            .offset(_zero),
            ["_at", "_limit"],
        )
        self.delete_unmatched = text(delete(unmatched).where(u.n == _b("n")), ["_n"])
        self.delete_unmatched_key = text(
            delete(unmatched_keys).where(
                k.account == _b("account"),
                k.key == _b("key"),
                k.receipt == _b("n"),
            ),
            ["_account", "_key", "_n"],
        )

    def _arrivals(self, text: Any, upsert: Any) -> None:
        a, g, c = arrivals.c, groups.c, cursors.c
        arrived = upsert(arrivals)
        self.put_arrival = text(
            arrived.on_conflict_do_update(
                index_elements=["channel", "dedup"],
                set_={
                    "until": arrived.excluded.until,
                    "inbound_id": arrived.excluded.inbound_id,
                },
            ),
            a.keys(),
        )
        self.find_arrival = text(
            select(a.inbound_id, a.until).where(
                a.channel == _b("channel"), a.dedup == _b("dedup")
            ),
            ["_channel", "_dedup"],
        )
        self.delete_arrivals = text(
            delete(arrivals).where(a.until <= _b("now")), ["_now"]
        )
        grouped = upsert(groups)
        self.put_group = text(
            grouped.on_conflict_do_update(
                index_elements=["key"],
                set_={
                    word: grouped.excluded[word]
                    for word in ("owner", "deadline", "done", "body")
                },
            ),
            g.keys(),
        )
        self.find_group = text(select(g.body).where(g.key == _b("key")), ["_key"])
        self.delete_group = text(delete(groups).where(g.key == _b("key")), ["_key"])
        self.old_groups = text(
            select(g.key, g.body, g.owner)
            .where(g.deadline <= _b("now"))
            .order_by(g.deadline)
            .limit(_b("limit"))
            .offset(_zero),
            ["_now", "_limit"],
        )
        written = upsert(cursors)
        self.put_cursor = self._insert(
            written.on_conflict_do_update(
                index_elements=["owner", "name"],
                set_={"value": written.excluded.value},
            ),
            c.keys(),
        )
        counted = upsert(counters)
        self.put_counter = self._insert(
            counted.on_conflict_do_update(
                index_elements=["name"], set_={"value": counted.excluded.value}
            ),
            counters.c.keys(),
        )
        self.count_unmatched = text(select(func.count()).select_from(unmatched), [])
        self.counters = text(select(counters.c.name, counters.c.value), [])
        le = leases.c
        self.held_by = text(
            select(le.name).where(le.holder == _b("holder")), ["_holder"]
        )

    def _update(self, columns: Sequence[str], end: bool = False) -> BulkStatements:
        """Return an update of messages; `end`: nothing is due any more."""
        values: dict[str, Any] = {name: _b(name) for name in columns}
        if end:
            values["deadline"] = null()
        clause = update(messages).where(_m.n == _b("n")).values(values)
        names = ["_" + name for name in columns]
        single = self._compile(clause, [*names, "_n"])
        return BulkStatements(single, update_of(columns, end))

    def messages_by_id(self, count: int) -> str:
        """Return the statement that reads `count` messages by their ids."""
        ids = [f"_id{number}" for number in range(count)]
        statement = select(*_whole).where(_m.id.in_([bindparam(i) for i in ids]))
        if count == 1:
            statement = select(*_whole).where(_m.id == bindparam(ids[0]))
        return self._compile(statement, ids)

    def messages_by_key(self, count: int) -> str:
        """Return the statement that reads the messages of `count` provider keys."""
        p = provider_ids.c
        names = [f"_key{number}" for number in range(count)]
        statement = (
            select(p.account, p.key, p.provider_id, *_whole)
            .join_from(provider_ids, messages, p.message == _m.n)
            .where(p.account == _b("account"))
            .where(p.key.in_([bindparam(name) for name in names]))
        )
        return self._compile(statement, ["_account", *names])

    def _insert(self, clause: ClauseElement, order: Sequence[str]) -> BulkStatements:
        single = self._compile(clause, order)
        return BulkStatements(single, insert_of(single))

    def _compile(self, clause: ClauseElement, order: Sequence[str]) -> str:
        """Return the text of a statement whose values come in `order`."""
        compiled: Any = clause.compile(
            dialect=self._dialect, compile_kwargs={"render_postcompile": True}
        )
        names = list(compiled.positiontup or ())
        assert names == list(order), f"{compiled}: {names}, not {order}"
        return str(compiled)
