"""From what a client of an HTTP door says to messages in the journal.

The rules of the account hold for all doors alike: who may send, how fast, how many in a
day, what a message is that says nothing, and what counts as the same once more.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
from attrs import field, frozen
from twisted.logger import Logger

from gdemoi.accounts.account import Account, Limit
from gdemoi.contract.envelope import POLICIES, fingerprint
from gdemoi.contract.gateway import Gateway
from gdemoi.contract.numbers import normalise
from gdemoi.errors import InvalidMessage, Unavailable
from gdemoi.facts import Duplicate, Rejected, Stored
from gdemoi.message import (
    Charset,
    Error,
    HttpOrigin,
    MessageClass,
    OnUnencodable,
    Outbound,
    RawUserData,
    Report,
    SmppOptions,
)
from gdemoi.text import charset as charsets

# Characters of the text in a receipt (SMPP 3.4 appendix B).
RECEIPT_TEXT: Final = 20
# Octets of one SMS (3GPP TS 23.040 §9.2.3.24).
LONGEST_SMS: Final = 140
_NULL: Final = msgspec.Raw(b"null")


class DraftRefused(Exception):
    """Why a request is refused: an error word of the gateway, and a sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class OverLimit(Unavailable):
    """The account may not send now; `limit` says why."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.value)
        self.limit = limit


@frozen(kw_only=True)
class MessageDraft:
    """What a client asks for, of one destination; the account fills in the rest.

    `to` is as it was written; `url`, `asked`, `method` and `fields` are those of
    `HttpOrigin`.  Times are epoch seconds.
    """

    to: str
    from_: str | None = None
    text: str | None = None
    binary: bytes | None = None
    udh: bytes | None = None
    raw: RawUserData | None = None
    charset: Charset = Charset.AUTO
    on_unencodable: OnUnencodable | None = None
    flash: bool = False
    priority: int | None = None
    max_segments: int | None = None
    not_before: float | None = None
    ttl_s: float | None = None
    channels: tuple[str, ...] = ()
    correlation: msgspec.Raw = _NULL
    smpp: SmppOptions | None = None
    url: str = ""
    asked: int = 0
    method: str = "GET"
    fields: dict[str, str] = field(factory=dict)


@frozen
class Taken:
    """A message that is in the journal: its id, and whether it was there before."""

    id: str
    is_repeat: bool = False


Fate = Taken | Error


class DoorIntake:
    """Takes the messages of one section of a door."""

    log = Logger()

    def __init__(self, label: str, account: Account, gateway: Gateway) -> None:
        self.label = label
        self.account = account
        self.taken = 0
        # why messages were not taken -> how many
        self.refused: dict[str, int] = {}
        self._gateway = gateway
        # what is being written down just now (`dedup_window`)
        self._in_flight: set[bytes] = set()

    def seconds(self) -> float:
        """Return the time: epoch seconds."""
        return self._gateway.seconds()

    def note_refusal(self, word: str) -> None:
        """Count a request that was not taken."""
        self.refused[word] = self.refused.get(word, 0) + 1

    def normalised(self, number: str) -> str:
        """Return a destination in the stored form; raise `DraftRefused`."""
        try:
            return normalise(number, self._gateway.defaults.home_country)
        except InvalidMessage as fault:
            raise DraftRefused("gateway:bad_number", fault.text) from None

    def channels(self, wanted: str) -> tuple[str, ...]:
        """Return the channel that a client asks for, if there is such a one.

        An unknown name is no error: routes decide.
        """
        allowed = self.account.settings.channels
        known = {str(one["name"]) for one in self._gateway.channels()}
        if wanted in known and (not allowed or wanted in allowed):
            return (wanted,)
        return allowed

    def sender(self, written: str | None) -> str | None:
        """Return the sender of a message; raise `DraftRefused` for one not allowed."""
        settings = self.account.settings
        if not written:
            return settings.default_sender
        if settings.allowed_sender and written not in settings.allowed_sender:
            raise DraftRefused(
                "gateway:sender_not_allowed", f"the sender {written!r} is not allowed"
            )
        if len(written) > 64 or "\0" in written:
            raise DraftRefused("gateway:sender_not_allowed", "is no sender")
        return written

    def message(self, draft: MessageDraft, message_id: str | None = None) -> Outbound:
        """Return a message, complete; raise `DraftRefused`."""
        settings, defaults = self.account.settings, self._gateway.defaults
        now = self.seconds()
        priority, on_unsure, on_unencodable = POLICIES[settings.class_]
        ttl_s = draft.ttl_s
        if ttl_s is None:
            ttl_s = settings.ttl_s or defaults.default_ttl_s
        sender = self.sender(draft.from_)
        unsaid = [
            *(["ttl"] if draft.ttl_s is None and settings.ttl_s is None else []),
            *(["priority"] if draft.priority is None else []),
            *(["charset"] if draft.charset is Charset.AUTO else []),
            *(["on_unencodable"] if draft.on_unencodable is None else []),
            "on_unsure",
        ]
        return Outbound(
            id=message_id or str(uuid.uuid4()),
            to=self.normalised(draft.to),
            accepted_at=now,
            expires_at=(draft.not_before or now) + ttl_s,
            from_=sender,
            text=draft.text,
            binary=draft.binary,
            udh=draft.udh,
            raw=draft.raw,
            flash=draft.flash,
            class_=settings.class_,
            charset=draft.charset,
            on_unencodable=draft.on_unencodable or on_unencodable,
            on_unsure=on_unsure,
            priority=priority if draft.priority is None else draft.priority,
            max_segments=draft.max_segments,
            not_before=draft.not_before,
            channels=draft.channels or settings.channels,
            report=_report(settings.events, draft),
            correlation=draft.correlation,
            account=self.account.name,
            smpp=draft.smpp,
            unsaid=tuple(unsaid),
            http_origin=HttpOrigin(
                door=self.label,
                source=sender or "",
                destination=draft.to,
                submitted_at=now,
                text=beginning(draft.text),
                url=draft.url,
                asked=draft.asked,
                method=draft.method,
                fields=draft.fields,
            ),
        )

    async def take(
        self,
        messages: Sequence[Outbound],
        *,
        keep_rejected: bool = False,
        keyed: bool = False,
    ) -> list[Fate]:
        """Write messages down; one fate each, after the commit.

        `keyed`: their ids are the client's choice, so that the same again is a repeat.
        Raises `OverLimit`, or `Unavailable`; then none was taken.
        """
        fates: list[Fate | None] = [None] * len(messages)
        marks: list[bytes | None] = [None] * len(messages)
        account = self.account
        if account.settings.dedup_window_s:
            for index, message in enumerate(messages):
                mark = _mark(message)
                marks[index] = mark
                known = account.first_of(mark)
                if known is not None:
                    fates[index] = Taken(known, is_repeat=True)
                elif mark in self._in_flight:
                    raise Unavailable("the same is being written down")
        fresh = [index for index, fate in enumerate(fates) if fate is None]
        limit = account.admit(len(fresh)) if fresh else None
        if limit is not None:
            self.note_refusal(limit.name.lower())
            raise OverLimit(limit)
        flying = {one for index in fresh if (one := marks[index]) is not None}
        self._in_flight |= flying
        stored = 0
        try:
            batch = [
                (one, fingerprint(one) if keyed else one.id.encode())
                for one in (messages[index] for index in fresh)
            ]
            if batch:
                verdicts = await self._gateway.accept(
                    batch, keep_rejected=keep_rejected
                )
                for index, verdict in zip(fresh, verdicts, strict=True):
                    fates[index] = fate = _fate(messages[index].id, verdict)
                    stored += isinstance(fate, Taken) and not fate.is_repeat
                    self._remember(messages[index], marks[index], fate)
        finally:
            self._in_flight -= flying
            if len(fresh) > stored:
                account.returned(len(fresh) - stored)
        self.taken += stored
        return [fate for fate in fates if fate is not None]

    def _remember(self, message: Outbound, mark: bytes | None, fate: Fate) -> None:
        if isinstance(fate, Error):
            self.note_refusal(fate.code.partition(":")[2] or fate.code)
            self.log.info(
                "[{label}] message to {to} refused: {why}",
                label=self.label,
                to=message.to,
                why=fate.text,
            )
        elif mark is not None:
            self.account.remember(mark, message.id)

    def describe(self) -> dict[str, Any]:
        """Return what was taken and refused since the start."""
        return {
            "account": self.account.name,
            "taken": self.taken,
            "refused": dict(self.refused),
        }


def is_unfit(text: str) -> bool:
    """Tell whether a text has what no SMS can: U+0000, half a surrogate pair."""
    return "\0" in text or any("\ud800" <= one <= "\udfff" for one in text)


def in_gsm(text: str, fallback: str, class_: MessageClass) -> tuple[str, bool]:
    """Return a text that is meant to be GSM 03.38, and whether it needs UCS-2.

    `fallback`: ``question`` writes ? for what GSM has not; ``class``: a notification
    goes as UCS-2.  Raises `DraftRefused` for any other.
    """
    if charsets.fits(text, Charset.GSM8):
        return text, False
    if fallback == "question":
        kept = [one if charsets.fits(one, Charset.GSM8) else "?" for one in text]
        return "".join(kept), False
    if class_ is not MessageClass.NOTIFICATION:
        raise DraftRefused("gateway:unencodable", "has letters that GSM has not")
    return text, True


def beginning(text: str | None) -> str:
    """Return what a receipt shows of a text: printable ASCII, whatever the alphabet."""
    shown = (text or "")[:RECEIPT_TEXT]
    return "".join(one if " " <= one <= "~" else "?" for one in shown)


def _fate(message_id: str, verdict: object) -> Fate:
    if isinstance(verdict, Stored):
        return Taken(message_id)
    if isinstance(verdict, Duplicate):
        return Taken(message_id, is_repeat=True)
    if isinstance(verdict, Rejected):
        return verdict.error
    return Error("gateway:id_reused", "this id was used for another content")


def _report(wanted: Report, draft: MessageDraft) -> Report:
    """Return which events are written; callbacks are made of them."""
    wants = (draft.url and draft.asked) or any(
        one.endswith("_url") for one in draft.fields
    )
    return Report.ALL if wants else wanted


def _mark(message: Outbound) -> bytes:
    """Return what two messages share that are the same (`dedup_window`)."""
    same = (
        *(message.account, message.from_, message.to, message.text),
        *(message.binary, message.udh, message.raw, message.flash, message.smpp),
    )
    return blake2b(msgspec.msgpack.encode(same), digest_size=16).digest()
