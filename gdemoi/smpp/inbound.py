"""From a deliver_sm or data_sm to what goes up: a receipt, or an SMS (a segment).

Pure but for what it remembers of the last deliveries (`DeliveryRepeats`).  Whatever the
octets, something goes up: undecodable texts keep their octets, headers that
contradict themselves are left out of the text and nothing else.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from gdemoi.kit.recent import Recent
from gdemoi.message import (
    Error,
    Inbound,
    InboundSegment,
    MessageState,
    Receipt,
    ReceiptId,
)
from gdemoi.smpp.addresses import as_number, as_sender, numbering_of
from gdemoi.smpp.pdu.commands import TYPE_MASK, UDHI
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm
from gdemoi.smpp.pdu.tlvs import Tag, Tlv
from gdemoi.smpp.receipts import (
    IdForms,
    ReceiptFacts,
    facts_of,
    parse_date,
    text_of,
)
from gdemoi.smpp.settings import SmppSettings
from gdemoi.text import charset as charsets
from gdemoi.text import udh as headers
from gdemoi.text.udh import Udh

# what some put into short_message beside a message_payload
_BLANK: Final = b" \0"
# SMPP 3.4 §5.3.2, table 5-7
_VENDOR_TAGS: Final = range(0x1400, 0x4000)
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_PORT_SIZE: Final = 2
_LONGEST_RAW: Final = 1000
_NO_ERROR: Final = frozenset({"", "0", "00", "000", "0000"})
_NO_HEADER: Final = Udh()
# An SMSC repeats what it thinks we did not take soon after the next bind; this is
# also how far back the journal looks after a restart of ours.
REPEAT_WINDOW_S: Final = 60.0
# An answer that left so shortly before the connection broke may not have arrived.
DOUBTFUL_S: Final = 10.0
_REMEMBERED: Final = 5_000
_ENDED_REMEMBERED: Final = 100


# a channel, and the number of one of its connections
Session = tuple[str, int]


class DeliveryRepeats:
    """Tells the SMSC's repetition of one delivery from a phone's second SMS.

    A tracker says the same words often, so equal content alone is no repetition.
    It is one when the first came so shortly before its connection broke that our
    answer may be lost.  In doubt there are two messages: better twice than never; so
    what an earlier process was told counts for nothing here.
    """

    def __init__(self) -> None:
        self._last: Recent[bytes, tuple[int, Session, float]] = Recent(_REMEMBERED)
        self._ended: Recent[Session, float] = Recent(_ENDED_REMEMBERED)
        self._since: float | None = None

    def session_ended(self, session: Session, now: float) -> None:
        """Remember when a connection broke."""
        self._ended[session] = now

    def key(self, pdu: DeliverSm | DataSm, session: Session, now: float) -> str:
        """Return what a repetition of this delivery has in common with it."""
        if self._since is None:
            self._since = now
        digest = _digest(pdu)
        count, last_session, last_at = self._last.get(digest, (0, session, now))
        if count and not self._repeated(session, last_session, last_at):
            count += 1
        count = count or 1
        self._last[digest] = (count, session, now)
        return f"{digest.hex()}:{count}:{self._since:.3f}"

    def _repeated(
        self, session: Session, last_session: Session, last_at: float
    ) -> bool:
        if session == last_session:
            return False
        # over a connection that still holds, the SMSC has our answer
        ended_at = self._ended.get(last_session)
        return ended_at is not None and ended_at - last_at <= DOUBTFUL_S


def _digest(pdu: DeliverSm | DataSm) -> bytes:
    short_message = pdu.short_message if isinstance(pdu, DeliverSm) else b""
    parts = (
        pdu.source_addr.encode("latin-1"),
        pdu.destination_addr.encode("latin-1"),
        bytes((pdu.esm_class, pdu.data_coding)),
        short_message,
        *(tag.to_bytes(2, "big") + value for tag, value in pdu.tlvs),
    )
    return blake2b(b"\0".join(parts), digest_size=12).digest()


class DeliveryReader:
    """Reads the deliveries of one channel."""

    def __init__(
        self,
        channel: str,
        account: str,
        settings: SmppSettings,
        ids: IdForms,
        repeats: DeliveryRepeats,
    ) -> None:
        self._channel = channel
        self._account = account
        self._settings = settings
        self._ids = ids
        self._repeats = repeats

    def session_ended(self, session: int, now: float) -> None:
        """Remember when a connection of the channel broke."""
        self._repeats.session_ended((self._channel, session), now)

    def read(
        self, pdu: DeliverSm | DataSm, session: int, now: float
    ) -> Receipt | Inbound:
        """Return what a delivery is; any body that could be decoded is something."""
        octets = pdu.short_message if isinstance(pdu, DeliverSm) else b""
        receipted: bytes | None = None
        state: int | None = None
        network_error: bytes | None = None
        payload = b""
        for tag, value in pdu.tlvs:
            if tag == Tag.receipted_message_id:
                receipted = value
            elif tag == Tag.message_state and value:
                state = int.from_bytes(value[:4], "big")
            elif tag == Tag.network_error_code:
                network_error = value
            elif tag == Tag.message_payload:
                payload = value
        if payload and not octets.strip(_BLANK):
            octets = payload
        header, whole = _NO_HEADER, octets
        if pdu.esm_class & UDHI and octets:
            header, octets = headers.parse(octets)
            if _no_header(pdu.esm_class, whole, octets):
                header, octets = _NO_HEADER, whole
        facts = facts_of(
            pdu.esm_class,
            octets,
            receipted,
            state,
            network_error,
            by_text=self._settings.receipt_by_text,
        )
        if facts is not None:
            return self._receipt(pdu, facts, octets)
        udh = whole[: len(whole) - len(octets)]
        return self._inbound(pdu, header, udh, octets, session, now)

    def _receipt(
        self, pdu: DeliverSm | DataSm, facts: ReceiptFacts, octets: bytes
    ) -> Receipt:
        settings = self._settings
        table = settings.error_table
        meaning = table.find(facts.err)
        state = facts.state
        if state is None:
            state = meaning.state if meaning is not None else MessageState.ENROUTE
        zone = settings.receipt_time_zone
        return Receipt(
            account=self._account,
            channel=self._channel,
            provider_id=facts.id,
            state=state,
            keys=self._ids.keys(facts.id),
            also=tuple([ReceiptId(name, self._ids.keys(name)) for name in facts.also]),
            error=self._error(facts, state),
            at=None if zone is None else parse_date(facts.done_date, zone),
            about=pdu.source_addr or None,
            raw=_shown(octets, pdu.tlvs),
            whole=settings.receipt_per_message,
        )

    def _error(self, facts: ReceiptFacts, state: MessageState) -> Error | None:
        if state is MessageState.DELIVERED:
            return None
        settings = self._settings
        table = settings.error_table
        err = facts.err or ""
        if err not in _NO_ERROR:
            return table.error(err, settings.error_language)
        if state is MessageState.ENROUTE:
            return None
        word = facts.word.lower() or "unknown"
        return Error(f"receipt:{word}", facts.word or "no state in the receipt")

    def _inbound(
        self,
        pdu: DeliverSm | DataSm,
        header: Udh,
        udh: bytes,
        octets: bytes,
        session: int,
        now: float,
    ) -> Inbound:
        settings = self._settings
        default = settings.default_charset.value
        charset = charsets.charset_of(
            pdu.data_coding, default, settings.ia5 if pdu.data_coding == 1 else None
        )
        part = header.part or _sar_part(pdu.tlvs)
        text: str | None = None
        if charset != "binary":
            text = charsets.decode(
                octets,
                charset,
                header.single_shift,
                header.locking_shift,
                header.fill_bits if header else 0,
            )
        dest_port, source_port = (header.ports if header else None) or (
            _ports(pdu.tlvs) if pdu.tlvs else (None, None)
        )
        unread = text is None or _REPLACEMENT in text or header.broken
        return Inbound(
            channel=self._channel,
            account=self._account,
            from_=as_sender(pdu.source_addr_ton, pdu.source_addr),
            numbering=numbering_of(pdu.source_addr_ton),
            to=as_number(pdu.dest_addr_ton, pdu.destination_addr) or None,
            received_at=now,
            text=text,
            binary=octets if unread or part is not None else None,
            charset=charset,
            part=part,
            dedup=self._repeats.key(pdu, (self._channel, session), now),
            dedup_window_s=REPEAT_WINDOW_S,
            join_window_s=settings.part_timeout_s,
            udh=udh or None,
            dest_port=dest_port,
            source_port=source_port,
        )


def _no_header(esm_class: int, whole: bytes, rest: bytes) -> bool:
    """Tell whether a receipt says UDHI and has no header: its text begins at once."""
    if not esm_class & TYPE_MASK:
        return False
    return text_of(whole).is_receipt and not text_of(rest).is_receipt


def _ports(tlvs: tuple[Tlv, ...] | list[Tlv]) -> tuple[int | None, int | None]:
    """Return the (destination, source) ports by their TLVs (§5.3.2.20, §5.3.2.21)."""
    found = {tag: value for tag, value in tlvs if len(value) == _PORT_SIZE}
    destination, source = (
        found.get(tag) for tag in (Tag.destination_port, Tag.source_port)
    )
    return (
        None if destination is None else int.from_bytes(destination, "big"),
        None if source is None else int.from_bytes(source, "big"),
    )


def _sar_part(tlvs: tuple[Tlv, ...] | list[Tlv]) -> InboundSegment | None:
    """Return the segment by the SAR TLVs; only all three mean anything (§5.3.2.22).

    Segments count from 1 (§5.3.2.24); of an SMSC that counts from 0 the first one
    must not go up alone.
    """
    if not tlvs:
        return None
    found = {tag: value for tag, value in tlvs if value}
    reference = found.get(Tag.sar_msg_ref_num)
    total = int.from_bytes(found.get(Tag.sar_total_segments, b""), "big")
    number = int.from_bytes(found.get(Tag.sar_segment_seqnum, b""), "big")
    given = Tag.sar_segment_seqnum in found
    if reference is None or not given or not 2 <= total <= 255:
        return None
    part = InboundSegment(f"sar{reference.hex()}", total, number, loose=True)
    return part if part.possible else None


def _shown(octets: bytes, tlvs: tuple[Tlv, ...] | list[Tlv]) -> str:
    """Return a receipt as it came, escaped, for the story.

    With the vendor's TLVs beside the text, and all of them when there is no text.
    """
    shown = octets[:_LONGEST_RAW].decode("latin-1")
    if tlvs:
        shown_tlvs = [one for one in tlvs if not shown or one[0] in _VENDOR_TAGS]
        values = [f"0x{tag:04X}={value[:64].hex()}" for tag, value in shown_tlvs]
        shown = " ".join([shown, *values]) if shown else " ".join(values)
    if shown.isprintable():
        return shown[:_LONGEST_RAW]
    return shown.encode("unicode_escape").decode("ascii")[:_LONGEST_RAW]
