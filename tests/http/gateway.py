"""A gateway below the HTTP side, in memory, and a client without sockets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from gdemoi.contract.envelope import Defaults
from gdemoi.contract.figures import (
    AmqpStatus,
    Figures,
    JournalFigures,
    LaneFigures,
    StoredFigures,
)
from gdemoi.contract.gateway import MessagePage, Search
from gdemoi.contract.sticky import KnownWay
from gdemoi.contract.trackers import TrackerSetting
from gdemoi.errors import OurFault, Unavailable
from gdemoi.facts import (
    AcceptResult,
    Duplicate,
    IdReused,
    OutboxEvent,
    Rejected,
    Stored,
)
from gdemoi.http.api import Api
from gdemoi.http.settings import HttpSettings
from gdemoi.message import Error, MessageState, Outbound

NOW = 1_795_000_000.0

CHANGE = {
    "section": "smpp:carrier",
    "key": "window",
    "before": "10",
    "after": "50",
    "needs_restart": False,
    "text": "[smpp:carrier] window = 50 (was 10)",
}


@define
class FakeQueue:
    """Callbacks of a section, of which one was given up."""

    state: str = "disabled"
    given_up: list[dict[str, Any]] = field(
        factory=lambda: [
            {
                "seq": 17,
                "given_up_at": "2026-11-28T00:00:00Z",
                "why": "HTTP 500",
                "event": {"type": "status", "id": "m1", "state": "delivered"},
            }
        ]
    )

    def describe(self) -> dict[str, Any]:
        return {
            **{"state": self.state, "reason": "", "since": None, "waiting": 2},
            **{"delivered": 5, "failed": 10, "given_up": 1, "last_given_up": None},
            "parked": 1,
        }

    async def parked(self) -> Sequence[dict[str, Any]]:
        return self.given_up

    async def replay(self, seqs: Sequence[int] | None) -> Sequence[int]:
        known = [one["seq"] for one in self.given_up]
        return [one for one in known if seqs is None or one in seqs]

    async def resume(self) -> None:
        self.state = "up"


@define(eq=False)
class FakeGateway:
    """Takes messages into a dict; `commit` holds the answer back when set."""

    defaults: Defaults = field(factory=lambda: Defaults(home_country="RU"))
    name: str = "gdemoi-1"
    set_trackers: dict[str, TrackerSetting] = field(factory=dict)
    taken: dict[str, tuple[Outbound, bytes]] = field(factory=dict)
    outbox: list[OutboxEvent] = field(factory=list)
    waiting: list[tuple[int, Deferred[None]]] = field(factory=list)
    searched: list[Search] = field(factory=list)
    paused: set[str] = field(factory=set)
    ways: dict[tuple[str | None, str], KnownWay] = field(factory=dict)
    # what was answered to messages, by their ids
    answers: dict[str, list[dict[str, Any]]] = field(factory=dict)
    commit: Deferred[None] | None = None
    is_full: bool = False
    broken: Exception | None = None
    why_unready: str | None = None
    what_was_lost: str | None = None
    passed: list[dict[str, Any]] = field(factory=list)
    described: list[dict[str, Any]] = field(
        factory=lambda: [{"name": "smsc", "kind": "smpp", "state": "up", "backlog": 2}]
    )
    # of events that were swept away, or that the gateway itself has not heard of yet
    newest: int = 0
    states: dict[str, int] = field(factory=dict)
    lost_receipts: list[dict[str, Any]] = field(factory=list)
    lane_figures: dict[str, LaneFigures] = field(factory=dict)
    journal_figures: JournalFigures = field(factory=JournalFigures)
    broker: AmqpStatus | None = None
    firing: list[dict[str, Any]] = field(factory=list)
    doors_there: list[dict[str, Any]] = field(factory=list)
    gateways_there: list[dict[str, Any]] = field(factory=list)
    # whether each reload was a dry run
    reloads: list[bool] = field(factory=list)
    queues: dict[str, FakeQueue] = field(factory=dict)

    def seconds(self) -> float:
        return NOW

    def full(self) -> bool:
        return self.is_full

    def accept(
        self,
        messages: Sequence[tuple[Outbound, bytes]],
        *,
        keep_rejected: bool = False,
    ) -> Deferred[list[AcceptResult | Rejected]]:
        if self.broken is not None:
            return fail(self.broken)
        if self.full():
            return fail(Unavailable("the backlog is full"))
        committed: Deferred[Any] = self.commit or succeed(None)
        return committed.addCallback(
            lambda _: [self._take(message, mark) for message, mark in messages]
        )

    def _take(self, message: Outbound, mark: bytes) -> AcceptResult | Rejected:
        if message.to.startswith("+999"):
            return Rejected(Error("gateway:no_route", "no route leads anywhere"))
        known = self.taken.get(message.id)
        if known is None:
            self.taken[message.id] = (message, mark)
            return Stored()
        return Duplicate(MessageState.SUBMITTED) if known[1] == mark else IdReused()

    async def story(self, message_id: str) -> dict[str, Any] | None:
        if self.broken is not None:
            raise self.broken
        if message_id not in self.taken:
            return None
        told = self.answers.get(message_id, [])
        return {
            "id": message_id,
            "state": "accepted",
            "final": False,
            "events": [],
            "answers": told,
        }

    async def search(self, wanted: Search) -> MessagePage:
        self.searched.append(wanted)
        return MessagePage([{"id": one} for one in self.taken], "next")

    async def cancel(self, message_id: str) -> bool | None:
        if message_id not in self.taken:
            return None
        return message_id != "gone"

    async def events(self, after: int, limit: int) -> Sequence[OutboxEvent]:
        return [event for event in self.outbox if event.seq > after][:limit]

    def events_after(self, after: int) -> Deferred[None]:
        if self.last_event() > after:
            return succeed(None)
        wait: Deferred[None] = Deferred()
        self.waiting.append((after, wait))
        return wait

    def last_event(self) -> int:
        return self.outbox[-1].seq if self.outbox else 0

    async def newest_event(self) -> int:
        return max(self.last_event(), self.newest)

    async def inbound(
        self, sender: str, since: float, until: float, limit: int
    ) -> Sequence[OutboxEvent]:
        return [one for one in self.outbox if sender.encode() in one.body][:limit]

    def tell(self, body: str) -> None:
        """Let an event happen."""
        seq = self.last_event() + 1
        self.outbox.append(OutboxEvent(seq, f"e{seq}", "status.x.y", body.encode()))
        waiting, self.waiting = self.waiting, []
        for _, wait in waiting:
            if not wait.called:
                wait.callback(None)

    def masked(self, event: OutboxEvent) -> bytes:
        return event.body.replace(b"secret", b"***")

    def tracker(self, number: str) -> TrackerSetting | None:
        return self.set_trackers.get(number)

    def known_way(self, account: str | None, number: str) -> KnownWay | None:
        return self.ways.get((account, number))

    async def set_way(
        self, account: str | None, number: str, way: KnownWay | None
    ) -> None:
        if way is None:
            del self.ways[account, number]
        else:
            self.ways[account, number] = way

    async def set_tracker(self, number: str, setting: TrackerSetting | None) -> None:
        if self.broken is not None:
            raise self.broken
        if setting is None:
            del self.set_trackers[number]
        else:
            self.set_trackers[number] = setting

    async def trackers(
        self, limit: int, cursor: str | None
    ) -> tuple[list[tuple[str, TrackerSetting]], str | None]:
        rows = sorted(
            one for one in self.set_trackers.items() if one[0] > (cursor or "")
        )
        return rows[:limit], rows[limit - 1][0] if len(rows) > limit else None

    def channels(self) -> Sequence[dict[str, Any]]:
        return self.described

    async def overview(self) -> dict[str, Any]:
        return {"at": NOW, "since": NOW, "channels": []}

    async def explain_stored(self, message_id: str) -> dict[str, Any] | None:
        known = self.taken.get(message_id)
        return None if known is None else self.explain(known[0])

    async def counts(self) -> dict[str, int]:
        if self.broken is not None:
            raise self.broken
        return self.states

    async def unmatched(self, limit: int) -> Sequence[dict[str, Any]]:
        return self.lost_receipts[:limit]

    async def count_unmatched(self) -> int:
        return len(self.lost_receipts)

    def trace(self, channel: str, after: int) -> Sequence[dict[str, Any]] | None:
        self._traced(channel)
        if channel != "smsc":
            return None
        return [one for one in self.passed if one["number"] > after]

    def capture(self, channel: str) -> bytes | None:
        self._traced(channel)
        return b"\xd4\xc3\xb2\xa1" if channel == "smsc" else None

    def _traced(self, channel: str) -> None:
        if channel == "office":
            raise OurFault("channels of kind goip keep no trace yet (office)")

    async def pause(self, channel: str) -> bool:
        self.paused.add(channel)
        return channel == "smsc"

    async def resume(self, channel: str) -> bool:
        self.paused.discard(channel)
        return channel == "smsc"

    def explain(self, message: Outbound) -> dict[str, Any]:
        return {"to": message.to, "error": None}

    async def line_command(
        self, channel: str, line: str, verb: str, arguments: Sequence[str]
    ) -> str:
        if line == "silent":
            raise Unavailable("no answer")
        if verb not in ("ussd", "reboot"):
            raise OurFault(f"there is no {verb}")
        return f"{channel}/{line} {verb} {list(arguments)}"

    async def lost(self) -> str | None:
        return self.what_was_lost

    async def reload(self, dry_run: bool) -> dict[str, Any]:
        if self.broken is not None:
            raise self.broken
        self.reloads.append(dry_run)
        return {
            "status": "would_change" if dry_run else "changed",
            "changes": [CHANGE],
            "complaints": [],
            "warnings": [],
        }

    def configuration(self) -> dict[str, Any]:
        return {"smpp:carrier": {"host": "127.0.0.1", "password": "(secret)"}}

    def unready(self) -> str | None:
        return self.why_unready

    def unready_reasons(self) -> Sequence[str]:
        return [] if self.why_unready is None else [self.why_unready]

    def alerts(self) -> Sequence[dict[str, Any]]:
        return self.firing

    def gateways(self) -> Sequence[dict[str, Any]]:
        return self.gateways_there

    def doors(self) -> Sequence[dict[str, Any]]:
        return self.doors_there

    def callbacks(self, section: str) -> FakeQueue | None:
        return self.queues.get(section)

    async def figures(self) -> Figures:
        stored = None
        if self.broken is None:
            unmatched = len(self.lost_receipts)
            stored = StoredFigures(
                states=self.states,
                unmatched=unmatched,
                oldest_s={"smsc": 4.5},
                octets=4096,
            )
        return Figures(
            at=NOW,
            unready=self.unready_reasons(),
            channels=self.channels(),
            lanes=self.lane_figures,
            journal=self.journal_figures,
            stored=stored,
            last_event=self.last_event(),
            amqp=self.broker,
            doors=self.doors_there,
            alerts=self.firing,
        )


@frozen
class Answer:
    """What a client hears."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the error's code."""
        return str(self.json["error"]["code"])


def parsed(octets: bytes) -> Answer:
    """Read an answer off the wire; chunked bodies are joined."""
    head, _, body = octets.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    if headers.get("transfer-encoding") == "chunked":
        joined, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            joined += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        body = joined
    return Answer(int(lines[0].split()[1]), headers, body)


class Connection:
    """One connection of a client to the API."""

    def __init__(self, api: Api) -> None:
        self.transport = StringTransport()
        self.protocol = api.factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.protocol.dataReceived(octets)

    def heard(self) -> bytes:
        """Return what came since the last time."""
        value = self.transport.value()
        self.transport.clear()
        return value


@define
class Client:
    """Asks an API over a gateway."""

    gateway: FakeGateway = field(factory=FakeGateway)
    settings: HttpSettings = field(factory=HttpSettings)
    clock: Clock = field(factory=Clock)
    api: Api = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.api = Api(self.gateway, self.settings, self.clock)

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Connection:
        """Send a request and leave the connection open."""
        raw = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            raw = json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"content-length: {len(raw)}"]
        given = {"host": "localhost:8990"} | (headers or {})
        lines += [f"{name}: {value}" for name, value in given.items()]
        connection = Connection(self.api)
        connection.send("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
        return connection

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request and return its answer."""
        return parsed(self.open(method, path, body, headers).heard())

    def post(self, body: Any) -> Answer:
        """Post messages."""
        return self.ask("POST", "/v1/messages", body)
