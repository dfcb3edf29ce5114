"""The HTTP API (docs/http.rst): requests to the gateway's answers.

Knows paths, statuses and JSON; what a message is stands in `gdemoi.contract.envelope`,
what happens to it behind `Gateway`.  Every error is JSON, never a traceback.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import msgspec
from klein import Klein
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from gdemoi.contract.envelope import parse_many
from gdemoi.contract.fields import check_names
from gdemoi.contract.gateway import CallbackQueue, Gateway, Search
from gdemoi.contract.numbers import normalise
from gdemoi.contract.remedies import OF_ANY, REMEDIES
from gdemoi.contract.sticky import Basis, KnownWay, read_sender, way_json
from gdemoi.contract.trackers import TrackerSetting, read_body, tracker_json
from gdemoi.contract.viewer import event_for_viewer, for_viewer
from gdemoi.errors import InvalidMessage, OurFault, Unavailable
from gdemoi.http.access import AccessGuard, ApiSite, is_viewer
from gdemoi.http.answers import (
    Problem,
    QueryParameters,
    answer,
    download,
    error_of,
    refuse_fault,
    static,
    unexpected,
)
from gdemoi.http.event_stream import EventStream
from gdemoi.http.intake import PATH, MessageIntakeResource
from gdemoi.http.metrics import CONTENT_TYPE, Metrics
from gdemoi.http.openapi import document
from gdemoi.http.settings import HttpSettings
from gdemoi.message import MessageState

log = Logger()


class _Arguments(msgspec.Struct, forbid_unknown_fields=True):
    arguments: list[str]


_SEARCH: Final = (
    "to", "from", "state", "channel", "text", "since", "until", "limit", "cursor"
)  # fmt: skip
# The files of the page beside `page.html` and `page.js`.
PAGE_PARTS: Final = frozenset(
    one.name for one in files("gdemoi.http").joinpath("page").iterdir()
)
_TYPES: Final = {
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
}
# Later than any time that is written down.
FOREVER: Final = 1e12
_SEQ_LIMIT: Final = 10**15
_ARGUMENTS: Final = msgspec.json.Decoder(list[str] | _Arguments)
_NUMBERS: Final = msgspec.json.Decoder(list[int])


class _Routes(Resource):
    """Klein's routes, with a way past them for new messages."""

    isLeaf = True

    def __init__(self, intake: IResource, routes: IResource) -> None:
        super().__init__()
        self._intake = intake
        self._routes = routes

    def render(self, request: IRequest) -> Any:
        """Render a request of any kind."""
        if request.path == PATH and request.method == b"POST":
            return self._intake.render(request)
        return self._routes.render(request)


# How long a request waits for an answer, and how often it looks meanwhile.
DEFAULT_WAIT_S: Final = 60.0
LONGEST_WAIT_S: Final = 300.0
LOOK_AGAIN_S: Final = 1.0


class Api:
    """The API over one gateway; an endpoint listens with its `factory`."""

    app: Klein = Klein()
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False

    def __init__(
        self, gateway: Gateway, settings: HttpSettings, clock: IReactorTime
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._stream = EventStream(gateway, settings, clock)
        self._metrics = Metrics(gateway)
        self._intake = MessageIntakeResource(gateway, self._metrics)
        routes = _Routes(self._intake, self.app.resource())
        self.resource: IResource = AccessGuard(
            routes, settings.token, settings.viewer_token
        )
        self.factory = ApiSite(
            self.resource, settings.body_limit, clock, self._metrics.answered
        )

    @property
    def readers(self) -> int:
        """Return how many clients poll or stream events now."""
        return self._stream.readers

    def close(self) -> None:
        """End what waits for events; the gateway is stopping."""
        self._stream.close()

    # -- messages ----------------------------------------------------------

    @app.route("/v1/messages", methods=["POST"])
    def post(self, _request: IRequest) -> IResource:
        """Take a message, or up to 1000, under another spelling of the path."""
        return self._intake

    @app.route("/v1/messages", methods=["GET"])
    async def search(self, request: IRequest) -> bytes:
        """Find messages."""
        query = QueryParameters(request, _SEARCH)
        state = query.text("state")
        if state is not None and state not in set(MessageState):
            raise Problem(422, "invalid", f"{state!r} is not a state", "state")
        if query.text("text") is not None and is_viewer(request):
            raise Problem(403, "forbidden", "viewer_token sees no texts", "text")
        page = await self._gateway.search(
            Search(
                to=query.text("to"),
                from_=query.text("from"),
                state=state,
                channel=query.text("channel"),
                text=query.text("text"),
                since=query.moment("since"),
                until=query.moment("until"),
                limit=query.limit(),
                cursor=query.text("cursor"),
            )
        )
        return answer(request, {"messages": list(page.messages), "cursor": page.cursor})

    @app.route("/v1/messages/<message_id>", methods=["GET"])
    async def story(self, request: IRequest, message_id: str) -> bytes:
        """Tell a message's whole story, at once or when it was answered."""
        query = QueryParameters(request, ("wait", "timeout"))
        if query.text("wait") not in (None, "answer"):
            raise Problem(422, "invalid", "wait is answer, or absent", "wait")
        wait_s = query.seconds("timeout", LONGEST_WAIT_S) or DEFAULT_WAIT_S
        waits = query.text("wait") is not None
        until = self._stream.seconds() + wait_s
        while True:
            after = self._gateway.last_event()
            found = await self._gateway.story(_asked_for(message_id))
            if found is None:
                raise _unknown_message(message_id)
            left_s = until - self._stream.seconds()
            if not waits or found["answers"] or left_s <= 0 or _never_came(found):
                return answer(
                    request, for_viewer(found) if is_viewer(request) else found
                )
            # one that reports nothing has no event: look from time to time
            await self._stream.wait(after, min(left_s, LOOK_AGAIN_S))
            if self._stream.closed:
                until = 0.0

    @app.route("/v1/messages/<message_id>/explain", methods=["GET"])
    async def explain_stored(self, request: IRequest, message_id: str) -> bytes:
        """Tell what would happen now to a message that was taken."""
        QueryParameters(request, ())
        found = await self._gateway.explain_stored(_asked_for(message_id))
        if found is None:
            raise _unknown_message(message_id)
        return answer(request, found)

    @app.route("/v1/messages/<message_id>", methods=["DELETE"])
    async def cancel(self, request: IRequest, message_id: str) -> bytes:
        """Take a message back that has not left yet."""
        QueryParameters(request, ())
        done = await self._gateway.cancel(_asked_for(message_id))
        if done is None:
            raise _unknown_message(message_id)
        if not done:
            raise Problem(409, "too_late", "it has left, or is over, already")
        return answer(request, {"id": message_id, "state": MessageState.CANCELLED})

    @app.route("/v1/events", methods=["GET"])
    async def events(self, request: IRequest) -> bytes | None:
        """Tell events, as a poll or as a stream."""
        return await self._stream.serve(request)

    @app.route("/v1/explain", methods=["POST"])
    def explain(self, request: IRequest) -> bytes:
        """Tell what would happen to a message; sends nothing."""
        QueryParameters(request, ())
        gateway = self._gateway
        body: bytes = request.content.read()
        if body.lstrip().startswith(b"["):
            raise InvalidMessage("invalid", "one message at a time can be explained")
        (message,) = parse_many(body, defaults=gateway.defaults, now=gateway.seconds())
        if isinstance(message, InvalidMessage):
            raise message
        return answer(request, gateway.explain(message))

    @app.route("/v1/receipts/unmatched", methods=["GET"])
    async def unmatched(self, request: IRequest) -> bytes:
        """Show the newest receipts that are about no message we know."""
        query = QueryParameters(request, ("limit",))
        limit = query.limit()
        found = await self._gateway.unmatched(limit)
        if is_viewer(request):
            found = for_viewer(found)
        total = await self._gateway.count_unmatched()
        return answer(request, {"receipts": list(found), "total": total})

    @app.route("/v1/inbound", methods=["GET"])
    async def inbound(self, request: IRequest) -> bytes:
        """Show the inbound SMS of a number, without the passwords in them."""
        query = QueryParameters(request, ("from", "since", "until", "limit"))
        sender = query.text("from")
        if sender is None:
            raise Problem(422, "invalid", "from is needed: whose SMS?", "from")
        since, until = query.moment("since") or 0.0, query.moment("until")
        last = FOREVER if until is None else until
        found = await self._gateway.inbound(sender, since, last, query.limit())
        told = [self._gateway.masked(event) for event in found]
        if is_viewer(request):
            told = [event_for_viewer(one) for one in told]
        return answer(request, b'{"inbound":[%s]}' % b",".join(told))

    # -- trackers ----------------------------------------------------------

    @app.route("/v1/trackers", methods=["GET"])
    async def trackers(self, request: IRequest) -> bytes:
        """Show what is set for single trackers."""
        query = QueryParameters(request, ("limit", "cursor"))
        limit, after = query.limit(), query.text("cursor")
        found, cursor = await self._gateway.trackers(limit, after)
        reported = [tracker_json(number, setting) for number, setting in found]
        return answer(request, {"trackers": reported, "cursor": cursor})

    @app.route("/v1/trackers/<number>", methods=["GET"])
    def tracker(self, request: IRequest, number: str) -> bytes:
        """Show what is set for a tracker."""
        QueryParameters(request, ())
        number = self._number(number)
        setting = self._gateway.tracker(number)
        if setting is None:
            raise _unknown_tracker(number)
        return answer(request, tracker_json(number, setting))

    @app.route("/v1/trackers/<number>", methods=["PUT"])
    async def set_tracker(self, request: IRequest, number: str) -> bytes:
        """Set a tracker's profile; answers after the commit."""
        QueryParameters(request, ())
        number = self._number(number)
        gateway = self._gateway
        body = read_body(request.content.read())
        if body.profile is not None and body.profile not in gateway.defaults.profiles:
            text = f"there is no profile {body.profile}"
            raise InvalidMessage("invalid", text, "profile")
        setting = TrackerSetting(body.profile, body.strict, gateway.seconds())
        await gateway.set_tracker(number, setting)
        return answer(request, tracker_json(number, setting))

    @app.route("/v1/trackers/<number>", methods=["DELETE"])
    async def forget_tracker(self, request: IRequest, number: str) -> bytes:
        """Take away what is set for a tracker; the sections hold again."""
        QueryParameters(request, ())
        number = self._number(number)
        if self._gateway.tracker(number) is None:
            raise _unknown_tracker(number)
        await self._gateway.set_tracker(number, None)
        return answer(request, {"number": number, "profile": None})

    @app.route("/v1/trackers/<number>/sender", methods=["GET"])
    def sender(self, request: IRequest, number: str) -> bytes:
        """Show the way that a tracker knows."""
        account = QueryParameters(request, ("account",)).text("account")
        number = self._number(number)
        way = self._gateway.known_way(account, number)
        if way is None:
            raise _no_way(number)
        return answer(request, way_json(number, account, way))

    @app.route("/v1/trackers/<number>/sender", methods=["PUT"])
    async def set_sender(self, request: IRequest, number: str) -> bytes:
        """Set the way to a tracker; answers after the commit."""
        account = QueryParameters(request, ("account",)).text("account")
        number = self._number(number)
        body = read_sender(request.content.read())
        names = {one["name"] for one in self._gateway.channels()}
        if body.channel not in names:
            raise _unknown_channel(body.channel)
        now = self._gateway.seconds()
        way = KnownWay(body.channel, None, body.sender, Basis.SET, now)
        await self._gateway.set_way(account, number, way)
        return answer(request, way_json(number, account, way))

    @app.route("/v1/trackers/<number>/sender", methods=["DELETE"])
    async def forget_sender(self, request: IRequest, number: str) -> bytes:
        """Forget the way to a tracker."""
        account = QueryParameters(request, ("account",)).text("account")
        number = self._number(number)
        if self._gateway.known_way(account, number) is None:
            raise _no_way(number)
        await self._gateway.set_way(account, number, None)
        return answer(request, {"number": number, "account": account, "channel": None})

    def _number(self, number: str) -> str:
        """Return a number in the form in which messages are stored."""
        try:
            return normalise(number, self._gateway.defaults.home_country)
        except InvalidMessage as fault:
            raise InvalidMessage(fault.code, fault.text, "number") from None

    # -- channels ----------------------------------------------------------

    @app.route("/v1/channels", methods=["GET"])
    def channels(self, request: IRequest) -> bytes:
        """Show the channels."""
        QueryParameters(request, ())
        return answer(request, {"channels": list(self._gateway.channels())})

    @app.route("/v1/overview", methods=["GET"])
    async def overview(self, request: IRequest) -> bytes:
        """Show what each channel did lately, what ails it, and what to do."""
        QueryParameters(request, ())
        return answer(request, await self._gateway.overview())

    @app.route("/v1/remedies", methods=["GET"])
    def remedies(self, request: IRequest) -> bytes:
        """Show what to do about errors, by their codes."""
        QueryParameters(request, ())
        return answer(
            request,
            {
                "codes": {code: one.told() for code, one in REMEDIES.items()},
                "words": {word: one.told() for word, one in OF_ANY.items()},
            },
        )

    @app.route("/v1/channels/<name>/pause", methods=["POST"])
    async def pause(self, request: IRequest, name: str) -> bytes:
        """Send nothing there for now."""
        QueryParameters(request, ())
        if not await self._gateway.pause(name):
            raise _unknown_channel(name)
        return answer(request, {"name": name, "paused": True})

    @app.route("/v1/channels/<name>/resume", methods=["POST"])
    async def resume(self, request: IRequest, name: str) -> bytes:
        """Send there again."""
        QueryParameters(request, ())
        if not await self._gateway.resume(name):
            raise _unknown_channel(name)
        return answer(request, {"name": name, "paused": False})

    @app.route("/v1/channels/<name>/trace", methods=["GET"])
    def trace(self, request: IRequest, name: str) -> bytes:
        """Show what passed there lately, as lines or as a capture file."""
        query = QueryParameters(request, ("after", "format"))
        after = query.count("after", 0, _SEQ_LIMIT)
        try:
            match query.text("format") or "json":
                case "json":
                    records = self._gateway.trace(name, after)
                    if records is None:
                        raise _unknown_channel(name)
                    last = records[-1]["number"] if records else after
                    found = {"name": name, "records": list(records), "after": last}
                    return answer(request, found)
                case "pcap":
                    capture = self._gateway.capture(name)
                    if capture is None:
                        raise _unknown_channel(name)
                    return download(request, capture, f"{name}.pcap")
                case other:
                    text = f"{other!r} is neither json nor pcap"
                    raise Problem(422, "invalid", text, "format")
        except OurFault as fault:
            raise Problem(404, "no_trace", str(fault)) from fault

    @app.route("/v1/channels/<name>/lines/<line>/<verb>", methods=["POST"])
    async def line_command(
        self, request: IRequest, name: str, line: str, verb: str
    ) -> bytes:
        """Do a line command; its arguments are a JSON list of strings."""
        QueryParameters(request, ())
        arguments = _arguments(request.content.read())
        try:
            said = await self._gateway.line_command(name, line, verb, arguments)
        except OurFault as fault:
            raise Problem(422, "invalid", str(fault)) from fault
        return answer(
            request, {"channel": name, "line": line, "verb": verb, "answer": said}
        )

    # -- callbacks ---------------------------------------------------------

    @app.route("/v1/callbacks/<kind>/<name>", methods=["GET"])
    async def callbacks(self, request: IRequest, kind: str, name: str) -> bytes:
        """Show how a section's callbacks stand, and what was given up."""
        QueryParameters(request, ())
        queue = self._queue(kind, name)
        found = {"section": f"{kind}:{name}", **queue.describe()}
        return answer(request, {**found, "parked": list(await queue.parked())})

    @app.route("/v1/callbacks/<kind>/<name>/replay", methods=["POST"])
    async def replay(self, request: IRequest, kind: str, name: str) -> bytes:
        """Send again what was given up: all of it, or the events of a JSON list."""
        QueryParameters(request, ())
        queue = self._queue(kind, name)
        replayed = await queue.replay(_numbers(request.content.read()))
        return answer(
            request, {"section": f"{kind}:{name}", "replayed": list(replayed)}
        )

    @app.route("/v1/callbacks/<kind>/<name>/resume", methods=["POST"])
    async def resume_callbacks(self, request: IRequest, kind: str, name: str) -> bytes:
        """Send again to a far side that is disabled or rests."""
        QueryParameters(request, ())
        queue = self._queue(kind, name)
        await queue.resume()
        return answer(
            request, {"section": f"{kind}:{name}", "state": queue.describe()["state"]}
        )

    def _queue(self, kind: str, name: str) -> CallbackQueue:
        section = f"{kind}:{name}"[:80]
        found = self._gateway.callbacks(section)
        if found is None:
            raise Problem(404, "not_found", f"there is no [{section}] that calls")
        return found

    # -- the gateway itself ------------------------------------------------

    @app.route("/v1/status", methods=["GET"])
    async def status(self, request: IRequest) -> bytes:
        """Tell how the gateway stands, and its messages by state."""
        QueryParameters(request, ())
        why = self._gateway.unready()
        found = {
            "name": self._gateway.name,
            "status": "ready" if why is None else "unready",
            "reason": why,
            "messages": await self._gateway.counts(),
            "receipts_unmatched": await self._gateway.count_unmatched(),
            "alerts": list(self._gateway.alerts()),
            "role": "viewer" if is_viewer(request) else "operator",
            "page_send": self._settings.page_send,
        }
        doors = list(self._gateway.doors())
        if doors:
            found["doors"] = doors
        gateways = list(self._gateway.gateways())
        if gateways:
            found["gateways"] = gateways
        lost = await self._gateway.lost()
        if lost is not None:
            found["lost"] = lost
        return answer(request, found)

    @app.route("/v1/configuration", methods=["GET"])
    def configuration(self, request: IRequest) -> bytes:
        """Show the configuration that runs, without secrets and defaults."""
        QueryParameters(request, ())
        return answer(request, {"sections": self._gateway.configuration()})

    @app.route("/v1/reload", methods=["POST"])
    async def reload(self, request: IRequest) -> bytes:
        """Read the configuration file again, or tell what that would change."""
        query = QueryParameters(request, ("dry_run",))
        asked = query.text("dry_run") or "no"
        if asked not in ("yes", "no"):
            raise Problem(422, "invalid", f"{asked!r} is neither yes nor no", "dry_run")
        return answer(request, await self._gateway.reload(asked == "yes"))

    @app.route("/health/live", methods=["GET"])
    def live(self, request: IRequest) -> bytes:
        """Tell that this process answers."""
        return answer(request, {"status": "live"})

    @app.route("/health/ready", methods=["GET"])
    def ready(self, request: IRequest) -> bytes:
        """Tell whether messages can be taken."""
        reasons = list(self._gateway.unready_reasons())
        if not reasons:
            return answer(request, {"status": "ready", "reasons": []})
        reported = {"status": "unready", "reason": reasons[0], "reasons": reasons}
        return answer(request, reported, 503)

    @app.route("/openapi.json", methods=["GET"])
    def openapi(self, request: IRequest) -> bytes:
        """Describe this API."""
        return answer(request, document(self._settings.token is not None))

    @app.route("/metrics", methods=["GET"])
    async def metrics(self, request: IRequest) -> bytes:
        """Tell the figures that Prometheus gathers."""
        octets = await self._metrics.text()
        request.setHeader(b"content-type", CONTENT_TYPE)
        return octets

    @app.route("/", methods=["GET"])
    def page(self, request: IRequest) -> bytes:
        """Show the status page."""
        return static(request, "page.html", b"text/html; charset=utf-8")

    @app.route("/page.js", methods=["GET"])
    def script(self, request: IRequest) -> bytes:
        """Return the page's script."""
        return static(request, "page.js", b"text/javascript; charset=utf-8")

    @app.route("/page/<name>", methods=["GET"])
    def part(self, request: IRequest, name: str) -> bytes:
        """Return a module or the style of the page."""
        suffix = name.rpartition(".")[2]
        if name not in PAGE_PARTS or suffix not in _TYPES:
            raise Problem(404, "not_found", "there is no such path")
        return static(request, f"page/{name}", _TYPES[suffix])

    # -- what goes wrong ---------------------------------------------------

    @app.handle_errors(Problem, InvalidMessage, Unavailable, HTTPException)
    def refused(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a request that cannot be done."""
        fault = failure.value
        match fault:
            case Problem() | InvalidMessage() | Unavailable():
                return refuse_fault(request, fault)
            case MethodNotAllowed():
                allowed = ", ".join(fault.valid_methods or ())
                request.setHeader(b"allow", allowed.encode())
                text = f"only {allowed} may be done there"
                return answer(request, error_of("method", text), 405)
            case _:
                return answer(
                    request, error_of("not_found", "there is no such path"), 404
                )

    @app.handle_errors(Exception)
    def failed(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a fault of our own, and log it."""
        log.failure(
            "{method} {path} failed",
            failure,
            method=request.method,
            path=request.path,
        )
        return answer(request, unexpected(), 500)


def _arguments(body: bytes) -> list[str]:
    if not body.strip():
        return []
    try:
        found: list[str] | _Arguments = _ARGUMENTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = "the body is a JSON list of strings"
        raise InvalidMessage("invalid", text, "arguments") from None
    if isinstance(found, list):
        return found
    check_names(body, {})
    return found.arguments


def _numbers(body: bytes) -> list[int] | None:
    """Return the numbers of a JSON list; None: there is none, so all are meant."""
    if not body.strip():
        return None
    try:
        return _NUMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidMessage("invalid", "the body is a JSON list of numbers") from None


def _asked_for(message_id: str) -> str:
    if "\0" in message_id:
        # no message has such an id, and PostgreSQL cannot even be asked
        raise _unknown_message(message_id)
    return message_id


def _never_came(story: dict[str, Any]) -> bool:
    """Tell whether a message has ended without having come to anybody."""
    ended = (MessageState.DELIVERED, MessageState.SUBMITTED)
    return bool(story["final"] and story["state"] not in ended)


def _unknown_message(message_id: str) -> Problem:
    return Problem(404, "not_found", f"there is no message {message_id[:80]}", "id")


def _no_way(number: str) -> Problem:
    text = f"no way to {number} is remembered"
    return Problem(404, "not_found", text, "number")


def _unknown_tracker(number: str) -> Problem:
    return Problem(404, "not_found", f"nothing is set for {number}", "number")


def _unknown_channel(name: str) -> Problem:
    return Problem(404, "not_found", f"there is no channel {name[:80]}")
