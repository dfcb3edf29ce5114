"""Answers Kannel's sendsms for the sections of one port."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger
from twisted.web.iweb import IRequest

from gdemoi.accounts.account import Limit
from gdemoi.contract.gateway import Gateway
from gdemoi.doors.intake import DoorIntake, DraftRefused, MessageDraft, OverLimit, Taken
from gdemoi.doors.kannel import (
    Misformed,
    SendsmsReader,
    SendsmsRequest,
    read,
    refusal,
    refused,
)
from gdemoi.doors.requests import Clients, Locked, host_of
from gdemoi.doors.settings import KannelSettings
from gdemoi.doors.site import DoorAnswer
from gdemoi.errors import Unavailable
from gdemoi.message import Error, Outbound

ACCEPTED: Final = "0: Accepted for delivery"
QUEUED: Final = "3: Queued for later delivery"
TEMPORARY: Final = "Temporal failure, try again later."
DENIED: Final = "Authorization failed for sendsms"
RETRY_AFTER_S: Final = 5
LOCKED_S: Final = 60
_DAY_S: Final = 86400.0

log = Logger()


class KannelClient:
    """One ``[kannel:…]``: whose messages they are."""

    def __init__(self, name: str, settings: KannelSettings, intake: DoorIntake) -> None:
        self.name = name
        self.settings = settings
        self.intake = intake
        self.reader = SendsmsReader(settings, intake)


class KannelDoor:
    """Answers ``sendsms``; each request is one of one of its clients."""

    def __init__(self, clients: Sequence[KannelClient], gateway: Gateway) -> None:
        self._clients = Clients(clients)
        self._aliases = {
            theirs: ours
            for one in clients
            for theirs, ours in one.settings.aliases.items()
        }
        self._gateway = gateway

    async def handle(self, request: IRequest) -> DoorAnswer:
        """Return the answer to a request, after the commit of what it sends."""
        if request.method == b"HEAD":
            # Kannel sends the SMS: a monitor's look must not
            return 405, b"", {"Allow": "GET, POST"}
        if request.method not in (b"GET", b"POST"):
            return 400, b"", {}
        try:
            asked = read(request).with_aliases(self._aliases)
            client = self._client(request, asked)
            return await self._send(client, asked)
        except Misformed as fault:
            return _said(fault.status, fault.text)
        except DraftRefused as fault:
            known = refused(fault)
            return _said(known.status, known.text)
        except Locked:
            return _said(503, TEMPORARY, retry_after_s=LOCKED_S)
        except OverLimit as fault:
            return _said(503, TEMPORARY, retry_after_s=self._pause_s(fault.limit))
        except Unavailable as fault:
            log.warn("[kannel] nothing is taken: {fault}", fault=fault)
            return _said(503, TEMPORARY, retry_after_s=RETRY_AFTER_S)

    def _client(self, request: IRequest, asked: SendsmsRequest) -> KannelClient:
        host, now = host_of(request), self._gateway.seconds()
        name = asked.values.get("username", b"")
        password = asked.values.get("password", b"")
        client = self._clients.find(name, password, host, now)
        if client is None:
            shown = name[:40].decode("latin-1")
            log.warn(
                "[kannel] refused {host}: no user {name!r} with that password from"
                " there",
                host=host,
                name=shown,
            )
            raise Misformed(DENIED, 403)
        return client

    def _pause_s(self, limit: Limit) -> int:
        """Return when it is worth to come again."""
        if limit is Limit.RATE:
            return 1
        left_s = _DAY_S - self._gateway.seconds() % _DAY_S
        return math.ceil(left_s)

    async def _send(self, client: KannelClient, asked: SendsmsRequest) -> DoorAnswer:
        intake = client.intake
        try:
            drafts = client.reader.drafts(asked)
            messages = self._messages(client, drafts)
        except (Misformed, DraftRefused) as fault:
            intake.note_refusal("misformed")
            log.info("[{label}] refused: {why}", label=intake.label, why=fault.args[0])
            raise
        fates = await intake.take(messages)
        taken = [one.id for one in fates if isinstance(one, Taken)]
        if not taken:
            error = next(one for one in fates if isinstance(one, Error))
            if error.retryable:
                raise Unavailable(error.text)
            return _said(*refusal(error.code, error.text))
        queued = client.settings.queued_reply and self._all_down()
        body = QUEUED if queued else ACCEPTED
        return _said(202, body, {"X-Gdemoi-Id": ", ".join(taken)})

    def _messages(
        self, client: KannelClient, drafts: Sequence[MessageDraft]
    ) -> list[Outbound]:
        """Return the messages to the numbers that are some; raise `DraftRefused`."""
        found: list[Outbound] = []
        bad: DraftRefused | None = None
        for draft in drafts:
            try:
                found.append(client.intake.message(draft))
            except DraftRefused as fault:
                if fault.code != "gateway:bad_number" or not client.settings.partial_to:
                    raise
                bad = fault
                client.intake.note_refusal("bad_number")
                log.warn(
                    "[{label}] {number!r} is passed over: {why}",
                    label=client.intake.label,
                    number=draft.to[:40],
                    why=fault.text,
                )
        if bad is not None and not found:
            raise bad
        return found

    def _all_down(self) -> bool:
        return all(one.get("unable") for one in self._gateway.channels())


def _said(
    status: int,
    text: str,
    headers: dict[str, str] | None = None,
    retry_after_s: int | None = None,
) -> DoorAnswer:
    """Return an answer as Kannel gives it: no newline behind the text."""
    more = dict(headers or {})
    if retry_after_s is not None:
        more["Retry-After"] = str(retry_after_s)
    return status, text.encode(), {"Content-Type": "text/html", **more}
