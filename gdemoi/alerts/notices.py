"""Telling a notice: an event, a signed webhook, a command, an SMS.

Each way is tried by itself, and again when it fails: that the journal cannot be written
must not keep a webhook from telling it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from random import random
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeadlinePassed
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.alerts.settings import AlertSettings
from gdemoi.alerts.watch import FIRING, RECOVERED, Notice
from gdemoi.cloud.exchange import HttpRequest
from gdemoi.cloud.http import CloudHttp, make_agent
from gdemoi.contract.envelope import fingerprint
from gdemoi.contract.event_json import AlertEvent, alert_body, alert_key, encode_event
from gdemoi.contract.gateway import Gateway
from gdemoi.doors.signature import signed, signing_key
from gdemoi.errors import Unavailable
from gdemoi.facts import Rejected
from gdemoi.message import OnUnencodable, OnUnsure, Outbound, Report
from gdemoi.moments import rfc3339
from gdemoi.tasks import spawn

log = Logger()

# Pauses before the next try of a way that failed, in seconds; then it is given up.
AGAIN_S: Final = (2.0, 10.0, 60.0, 300.0)
WEBHOOK_TIMEOUT_S: Final = 15.0
CONNECTIONS: Final = 4
COMMAND_TIMEOUT_S: Final = 30.0
SMS_TTL_S: Final = 3600.0
PRIORITY: Final = 9
# About one SMS of the GSM alphabet, or three of UCS2.
SMS_LETTERS: Final = 150


class Untold(Exception):
    """A way did not take the notice, and may at another time."""


def sentence(notice: Notice, gateway: str) -> str:
    """Return the notice as people read it, in one line."""
    if notice.state == RECOVERED:
        return f"{gateway}: {notice.name} is over: {notice.text}"
    still = "" if notice.state == FIRING else ", still"
    return f"{gateway}: {notice.name}{still}: {notice.text}"


def variables(notice: Notice, gateway: str) -> dict[str, str]:
    """Return what a command finds in its environment."""
    return {
        "GDEMOI_GATEWAY": gateway,
        "GDEMOI_ALERT_ID": notice.id,
        "GDEMOI_ALERT_NAME": notice.name,
        "GDEMOI_ALERT_STATE": notice.state,
        "GDEMOI_ALERT_SUBJECT": notice.subject,
        "GDEMOI_ALERT_CHANNEL": notice.channel or "",
        "GDEMOI_ALERT_WHEN": notice.when,
        "GDEMOI_ALERT_SINCE": rfc3339(notice.since),
        "GDEMOI_ALERT_TEXT": sentence(notice, gateway),
    }


def event(notice: Notice, event_id: str) -> AlertEvent:
    """Return the notice as an event."""
    return AlertEvent(
        event_id=event_id,
        name=notice.name,
        state=notice.state,
        subject=notice.subject,
        channel=notice.channel,
        when=notice.when,
        text=notice.text,
        since=rfc3339(notice.since),
        at=rfc3339(notice.at),
    )


class _Command(ProcessProtocol):
    """A program that is told a notice; `ended` fires when it is over."""

    def __init__(self, body: bytes) -> None:
        self.ended: Deferred[str | None] = Deferred(self._kill)
        self._body = body
        self._said = b""

    def connectionMade(self) -> None:
        """Hand the JSON over."""
        transport: Any = self.transport
        transport.write(self._body)
        transport.closeStdin()

    def errReceived(self, data: bytes) -> None:
        """Keep what it complains of, for the log."""
        self._said = (self._said + data)[-500:]

    outReceived = errReceived

    def _kill(self, _: object) -> None:
        transport: IProcessTransport | None = self.transport
        if transport is not None:
            transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        """Tell how it ended: None is good."""
        code = getattr(reason.value, "exitCode", None)
        said = self._said.decode("utf-8", "replace").strip()
        why = None if code == 0 else f"{reason.value} {said}".strip()
        if not self.ended.called:
            self.ended.callback(why)


@define
class Teller:
    """Tells notices by every way that their alert asks for.

    `write_event(key, body)` writes an event, where `body` makes its JSON from its id.
    """

    gateway: Gateway
    write_event: Callable[[str, Callable[[str], bytes]], Deferred[None]]
    reactor: Any
    http: CloudHttp
    # between two tries of a way
    _pauses: set[Deferred[None]] = field(factory=set)

    def tell(self, notice: Notice, alert: AlertSettings) -> None:
        """Begin to tell a notice; what fails is logged, and tried again."""
        name = self.gateway.name
        say = log.info if notice.state == RECOVERED else log.warn
        say(
            "alert {text}",
            text=sentence(notice, name),
            alert=notice.name,
            alert_state=notice.state,
            alert_subject=notice.subject,
        )
        ways: list[tuple[str, Callable[[], Any]]] = []
        if alert.event:
            ways.append(("event", lambda: self._event(notice)))
        if alert.webhook is not None:
            ways.append(("webhook", lambda: self._webhook(notice, alert)))
        if alert.command:
            ways.append(("command", lambda: self._command(notice, alert)))
        for number in alert.sms:
            ways.append((f"SMS to {number}", self._by_sms(notice, alert, number)))
        for way, attempt in ways:
            spawn(self._persist(notice, way, attempt), log, f"telling by {way}")

    def _by_sms(
        self, notice: Notice, alert: AlertSettings, number: str
    ) -> Callable[[], Any]:
        return lambda: self._sms(notice, alert, number)

    async def _persist(
        self, notice: Notice, way: str, attempt: Callable[[], Any]
    ) -> None:
        for pause_s in (*AGAIN_S, None):
            try:
                await attempt()
            except (Untold, Unavailable) as fault:
                later = "given up" if pause_s is None else f"again in {pause_s:g} s"
                log.warn(
                    "alert {name}: no {way}: {fault}; {later}",
                    name=notice.name,
                    way=way,
                    fault=fault,
                    later=later,
                )
                if pause_s is None:
                    return
                await self._pause(pause_s)
            else:
                return

    async def _pause(self, pause_s: float) -> None:
        pause: Deferred[None] = deferLater(self.reactor, pause_s)
        self._pauses.add(pause)
        try:
            await pause
        finally:
            self._pauses.discard(pause)

    def stop(self) -> None:
        """Try nothing again; what is under way goes on to its end."""
        for pause in list(self._pauses):
            pause.cancel()

    async def _event(self, notice: Notice) -> None:
        await self.write_event(
            alert_key(notice.name), lambda event_id: alert_body(event(notice, event_id))
        )

    async def _webhook(self, notice: Notice, alert: AlertSettings) -> None:
        assert alert.webhook is not None and alert.webhook_secret is not None
        body = encode_event(event(notice, notice.id))
        now = self.gateway.seconds()
        keys = (signing_key(alert.webhook_secret),)
        headers = signed(keys, notice.id, body, now)
        request = HttpRequest(
            method="POST", url=alert.webhook, headers=tuple(headers.items()), body=body
        )
        answer = await self.http.send(request)
        if not 200 <= answer.status < 300:
            raise Untold(f"{alert.webhook} answered {answer.status}")

    async def _command(self, notice: Notice, alert: AlertSettings) -> None:
        body = encode_event(event(notice, notice.id))
        protocol = _Command(body)
        given: Mapping[str, str] = {
            **os.environ,
            **variables(notice, self.gateway.name),
        }
        program = alert.command[0]
        try:
            self.reactor.spawnProcess(protocol, program, list(alert.command), given)
        except OSError as fault:
            raise Untold(f"{program}: {fault}") from fault
        try:
            why = await protocol.ended.addTimeout(COMMAND_TIMEOUT_S, self.reactor)
        except DeadlinePassed as fault:
            raise Untold(f"{program} did not end in {COMMAND_TIMEOUT_S:g} s") from fault
        if why is not None:
            raise Untold(f"{program}: {why}")

    async def _sms(self, notice: Notice, alert: AlertSettings, number: str) -> None:
        message = self._message(notice, alert, number)
        if message is None:
            log.error(
                "alert {name}: no SMS: there is no other channel than {channel}",
                name=notice.name,
                channel=notice.channel,
            )
            return
        [verdict] = await self.gateway.accept([(message, fingerprint(message))])
        if isinstance(verdict, Rejected):
            raise Untold(f"{verdict.error.code}: {verdict.error.text}")

    def _message(
        self, notice: Notice, alert: AlertSettings, number: str
    ) -> Outbound | None:
        """Return the SMS of a notice; None: no channel may carry it."""
        names = [str(one["name"]) for one in self.gateway.channels()]
        ways: Sequence[str] = alert.sms_channels or names
        others = tuple(one for one in ways if one != notice.channel)
        if not others:
            return None
        now = self.gateway.seconds()
        digits = number.lstrip("+")
        return Outbound(
            id=f"alert-{notice.id}-{digits}",
            to=number,
            from_=alert.sms_from,
            text=sentence(notice, self.gateway.name)[:SMS_LETTERS],
            accepted_at=now,
            expires_at=now + SMS_TTL_S,
            # it is not to wait behind what it is about
            priority=PRIORITY,
            on_unencodable=OnUnencodable.UCS2,
            on_unsure=OnUnsure.RESEND,
            channels=others,
            report=Report.FINAL,
        )


def webhooks_out(reactor: Any) -> CloudHttp:
    """Return the client that webhooks go out by.

    Plain http is the operator's own choice: what is posted is signed and no secret.
    """
    agent, pool = make_agent(reactor, CONNECTIONS)
    return CloudHttp(
        agent,
        reactor,
        random,
        timeout_s=WEBHOOK_TIMEOUT_S,
        in_flight=CONNECTIONS,
        insecure=True,
        close=pool.closeCachedConnections,
    )
