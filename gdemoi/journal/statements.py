"""The hot statements, compiled once for a dialect and run as raw DBAPI.

SQLAlchemy spells them (so SQLite and PostgreSQL share one source) and is not
asked again: per message even its cached execution would cost more than the
database does.  Each statement takes its values in the order written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ClauseElement,
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

from gdemoi.journal import schema as s

_m = s.messages.c
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
        self.insert_message = self._insert(insert(s.messages), s.messages.c.keys())
        self.update_message = self._update(
            ["state", "channel", "lane", "due", "deadline", "record"]
        )
        # most facts change no more than these two; the fewer columns are named, the
        # fewer indices are touched
        self.update_record = self._update(["state", "record"])
        self.end_message = self._update(["state", "record"], end=True)
        self.delete_message = text(delete(s.messages).where(_m.n == _b("n")), ["_n"])
        self.oldest_messages = text(
            select(*_whole, _m.accepted_at)
            .where(_m.n > _b("n"))
            .order_by(_m.n)
            .limit(_b("limit"))
            .offset(_zero),
            ["_n", "_limit"],
        )
        self.promote = text(
            update(s.messages)
            .where(_m.owner == _b("owner"), _m.lane == _b("lane"), _m.lane.is_not(None))
            .where(_m.due > _zero, _m.due <= _b("now"))
            .values(due=_zero),
            ["_owner", "_lane", "_now"],
        )
        self.overdue = text(
            select(*_whole)
            .where(_m.owner == _b("owner"), _m.deadline <= _b("now"))
            .order_by(_m.deadline)
            .limit(_b("limit"))
            .offset(_zero),
            ["_owner", "_now", "_limit"],
        )
        self._outbox(text)
        self._receipts(text, upsert)
        self._arrivals(text, upsert)

    def _outbox(self, text: Any) -> None:
        e = s.events.c
        self.insert_events = self._insert(insert(s.events), s.events.c.keys())
        self.oldest_events = text(
            select(e.seq, e.at)
            .where(e.owner == _b("owner"))
            .order_by(e.seq)
            .limit(_b("limit"))
            .offset(_zero),
            ["_owner", "_limit"],
        )
        self.delete_events = text(
            delete(s.events).where(e.owner == _b("owner"), e.seq <= _b("seq")),
            ["_owner", "_seq"],
        )

    def _receipts(self, text: Any, upsert: Any) -> None:
        p, u, k = s.provider_ids.c, s.unmatched.c, s.unmatched_keys.c
        self.insert_provider_id = self._insert(
            upsert(s.provider_ids).on_conflict_do_nothing(), p.keys()
        )
        self.delete_provider_id = text(
            delete(s.provider_ids).where(
                p.account == _b("account"),
                p.key == _b("key"),
                p.message == _b("message"),
            ),
            ["_account", "_key", "_message"],
        )
        self.find_provider_id = text(
            select(p.key, p.provider_id, *_whole)
            .join_from(s.provider_ids, s.messages, p.message == _m.n)
            .where(p.account == _b("account"), p.key == _b("key")),
            ["_account", "_key"],
        )
        self.insert_unmatched = text(insert(s.unmatched), u.keys())
        self.insert_unmatched_key = self._insert(insert(s.unmatched_keys), k.keys())
        self.find_unmatched = text(
            select(u.n, u.receipt)
            .join_from(s.unmatched_keys, s.unmatched, k.receipt == u.n)
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
        self.delete_unmatched = text(delete(s.unmatched).where(u.n == _b("n")), ["_n"])
        self.delete_unmatched_key = text(
            delete(s.unmatched_keys).where(
                k.account == _b("account"),
                k.key == _b("key"),
                k.receipt == _b("n"),
            ),
            ["_account", "_key", "_n"],
        )

    def _arrivals(self, text: Any, upsert: Any) -> None:
        a, g, c = s.arrivals.c, s.groups.c, s.cursors.c
        arrived = upsert(s.arrivals)
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
            delete(s.arrivals).where(a.until <= _b("now")), ["_now"]
        )
        grouped = upsert(s.groups)
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
        self.delete_group = text(delete(s.groups).where(g.key == _b("key")), ["_key"])
        self.old_groups = text(
            select(g.key, g.body, g.owner)
            .where(g.deadline <= _b("now"))
            .order_by(g.deadline)
            .limit(_b("limit"))
            .offset(_zero),
            ["_now", "_limit"],
        )
        marked = upsert(s.cursors)
        self.put_cursor = self._insert(
            marked.on_conflict_do_update(
                index_elements=["owner", "name"], set_={"value": marked.excluded.value}
            ),
            c.keys(),
        )
        counted = upsert(s.counters)
        self.put_counter = self._insert(
            counted.on_conflict_do_update(
                index_elements=["name"], set_={"value": counted.excluded.value}
            ),
            s.counters.c.keys(),
        )
        self.count_unmatched = text(select(func.count()).select_from(s.unmatched), [])
        self.counters = text(select(s.counters.c.name, s.counters.c.value), [])

    def _update(self, columns: Sequence[str], end: bool = False) -> BulkStatements:
        """Return an update of messages; `end`: nothing is due any more."""
        values: dict[str, Any] = {name: _b(name) for name in columns}
        if end:
            values["deadline"] = null()
        clause = update(s.messages).where(_m.n == _b("n")).values(values)
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
        p = s.provider_ids.c
        names = [f"_key{number}" for number in range(count)]
        statement = (
            select(p.account, p.key, p.provider_id, *_whole)
            .join_from(s.provider_ids, s.messages, p.message == _m.n)
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
