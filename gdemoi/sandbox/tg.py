"""The sandbox's TG gateway on a connection: ``[sandbox-tg:NAME]``.

Speaks the device's side of the manager interface, read here by itself and not by
the channel's code: lines end with CRLF or LF, header names in any case, one action
at a time, a line over the limit is dropped without a word.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from attrs import frozen
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.ini import boolean, choice, duration, integer, key, secret, text
from gdemoi.sandbox.tg_box import BEHAVIOURS, BoxPort, TgBox, TgSendDone, tracker
from gdemoi.sandbox.tg_dialects import DIALECTS
from gdemoi.sandbox.trackers import TRACKERS, TrackerPark

log = Logger()

_BUFFER_LIMIT: Final = 65536


@frozen(kw_only=True)
class SandboxTgSettings:
    """A TG gateway on loopback; nothing it is given goes anywhere."""

    listen_port: int = key(
        integer(1, 65535), default=5038, name="port", doc="TCP port on 127.0.0.1"
    )
    username: str = key(text, default="apiuser", doc="the user it lets in")
    password: str = key(secret, default="apipass", doc="the user's password")
    ports: int = key(integer(1, 32), default=2, doc="how many SIM ports it has")
    dialect: str = key(
        choice(*DIALECTS), default="2019", doc="the firmware whose words it uses"
    )
    result: str = key(
        choice(*BEHAVIOURS), default="ok", doc="what becomes of the SMS it is given"
    )
    result_after_s: float = key(
        duration, default=3.0, doc="from the command to the result"
    )
    late_s: float = key(duration, default=90.0, doc="how late a late result is")
    interval_s: float = key(
        duration, default=10.0, doc="SMS on a port that come faster are counted"
    )
    answers: bool = key(
        boolean, default=True, doc="phones answer texts that end with ?"
    )
    trackers: tuple[str, ...] = key(
        TRACKERS,
        default=(),
        doc="trackers among the phones, as number/family/password",
        example="+79161000001/teltonika, +79161000002/queclink/gl300",
    )


class BoxConnection(Protocol):
    """One client of the box."""

    def __init__(self, box: TgBox) -> None:
        self.box = box
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._spoiled = False
        self._waiting: deque[list[str]] = deque()
        self._busy = False
        self._logged_in = False

    def connectionMade(self) -> None:
        """Greet, or hang up on who is not on the list."""
        if not self.box.permitted:
            self._hang_up()
            return
        if self.box.dialect.banner:
            self._write(self.box.dialect.banner + "\r\n")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell this client nothing more."""
        self._waiting.clear()
        if self._push in self.box.listeners:
            self.box.listeners.remove(self._push)

    def dataReceived(self, data: bytes) -> None:
        """Cut into lines, lines into actions."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            self._line(line)
        if len(self._buffer) > _BUFFER_LIMIT:
            self._hang_up()

    def _line(self, line: bytes) -> None:
        if line:
            self._spoiled = self._spoiled or len(line) > self.box.max_line
            self._lines.append(line.decode("utf-8", "replace"))
            return
        lines, self._lines = self._lines, []
        spoiled, self._spoiled = self._spoiled, False
        if lines and not spoiled:
            self._waiting.append(lines)
            self._next()

    def _next(self) -> None:
        while self._waiting and not self._busy:
            self._act(self._waiting.popleft())

    def _push(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _write(self, text: str) -> None:
        self._push(text.encode("utf-8"))

    def _hang_up(self, *, at_once: bool = False) -> None:
        transport: Any = self.transport
        if at_once:
            transport.abortConnection()
        else:
            transport.loseConnection()

    # -- actions --------------------------------------------------------------

    def _act(self, lines: list[str]) -> None:
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().casefold(), value.removeprefix(" "))
        name = headers.get("action", "").strip().casefold()
        if name in self.box.mute:
            return
        tail = ""
        if self.box.dialect.echoes_action_id and "actionid" in headers:
            tail = f"ActionID: {headers['actionid'].strip()}\r\n"
        if name == "login":
            self._login(headers, tail)
        elif not name:
            self._error("Missing action in request", tail)
        elif not self._logged_in:
            self._error("Permission denied", tail)
        elif name == "smscommand":
            self._command(headers.get("command", ""), tail)
        else:
            self._small(name, tail)

    def _small(self, name: str, tail: str) -> None:
        match name:
            case "ping":
                pong = self.box.dialect.pong
                self._write(f"{pong}{tail}\r\n")
            case "events":
                self._write(f"Response: Success\r\n{tail}Events: On\r\n\r\n")
            case "logoff":
                self._write(
                    f"Response: Goodbye\r\n{tail}Message: Thanks for all the fish."
                    "\r\n\r\n"
                )
                self._hang_up()
            case _:
                self._error("Invalid/unknown command", tail)

    def _error(self, message: str, tail: str) -> None:
        self._write(f"Response: Error\r\n{tail}Message: {message}\r\n\r\n")

    def _login(self, headers: dict[str, str], tail: str) -> None:
        user = headers.get("username"), headers.get("secret")
        if user != (self.box.username, self.box.password):
            self._error("Authentication failed", tail)
            self._hang_up()
            return
        self._write(
            f"Response: Success\r\n{tail}Message: Authentication accepted\r\n\r\n"
        )
        if not self._logged_in:
            self._logged_in = True
            self.box.listeners.append(self._push)

    def _command(self, command: str, tail: str) -> None:
        done = self.box.run(command)
        if done.cut:
            self._hang_up(at_once=True)
        elif done.error is not None:
            self._error(done.error, tail)
        elif done.after_s:
            self._busy = True
            self.box.later(done.after_s, lambda: self._finish(done, tail))
        else:
            self._print(done, tail)

    def _finish(self, done: TgSendDone, tail: str) -> None:
        self._busy = False
        self._print(done, tail)
        self._next()

    def _print(self, done: TgSendDone, tail: str) -> None:
        if done.printed is not None:
            self._write(
                f"Response: Follows\r\nPrivilege: SMSCommand\r\n{tail}{done.printed}"
                "--END COMMAND--\r\n\r\n"
            )


class BoxFactory(Factory):
    """Connections to one box."""

    noisy = False

    def __init__(self, box: TgBox) -> None:
        self.box = box

    def buildProtocol(self, addr: IAddress | None) -> BoxConnection:
        """Return a connection."""
        connection = BoxConnection(self.box)
        connection.factory = self
        return connection


class TgService(Service):
    """Starts and stops one box on loopback."""

    def __init__(self, settings: SandboxTgSettings, reactor: Any) -> None:
        self.settings = settings
        self.box = make_box(settings, reactor)
        self._reactor = reactor
        self._listening: IListeningPort | None = None

    def startService(self) -> None:
        """Listen."""
        super().startService()
        self._listening = self._reactor.listenTCP(
            self.settings.listen_port, BoxFactory(self.box), interface="127.0.0.1"
        )
        log.info(
            "TG box of {year} with {ports} ports at 127.0.0.1:{port}",
            year=self.settings.dialect,
            ports=self.settings.ports,
            port=self.settings.listen_port,
        )

    async def _close(self) -> None:
        if self._listening is not None:
            closing = self._listening.stopListening()
            if closing is not None:
                await closing

    def stopService(self) -> Any:
        """Stop listening; say what should not have happened."""
        super().stopService()
        self.box.stop()
        if self.box.doubles():
            log.error("sent more than once: {what}", what=self.box.doubles())
        if self.box.too_fast:
            log.error("{count} SMS came too fast", count=self.box.too_fast)
        return Deferred.fromCoroutine(self._close())


def make_box(settings: SandboxTgSettings, clock: Any) -> TgBox:
    """Make the box of one section, without a socket."""
    box = TgBox(
        clock,
        DIALECTS[settings.dialect],
        settings.username,
        settings.password,
        phone=tracker if settings.answers else _mute,
        trackers=TrackerPark(settings.trackers),
        usual=settings.result,
        result_s=settings.result_after_s,
        late_s=settings.late_s,
        interval_s=settings.interval_s,
    )
    box.ports = {number: BoxPort(number) for number in range(1, settings.ports + 1)}
    return box


def _mute(number: str, text: str) -> None:
    """A phone that never answers."""


def make_service(settings: SandboxTgSettings, reactor: Any) -> IService:
    """Make the service of one section."""
    return TgService(settings, reactor)
