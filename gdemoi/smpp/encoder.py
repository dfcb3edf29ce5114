"""From a message to its submit_sm PDUs: sender, alphabet, segments, fields.

Pure but for the reference counters of long messages (`References`).  Knows the
settings of one channel and SMPP 3.4 §5.2; knows no links.  Whether optional
parameters may be sent is only known when a link is bound, so the PDUs can be composed
for either case (`SmppEncodedMessage.octets`): without TLVs, SAR and payload become
headers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from gdemoi.errors import OurFault
from gdemoi.kit.recent import Recent
from gdemoi.kit.unfit import Unfit, all_of, chosen
from gdemoi.message import (
    Charset,
    Outbound,
    Progress,
    RawUserData,
    Refused,
    SmppOptions,
)
from gdemoi.smpp.addresses import (
    NO_ADDRESS,
    address,
    complaint_of_sender,
    digits_of,
    is_number,
)
from gdemoi.smpp.pdu.commands import UDHI
from gdemoi.smpp.pdu.headers import numbered
from gdemoi.smpp.pdu.pdus import SubmitSm
from gdemoi.smpp.pdu.template import SubmitTemplate
from gdemoi.smpp.pdu.tlvs import Tag, Tlv
from gdemoi.smpp.pdu.wire import absolute, relative
from gdemoi.smpp.raw import agrees, is_headed, sar_tlvs, segments_of, word_of
from gdemoi.smpp.settings import Receipts, SmppSettings, ValidityFormat
from gdemoi.text import udh as headers
from gdemoi.text.segments import (
    SMS_OCTETS,
    Method,
    Segment,
    split,
    split_binary,
)
from gdemoi.text.udh import Udh

# SMPP 3.4 §5.2.17
REGISTERED: Final = {Receipts.NONE: 0x00, Receipts.FINAL: 0x01, Receipts.ALL: 0x11}
_WANTS_RECEIPT: Final = 0x03

# SMPP 3.4 §5.2.19.  In 3.3 the field is the GSM data coding scheme, which has no
# Latin-1: octets of class 1 then.
CODING_34: Final = {Charset.LATIN1: 3, Charset.UCS2: 8}
CODING_33: Final = {Charset.LATIN1: 0xF5, Charset.UCS2: 8}
BINARY_34: Final = 4
BINARY_33: Final = 0xF5
FLASH_GSM: Final = 0xF0
FLASH_UCS2: Final = 0x18
FLASH_OCTETS: Final = 0xF4
_NO_OPTIONS: Final = SmppOptions()
_NO_UDH: Final = Udh()
_BINARY: Final = "binary"
_SENDERS_REMEMBERED: Final = 1000
# What a link that takes no TLVs is sent instead.
_WITHOUT_TLVS: Final = {Method.SAR: Method.UDH16, Method.PAYLOAD: Method.UDH}
# Octets of the digest of a form: two forms of one message are hardly ever alike.
_DIGEST_OCTETS: Final = 8


class SmppEncodedMessage:
    """A message made ready, and how far its segments have got.

    `text` is what goes out in `charset` (None: the octets of `binary`), `udh` the
    header that every segment bears, `reference` that of a long message; `raw` octets
    that a client has coded, which go in place of all that.
    """

    __slots__ = (
        *(
            "_octets",
            "_tlvs",
            "alphabet",
            "charset",
            "data_coding",
            "encoder",
            "message",
        ),
        *("parts", "receipt_expected", "reference", "segments", "sender", "taken"),
        *("raw", "template", "text", "udh", "validity_period"),
    )

    def __init__(
        self,
        encoder: SmppEncoder,
        message: Outbound,
        sender: str | None,
        text: str,
        charset: Charset | None,
        data_coding: int,
        *,
        template: SubmitTemplate,
        validity_period: str,
        udh: Udh,
        reference: int | None,
        tlvs: bool,
        raw: RawUserData | None = None,
    ) -> None:
        self.encoder = encoder
        self.message = message
        self.sender = sender
        self.text = text
        self.alphabet = charset
        self.charset: str = _BINARY if charset is None else charset
        self.raw = raw
        if raw is not None:
            self.charset = word_of(raw)
        self.data_coding: int | None = data_coding
        self.template = template
        self.validity_period = validity_period
        self.udh = udh
        self.reference = reference
        self.receipt_expected = bool(template.registered_delivery & _WANTS_RECEIPT)
        self._tlvs = tlvs
        self.parts, self._octets = encoder.compose(self, tlvs=tlvs)
        # how many PDUs this is
        self.segments = len(self.parts)
        # message_id of each segment that the SMSC has; None: not yet
        self.taken: list[str | None] = [None] * len(self.parts)

    def octets(self, *, tlvs: bool) -> list[bytes]:
        """Return the PDUs, numbered 0, for a link that takes TLVs, or not.

        Where the segments are others then, all begins anew: those of both do not mix.
        """
        if tlvs is not self._tlvs:
            before = self.parts
            self._tlvs = tlvs
            self.parts, self._octets = self.encoder.compose(self, tlvs=tlvs)
            if self.parts != before:
                self.segments = len(self.parts)
                self.taken = [None] * len(self.parts)
        return self._octets

    def fits(self, *, tlvs: bool) -> bool:
        """Tell whether what is missing can follow on a link that takes TLVs, or not."""
        if tlvs is self._tlvs or not self.partly_taken:
            return True
        return self.encoder.compose(self, tlvs=tlvs)[0] == self.parts

    @property
    def partly_taken(self) -> bool:
        """Whether the SMSC has some segments."""
        taken = self.taken
        return len(taken) > 1 and taken.count(None) < len(taken)

    def progress(self) -> Progress | None:
        """Return how far it has got; None when no segment of several is taken."""
        if not self.partly_taken:
            return None
        part = self.parts[0].part
        return Progress(
            account=self.encoder.account,
            ids=tuple(self.taken),
            segments=len(self.taken),
            reference=None if part is None else int(part.reference, 16),
            form=self.form,
        )

    @property
    def form(self) -> str:
        """A digest of what a phone needs to put the segments together, and to read."""
        digest = blake2b(digest_size=_DIGEST_OCTETS)
        digest.update(repr((self.sender, self.message.to, self.data_coding)).encode())
        for part in self.parts:
            digest.update(repr((part.user_data, part.part, part.sar)).encode())
        return digest.hexdigest()

    def go_on(self, taken: Sequence[str | None]) -> None:
        """Take over which segments the SMSC has from an earlier try."""
        self.taken = list(taken)

    def user_data(self) -> list[tuple[str, int]]:
        """Return (hex of the user data, units in it) for each segment."""
        return [(part.user_data.hex(), part.units) for part in self.parts]

    def wire(self) -> list[list[str]]:
        """Return each segment's PDU in hex, with sequence number 1, 2, 3…"""
        shown = []
        for number, octets in enumerate(self._octets, 1):
            shown.append([numbered(octets, number).hex()])
        return shown


class References:
    """Reference numbers of long messages: a counter per (sender, destination)."""

    def __init__(self, random: Callable[[], float], limit: int = 10_000) -> None:
        self._random = random
        self._last: Recent[tuple[str, str], int] = Recent(limit)

    def seen(self, sender: str, destination: str, reference: int) -> None:
        """Go on behind a reference that was used before a restart."""
        self._last.setdefault((sender, destination), reference & 0xFFFF)

    def next(self, sender: str, destination: str) -> int:
        """Return the next reference, 16 bits wide."""
        pair = (sender, destination)
        last = self._last.get(pair)
        if last is None:
            # after a restart the counters must not begin where they began before
            last = int(self._random() * 0x10000)
        reference = (last + 1) & 0xFFFF
        self._last[pair] = reference
        return reference


class SmppEncoder:
    """Prepares messages for one channel."""

    def __init__(self, settings: SmppSettings, random: Callable[[], float]) -> None:
        self._settings = settings
        self._references = References(random)
        self._coding = CODING_34 if settings.version == "3.4" else CODING_33
        self._binary = BINARY_34 if settings.version == "3.4" else BINARY_33
        self._registered = REGISTERED[settings.receipts]
        if settings.version == "3.3":
            # the field is 0 or 1 there
            self._registered &= 0x01
        self._any_sender = "*" in settings.allowed_sender
        self._senders = tuple(s for s in settings.allowed_sender if s != "*")
        self._allowed = frozenset(map(_spelling, self._senders))
        self._tlvs = settings.tlv_values
        self.account = settings.account_name
        self._method = settings.long_messages
        self._method_without_tlvs = _WITHOUT_TLVS.get(self._method, self._method)
        # by whether the message is a flash message
        self._charsets = (settings.text_charset(False), settings.text_charset(True))
        self._good_senders: set[str | None] = set()
        self._templates: dict[str | None, SubmitTemplate] = {}

    def prepare(
        self, message: Outbound, now: float, *, tlvs: bool
    ) -> SmppEncodedMessage | Refused:
        """Return the message made ready; `tlvs` as the link is, or will be."""
        try:
            return self._prepare(message, now, tlvs=tlvs)
        except Unfit as unfit:
            return unfit.refusal

    def resume(
        self, message: Outbound, progress: Progress, now: float, *, tlvs: bool
    ) -> SmppEncodedMessage | None:
        """Return the message with the parts as they were; None: they are others now."""
        if progress.account != self.account or not progress.form:
            return None
        try:
            prepared = self._prepare(message, now, tlvs=tlvs, again=progress.reference)
        except Unfit:
            return None
        if prepared.form != progress.form or prepared.segments != len(progress.ids):
            return None
        prepared.go_on(progress.ids)
        if progress.reference is not None:
            sender = prepared.sender or ""
            self._references.seen(sender, message.to, progress.reference)
        return prepared

    def _prepare(
        self, message: Outbound, now: float, *, tlvs: bool, again: int | None = None
    ) -> SmppEncodedMessage:
        """Make a message ready; `again` is the reference that it had before."""
        sender = self._sender(message)
        raw = message.raw
        if raw is not None and not agrees(raw, self._settings):
            raw = None
        if raw is not None:
            text, charset, coding = "", None, raw.data_coding
        else:
            text, charset = self._text(message)
            coding = self._data_coding(charset, message)
        return SmppEncodedMessage(
            self,
            message,
            sender,
            text,
            charset,
            coding,
            template=self._template(message, sender),
            validity_period=self._validity(message, now),
            udh=_NO_UDH if raw is not None else _udh(message),
            reference=again,
            tlvs=tlvs,
            raw=raw,
        )

    def compose(
        self, prepared: SmppEncodedMessage, *, tlvs: bool
    ) -> tuple[list[Segment], list[bytes]]:
        """Return the segments of a message and their PDUs, for a link with TLVs or not.

        Raises `Unfit` when there are more than may be.
        """
        message, settings = prepared.message, self._settings
        method = self._method if tlvs else self._method_without_tlvs
        if prepared.reference is None and _may_be_long(message):
            sender = prepared.sender or ""
            prepared.reference = self._references.next(sender, message.to)
        raw = prepared.raw
        if raw is None:
            placed = [
                (part, *_placed(part, method), UDHI if part.udh else 0)
                for part in self._split(prepared, method)
            ]
        else:
            placed = self._as_it_came(prepared, raw, tlvs=tlvs)
        destination = address(
            message.to,
            settings.destination_ton,
            settings.destination_npi,
            keep_plus=settings.keep_plus,
        )
        extra = self._tlvs
        if message.smpp is not None and message.smpp.tlvs:
            extra = (*extra, *_own_tlvs(message.smpp))
        pdus = []
        for _, short_message, more, esm_class in placed:
            try:
                octets = prepared.template.encode(
                    destination.ton,
                    destination.npi,
                    destination.addr,
                    prepared.data_coding or 0,
                    short_message,
                    esm_class=settings.esm_class | esm_class,
                    validity_period=prepared.validity_period,
                    tlvs=(*more, *extra) if tlvs else more,
                )
            except OurFault as fault:
                raise Unfit("invalid", str(fault)) from None
            pdus.append(octets)
        return [part for part, *_ in placed], pdus

    def _as_it_came(
        self, prepared: SmppEncodedMessage, raw: RawUserData, *, tlvs: bool
    ) -> list[tuple[Segment, bytes, tuple[Tlv, ...], int]]:
        """Place octets that are not ours to code."""
        message, settings = prepared.message, self._settings
        pieces = segments_of(
            raw,
            settings,
            tlvs=tlvs,
            reference=prepared.reference or 0,
            limit=min(message.max_segments or 255, settings.max_segments),
        )
        headed = raw.esm_class | (UDHI if is_headed(raw, tlvs=tlvs) else 0)
        placed = []
        for part, own, as_payload in pieces:
            octets, more = part.user_data, own
            if as_payload:
                octets, more = b"", ((Tag.message_payload, octets), *more)
            placed.append((part, octets, more, headed | (UDHI if part.udh else 0)))
        return placed

    def _sender(self, message: Outbound) -> str | None:
        wanted = message.from_
        if wanted in self._good_senders:
            return wanted
        default = self._senders[0] if self._senders else None
        if wanted is None:
            return default
        free = self._any_sender or not self._settings.allowed_sender
        if not free and _spelling(wanted) not in self._allowed:
            if self._settings.on_other_sender == "replace":
                return default
            raise Unfit("sender_not_allowed", f"the sender {wanted!r} is not allowed")
        wrong = complaint_of_sender(wanted)
        if wrong is not None:
            raise Unfit("sender_not_allowed", wrong)
        if len(self._good_senders) < _SENDERS_REMEMBERED:
            self._good_senders.add(wanted)
        return wanted

    def _text(self, message: Outbound) -> tuple[str, Charset | None]:
        """Return the text that goes out and its charset; None: octets."""
        if message.text is None and message.binary is None:
            why = "the octets mean something else there, and are no text alone"
            raise Unfit("unencodable", why)
        if message.text is None:
            return "", None
        return chosen(message, self._charsets[message.flash])

    def _data_coding(self, charset: Charset | None, message: Outbound) -> int:
        if charset is None:
            return FLASH_OCTETS if message.flash else self._binary
        if message.flash:
            if charset is Charset.UCS2:
                return FLASH_UCS2
            return FLASH_OCTETS if charset is Charset.LATIN1 else FLASH_GSM
        return self._coding.get(charset, self._settings.gsm_coding)

    def _template(self, message: Outbound, sender: str | None) -> SubmitTemplate:
        """Return what does not change from one message of the sender to the next.

        There are few senders, so they are remembered.
        """
        options = message.smpp
        if options is not None:
            return self._make_template(sender, options)
        known = self._templates.get(sender)
        if known is None:
            known = self._make_template(sender, _NO_OPTIONS)
            if len(self._templates) < _SENDERS_REMEMBERED:
                self._templates[sender] = known
        return known

    def _make_template(
        self, sender: str | None, options: SmppOptions
    ) -> SubmitTemplate:
        settings = self._settings
        source = NO_ADDRESS
        if sender is not None:
            source = address(
                sender,
                settings.source_ton,
                settings.source_npi,
                keep_plus=settings.keep_plus,
            )
        fields: dict[str, int | str] = {
            "source_addr_ton": source.ton,
            "source_addr_npi": source.npi,
            "source_addr": source.addr,
            "service_type": settings.service_type,
            "protocol_id": settings.protocol_id,
            "priority_flag": settings.priority_flag,
            "registered_delivery": self._registered,
        }
        for name in _OPTION_FIELDS:
            value = getattr(options, name)
            if value is not None:
                fields[name] = value
        try:
            return SubmitTemplate(SubmitSm(**fields))  # type: ignore[arg-type]
        except OurFault as fault:
            raise Unfit("invalid", str(fault)) from None

    def _validity(self, message: Outbound, now: float) -> str:
        wanted = self._settings.validity_period
        if message.smpp is not None and message.smpp.validity_period is not None:
            return message.smpp.validity_period
        if wanted is ValidityFormat.NONE:
            return ""
        if wanted is ValidityFormat.TTL:
            return relative(message.expires_at - now)
        return absolute(message.expires_at, now)

    def _split(self, prepared: SmppEncodedMessage, method: Method) -> list[Segment]:
        message = prepared.message
        limit = min(message.max_segments or 255, self._settings.max_segments)
        reference = prepared.reference or 0
        alphabet = prepared.alphabet
        if alphabet is None:
            parts = split_binary(
                message.binary or b"",
                method=method,
                reference=reference,
                udh=prepared.udh,
                limit=limit,
            )
        else:
            parts = split(
                prepared.text,
                alphabet,
                method=method,
                reference=reference,
                udh=prepared.udh,
                limit=limit,
                default_charset=self._charsets[message.flash],
            )
        return all_of(parts)


_OPTION_FIELDS: Final = (
    *("service_type", "protocol_id", "priority_flag"),
    *("schedule_delivery_time", "registered_delivery", "replace_if_present_flag"),
)


def _spelling(sender: str) -> str:
    return digits_of(sender) if is_number(sender) else sender


def _own_tlvs(options: SmppOptions) -> tuple[Tlv, ...]:
    try:
        return tuple(
            (int(tag, 0), bytes.fromhex(value)) for tag, value in options.tlvs.items()
        )
    except ValueError:
        raise Unfit("invalid", 'tlvs are {"0x1403": "hexadecimal"}') from None


def _udh(message: Outbound) -> Udh:
    """Return the header that every segment bears (ports, or the message's own)."""
    if message.udh is not None:
        header, rest = headers.parse(message.udh)
        if header.broken or rest:
            raise Unfit("invalid", "udh is not one whole user data header")
        return header
    if message.dest_port is not None or message.source_port is not None:
        return headers.ports(message.dest_port or 0, message.source_port or 0)
    return _NO_UDH


def _may_be_long(message: Outbound) -> bool:
    """Whether a reference may be needed; short texts do not use one up."""
    if message.raw is not None and message.raw.payload:
        return True
    return len(message.text or "") > 60 or len(message.binary or b"") > 60


def _placed(part: Segment, method: Method) -> tuple[bytes, tuple[Tlv, ...]]:
    """Return short_message of a segment, and the TLVs that belong to it."""
    if part.sar and part.part is not None:
        return part.user_data, sar_tlvs(part)
    if method is Method.PAYLOAD and len(part.user_data) > SMS_OCTETS:
        return b"", ((Tag.message_payload, part.user_data),)
    return part.user_data, ()
