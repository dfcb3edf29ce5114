"""User data that a client has coded itself, on its way into submit_sm PDUs.

The octets leave as they came, under their own data_coding: nothing is decoded and
encoded again.  What the link or the service cannot carry unchanged is `Unfit`.
Three forms come in and go out: a part with a user data header, one with SAR TLVs, and
message_payload (SMPP 3.4 §5.3.2.22 ff., §5.3.2.32).
"""

from __future__ import annotations

from typing import Final

from gdemoi.kit.unfit import Unfit, all_of
from gdemoi.message import Charset, RawUserData
from gdemoi.smpp.pdu.commands import UDHI
from gdemoi.smpp.pdu.tlvs import Tag, Tlv, name_of
from gdemoi.smpp.settings import SmppSettings
from gdemoi.text import charset as charsets
from gdemoi.text import udh as headers
from gdemoi.text.segments import Method, Segment, split, split_binary
from gdemoi.text.udh import CONCATENATION_16, Udh

# SMPP 3.4 §5.2.22
SHORT_MESSAGE_LIMIT: Final = 254
# What one SMS holds, packed (3GPP TS 23.040 §9.2.3.24).
_SMS_OCTETS: Final = 140
_SMS_SEPTETS: Final = 160
# In SMPP 3.3 data_coding is the GSM data coding scheme, which agrees with 3.4 on these
# and from 0x10 on.
_SAME_IN_33: Final = frozenset({0, 8})
_SAR: Final = (Tag.sar_msg_ref_num, Tag.sar_total_segments, Tag.sar_segment_seqnum)
# Nothing of the message is lost without these.
_DISPENSABLE: Final = frozenset(
    {*_SAR, Tag.user_message_reference, Tag.more_messages_to_send, Tag.payload_type}
)


def word_of(raw: RawUserData) -> str:
    """Return the alphabet that the client means, a word of `gdemoi.text.charset`."""
    return charsets.charset_of(raw.data_coding, raw.alphabet)


def agrees(raw: RawUserData, settings: SmppSettings) -> bool:
    """Tell whether the service reads these octets as the client means them."""
    coding = raw.data_coding
    if settings.version == "3.3" and coding not in _SAME_IN_33 and coding < 0x10:
        return False
    theirs = charsets.charset_of(coding, settings.default_charset.value, settings.ia5)
    return theirs == word_of(raw)


def segments_of(
    raw: RawUserData,
    settings: SmppSettings,
    *,
    tlvs: bool,
    reference: int,
    limit: int,
) -> list[tuple[Segment, tuple[Tlv, ...], bool]]:
    """Return what leaves: (segment, its TLVs, whether it goes as message_payload).

    `tlvs`: the link takes optional parameters.  `reference` and `limit` are for a
    payload that has to be cut.  Raises `Unfit`.
    """
    extra = raw.tlvs
    if not tlvs and any(tag not in _DISPENSABLE for tag, _ in extra):
        lost = ", ".join(name_of(tag) for tag, _ in extra if tag not in _DISPENSABLE)
        raise Unfit("unsupported", f"the link takes no TLVs: {lost}")
    if not raw.payload or _fits_one(raw):
        octets = raw.octets
        if not tlvs:
            octets = _with_header(raw)
        if len(octets) > SHORT_MESSAGE_LIMIT:
            raise Unfit("too_long", f"{len(octets)} octets in one short_message")
        return [(_alone(octets), extra if tlvs else (), False)]
    if settings.long_messages is Method.PAYLOAD and tlvs:
        return [(_alone(raw.octets), extra, True)]
    return _cut(raw, settings, extra if tlvs else (), tlvs, reference, limit)


def _alone(octets: bytes) -> Segment:
    return Segment(user_data=octets, units=len(octets))


def _fits_one(raw: RawUserData) -> bool:
    is_septets = word_of(raw) == "gsm8" and not raw.esm_class & UDHI
    return len(raw.octets) <= (_SMS_SEPTETS if is_septets else _SMS_OCTETS)


def _with_header(raw: RawUserData) -> bytes:
    """Return the octets with a header in place of SAR TLVs, where there are some."""
    known = dict(raw.tlvs)
    values = [known.get(tag) for tag in _SAR]
    if not all(values):
        return raw.octets
    if raw.esm_class & UDHI:
        raise Unfit("unsupported", "a user data header and SAR, without TLVs")
    reference, total, number = (int.from_bytes(one or b"", "big") for one in values)
    data = (reference & 0xFFFF).to_bytes(2, "big") + bytes((total & 255, number & 255))
    return Udh(((CONCATENATION_16, data),)).build() + raw.octets


def is_headed(raw: RawUserData, *, tlvs: bool) -> bool:
    """Tell whether a segment's user data begin with a header (UDHI)."""
    sar = any(tag == Tag.sar_msg_ref_num for tag, _ in raw.tlvs)
    return bool(raw.esm_class & UDHI) or (not tlvs and sar)


def _cut(
    raw: RawUserData,
    settings: SmppSettings,
    extra: tuple[Tlv, ...],
    tlvs: bool,
    reference: int,
    limit: int,
) -> list[tuple[Segment, tuple[Tlv, ...], bool]]:
    """Cut a payload as a text of its alphabet is cut, and see that nothing changed."""
    header, rest = Udh(), raw.octets
    if raw.esm_class & UDHI:
        header, rest = headers.parse(raw.octets)
        if header.broken:
            raise Unfit("invalid", "the user data header is broken")
    method = settings.long_messages
    if method in (Method.PAYLOAD, Method.SAR) and not tlvs:
        method = Method.UDH16
    word = word_of(raw)
    if word == "binary":
        cut = split_binary(
            rest, method=method, reference=reference, udh=header, limit=limit
        )
    else:
        text = charsets.decode(rest, word)
        charset = {"ucs2": Charset.UCS2, "latin1": Charset.LATIN1}.get(
            word, Charset.GSM8
        )
        try:
            cut = split(
                text,
                charset,
                method=method,
                reference=reference,
                udh=header,
                limit=limit,
                default_charset=word if charset is Charset.GSM8 else "gsm8",
            )
        except charsets.Unencodable as fault:
            raise Unfit("unencodable", str(fault)) from None
    parts = all_of(cut)
    if word == "gsm7":
        raise Unfit("unencodable", "packed septets cannot be cut")
    if b"".join(part.user_data[len(part.udh) :] for part in parts) != rest:
        raise Unfit("unencodable", "the octets are not those of any text")
    return [(part, (*_sar(part), *extra), False) for part in parts]


def _sar(part: Segment) -> tuple[Tlv, ...]:
    if not part.sar or part.part is None:
        return ()
    return sar_tlvs(part)


def sar_tlvs(part: Segment) -> tuple[Tlv, Tlv, Tlv]:
    """Return the TLVs that say which segment this is (SMPP 3.4 §5.3.2.22 ff.)."""
    assert part.part is not None
    reference = int(part.part.reference, 16) & 0xFFFF
    return (
        (Tag.sar_msg_ref_num, reference.to_bytes(2, "big")),
        (Tag.sar_total_segments, bytes((part.part.total,))),
        (Tag.sar_segment_seqnum, bytes((part.part.number,))),
    )
