"""``[kannel:NAME]``: a request to Kannel's sendsms becomes messages of ours.

The forms and answers are Kannel 1.4.5's (User's Guide, "Using the HTTP interface to
send SMS messages"), measured where the guide is silent; where Kannel drops or cuts
without a word, the answer is a 4xx: docs/doors.rst, "You use Kannel: change this line".
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from attrs import evolve, frozen
from defusedxml import ElementTree
from twisted.web.iweb import IRequest

from gdemoi.doors.client import complaint_of_url
from gdemoi.doors.intake import (
    LONGEST_SMS,
    DoorIntake,
    DraftRefused,
    MessageDraft,
    in_gsm,
    is_unfit,
)
from gdemoi.doors.requests import FORM, content_type, pairs, query_of, text_in
from gdemoi.doors.settings import KannelSettings
from gdemoi.message import (
    Charset,
    OnUnencodable,
    RawUserData,
    SmppOptions,
)
from gdemoi.text import charset as charsets
from gdemoi.text.gsm7 import Unencodable
from gdemoi.text.segments import Method, TooLong, split

# SMPP 3.4 §5.2.12
_UDHI: Final = 0x40
_REPLY_PATH: Final = 0x80
_BINARY: Final = 4
_UCS2: Final = 8
_HEADER: Final = b"x-kannel-"
_ALIASES: Final = {
    "user": "username",
    "pass": "password",
    "dlrmask": "dlr-mask",
    "dlrurl": "dlr-url",
    "flash": "mclass",
    "charset": "charset",
}
# parameter -> (lowest, highest, what the refusal calls it)
_RANGES: Final = {
    "coding": (0, 2, "Coding"),
    "mclass": (0, 3, "MClass"),
    "mwi": (0, 7, "MWI"),
    "pid": (0, 255, "PID"),
    "alt-dcs": (0, 1, "Alt-DCS"),
    "compress": (0, 1, "Compress"),
    "rpi": (0, 2, "RPI"),
    "priority": (0, 3, "Priority"),
    "validity": (0, 10**6, "Validity"),
    "deferred": (0, 10**6, "Deferred"),
}
# priority -> ours; 0 is the class's
_PRIORITIES: Final = {1: 5, 2: 7, 3: 9}
_LONGEST_S: Final = 366 * 86400.0


class Misformed(Exception):
    """A refusal as Kannel words it; `status` is HTTP's."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


Values = dict[str, bytes]


@frozen
class SendsmsRequest:
    """The parameters of a request by Kannel's names; `text` is octets as they came.

    `type_charset` is that of the body's type; `hex_udh`: udh is in hexadecimal.
    """

    values: Values
    type_charset: str | None = None
    hex_udh: bool = False

    def number(self, name: str) -> int | None:
        """Return a number; raise `Misformed` when it is none or out of range."""
        low, high, word = _RANGES[name]
        written = self.values.get(name, b"").strip()
        if not written:
            return None
        digits = written.removeprefix(b"-")
        found = int(written[:12]) if digits.isdigit() else low - 1
        if not low <= found <= high:
            raise Misformed(f"{word} field misformed, rejected")
        return found

    def text(self, name: str) -> str | None:
        """Return a parameter as text."""
        return text_in(self.values, name)

    def with_aliases(self, aliases: Mapping[str, str]) -> SendsmsRequest:
        """Return it with the client's own names of parameters as Kannel's."""
        if not aliases:
            return self
        values = {aliases.get(name, name): one for name, one in self.values.items()}
        return evolve(self, values=values)


def read(request: IRequest) -> SendsmsRequest:
    """Return what a request says; raise `Misformed`."""
    query = _named(query_of(request))
    if request.method == b"GET":
        return SendsmsRequest(query)
    kind, charset = content_type(request)
    body: bytes = request.content.read()
    if kind == FORM:
        return SendsmsRequest({**query, **_named(pairs(body))})
    if kind in ("text/xml", "application/xml"):
        return SendsmsRequest(_of_xml(body), hex_udh=True)
    if kind not in ("text/plain", "text/html", "application/octet-stream", ""):
        raise Misformed("Unsupported content-type, rejected", 415)
    values = _of_headers(request)
    values["text"] = body
    if kind == "application/octet-stream":
        values.setdefault("coding", b"1")
    return SendsmsRequest(values, charset, hex_udh=True)


def _named(given: Mapping[bytes, bytes]) -> Values:
    found: Values = {}
    for raw, value in given.items():
        name = raw.decode("latin-1")
        found.setdefault(_ALIASES.get(name, name), value)
    return found


def _of_headers(request: IRequest) -> Values:
    found: Values = {}
    for raw, values in request.requestHeaders.getAllRawHeaders():
        name = raw.lower()
        if name.startswith(_HEADER):
            word = name.removeprefix(_HEADER).decode("latin-1")
            found[_ALIASES.get(word, word)] = values[0].strip()
    return found


_XML_PLACES: Final = {
    "from/username": "username",
    "from/user": "username",
    "from/password": "password",
    "from/pass": "password",
    "from/account": "account",
    "oa/number": "from",
    "ud": "text",
    "udh": "udh",
    "to": "smsc",
    "pid": "pid",
    "rpi": "rpi",
    "dcs/mclass": "mclass",
    "dcs/mwi": "mwi",
    "dcs/coding": "coding",
    "dcs/compress": "compress",
    "dcs/alt-dcs": "alt-dcs",
    "statusrequest/dlr-mask": "dlr-mask",
    "statusrequest/dlr-url": "dlr-url",
    "vp/delay": "validity",
    "timing/delay": "deferred",
}


def _of_xml(body: bytes) -> Values:
    """Read Kannel's XML post; no DTD and no entities of its own."""
    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except Exception:  # noqa: BLE001 - whatever a parser says of hostile octets
        raise Misformed("Invalid XML document, rejected") from None
    submit = root if root.tag == "submit" else root.find("submit")
    if submit is None:
        raise Misformed("Invalid XML document, rejected")
    found: Values = {}
    for place, name in _XML_PLACES.items():
        value = submit.findtext(place)
        if value is not None:
            found.setdefault(name, value.encode())
    numbers = [one.text or "" for one in submit.findall("da/number")]
    if numbers:
        found["to"] = " ".join(numbers).encode()
    return found


class SendsmsReader:
    """Makes drafts of messages of the requests of one client."""

    def __init__(self, settings: KannelSettings, intake: DoorIntake) -> None:
        self._settings = settings
        self._intake = intake

    def drafts(self, asked: SendsmsRequest) -> list[MessageDraft]:
        """Return a draft for each number, as written; raise `Misformed`."""
        to = asked.text("to")
        if to is None:
            raise Misformed("Missing receiver number, rejected")
        numbers = to.split()
        if not numbers:
            raise Misformed("Empty receiver number not allowed, rejected")
        draft = self._shared(asked)
        return [evolve(draft, to=number) for number in numbers]

    def _shared(self, asked: SendsmsRequest) -> MessageDraft:
        settings = self._settings
        sender = settings.faked_sender or asked.text("from") or settings.default_sender
        if not (sender or self._intake.account.settings.default_sender):
            raise Misformed("Sender missing and no global set, rejected")
        ranges = {name: asked.number(name) for name in _RANGES}
        draft = evolve(self._content(asked, ranges), from_=sender)
        priority = ranges["priority"]
        deferred, validity = ranges["deferred"], ranges["validity"]
        not_before = None
        if deferred:
            not_before = self._intake.seconds() + deferred * 60.0
        ttl_s = None if validity is None else min(validity * 60.0, _LONGEST_S)
        if ttl_s is not None and deferred:
            # both count from now
            ttl_s -= deferred * 60.0
            if ttl_s <= 0:
                raise Misformed("Validity field misformed, rejected")
        url, mask = self._dlr(asked)
        return evolve(
            draft,
            priority=_PRIORITIES.get(priority or 0),
            not_before=not_before,
            ttl_s=ttl_s or None,
            channels=self._channels(asked),
            correlation=_correlation(asked),
            smpp=_options(asked, ranges["pid"]),
            url=url,
            asked=mask,
            fields=_kept(asked),
        )

    def _channels(self, asked: SendsmsRequest) -> tuple[str, ...]:
        settings = self._settings
        wanted = settings.forced_smsc or asked.text("smsc") or settings.default_smsc
        if not wanted:
            return ()
        return self._intake.channels(settings.channel_names.get(wanted, wanted))

    def _dlr(self, asked: SendsmsRequest) -> tuple[str, int]:
        settings = self._settings
        url = asked.text("dlr-url") or settings.dlr_url
        written = (asked.text("dlr-mask") or "").strip()
        mask = int(written[:6]) & 0xFF if written.isdecimal() else 0
        if not url or not mask:
            return "", 0
        allowed = settings.dlr_url_allow
        if allowed and url != settings.dlr_url and not url.startswith(allowed):
            raise Misformed("DLR-Url not allowed, rejected")
        networks = self._intake.account.settings.callback_allow
        if complaint_of_url(url.replace("%", "_"), networks) is not None:
            raise Misformed("DLR-Url not allowed, rejected")
        return url, mask

    # -- the text

    def _content(
        self, asked: SendsmsRequest, ranges: Mapping[str, Any]
    ) -> MessageDraft:
        udh = _udh(asked)
        octets = asked.values.get("text", b"")
        coding = ranges["coding"]
        if coding is None:
            coding = 1 if udh else 0
        if ranges["compress"]:
            raise Misformed("Compress field misformed, rejected")
        bits = _Bits(coding, ranges["mclass"], ranges["mwi"], ranges["alt-dcs"] or 0)
        reply_path = _REPLY_PATH if ranges["rpi"] == 1 else 0
        plain = bits.is_plain and not reply_path
        if coding == 1:
            return self._binary(octets, udh, bits, reply_path)
        text, wide = self._text(asked, octets, coding)
        if text is None:
            return _raw(octets, udh, bits.dcs(), reply_path)
        text = self._cut(text, wide)
        flash = bits.mclass == 0 and bits.mwi is None
        if not udh and text and (plain or (flash and not reply_path)):
            return MessageDraft(
                to="",
                text=text,
                charset=Charset.UCS2 if coding == 2 else Charset.AUTO,
                flash=flash,
                max_segments=self._settings.max_messages,
            )
        charset = Charset.UCS2 if wide else Charset.GSM8
        draft = _raw(
            charsets.encode(text, charset),
            udh,
            evolve(bits, coding=2 if wide else 0).dcs(),
            reply_path,
        )
        return draft if udh else evolve(draft, text=text, flash=flash)

    def _binary(
        self, octets: bytes, udh: bytes, bits: _Bits, reply_path: int
    ) -> MessageDraft:
        if octets and bits.is_plain and not reply_path:
            return MessageDraft(
                to="",
                binary=octets,
                udh=udh or None,
                max_segments=self._settings.max_messages,
            )
        return _raw(octets, udh, bits.dcs(), reply_path)

    def _text(
        self, asked: SendsmsRequest, octets: bytes, coding: int
    ) -> tuple[str | None, bool]:
        """Return the text, and whether it needs UCS-2; None: octets, unread."""
        named = asked.text("charset") or asked.type_charset
        if coding == 2 and named is None:
            if charsets.decode(octets, "ucs2").encode("utf-16-be") != octets:
                return None, True
            return octets.decode("utf-16-be"), True
        try:
            text = octets.decode(codecs.lookup(named or "utf-8").name)
        except (LookupError, ValueError):
            raise Misformed("Charset or body misformed, rejected") from None
        if is_unfit(text):
            raise Misformed("Charset or body misformed, rejected")
        if coding == 2:
            return text, True
        try:
            fallback = self._settings.text_fallback
            return in_gsm(text, fallback, self._intake.account.settings.class_)
        except DraftRefused:
            raise Misformed("Charset or body misformed, rejected") from None

    def _cut(self, text: str, wide: bool) -> str:
        """Return as much of a text as Kannel would send, where that is wanted."""
        settings = self._settings
        if not settings.cut:
            return text
        charset = Charset.UCS2 if wide else Charset.GSM8
        end = len(text)
        while end and not _fits(text[:end], charset, settings.max_messages):
            end -= 1
        return text[:end]


def _fits(text: str, charset: Charset, limit: int) -> bool:
    try:
        found = split(text, charset, method=Method.UDH, limit=limit)
    except Unencodable:
        return True
    return not isinstance(found, TooLong)


@frozen
class _Bits:
    """What makes the data coding scheme (3GPP TS 23.038 §4)."""

    coding: int
    mclass: int | None = None
    mwi: int | None = None
    alt: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing beyond the alphabet."""
        return self.mclass is None and self.mwi is None

    def dcs(self) -> int:
        """Return the octet, as Kannel makes it."""
        if self.mwi is not None:
            active = 0 if self.mwi & 4 else 8
            return (0xE0 if self.coding == 2 else 0xD0) | active | self.mwi & 3
        alphabet = (0, _BINARY, _UCS2)[self.coding]
        if self.mclass is None:
            return alphabet
        if self.coding == 2 or self.alt:
            return 0x10 | alphabet | self.mclass
        return 0xF0 | alphabet | self.mclass


def _raw(octets: bytes, udh: bytes, dcs: int, reply_path: int) -> MessageDraft:
    """Return a draft of octets that leave as they are."""
    raw = RawUserData(
        octets=udh + octets,
        data_coding=dcs,
        esm_class=(_UDHI if udh else 0) | reply_path,
        payload=not udh and len(octets) > LONGEST_SMS,
    )
    return MessageDraft(to="", raw=raw, on_unencodable=OnUnencodable.REJECT)


def _udh(asked: SendsmsRequest) -> bytes:
    """Return the user data header; raise `Misformed` when its length is wrong."""
    found = asked.values.get("udh", b"")
    if asked.hex_udh:
        try:
            found = bytes.fromhex(found.decode("ascii"))
        except ValueError:
            raise Misformed("UDH field misformed, rejected") from None
    if found and found[0] != len(found) - 1:
        raise Misformed("UDH field misformed, rejected")
    return found


def _correlation(asked: SendsmsRequest) -> msgspec.Raw:
    """Return what the client calls the message, for every event."""
    told = {
        name: value
        for name in ("account", "binfo", "meta-data")
        if (value := asked.text(name))
    }
    octets = json.dumps(told).encode()
    return msgspec.Raw(octets if told and len(octets) <= 1024 else b"null")


def _kept(asked: SendsmsRequest) -> dict[str, str]:
    """Return what escapes of the dlr-url may ask for."""
    names = ("account", "binfo", "meta-data", "validity", "deferred")
    return {name: value for name in names if (value := asked.text(name))}


def _options(asked: SendsmsRequest, pid: int | None) -> SmppOptions | None:
    binfo = asked.text("binfo")
    if binfo and not (binfo.isascii() and len(binfo) <= 5):
        binfo = None
    if not binfo and not pid:
        return None
    return SmppOptions(service_type=binfo or None, protocol_id=pid or None)


# error word of the gateway -> (HTTP status, what Kannel would say)
REFUSALS: Final = {
    "gateway:no_route": (403, "Not routable. Do not try again."),
    "gateway:bad_number": (
        400,
        "Number(s) has/have been denied by white- and/or black-lists.",
    ),
    "gateway:too_long": (400, "Message too long, rejected"),
    "gateway:unencodable": (400, "Charset or body misformed, rejected"),
    "gateway:sender_not_allowed": (400, "Sender not allowed, rejected"),
    "gateway:expired": (400, "Validity field misformed, rejected"),
}


def refusal(code: str, text: str) -> tuple[int, str]:
    """Return status and body that tell why a message is not taken."""
    return REFUSALS.get(code) or (400, f"{text}, rejected")


def refused(fault: DraftRefused) -> Misformed:
    """Return a refusal of the intake in Kannel's words."""
    status, text = refusal(fault.code, fault.text)
    return Misformed(text, status)
