"""Answers Jasmin's HTTP and REST APIs for the sections of one port."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from attrs import evolve
from twisted.logger import Logger
from twisted.web.iweb import IRequest

from gdemoi.accounts.account import Limit
from gdemoi.contract.gateway import Gateway
from gdemoi.doors.client import complaint_of_url
from gdemoi.doors.intake import DoorIntake, DraftRefused, MessageDraft, OverLimit
from gdemoi.doors.jasmin import (
    NO_ARGUMENTS,
    Arguments,
    JasminReader,
    JasminRefusal,
    arguments_of,
    arguments_of_json,
    check,
    count_of,
    refusal,
)
from gdemoi.doors.requests import (
    FORM,
    Clients,
    Locked,
    content_type,
    host_of,
    pairs,
    query_of,
)
from gdemoi.doors.settings import JasminSettings
from gdemoi.doors.site import DoorAnswer
from gdemoi.errors import Unavailable
from gdemoi.message import Error

_PLAIN: Final = {"Content-Type": "text/plain"}
_JSON: Final = {"Content-Type": "application/json"}
UNAVAILABLE: Final = (
    "Cannot send submit_sm, check SMPPClientManagerPB log file for details"
)
RATE: Final = "User throughput exceeded"
CHARGE: Final = "Cannot charge submit_sm, check RouterPB log file for details"
PONG: Final = "Jasmin/PONG"
# Messages of one batch.
BATCH_LIMIT: Final = 10_000
_encode: Final = msgspec.json.Encoder().encode

log = Logger()

Told = tuple[int, Any]


class JasminClient:
    """One ``[jasmin:…]``: whose messages they are."""

    def __init__(self, name: str, settings: JasminSettings, intake: DoorIntake) -> None:
        self.name = name
        self.settings = settings
        self.intake = intake
        self.reader = JasminReader(settings, intake)

    @property
    def username(self) -> str:
        """Return the name that it comes with."""
        return self.settings.username or self.name


class JasminDoor:
    """Answers both APIs; each request is one of one of its clients."""

    def __init__(self, clients: Sequence[JasminClient], gateway: Gateway) -> None:
        self._clients = Clients(clients)
        self._gateway = gateway

    def handlers(self) -> dict[bytes, Callable[..., Coroutine[Any, Any, DoorAnswer]]]:
        """Return who answers at each path."""
        return {
            b"/send": self.send,
            b"/rate": self.rate,
            b"/balance": self.balance,
            b"/ping": self.ping,
            b"/secure/send": self.secure_send,
            b"/secure/sendbatch": self.sendbatch,
            b"/secure/rate": self.secure_rate,
            b"/secure/balance": self.secure_balance,
        }

    # -- the HTTP API

    async def send(self, request: IRequest) -> DoorAnswer:
        """Take a message; answer after its commit."""
        if request.method not in (b"GET", b"POST"):
            return 405, b"", {"Allow": "GET, POST"}
        try:
            arguments = _arguments(request)
            check(arguments)
            said = await self._send(self._client(request, arguments), arguments)
        except JasminRefusal as fault:
            return fault.status, f'Error "{fault.text}"'.encode(), _PLAIN
        return 200, f'Success "{said}"'.encode(), _PLAIN

    async def rate(self, request: IRequest) -> DoorAnswer:
        """Tell how many SMS a message would be."""
        return await self._asked(request, self._rate, ("username", "password", "to"))

    async def balance(self, request: IRequest) -> DoorAnswer:
        """Tell what the account has left of its day."""
        return await self._asked(request, self._balance, ("username", "password"))

    async def ping(self, request: IRequest) -> DoorAnswer:
        """Tell that somebody is there; REST asks for JSON."""
        accepts = request.getHeader(b"accept") or b""
        if b"application/json" in accepts:
            return _json(200, {"data": PONG})
        return 200, PONG.encode(), _PLAIN

    async def _asked(
        self,
        request: IRequest,
        answer: Callable[[JasminClient, Arguments], Any],
        mandatory: tuple[str, ...],
    ) -> DoorAnswer:
        try:
            arguments = _arguments(request)
            check(arguments, mandatory, content=False)
            return _json(200, answer(self._client(request, arguments), arguments))
        except JasminRefusal as fault:
            return _json(fault.status, fault.text)

    def _rate(self, client: JasminClient, arguments: Arguments) -> Any:
        draft = self._draft(client, {"content": b"", **arguments})
        return {"unit_rate": 0.0, "submit_sm_count": count_of(draft)}

    def _balance(self, client: JasminClient, arguments: Arguments) -> Any:
        account = client.intake.account
        left = "ND" if account.left is None else account.left
        return {"balance": "ND", "sms_count": left}

    # -- the REST API

    async def secure_send(self, request: IRequest) -> DoorAnswer:
        """Take a message; the answer lacks a quote, as Jasmin's does."""
        login = _login(request)
        if login is None:
            return _unauthorized()
        quote = '"'
        try:
            arguments = arguments_of_json(request.content.read()) | login
            check(arguments)
            client = self._client(request, arguments)
            quote = '"' if client.settings.rest_quotes else ""
            said = await self._send(client, arguments)
        except JasminRefusal as fault:
            text = f'Error "{fault.text}'
            return _json(fault.status, {"message": f"{text}{quote}"})
        return _json(200, {"data": f'Success "{said}{quote}'})

    async def secure_rate(self, request: IRequest) -> DoorAnswer:
        """Tell how many SMS a message would be."""
        return self._secured(request, self._rate, ("username", "password", "to"))

    async def secure_balance(self, request: IRequest) -> DoorAnswer:
        """Tell what the account has left of its day."""
        return self._secured(request, self._balance, ("username", "password"))

    def _secured(
        self,
        request: IRequest,
        answer: Callable[[JasminClient, Arguments], Any],
        mandatory: tuple[str, ...],
    ) -> DoorAnswer:
        login = _login(request)
        if login is None:
            return _unauthorized()
        try:
            arguments = _named(query_of(request)) | login
            check(arguments, mandatory, content=False)
            found = answer(self._client(request, arguments), arguments)
            return _json(200, {"data": found})
        except JasminRefusal as fault:
            return _json(fault.status, {"message": fault.text})

    async def sendbatch(self, request: IRequest) -> DoorAnswer:
        """Take many messages; all of them are in the journal before the answer."""
        login = _login(request)
        if login is None:
            return _unauthorized()
        try:
            client = self._client(request, login)
        except JasminRefusal:
            return _precondition("Authentication failed")
        try:
            whole = msgspec.json.decode(request.content.read())
            found = self._batch(client, whole, login)
        except (msgspec.DecodeError, UnicodeDecodeError, _NoBatch):
            return _precondition("Cannot parse JSON data")
        except JasminRefusal as fault:
            if fault.status == 412:
                return _precondition(fault.text)
            return _json(fault.status, {"message": f'Error "{fault.text}"'})
        batch, drafts, delay_s = found
        try:
            intake = client.intake
            messages = [intake.message(one) for one in drafts]
            if messages:
                await intake.take(messages, keep_rejected=True)
        except (DraftRefused, OverLimit, Unavailable) as fault:
            refused = self._refusal(client, fault)
            return _json(refused.status, {"message": f'Error "{refused.text}"'})
        told: dict[str, Any] = {"batchId": batch, "messageCount": len(drafts)}
        if delay_s is not None:
            told["scheduled"] = f"{delay_s}s"
        return _json(200, {"data": told})

    def _batch(
        self, client: JasminClient, whole: Any, login: Arguments
    ) -> tuple[str, list[MessageDraft], int | None]:
        """Return the batch's id, its drafts, and in how many seconds they leave."""
        if not isinstance(whole, dict):
            raise _NoBatch
        shared = _object(whole.get("globals"))
        how = _object(whole.get("batch_config"))
        entries = whole.get("messages")
        if not isinstance(entries, list):
            raise _NoBatch
        fields = self._batch_fields(client, how)
        delay_s = self._schedule(how.get("schedule_at"))
        not_before = None
        if delay_s is not None:
            not_before = self._gateway.seconds() + delay_s
        drafts = []
        for arguments in _messages_of(shared, entries, login):
            draft = evolve(self._draft(client, arguments), fields=fields)
            if not_before is not None:
                draft = evolve(draft, not_before=not_before)
            drafts.append(draft)
            if len(drafts) > BATCH_LIMIT:
                raise JasminRefusal(f"more than {BATCH_LIMIT} messages in a batch")
        return fields["batch"], drafts, delay_s

    def _batch_fields(
        self, client: JasminClient, how: dict[str, Any]
    ) -> dict[str, str]:
        """Return the id of a new batch and where its messages are told."""
        networks = client.intake.account.settings.callback_allow
        fields = {"batch": str(uuid.uuid4())}
        for name in ("callback_url", "errback_url"):
            url = str(how.get(name) or "")
            if not url:
                continue
            if complaint_of_url(url, networks) is not None:
                why = f"Argument [{name}] has an invalid value: [{url[:80]}]."
                raise JasminRefusal(why)
            fields[name] = url
        return fields

    def _schedule(self, written: Any) -> int | None:
        """Return in how many seconds a batch is to leave."""
        if not written:
            return None
        text = str(written)
        if text.endswith("s") and text[:-1].isdecimal():
            return int(text[:-1][:9])
        try:
            at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timestamp()
        except ValueError:
            raise JasminRefusal("Cannot parse schedule_at", 412) from None
        delay_s = at - self._gateway.seconds()
        if delay_s < 0:
            raise JasminRefusal("Cannot schedule batch in past date", 412)
        return int(delay_s)

    # -- both

    def _client(self, request: IRequest, arguments: Arguments) -> JasminClient:
        """Return whose request it is; raise `JasminRefusal`."""
        name, password = arguments["username"], arguments["password"]
        shown = name[:64].decode("utf-8", "replace")
        host = host_of(request)
        try:
            client = self._clients.find(name, password, host, self._gateway.seconds())
        except Locked:
            raise JasminRefusal(UNAVAILABLE, 500) from None
        if client is None:
            log.warn(
                "[jasmin] refused {host}: no user {name!r} with that password from"
                " there",
                host=host,
                name=shown,
            )
            raise JasminRefusal(f"Authentication failure for username:{shown}", 403)
        return client

    def _draft(self, client: JasminClient, arguments: Arguments) -> MessageDraft:
        try:
            return client.reader.draft(arguments)
        except DraftRefused as fault:
            raise refusal(fault.code, fault.text, client.username) from None

    async def _send(self, client: JasminClient, arguments: Arguments) -> str:
        """Return the id of a message that is in the journal; raise `JasminRefusal`."""
        intake = client.intake
        try:
            message = intake.message(client.reader.draft(arguments))
            [fate] = await intake.take([message], keep_rejected=False)
        except JasminRefusal as fault:
            intake.note_refusal("misformed")
            log.info("[{label}] refused: {why}", label=intake.label, why=fault.text)
            raise
        except (DraftRefused, OverLimit, Unavailable) as fault:
            raise self._refusal(client, fault) from None
        if isinstance(fate, Error):
            if fate.retryable:
                raise JasminRefusal(UNAVAILABLE, 500)
            raise refusal(fate.code, fate.text, client.username)
        return fate.id

    def _refusal(self, client: JasminClient, fault: Exception) -> JasminRefusal:
        if isinstance(fault, DraftRefused):
            client.intake.note_refusal("misformed")
            return refusal(fault.code, fault.text, client.username)
        if isinstance(fault, OverLimit):
            said = RATE if fault.limit is Limit.RATE else CHARGE
            return JasminRefusal(said, 403)
        log.warn(
            "[{label}] nothing is taken: {fault}",
            label=client.intake.label,
            fault=fault,
        )
        return JasminRefusal(UNAVAILABLE, 500)


class _NoBatch(Exception):
    """A body that is no batch."""


def _messages_of(
    shared: dict[str, Any], entries: list[Any], login: Arguments
) -> Iterator[Arguments]:
    """Return the checked arguments of each message of a batch.

    Entries without a number or a content are passed over, as Jasmin does.
    """
    for entry in entries:
        one = {**shared, **_object(entry)}
        to = one.pop("to", None)
        if not to or not one.keys() & {"content", "hex_content", "hex-content"}:
            continue
        for number in to if isinstance(to, list) else [to]:
            arguments = arguments_of({**one, "to": number}) | login
            check(arguments)
            yield arguments


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _NoBatch
    return value


def _arguments(request: IRequest) -> Arguments:
    """Return the arguments of the query and of the body, form or JSON."""
    found = _named(query_of(request))
    if request.method == b"POST":
        body: bytes = request.content.read()
        kind, _ = content_type(request)
        if kind == "application/json":
            found |= arguments_of_json(body)
        elif kind in (FORM, ""):
            found |= _named(pairs(body))
        elif body:
            raise JasminRefusal(NO_ARGUMENTS)
    return found


def _named(given: dict[bytes, bytes]) -> Arguments:
    return {name.decode("latin-1"): value for name, value in given.items()}


def _login(request: IRequest) -> Arguments | None:
    """Return user and password of HTTP Basic (RFC 7617); None: there are none."""
    header = request.getHeader(b"authorization") or b""
    scheme, _, told = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(told.strip(), validate=True).partition(
            b":"
        )
    except ValueError:
        return None
    return {"username": user, "password": password} if colon else None


def _json(status: int, body: Any) -> DoorAnswer:
    return status, _encode(body), _JSON


def _unauthorized() -> DoorAnswer:
    status, body, headers = _json(
        401,
        {
            "title": "Authentication required",
            "description": "Please provide valid Authorization header",
            "link": {"text": "Documentation related to this error", "href": ""},
        },
    )
    return status, body, headers | {"WWW-Authenticate": 'Basic realm="Jasmin"'}


def _precondition(title: str) -> DoorAnswer:
    return _json(412, {"title": title, "description": title})
