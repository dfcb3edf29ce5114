"""The forms of a log line: JSON by OpenTelemetry's names, and journald's fields.

A line is an event of Twisted's logger.  What it is about (a message, a channel, an
error) it holds as fields; here they get the names that OpenTelemetry's semantic
conventions have for them, and ``gdemoi.`` before the word where they have none.

JSON: one object a line, with the fields of OpenTelemetry's log data model and, as its
"Trace Context in non-OTLP Log Formats" says, `trace_id`, `span_id`, `trace_flags`.

journald: systemd's "Native Journal Protocol": one datagram with ``FIELD=value`` lines,
where a value with line ends is told by its length.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import struct
from collections.abc import Mapping
from importlib.metadata import version
from math import isfinite
from typing import Any, Final

from attrs import define, field
from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogLevel,
    formatEvent,
)
from zope.interface import implementer

from gdemoi.contract.trace_context import ids_of
from gdemoi.moments import rfc3339

Event = dict[str, Any]

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
# What a field may be long; a datagram has about 200 KiB.
LONGEST_VALUE: Final = 8_000
# level -> OpenTelemetry's SeverityText and SeverityNumber, syslog's priority
_SEVERITIES: Final = {
    LogLevel.debug: ("DEBUG", 5, 7),
    LogLevel.info: ("INFO", 9, 6),
    LogLevel.warn: ("WARN", 13, 4),
    LogLevel.error: ("ERROR", 17, 3),
    LogLevel.critical: ("FATAL", 21, 2),
}
# Fields of our lines that OpenTelemetry has a word for.
_NAMES: Final = {
    "id": "messaging.message.id",
    "message_id": "messaging.message.id",
    "correlation_id": "messaging.message.conversation_id",
    "octets": "messaging.message.body.size",
    "broker": "server.address",
    "host": "server.address",
    "port": "server.port",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "path": "file.path",
    "code": "error.type",
    "fault": "error.message",
    "lane": "gdemoi.channel",
}
# Fields that Twisted's logger adds, or that say how a line is to be shown.
_OF_THE_LOGGER: Final = frozenset((
    *("each", "isError", "message", "time", "system", "format", "failure"),
    *("traceparent", "text", "count", "said", "quoted"),
))  # fmt: skip
_NOT_IN_A_LINE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HOST_AND_PORT: Final = re.compile(
    r"(?:\[([^\]]+)\]|([^\s/:\[\]]+)):([0-9]{1,5})(?![0-9:])"
)
_FIELD: Final = re.compile(r"[^A-Z0-9]")


def resource(name: str) -> dict[str, Any]:
    """Return who writes the log; `name` is the gateway's."""
    return {
        "service.name": "gdemoi",
        "service.version": version("gdemoi"),
        "service.instance.id": name,
        "host.name": platform.node(),
        "process.pid": os.getpid(),
    }


def attributes(event: Event) -> dict[str, Any]:
    """Return what a line is about, by OpenTelemetry's names."""
    found: dict[str, Any] = {}
    for name, value in event.items():
        if name.startswith("log_") or name in _OF_THE_LOGGER or _is_nothing(value):
            continue
        known = _NAMES.get(name) or f"gdemoi.{name}"
        plain = _plain(value)
        if known == "server.address":
            found |= _server(str(plain))
        else:
            found[known] = plain
    failure = event.get("log_failure")
    if failure is not None:
        found["exception.type"] = f"{failure.type.__module__}.{failure.type.__name__}"
        found["exception.message"] = str(failure.value)[:LONGEST_VALUE]
        found["exception.stacktrace"] = failure.getTraceback()[-LONGEST_VALUE:]
    return found


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _server(shown: str) -> dict[str, Any]:
    """Return address and port of what is shown as ``host:port``, perhaps with more."""
    match = _HOST_AND_PORT.match(shown)
    if match is None:
        return {"server.address": shown}
    return {"server.address": match[1] or match[2], "server.port": int(match[3])}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, tuple | list):
        return [str(one)[:LONGEST_VALUE] for one in value[:100]]
    return str(value)[:LONGEST_VALUE]


def json_line(event: Event, by: Mapping[str, Any]) -> str:
    """Return a line as one JSON object; `by` is its `resource`."""
    level = event.get("log_level") or LogLevel.info
    text, number, _ = _SEVERITIES[level]
    line: dict[str, Any] = {
        "timestamp": rfc3339(float(event["log_time"])),
        "severity_text": text,
        "severity_number": number,
        "body": formatEvent(event),
        **_trace(event),
        "scope": event.get("log_namespace") or "",
        "attributes": attributes(event),
        "resource": by,
    }
    found = json.dumps(line, ensure_ascii=False, allow_nan=False, default=str)
    # what Python does not escape, and neither UTF-8 nor every reader of lines takes
    return _NOT_IN_A_LINE.sub(lambda match: f"\\u{ord(match[0]):04x}", found)


def _trace(event: Event) -> dict[str, str]:
    traceparent = event.get("traceparent")
    return ids_of(traceparent)._asdict() if traceparent else {}


def journal_fields(event: Event) -> dict[str, str]:
    """Return the fields of a line in the journal."""
    level = event.get("log_level") or LogLevel.info
    told = attributes(event)
    text = formatEvent(event)
    traceback = told.get("exception.stacktrace")
    fields = {
        "MESSAGE": f"{text}\n{traceback}" if traceback else text,
        "PRIORITY": str(_SEVERITIES[level][2]),
        "SYSLOG_IDENTIFIER": "gdemoi-sms",
        "GDEMOI_SCOPE": str(event.get("log_namespace") or ""),
    }
    for name, value in (*_trace(event).items(), *told.items()):
        fields[_FIELD.sub("_", name.upper())] = str(value)
    return fields


def datagram(fields: Mapping[str, str]) -> bytes:
    """Return fields as the journal reads them."""
    parts = []
    for name, value in fields.items():
        octets = value.encode("utf-8", "backslashreplace")
        if b"\n" in octets:
            size = struct.pack("<Q", len(octets))
            parts.append(name.encode() + b"\n" + size + octets + b"\n")
        else:
            parts.append(name.encode() + b"=" + octets + b"\n")
    return b"".join(parts)


def is_under_systemd() -> bool:
    """Tell whether our output goes to the journal (systemd.exec, $JOURNAL_STREAM)."""
    told = os.environ.get("JOURNAL_STREAM", "")
    for number in (1, 2):
        try:
            found = os.fstat(number)
        except OSError:
            continue
        if told == f"{found.st_dev}:{found.st_ino}":
            return True
    return False


@implementer(ILogObserver)
@define(eq=False)
class LogOutput:
    """Writes lines in the form that the settings ask for, by an observer of Twisted.

    `form` is ``plain`` (as the observer writes them) or ``json``.  `journal` is the
    socket of journald, when the log goes there: plain lines then leave as its entries.
    """

    observer: ILogObserver
    form: str = "plain"
    by: Mapping[str, Any] = field(factory=dict)
    journal: socket.socket | None = None

    def __call__(self, event: Event) -> None:
        """Write a line."""
        if self.form == "json" and isinstance(self.observer, FileLogObserver):
            self.observer._outFile.write(json_line(event, self.by) + "\n")
            self.observer._outFile.flush()
        elif self.journal is None or not self._sent(event):
            self.observer(event)

    def _sent(self, event: Event) -> bool:
        """Send a line to the journal; False: it is not taken there."""
        assert self.journal is not None
        try:
            self.journal.send(datagram(journal_fields(event)))
        except OSError:
            # full, too long, or restarted: by our output it gets there all the same
            return False
        return True


def journal_socket(path: str = JOURNAL_SOCKET) -> socket.socket | None:
    """Return a connection to the journal, None where there is none."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        found.setblocking(False)
        found.connect(path)
    except OSError:
        found.close()
        return None
    return found
