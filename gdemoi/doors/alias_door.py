"""``[door-alias:NAME]``: some program's own GET, form or flat JSON as a message.

Template clients (GpsGate, traccar, gpswox and many scripts) let one write an address
with placeholders, and know an HTTP status at most.  What the section calls `field.to`
and so on is all that is known of them.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence

from twisted.logger import Logger
from twisted.web.iweb import IRequest

from gdemoi.contract.gateway import Gateway
from gdemoi.doors.intake import DoorIntake, DraftRefused, MessageDraft, is_unfit
from gdemoi.doors.jasmin import JasminRefusal, arguments_of_json
from gdemoi.doors.requests import (
    FORM,
    Clients,
    Locked,
    content_type,
    host_of,
    pairs,
    query_of,
)
from gdemoi.doors.settings import AliasSettings
from gdemoi.doors.site import DoorAnswer
from gdemoi.errors import Unavailable
from gdemoi.message import Error

log = Logger()

Words = dict[str, bytes]


class AliasRefusal(Exception):
    """Why a request is refused; `status` is HTTP's."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class AliasClient:
    """One ``[door-alias:…]``: whose messages they are."""

    def __init__(self, name: str, settings: AliasSettings, intake: DoorIntake) -> None:
        self.name = name
        self.settings = settings
        self.intake = intake

    def word(self, asked: Words, name: str) -> bytes | None:
        """Return what a request says, by our name of it."""
        return asked.get(self.settings.fields.get(name, name))

    def text(self, asked: Words, name: str) -> str | None:
        """Return the same as text; raise `AliasRefusal` when it is none."""
        found = self.word(asked, name)
        if found is None:
            return None
        try:
            text = found.decode(self.settings.charset)
        except ValueError:
            raise AliasRefusal(f"{name} is not {self.settings.charset}") from None
        if is_unfit(text):
            raise AliasRefusal(f"{name} has characters that no SMS has")
        return text

    def draft(self, asked: Words) -> MessageDraft:
        """Return the draft of a request; raise `AliasRefusal`."""
        settings = self.settings
        to, text = self.text(asked, "to"), self.text(asked, "text")
        for name, value in (("to", to), ("text", text)):
            if not value:
                written = settings.fields.get(name, name)
                raise AliasRefusal(f"{written} is missing")
        priority = self.text(asked, "priority")
        if priority and not (priority.isdecimal() and len(priority) == 1):
            raise AliasRefusal("priority is 0 to 9")
        return MessageDraft(
            to=(to or "").strip(),
            text=text,
            from_=self.text(asked, "from") or settings.default_sender,
            priority=int(priority) if priority else None,
            max_segments=settings.max_messages,
            url=settings.dlr_url or "",
            asked=settings.dlr_mask,
        )

    def message_id(self, asked: Words) -> str | None:
        """Return the id of a message that the program names by one of its own."""
        theirs = self.word(asked, "id")
        if not theirs:
            return None
        name = f"{self.intake.label}:{theirs.decode('latin-1')}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class AliasDoor:
    """Answers the requests to one path, each of one of its clients."""

    def __init__(self, clients: Sequence[AliasClient], gateway: Gateway) -> None:
        self._all = clients
        self._clients = Clients(clients)
        self._gateway = gateway

    async def handle(self, request: IRequest) -> DoorAnswer:
        """Return the answer to a request, after the commit of what it sends."""
        if request.method not in (b"GET", b"POST"):
            return 405, b"", {"Allow": "GET, POST"}
        settings = self._all[0].settings
        try:
            asked = _read(request)
            client = self._client(request, asked)
            settings = client.settings
            id_ = await self._send(client, asked)
        except AliasRefusal as fault:
            return _said(fault.status, settings.failure.replace("{text}", fault.text))
        except (Unavailable, Locked) as fault:
            pause = {"Retry-After": "60" if isinstance(fault, Locked) else "5"}
            text = str(fault) or "not now"
            return _said(503, settings.failure.replace("{text}", text), pause)
        return _said(settings.success_status, settings.success.replace("{id}", id_))

    def _client(self, request: IRequest, asked: Words) -> AliasClient:
        host, now = host_of(request), self._gateway.seconds()
        for one in self._all:
            name, password = self._credentials(one, request, asked)
            if name == (one.settings.username or one.name).encode():
                break
        client = self._clients.find(name, password, host, now)
        if client is None:
            log.warn(
                "[door-alias] refused {host}: no user {name!r} with that password"
                " from there",
                host=host,
                name=name[:40].decode("latin-1"),
            )
            raise AliasRefusal("wrong user or password", 403)
        return client

    def _credentials(
        self, client: AliasClient, request: IRequest, asked: Words
    ) -> tuple[bytes, bytes]:
        """Return name and password, of the parameters or of the Authorization.

        A program that has one word only is the only one at its path.
        """
        name, password = client.word(asked, "username"), client.word(asked, "password")
        header = request.getHeader(b"authorization")
        if password is None and header is not None:
            scheme, _, told = header.partition(b" ")
            if scheme.lower() == b"basic":
                name, password = _basic(told)
            else:
                password = told if scheme.lower() == b"bearer" else header
        if name is None and len(self._all) == 1:
            name = (client.settings.username or client.name).encode()
        return name or b"", password or b""

    async def _send(self, client: AliasClient, asked: Words) -> str:
        intake = client.intake
        try:
            id_ = client.message_id(asked)
            message = intake.message(client.draft(asked), id_)
            [fate] = await intake.take([message], keyed=id_ is not None)
        except (AliasRefusal, DraftRefused) as fault:
            intake.note_refusal("misformed")
            log.info("[{label}] refused: {why}", label=intake.label, why=fault.text)
            if isinstance(fault, DraftRefused):
                raise AliasRefusal(fault.text) from None
            raise
        if isinstance(fate, Error):
            raise AliasRefusal(fate.text)
        return fate.id


def _read(request: IRequest) -> Words:
    """Return what a request says: query, and form or flat JSON of the body."""
    found = _named(query_of(request))
    if request.method == b"POST":
        body: bytes = request.content.read()
        kind, _ = content_type(request)
        if kind == "application/json":
            try:
                return found | arguments_of_json(body, plain=True)
            except JasminRefusal as fault:
                raise AliasRefusal(fault.text) from None
        if kind not in (FORM, "") and body:
            raise AliasRefusal(f"a body of type {kind} is not understood", 415)
        found |= _named(pairs(body))
    return found


def _named(given: Mapping[bytes, bytes]) -> Words:
    return {name.decode("latin-1"): value for name, value in given.items()}


def _basic(told: bytes) -> tuple[bytes, bytes]:
    try:
        user, _, password = base64.b64decode(told.strip(), validate=True).partition(
            b":"
        )
    except ValueError:
        return b"", b""
    return user, password


def _said(status: int, text: str, more: dict[str, str] | None = None) -> DoorAnswer:
    return status, text.encode(), {"Content-Type": "text/plain", **(more or {})}
