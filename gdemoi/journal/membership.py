"""A gateway among those that share its PostgreSQL journal: beats, leases, wake-ups.

One thread with a connection of its own: it waits for NOTIFY from the others and, every
`BEAT_S`, runs the transaction that `leases` describes.  What it saw goes to the reactor
thread as a `Beat`.  Failures are told as such; it is the owner's business to let go of
what may be another's by then.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.journal.database import NOT_NOW, TURN, connected, url_of
from gdemoi.journal.leases import (
    BEAT_S,
    LEASE_S,
    NEWS,
    REMEMBERED_S,
    Cluster,
    Lease,
    Member,
    News,
    Plan,
    Wishes,
    decode_news,
    encode_news,
    plan,
)

log = Logger()

_NOW: Final = "extract(epoch FROM clock_timestamp())::float8"
_BEAT: Final = f"""
INSERT INTO gateways AS g (name, life, up_since, seen_at, wishes)
VALUES (%(name)s, %(life)s, {_NOW}, {_NOW}, %(wishes)s)
ON CONFLICT (name) DO UPDATE SET
  life = excluded.life, seen_at = excluded.seen_at, wishes = excluded.wishes,
  up_since = CASE WHEN g.life = excluded.life AND g.seen_at > {_NOW} - {LEASE_S}
             THEN g.up_since ELSE excluded.up_since END
"""
_MEMBERS: Final = f"""
SELECT name, wishes, {_NOW} - seen_at, {_NOW} - up_since FROM gateways ORDER BY name
"""
_LEASES: Final = "SELECT name, holder, report FROM leases ORDER BY name"
_LET_GO: Final = """
UPDATE leases SET holder = NULL, report = NULL
WHERE name = ANY(%s) AND holder = %s RETURNING name
"""
_TAKE: Final = """
INSERT INTO leases (name, holder) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, report = NULL
"""
_REPORT: Final = "UPDATE leases SET report = %s WHERE name = %s AND holder = %s"
_FORGET: Final = f"DELETE FROM gateways WHERE seen_at < {_NOW} - {REMEMBERED_S}"

_decode_wishes: Final = msgspec.json.Decoder(Wishes).decode


class Beat(msgspec.Struct):
    """What one beat saw and did."""

    cluster: Cluster
    # what we hold now
    mine: frozenset[str]
    plan: Plan
    # when it began, by time.monotonic()
    at: float = 0.0
    # the server's clock less ours, in seconds
    ahead_s: float = 0.0


class Registry:
    """The blocking side: one connection, one transaction for each beat."""

    def __init__(self, url: str, name: str, seconds: Callable[[], float]) -> None:
        self._url = url_of(url)
        self.name = name
        self._seconds = seconds
        # of this process and this start of it
        self._life = os.urandom(8).hex()
        self._connection: Any = None
        # what came while a beat's statements ran: psycopg hears it then, not we
        self._heard: list[str] = []
        self._told: dict[str, bytes] = {}

    def connect(self) -> None:
        """Connect and listen, if that is to be done."""
        if self._connection is None or self._connection.closed:
            self._connection = connected(self._url, f"gdemoi {self.name} cluster")
            self._connection.add_notify_handler(
                lambda told: self._heard.append(told.payload)
            )
            self._connection.execute(f"LISTEN {NEWS}")
            self._told.clear()

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def fileno(self) -> int:
        """Return what is readable when there may be news."""
        return int(self._connection.fileno())

    def news(self) -> list[News]:
        """Return what the others told since the last call."""
        pgconn = self._connection.pgconn
        pgconn.consume_input()
        heard: list[str | bytes] = [*self._heard]
        self._heard.clear()
        while (told := pgconn.notifies()) is not None:
            heard.append(told.extra)
        news = [decode_news(one) for one in heard]
        return [one for one in news if one.by != self.name]

    def beat(
        self,
        wishes: Wishes,
        reports: Mapping[str, bytes] | None = None,
        let_go: frozenset[str] = frozenset(),
    ) -> Beat:
        """Say that we live and what we wish; take what is free and for us.

        `let_go` are leases that are given up, `reports` what is told of those that are
        held (JSON).
        """
        at = time.monotonic()
        self.connect()
        connection, cursor = self._connection, self._connection.cursor()
        with connection.transaction():
            cursor.execute(f"SELECT pg_advisory_xact_lock({TURN})")
            began = self._seconds()
            ahead_s = cursor.execute(f"SELECT {_NOW}").fetchone()[0]
            ahead_s -= (began + self._seconds()) / 2
            values = {
                "name": self.name,
                "life": self._life,
                "wishes": msgspec.json.encode(wishes),
            }
            cursor.execute(_BEAT, values)
            changed = self._give_up(cursor, wishes, let_go)
            self._report(cursor, reports or {})
            cursor.execute(_FORGET)
            cluster = self._seen(cursor)
            planned = plan(self.name, cluster)
            for lease in planned.take:
                cursor.execute(_TAKE, (lease, self.name))
            if planned.take or changed:
                news = encode_news(News(self.name, changed=True))
                cursor.execute("SELECT pg_notify(%s, %s)", (NEWS, news))
        mine = cluster.of(self.name).union(planned.take)
        return Beat(cluster, mine, planned, at, ahead_s)

    def _give_up(self, cursor: Any, wishes: Wishes, let_go: frozenset[str]) -> bool:
        if not let_go:
            return False
        for lease in let_go:
            self._told.pop(lease, None)
        return bool(cursor.execute(_LET_GO, (list(let_go), self.name)).fetchall())

    def _report(self, cursor: Any, reports: Mapping[str, bytes]) -> None:
        news = {k: v for k, v in reports.items() if self._told.get(k) != v}
        for lease, report in news.items():
            cursor.execute(_REPORT, (report, lease, self.name))
        self._told.update(news)

    def _seen(self, cursor: Any) -> Cluster:
        members = [
            Member(name, _decode_wishes(bytes(wishes)), max(0.0, seen_s), up_s)
            for name, wishes, seen_s, up_s in cursor.execute(_MEMBERS).fetchall()
        ]
        leases = [
            Lease(name, holder, msgspec.json.decode(bytes(report)) if report else {})
            for name, holder, report in cursor.execute(_LEASES).fetchall()
        ]
        return Cluster(tuple(members), tuple(leases))


class Membership:
    """Beats in a thread, and tells the reactor thread what was seen.

    `seen` gets each `Beat`, `failed` why one failed, `woken` what other gateways told.
    """

    def __init__(
        self,
        registry: Registry,
        reactor: Any,
        *,
        seen: Callable[[Beat], None],
        failed: Callable[[str], None],
        woken: Callable[[list[News]], None],
    ) -> None:
        self._registry = registry
        self._reactor = reactor
        self._seen, self._failed, self._woken = seen, failed, woken
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        self._ears, self._mouth = os.pipe()
        os.set_blocking(self._ears, False)
        # what the next beat says; replaced as a whole by the reactor thread
        self.wishes = Wishes()
        self.reports: dict[str, bytes] = {}
        self._given_up: SimpleQueue[str] = SimpleQueue()
        # of those, what no beat has told yet
        self._let_go: set[str] = set()
        self._ending = False
        self._ended: Deferred[None] = Deferred()

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def let_go(self, lease: str) -> None:
        """Give a lease up, at once."""
        self._given_up.put(lease)
        self.kick()

    def kick(self) -> None:
        """Beat now."""
        os.write(self._mouth, b".")

    def stop(self) -> Deferred[None]:
        """Give everything up, tell the others, and end; fires when that is done."""
        if self._thread.ident is None:
            self._ended.callback(None)
        else:
            self._ending = True
            self.kick()
        return self._ended

    # -- in the thread -----------------------------------------------------

    def _run(self) -> None:
        call = self._reactor.callFromThread
        while not self._ending:
            try:
                beat = self._beat()
                call(self._seen, beat)
                self._listen()
            except Exception as fault:  # noqa: BLE001 - the boundary of the thread
                self._registry.close()
                if not isinstance(fault, NOT_NOW):
                    log.failure("the cluster's thread", Failure())
                call(self._failed, str(fault).strip())
                self._wait(BEAT_S)
        try:
            self._leave()
        except NOT_NOW as fault:
            log.warn("no orderly goodbye to the others: {why}", why=str(fault).strip())
        self._registry.close()
        os.close(self._ears)
        os.close(self._mouth)
        call(self._ended.callback, None)

    def _beat(self) -> Beat:
        while not self._given_up.empty():
            self._let_go.add(self._given_up.get())
        beat = self._registry.beat(self.wishes, self.reports, frozenset(self._let_go))
        self._let_go.clear()
        return beat

    def _leave(self) -> None:
        wishes = msgspec.structs.replace(self.wishes, leaving=True)
        beat = self._registry.beat(wishes)
        if beat.mine:
            self._registry.beat(wishes, None, beat.mine)

    def _listen(self) -> None:
        """Pass on what others tell, until the next beat is due."""
        ends_at = time.monotonic() + BEAT_S
        while (left_s := ends_at - time.monotonic()) > 0:
            if self._wait(left_s, self._registry.fileno()):
                return
            news = self._registry.news()
            if news:
                self._reactor.callFromThread(self._woken, news)
            if any(one.changed for one in news):
                return

    def _wait(self, limit_s: float, *others: int) -> bool:
        """Wait for a kick (True), for `others`, or for `limit_s`."""
        readable, _, _ = select.select([self._ears, *others], [], [], limit_s)
        if self._ears not in readable:
            return False
        os.read(self._ears, 4096)
        return True
