"""From submit_sm, data_sm and submit_multi to messages of the gateway.

Not an octet of the user data is changed: they go into `RawUserData` with their coding,
and are read as text or binary only where there is one way to read it, for channels that
take nothing else.  What a client may not send is `NotTaken`, with the status that says
so (SMPP 3.4 §5.1.3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec
from attrs import frozen

from gdemoi.accounts.settings import AccountSettings
from gdemoi.contract.envelope import POLICIES, Defaults
from gdemoi.contract.numbers import normalise
from gdemoi.errors import InvalidMessage
from gdemoi.message import (
    Charset,
    Outbound,
    RawUserData,
    Report,
    SmppOptions,
    SmppOrigin,
)
from gdemoi.smpp.addresses import as_number, complaint_of_sender
from gdemoi.smpp.pdu.commands import TYPE_MASK, UDHI
from gdemoi.smpp.pdu.pdus import DataSm, DestAddress, SubmitMulti, SubmitSm
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.pdu.tlvs import Tag, Tlv
from gdemoi.smppserver.settings import SmppClientSettings
from gdemoi.smppserver.times import read_time
from gdemoi.text import charset as charsets
from gdemoi.text import udh as headers
from gdemoi.text.gsm7 import Unencodable

Submission = SubmitSm | DataSm | SubmitMulti

# SMPP 3.4 §5.2.22, §5.2.9
SHORT_MESSAGE_LIMIT: Final = 254
ADDRESS_LIMIT: Final = 20
_REPLY_PATH: Final = 0x80
# Characters of the text in a receipt (appendix B).
RECEIPT_TEXT: Final = 20
# bits of registered_delivery (§5.2.17)
FINAL_RECEIPT: Final = 0x01
FAILURE_RECEIPT: Final = 0x02
INTERMEDIATE: Final = 0x10
# priority_flag -> priority; 0 is the class's
_PRIORITIES: Final = {1: 5, 2: 7, 3: 9}
# What is for the SMSC, not for the phone, or has a place of its own.
_NOT_CARRIED: Final = frozenset(
    {Tag.message_payload, Tag.qos_time_to_live, Tag.more_messages_to_send}
)
_BINARY_FLASH: Final = frozenset({0xF4, 0x14})
_SAR: Final = frozenset({Tag.sar_msg_ref_num, Tag.sar_total_segments})


class NotTaken(Exception):
    """Why a request is refused; `status` is the command_status that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = int(status)
        self.why = why


@frozen(kw_only=True)
class Sender:
    """Who submits: what messages need of the client and of its session."""

    client: str
    account: str
    settings: SmppClientSettings
    account_settings: AccountSettings
    session: str
    host: str


def raw_of(pdu: Submission, alphabet: str) -> RawUserData:
    """Return the user data of a request; raise `NotTaken`."""
    short: bytes = b"" if isinstance(pdu, DataSm) else pdu.short_message
    payload = pdu.tlv(Tag.message_payload) if pdu.tlvs else None
    if len(short) > SHORT_MESSAGE_LIMIT:
        raise NotTaken(Status.RINVMSGLEN, f"sm_length {len(short)}")
    if short and payload is not None:
        raise NotTaken(Status.RINVMSGLEN, "short_message goes with message_payload")
    if pdu.rest:
        raise NotTaken(Status.RINVMSGLEN, "octets that belong to no field")
    if pdu.esm_class & TYPE_MASK:
        raise NotTaken(Status.RINVESMCLASS, f"esm_class 0x{pdu.esm_class:02X}")
    return RawUserData(
        octets=short if payload is None else payload,
        data_coding=pdu.data_coding,
        alphabet=alphabet,
        esm_class=pdu.esm_class & (UDHI | _REPLY_PATH),
        payload=payload is not None,
        tlvs=_carried(pdu.tlvs) if pdu.tlvs else (),
    )


def _carried(tlvs: Iterable[Tlv]) -> tuple[Tlv, ...]:
    return tuple((int(tag), value) for tag, value in tlvs if tag not in _NOT_CARRIED)


@frozen
class UserDataReading:
    """What user data certainly say; with neither `text` nor `binary`: nobody knows."""

    text: str | None = None
    binary: bytes | None = None
    udh: bytes | None = None
    flash: bool = False
    charset: Charset = Charset.AUTO


_UNREAD: Final = UserDataReading()


def reading_of(raw: RawUserData) -> UserDataReading:
    """Read user data where there is one way to; a part of a long SMS is no text."""
    coding, octets = raw.data_coding, raw.octets
    word = charsets.charset_of(coding, raw.alphabet)
    if raw.tlvs and any(tag in _SAR for tag, _ in raw.tlvs):
        return _UNREAD
    header = None
    if raw.esm_class & UDHI:
        known, rest = headers.parse(octets)
        if known.broken or known.part is not None or word != "binary":
            return _UNREAD
        header, octets = octets[: len(octets) - len(rest)], rest
    if word == "binary":
        return UserDataReading(binary=octets, udh=header, flash=coding in _BINARY_FLASH)
    text = charsets.decode(octets, word)
    if not _says(text, word, octets):
        return _UNREAD
    return UserDataReading(text=text, flash=_is_flash(coding))


def _says(text: str, word: str, octets: bytes) -> bool:
    """Tell whether a text is just what the octets say, and nothing else."""
    if word in ("gsm8", "gsm7"):
        try:
            return charsets.encode(text, Charset.GSM8, word) == octets
        except Unencodable:
            return False
    codec = {"ucs2": "utf-16-be"}.get(word, word)
    try:
        return text.encode(codec) == octets
    except (UnicodeEncodeError, LookupError):
        return False


def _is_flash(coding: int) -> bool:
    """Tell whether data_coding asks for class 0 (3GPP TS 23.038 §4)."""
    group = coding & 0xF0
    return (group == 0xF0 or group in (0x10, 0x30)) and not coding & 0x03


def fingerprint_of(sender: Sender, pdu: SubmitSm | DataSm, raw: RawUserData) -> bytes:
    """Return what two requests share that are the same message (`dedup_window`)."""
    digest = blake2b(digest_size=16)
    same = (sender.account, pdu.source_addr, pdu.destination_addr, raw)
    digest.update(msgspec.msgpack.encode(same))
    return digest.digest()


class SubmitReader:
    """Makes messages of what one session of a client submits."""

    def __init__(self, sender: Sender, defaults: Defaults) -> None:
        self.sender = sender
        settings, account = sender.settings, sender.account_settings
        self._home_country = defaults.home_country
        self._ttl_s = account.ttl_s or defaults.default_ttl_s
        self._says_ttl = account.ttl_s is not None
        self._alphabet = settings.default_charset.value
        policy = POLICIES[account.class_]
        self._priority, self._on_unsure, self._on_unencodable = policy
        self._allowed = frozenset(account.allowed_sender)

    def raw(self, pdu: Submission) -> RawUserData:
        """Return the user data of a request; raise `NotTaken`."""
        return raw_of(pdu, self._alphabet)

    def number(self, address: tuple[int, int, str]) -> str:
        """Return a destination in the stored form; raise `NotTaken`."""
        return _number(address, self._home_country)

    def messages(
        self, pdu: SubmitSm | DataSm, raw: RawUserData, message_id: str, now: float
    ) -> list[Outbound]:
        """Return the one message of a request; raise `NotTaken`."""
        address = pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr
        return [self._shared(pdu, raw, now).to(address, message_id, message_id)]

    def many(
        self, pdu: SubmitMulti, raw: RawUserData, message_id: str, now: float
    ) -> list[Outbound | tuple[DestAddress, int]]:
        """Return a message for each destination, or the destination and its status.

        All of them have one message_id (SMPP 3.4 §4.5.2).
        """
        if not pdu.dest_address:
            raise NotTaken(Status.RINVNUMDESTS, "number_of_dests is 0")
        shared = self._shared(pdu, raw, now)
        found: list[Outbound | tuple[DestAddress, int]] = []
        for number, one in enumerate(pdu.dest_address, 1):
            if not isinstance(one, DestAddress):
                address = DestAddress(0, 0, one.dl_name)
                found.append((address, int(Status.RINVDLNAME)))
                continue
            where = one.dest_addr_ton, one.dest_addr_npi, one.destination_addr
            try:
                found.append(shared.to(where, message_id, f"{message_id}-{number}"))
            except NotTaken as fault:
                found.append((one, fault.status))
        return found

    def _shared(self, pdu: Submission, raw: RawUserData, now: float) -> _Draft:
        sender = self.sender
        from_ = self._source(pdu)
        flag = 0 if isinstance(pdu, DataSm) else pdu.priority_flag
        if flag not in _PRIORITIES and flag:
            raise NotTaken(Status.RINVPRTFLG, f"priority_flag {flag}")
        not_before, expires_at = self._times(pdu, now)
        reading = reading_of(raw)
        registered = pdu.registered_delivery
        message = Outbound(
            id="",
            to="",
            accepted_at=now,
            expires_at=self._ends(not_before, now)
            if expires_at is None
            else expires_at,
            from_=from_,
            text=reading.text,
            binary=reading.binary,
            udh=reading.udh,
            flash=reading.flash,
            class_=sender.account_settings.class_,
            on_unencodable=self._on_unencodable,
            on_unsure=self._on_unsure,
            priority=_PRIORITIES.get(flag, self._priority),
            not_before=not_before,
            channels=sender.account_settings.channels,
            report=_report(sender.account_settings.events, registered),
            account=sender.account,
            smpp=_options(pdu),
            unsaid=_UNSAID[expires_at is None and not self._says_ttl, not flag],
            raw=raw,
        )
        origin = SmppOrigin(
            client=sender.client,
            message_id="",
            session=sender.session,
            host=sender.host,
            source=(pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr),
            destination=(0, 0, ""),
            submitted_at=now,
            service_type=pdu.service_type,
            registered_delivery=registered,
            text=_beginning(reading.text) if registered else "",
        )
        return _Draft(message, origin, self._home_country)

    def _source(self, pdu: Submission) -> str | None:
        written = as_number(pdu.source_addr_ton, pdu.source_addr)
        if not written:
            return self.sender.account_settings.default_sender
        if self._allowed and not self._allowed & {written, pdu.source_addr}:
            raise NotTaken(Status.RINVSRCADR, f"the sender {written!r} is not allowed")
        wrong = complaint_of_sender(written)
        if wrong is not None:
            raise NotTaken(Status.RINVSRCADR, wrong)
        return written

    def _times(self, pdu: Submission, now: float) -> tuple[float | None, float | None]:
        """Return when it may leave, and when it is too late."""
        if isinstance(pdu, DataSm):
            life_s = pdu.tlv_int(Tag.qos_time_to_live) if pdu.tlvs else None
            return None, None if life_s is None else now + life_s
        not_before = expires_at = None
        if pdu.schedule_delivery_time:
            not_before = _moment(pdu.schedule_delivery_time, now, Status.RINVSCHED)
            if not_before <= now:
                raise NotTaken(Status.RINVSCHED, "schedule_delivery_time is past")
        if pdu.validity_period:
            expires_at = _moment(pdu.validity_period, now, Status.RINVEXPIRY)
            if expires_at <= (not_before or now):
                raise NotTaken(Status.RINVEXPIRY, "validity_period is past")
        return not_before, expires_at

    def _ends(self, not_before: float | None, now: float) -> float:
        return (not_before or now) + self._ttl_s


@frozen
class _Draft:
    """What all destinations of a request share."""

    message: Outbound
    origin: SmppOrigin
    home_country: str | None

    def to(
        self, address: tuple[int, int, str], message_id: str, own_id: str
    ) -> Outbound:
        """Return the message to one destination; raise `NotTaken`."""
        to = _number(address, self.home_country)
        replace = msgspec.structs.replace
        origin = replace(self.origin, message_id=message_id, destination=address)
        return replace(self.message, id=own_id, to=to, origin=origin)


def _number(address: tuple[int, int, str], home_country: str | None) -> str:
    ton, _, written = address
    digits = written.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > ADDRESS_LIMIT:
        raise NotTaken(Status.RINVDSTADR, f"{written[:40]!r} is not a number")
    try:
        return normalise(as_number(ton, written), home_country)
    except InvalidMessage as fault:
        raise NotTaken(Status.RINVDSTADR, fault.text) from None


# Whether ttl and priority were left to defaults -> what a route may fill in.
_UNSAID: Final = {
    absent: (
        *itertools.compress(("ttl", "priority"), absent),
        "on_unencodable",
        "on_unsure",
    )
    for absent in itertools.product((False, True), repeat=2)
}


def _moment(value: str, now: float, status: Status) -> float:
    try:
        found = read_time(value, now)
    except (ValueError, OverflowError) as fault:
        raise NotTaken(status, str(fault)) from None
    assert found is not None
    return found


def _beginning(text: str | None) -> str:
    """Return what a receipt shows of a text: printable ASCII, whatever the alphabet."""
    shown = (text or "")[:RECEIPT_TEXT]
    return "".join(one if " " <= one <= "~" else "?" for one in shown)


def _options(pdu: Submission) -> SmppOptions | None:
    """Return what goes on to the next SMSC as it came."""
    protocol_id = 0 if isinstance(pdu, DataSm) else pdu.protocol_id
    return SmppOptions(protocol_id=protocol_id) if protocol_id else None


def _report(wanted: Report, registered: int) -> Report:
    """Return which events are written; receipts are made of them."""
    if registered & INTERMEDIATE:
        return Report.ALL
    if registered & (FINAL_RECEIPT | FAILURE_RECEIPT) and wanted is Report.NONE:
        return Report.FINAL
    return wanted
