"""What became of messages, for the log and for the CDR file (call detail records).

Each step of a message is one line of the log with its id, after the commit of the step.
Each message that is over, and each inbound SMS, is one line of JSON in the CDR file
(docs/monitoring.rst, "CDR files").

The journal remains the truth: a process that dies between a commit and these lines
leaves them out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from attrs import define, field, frozen
from twisted.logger import Logger
from twisted.python.logfile import LogFile

from gdemoi.contract.trace_context import ids_of
from gdemoi.contract.viewer import mask
from gdemoi.facts import InboundStep, MessageStep, Step
from gdemoi.message import Error, Inbound, MessageState, Outbound
from gdemoi.moments import rfc3339
from gdemoi.routing.trackers import Trackers
from gdemoi.service.masked import masked_text

log = Logger(namespace="gdemoi.messages")

# Owner and group: it holds who wrote to whom.
MODE: Final = 0o640
_encode: Final = msgspec.json.Encoder().encode


@frozen
class CdrFileSettings:
    """Where records go: the file, its largest size, how many older ones are kept."""

    path: str
    size: int
    files: int

    def open(self) -> LogFile:
        """Open the file; raise `OSError` when that cannot be done."""
        # a `LogFile` that cannot be made would still be found, and reopened
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, MODE))
        folder, name = os.path.split(self.path)
        return LogFile(
            name,
            folder or os.curdir,
            rotateLength=self.size or None,
            defaultMode=MODE,
            maxRotatedFiles=self.files or None,
        )


def shown(text: str | None, texts: str) -> str | None:
    """Return a text as `log_texts` lets it be seen: ``no``, ``mask`` or ``yes``.

    A mask keeps length and form: ``Set 12!`` is ``xxx 00!``.
    """
    if text is None or texts == "no":
        return None
    if texts == "yes":
        return text
    return mask(text)


def content(
    message: Outbound | Inbound, trackers: Trackers | None = None
) -> str | None:
    """Return the text of a message, or its octets in hexadecimal.

    Of a tracker whose profile is known it is without passwords.
    """
    if message.text is not None:
        return message.text if trackers is None else masked_text(message, trackers)
    return None if message.binary is None else message.binary.hex()


def record_of(
    step: MessageStep, texts: str, trackers: Trackers | None = None
) -> dict[str, Any]:
    """Return the CDR of a message that is over."""
    message, error = step.message, step.error
    total, submitted, delivered, failed = step.segments
    submitted_at = step.submitted_at
    found: dict[str, Any] = {
        "direction": "mt",
        "id": message.id,
        "to": message.to,
        "from": message.from_,
        "class": message.class_.value,
        "account": message.account,
        "state": step.state.value,
        "error": None if error is None else _error(error),
        "channel": step.channel,
        "line": step.line,
        "attempts": step.attempt,
        "segments": total,
        "segments_submitted": submitted,
        "segments_delivered": delivered,
        "segments_failed": failed,
        "provider_ids": list(step.provider_ids),
        "accepted_at": rfc3339(message.accepted_at),
        "submitted_at": None if submitted_at is None else rfc3339(submitted_at),
        "ended_at": rfc3339(step.at),
    }
    text = shown(content(message, trackers), texts)
    if text is not None:
        found["text"] = text
    if message.traceparent is not None:
        found["trace_id"] = ids_of(message.traceparent).trace_id
    return found


def record_of_inbound(
    step: InboundStep, texts: str, trackers: Trackers | None = None
) -> dict[str, Any]:
    """Return the CDR of an inbound SMS."""
    inbound = step.inbound
    found: dict[str, Any] = {
        "direction": "mo",
        "id": step.inbound_id,
        "to": inbound.to,
        "from": inbound.from_,
        "account": inbound.account or None,
        "channel": inbound.channel,
        "line": inbound.line,
        "segments": inbound.segments,
        "complete": inbound.complete,
        "received_at": rfc3339(inbound.received_at),
    }
    text = shown(content(inbound, trackers), texts)
    if text is not None:
        found["text"] = text
    return found


def _error(error: Error) -> dict[str, Any]:
    return {"code": error.code, "text": error.text}


@define
class MessageLog:
    """Hears of steps, and writes what the settings ask for.

    `facts`: ``none``, ``final`` or ``all`` (`log_facts`); `texts` is `log_texts`.
    """

    facts: str = "none"
    texts: str = "no"
    cdr: CdrFileSettings | None = None
    # whose passwords are masked
    trackers: Trackers | None = None
    _file: LogFile | None = field(default=None)

    @property
    def wants_steps(self) -> bool:
        """Whether anything is written at all."""
        return self.facts != "none" or self.cdr is not None

    def close(self) -> None:
        """Close the CDR file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def change(self, facts: str, texts: str, cdr: CdrFileSettings | None) -> None:
        """Take changed settings; raise `OSError`, and keep the file, for a bad one."""
        self.facts, self.texts = facts, texts
        if cdr == self.cdr:
            return
        fresh = cdr.open() if cdr is not None else None
        self.close()
        self.cdr, self._file = cdr, fresh

    def heard(self, steps: Sequence[Step]) -> None:
        """Write what was committed; never raises for want of a disk."""
        if self.facts != "none":
            for step in steps:
                self._tell(step)
        if self._file is not None:
            self._write(self._records(steps))

    def _records(self, steps: Iterable[Step]) -> list[bytes]:
        return [
            _encode(record_of_inbound(step, self.texts, self.trackers))
            if isinstance(step, InboundStep)
            else _encode(record_of(step, self.texts, self.trackers))
            for step in steps
            if isinstance(step, InboundStep) or step.final
        ]

    def _write(self, records: list[bytes]) -> None:
        if not records or self._file is None:
            return
        try:
            self._file.write(b"\n".join(records) + b"\n")
            self._file.flush()
        except (OSError, ValueError) as fault:
            count = len(records)
            log.error(
                "{count} records are not in the CDR file: {fault}",
                count=count,
                fault=fault,
            )

    def _tell(self, step: Step) -> None:
        if isinstance(step, InboundStep):
            self._tell_inbound(step)
        elif step.final or self.facts == "all":
            self._tell_step(step)

    def _tell_step(self, step: MessageStep) -> None:
        message, error = step.message, step.error
        text = shown(content(message, self.trackers), self.texts)
        log.info(
            "{id} {said}",
            each=True,
            said=sentence(step, text),
            id=message.id,
            state=step.state.value,
            final=step.final,
            to=message.to,
            account=message.account,
            channel=step.channel,
            line=step.line,
            attempt=step.attempt,
            provider_ids=step.provider_ids,
            code=None if error is None else error.code,
            fault=None if error is None else error.text,
            traceparent=message.traceparent,
            sms_text=text,
        )

    def _tell_inbound(self, step: InboundStep) -> None:
        inbound = step.inbound
        text = shown(content(inbound, self.trackers), self.texts)
        quoted = "" if text is None else f": {_quoted(text)}"
        log.info(
            "{id} came in from {sender} by {channel}{quoted}",
            each=True,
            quoted=quoted,
            id=step.inbound_id,
            sender=inbound.from_,
            to=inbound.to,
            channel=inbound.channel,
            line=inbound.line,
            account=inbound.account or None,
            sms_text=text,
        )


def sentence(step: MessageStep, text: str | None) -> str:
    """Return what happened, as people read it: ``delivered by mts``."""
    where = step.channel or ""
    if step.line:
        where += f"/{step.line}"
    parts = [step.state.value]
    if step.state is MessageState.ACCEPTED:
        parts.append(f"for {step.message.to}")
    elif where:
        parts.append(f"{_BY.get(step.state, 'by')} {where}")
    if step.attempt > 1:
        parts.append(f"at attempt {step.attempt}")
    said = " ".join(parts)
    if step.state is MessageState.SUBMITTED and step.provider_ids:
        said += f" as {' '.join(step.provider_ids)}"
    if step.error is not None:
        said += f": {step.error.code} {step.error.text}"
    if text is not None and step.state is MessageState.ACCEPTED:
        said += f": {_quoted(text)}"
    return said


_BY: Final = {MessageState.WAITING: "for"}


def _quoted(text: str) -> str:
    """Return a text in quotes, in one line: no SMS can forge a line of the log."""
    return _encode(text).decode()
