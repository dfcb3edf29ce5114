"""What an operator may say of one SMPP service: ``[smpp:NAME]``.

The limits are those of SMPP 3.4 §4.1 and §5.2; crossing one is a complaint at
start, not a surprise at the first bind.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from gdemoi.ini import (
    boolean,
    choice,
    duration,
    integer,
    key,
    rate,
    secret,
    text,
    words,
)
from gdemoi.ini.listeners import KINDS, Listener, listener
from gdemoi.ini.pem import authorities
from gdemoi.ini.units import time_zone
from gdemoi.smpp.addresses import complaint_of_sender
from gdemoi.smpp.error_codes import (
    LANGUAGES,
    NO_TABLE,
    ErrorTable,
    StatusRule,
    load_table,
    read_rule,
    read_status,
)
from gdemoi.smpp.receipts import IdForm
from gdemoi.text.segments import Method

# SMPP 3.4 §4.1: octets without the NUL
_LIMITS: Final = {
    "system_id": 15,
    "password": 8,
    "system_type": 12,
    "address_range": 40,
}
_SERVICE_TYPE_LIMIT: Final = 5
# data_coding of IA5 (SMPP 3.4 §5.2.19)
_IA5: Final = 1
_GSM_FORMS: Final = frozenset(("gsm8", "gsm7"))
_TLV_VALUE_LIMIT: Final = 255


class BindAs(StrEnum):
    """Which binds make up the channel."""

    TRANSCEIVER = "transceiver"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    PAIR = "pair"


class DefaultCharset(StrEnum):
    """What data_coding 0 means at the SMSC."""

    GSM8 = "gsm8"
    GSM7 = "gsm7"
    LATIN1 = "latin1"
    ASCII = "ascii"
    UTF8 = "utf8"


class Receipts(StrEnum):
    """Which delivery receipts are asked for."""

    NONE = "none"
    FINAL = "final"
    ALL = "all"


class Tlvs(StrEnum):
    """Whether optional parameters may be sent."""

    # as SMPP 3.4 §3.4: only after sc_interface_version 0x34 in the bind answer
    AUTO = "auto"
    YES = "yes"
    NO = "no"


class ValidityFormat(StrEnum):
    """What validity_period says."""

    NONE = "none"
    TTL = "ttl"
    ABSOLUTE = "absolute"


class PduLog(StrEnum):
    """How PDUs are logged."""

    OFF = "off"
    LINE = "line"
    HEX = "hex"


def endpoint(value: str) -> str:
    """Read an endpoint to listen on, such as tcp:2776."""
    kind = value.partition(":")[0]
    is_port = not kind.startswith("tcp") or listener("", value) is not None
    if value and (kind not in KINDS or ":" not in value or not is_port):
        raise ValueError(f"{value!r} is not an endpoint like tcp:2776")
    return value


def ton_or_npi(value: str) -> int | None:
    """Read a number 0..18, or ``auto`` (None)."""
    return None if value == "auto" else integer(0, 18)(value)


def error_table(value: str) -> ErrorTable:
    """Read the name of a table of ours, or the path of another."""
    return load_table(value)


def hexadecimal(value: str) -> bytes:
    """Read octets as hexadecimal digits; the value of a TLV."""
    try:
        octets = bytes.fromhex(value)
    except ValueError:
        raise ValueError(f"{value!r} are no hexadecimal digits") from None
    if len(octets) > _TLV_VALUE_LIMIT:
        raise ValueError(f"more than {_TLV_VALUE_LIMIT} octets")
    return octets


@frozen(kw_only=True)
class SmppSettings:
    """One account at an SMPP 3.4 (or 3.3) service."""

    host: tuple[str, ...] = key(
        words,
        doc="addresses in order of preference; one may carry its own port (host:port)",
        example="smpp01.example.org, smpp02.example.org",
    )
    port: int = key(integer(1, 65535), default=2775, doc="TCP port")
    system_id: str = key(text, doc="login", example="user")
    password: str = key(secret, default="", doc="env:NAME, file:/path, or the text")
    system_type: str = key(text, default="", doc="system_type of the bind")
    version: str = key(choice("3.4", "3.3"), default="3.4", doc="version of SMPP")
    bind: BindAs = key(
        choice(BindAs),
        default=BindAs.TRANSCEIVER,
        doc="pair: a transmitter and a receiver, one connection each",
    )
    address_ton: int = key(integer(0, 6), default=0, doc="addr_ton of the bind")
    address_npi: int = key(integer(0, 18), default=0, doc="addr_npi of the bind")
    address_range: str = key(text, default="", doc="address_range of the bind")
    long_credentials: bool = key(
        boolean, default=False, doc="take credentials over the specification's limits"
    )
    account: str = key(
        text,
        default="",
        doc="channels of one account share receipts; default: system_id@host",
    )

    tls: bool = key(boolean, default=False, doc="TLS, with a check of the certificate")
    tls_ca: str = key(authorities, default="", doc="PEM file of the authority to trust")
    tls_name: str = key(
        text, default="", doc="name in the certificate, when it is not the host"
    )

    link_timeout_s: float = key(
        duration,
        default=30.0,
        doc="for connect, bind, and the answer to enquire_link; 0: no enquire_link",
    )
    connect_timeout_s: float | None = key(
        duration, default=None, doc="for the connection; default: link_timeout"
    )
    bind_timeout_s: float | None = key(
        duration, default=None, doc="for the bind's answer; default: link_timeout"
    )
    enquire_link_s: float = key(
        duration, default=30.0, doc="silence before an enquire_link; 0: never"
    )
    response_timeout_s: float = key(
        duration, default=30.0, doc="for the answer to a submit_sm; then it is unsure"
    )
    window: int = key(
        integer(1, 10000), default=10, doc="requests that may be unanswered at once"
    )
    rate: float | None = key(
        rate, default=None, name="throughput", doc="segments; absent: no limit"
    )
    reconnect_min_s: float = key(duration, default=1.0, doc="first pause, then doubled")
    reconnect_max_s: float = key(duration, default=60.0, doc="longest pause")
    credential_retry_s: float = key(
        duration, default=300.0, doc="pause after refused credentials"
    )
    primary_return_s: float = key(
        duration,
        default=600.0,
        doc="time on another host before the first is tried; 0: do not try",
    )
    outbind_listen: str = key(
        endpoint,
        default="",
        doc="endpoint where the SMSC may knock (outbind); empty: not at all",
        example="tcp:2776",
    )
    outbind_password: str = key(
        secret, default="", doc="what the SMSC says in its outbind; needed to listen"
    )

    source_ton: int | None = key(ton_or_npi, default=None, doc="auto | 0..18")
    source_npi: int | None = key(ton_or_npi, default=None, doc="auto | 0..18")
    destination_ton: int | None = key(ton_or_npi, default=None, doc="auto | 0..18")
    destination_npi: int | None = key(ton_or_npi, default=None, doc="auto | 0..18")
    keep_plus: bool = key(
        boolean, default=False, doc="write the + of international numbers"
    )
    allowed_sender: tuple[str, ...] = key(
        words,
        default=(),
        doc="first = default; * = any; empty: the message's own, or the SMSC's",
        example="GdeMoi, +34600000000",
    )
    on_other_sender: str = key(
        choice("refuse", "replace"),
        default="refuse",
        doc="a sender that is not allowed is refused, or replaced by the first",
    )

    default_charset: DefaultCharset = key(
        choice(DefaultCharset),
        default=DefaultCharset.GSM8,
        doc="what data_coding 0 means there",
    )
    ia5_charset: DefaultCharset | None = key(
        choice(DefaultCharset),
        default=None,
        doc="what data_coding 1 means there; absent: the same as 0",
        example="ascii",
    )
    gsm_coding: int = key(
        integer(0, 255), default=0, doc="data_coding of texts in the default charset"
    )
    long_messages: Method = key(
        choice(Method), default=Method.UDH, doc="how segments are marked"
    )
    max_segments: int = key(
        integer(1, 255), default=10, doc="longer texts are rejected, never cut"
    )
    esm_class: int = key(
        integer(0, 3), default=0, doc="messaging mode: 0 default, 3 store and forward"
    )
    service_type: str = key(text, default="", doc="service_type of messages")
    protocol_id: int = key(integer(0, 255), default=0, doc="protocol_id of messages")
    priority_flag: int = key(integer(0, 3), default=0, doc="priority_flag of messages")
    validity_period: ValidityFormat = key(
        choice(ValidityFormat),
        default=ValidityFormat.NONE,
        doc="ttl: the time left, relative; absolute: the moment of expiry",
    )
    tlvs: Tlvs = key(
        choice(Tlvs), default=Tlvs.AUTO, doc="auto: when the SMSC says that it is 3.4"
    )
    vendor_tlvs: dict[str, bytes] = key(
        hexadecimal,
        name="tlv.*",
        default={},
        doc="a TLV of every submit_sm, in hexadecimal: tlv.0x1403 = 3031",
    )

    receipts: Receipts = key(
        choice(Receipts), default=Receipts.FINAL, doc="which receipts are asked for"
    )
    receipt_id: IdForm = key(
        choice(IdForm),
        default=IdForm.AUTO,
        doc="message ids in the response and in the receipt: hex-dec, dec-hex, same",
    )
    receipt_per_message: bool = key(
        boolean,
        default=False,
        doc="the SMSC sends one receipt for a long message, not one per segment",
    )
    receipt_by_text: bool = key(
        boolean, default=False, doc="the SMSC sends receipts without saying so"
    )
    receipt_time_zone: ZoneInfo | None = key(
        time_zone,
        default=None,
        doc="zone of the dates in receipts; absent: they are not used",
        example="Europe/Madrid",
    )
    error_table: ErrorTable = key(
        error_table,
        default=NO_TABLE,
        doc="meaning of err in receipts: a table's name (mensatek), or a /path",
        example="mensatek",
    )
    error_language: str = key(
        choice(*LANGUAGES), default="en", doc="language of the meanings"
    )
    status_rules: dict[str, StatusRule] = key(
        read_rule,
        name="status.*",
        default={},
        doc="what a command_status means: status.0x58 = later 5s"
        " (final, later, throttled, queue_full, sender, link, mended)",
    )
    query: bool = key(
        boolean, default=False, doc="ask by query_sm what became of unsure messages"
    )
    part_timeout_s: float = key(
        duration, default=600.0, doc="wait for the other segments of an inbound text"
    )

    pdu_log: PduLog = key(choice(PduLog), default=PduLog.OFF, doc="log every PDU")
    pdu_log_texts: bool = key(
        boolean, default=True, doc="no: texts are masked in the log and in `trace`"
    )
    pdu_ring: int = key(
        integer(0, 100000), default=500, doc="PDUs kept in memory for `trace`"
    )

    @property
    def ia5(self) -> str:
        """The alphabet of data_coding 1."""
        return (self.ia5_charset or self.default_charset).value

    def text_charset(self, flash: bool) -> str:
        """The alphabet of texts that are neither Latin-1 nor UCS2 by their coding."""
        word = self.ia5 if self.gsm_coding == _IA5 else self.default_charset.value
        # 0xF0 says GSM 03.38, whatever the carrier means by 0 (TS 23.038 §4)
        return "gsm8" if flash and word not in _GSM_FORMS else word

    @property
    def overrides(self) -> dict[int, StatusRule]:
        """The operator's rules by command_status."""
        return {read_status(name): rule for name, rule in self.status_rules.items()}

    @property
    def tlv_values(self) -> tuple[tuple[int, bytes], ...]:
        """The TLVs of every submit_sm, by tag."""
        return tuple((int(tag, 0), value) for tag, value in self.vendor_tlvs.items())

    @property
    def account_name(self) -> str:
        """The account whose ids the SMSC's are."""
        return self.account or f"{self.system_id}@{self.host[0]}"

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        """The addresses with their ports."""
        return tuple(_address(host, self.port) for host in self.host)

    def listeners(self) -> Iterator[Listener]:
        """Tell which port these settings open, if any."""
        if self.outbind_listen:
            found = listener("outbind_listen", self.outbind_listen)
            if found is not None:
                yield found

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong across keys, as (key, what)."""
        for host in self.host:
            yield from _complain_of("host", lambda one: _address(one, 1), host)
        yield from self._over_limits()
        for tag in self.vendor_tlvs:
            yield from _complain_of(f"tlv.{tag}", _tag, tag)
        for name in self.status_rules:
            yield from _complain_of(f"status.{name}", read_status, name)
        if self.version == "3.3":
            yield from self._too_new()
        yield from self._of_messages()
        if self.outbind_listen and not self.outbind_password:
            yield "outbind_password", "is needed: our login is given to whoever knocks"
        if self.reconnect_max_s < self.reconnect_min_s:
            yield "reconnect_max", "is less than reconnect_min"
        if (self.tls_ca or self.tls_name) and not self.tls:
            yield "tls", "is off, but tls_ca or tls_name is set"

    def _of_messages(self) -> Iterator[tuple[str, str]]:
        if len(self.service_type) > _SERVICE_TYPE_LIMIT:
            yield "service_type", f"longer than SMPP allows ({_SERVICE_TYPE_LIMIT})"
        for sender in self.allowed_sender:
            wrong = complaint_of_sender(sender)
            if wrong is not None:
                yield "allowed_sender", wrong

    def _too_new(self) -> Iterator[tuple[str, str]]:
        if self.tlvs is Tlvs.YES:
            yield "tlvs", "SMPP 3.3 has none"
        if self.long_messages in (Method.SAR, Method.PAYLOAD):
            yield "long_messages", "SMPP 3.3 has no TLVs; use udh or udh16"
        if self.priority_flag > 1:
            yield "priority_flag", "is 0 or 1 in SMPP 3.3"

    def _over_limits(self) -> Iterator[tuple[str, str]]:
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if not value.isascii():
                yield name, "only ASCII characters"
            elif len(value) > limit and not self.long_credentials:
                yield (
                    name,
                    f"longer than SMPP allows ({limit}); if the SMSC takes it:"
                    " long_credentials = yes",
                )


def _address(host: str, port: int) -> tuple[str, int]:
    """Read ``name``, ``name:port``, ``[v6]:port`` or a bare IPv6 address."""
    scheme, is_url, bare = host.partition("://")
    if is_url:
        raise ValueError(f"write the host without {scheme}://: {bare.rstrip('/')}")
    name, colon, own = host.rpartition(":")
    if not colon or (":" in name and not name.startswith("[")):
        return host.strip("[]"), port
    if host.endswith("]"):
        return host.strip("[]"), port
    return name.strip("[]"), integer(1, 65535)(own)


def _tag(text_: str) -> int:
    tag = int(text_, 0)
    if not 0 < tag <= 0xFFFF:
        raise ValueError
    return tag


def _complain_of(name: str, read: object, value: str) -> Iterator[tuple[str, str]]:
    try:
        read(value)  # type: ignore[operator]
    except ValueError as error:
        yield name, str(error) or f"{value!r} is not a number such as 0x1403"
