"""``[jasmin:NAME]``: the arguments of Jasmin's HTTP API become a draft of a message.

The rules and the words are Jasmin 0.11's (its guide, "HTTP API" and "RESTful API", and
its source where the guide is silent); where it cuts or replaces letters without a word,
the answer is a 400: docs/doors.rst, "You use Jasmin: change this line".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from attrs import evolve

from gdemoi.doors.client import complaint_of_url
from gdemoi.doors.intake import (
    LONGEST_SMS,
    DoorIntake,
    DraftRefused,
    MessageDraft,
    in_gsm,
    is_unfit,
)
from gdemoi.doors.settings import JasminSettings
from gdemoi.message import Charset, OnUnencodable, RawUserData
from gdemoi.smppserver.submits import reading_of
from gdemoi.smppserver.times import read_time
from gdemoi.text import charset as charsets
from gdemoi.text.segments import Method, TooLong, split

_BINARY: Final = 4
_UCS2: Final = 8
# argument -> what its value looks like
_PATTERNS: Final = {
    "to": re.compile(r"\+?\d+"),
    "from": re.compile(r".*", re.DOTALL),
    "coding": re.compile(r"[0-9]|10|13|14"),
    "username": re.compile(r".{1,64}"),
    "password": re.compile(r".{1,64}"),
    "priority": re.compile(r"[0-3]"),
    "sdt": re.compile(r"\d{15}[-+R]"),
    "validity-period": re.compile(r"\d{1,7}"),
    "dlr": re.compile(r"yes|no"),
    "dlr-url": re.compile(r"https?://.*"),
    "dlr-level": re.compile(r"[1-3]"),
    "dlr-method": re.compile(r"get|post", re.IGNORECASE),
    "tags": re.compile(r"[-a-zA-Z0-9,]*"),
    "content": re.compile(r".*", re.DOTALL),
    "hex-content": re.compile(r".*", re.DOTALL),
    "custom_tlvs": re.compile(r".*", re.DOTALL),
}
_MANDATORY: Final = ("to", "username", "password")
_PRIORITIES: Final = {1: 5, 2: 7, 3: 9}
_LONGEST_S: Final = 366 * 86400.0
NO_ARGUMENTS: Final = (
    "Mandatory arguments not found, please refer to the HTTPAPI specifications."
)

Arguments = dict[str, bytes]


class JasminRefusal(Exception):
    """A refusal in Jasmin's words; `status` is HTTP's."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def arguments_of_json(body: bytes, *, plain: bool = False) -> Arguments:
    """Return the arguments of a JSON object; numbers and true are words too.

    `plain`: their names are as they were written.
    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise JasminRefusal("Cannot parse JSON data") from None
    if not isinstance(found, dict):
        raise JasminRefusal("Cannot parse JSON data")
    return arguments_of(found, plain=plain)


def arguments_of(fields: Mapping[str, Any], *, plain: bool = False) -> Arguments:
    """Return arguments as octets; ``hex_content`` is ``hex-content``."""
    found: Arguments = {}
    for name, value in fields.items():
        if value is None:
            continue
        if name != "custom_tlvs" and not plain:
            name = name.replace("_", "-")
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if not isinstance(value, str | int | float):
            value = msgspec.json.encode(value).decode()
        found[name] = str(value).encode("utf-8", "surrogatepass")
    return found


def check(
    arguments: Arguments, mandatory: tuple[str, ...] = _MANDATORY, content: bool = True
) -> None:
    """Raise `JasminRefusal` for arguments that are none, missing or malformed."""
    if not arguments:
        raise JasminRefusal(NO_ARGUMENTS)
    for name, value in arguments.items():
        pattern = _PATTERNS.get(name)
        if pattern is None:
            raise JasminRefusal(f"Argument [{name[:40]}] is unknown.")
        written = value.decode("utf-8", "replace")
        if not pattern.fullmatch(written):
            raise _invalid(name, "*" if name == "password" else written)
    for name in mandatory:
        if name not in arguments:
            raise JasminRefusal(f"Mandatory argument [{name}] is not found.")
    if not content:
        return
    if ("content" in arguments) is ("hex-content" in arguments):
        if "content" in arguments:
            why = "content and hex-content cannot be used both in same request."
            raise JasminRefusal(why)
        raise JasminRefusal("content or hex-content not present.")


def _invalid(name: str, written: str) -> JasminRefusal:
    return JasminRefusal(f"Argument [{name}] has an invalid value: [{written[:80]}].")


class JasminReader:
    """Makes drafts of messages of the arguments of one client."""

    def __init__(self, settings: JasminSettings, intake: DoorIntake) -> None:
        self._settings = settings
        self._intake = intake

    def draft(self, arguments: Arguments) -> MessageDraft:
        """Return the draft of checked arguments.

        Raises `JasminRefusal`, `DraftRefused`.
        """
        words = {
            name: value.decode("utf-8", "replace") for name, value in arguments.items()
        }
        draft = self._content(arguments, int(words.get("coding", "0")))
        minutes = words.get("validity-period")
        ttl_s = None if minutes is None else min(int(minutes) * 60.0, _LONGEST_S)
        url, level, method = self._dlr(words)
        return evolve(
            draft,
            to=words["to"],
            from_=words.get("from") or self._settings.default_sender,
            priority=_PRIORITIES.get(int(words.get("priority", "0"))),
            not_before=self._not_before(words.get("sdt")),
            ttl_s=ttl_s or None,
            channels=self._channels(words.get("tags", "")),
            max_segments=self._settings.max_messages,
            url=url,
            asked=level,
            method=method,
        )

    def _not_before(self, sdt: str | None) -> float | None:
        if not sdt:
            return None
        now = self._intake.seconds()
        try:
            at = read_time(sdt, now)
        except (ValueError, OverflowError):
            raise _invalid("sdt", sdt) from None
        return at if at is not None and at > now else None

    def _channels(self, tags: str) -> tuple[str, ...]:
        """Return the channel that a tag names, by our name or one of the client's."""
        names = self._settings.channel_names
        for tag in filter(None, tags.split(",")):
            found = self._intake.channels(names.get(tag, tag))
            if len(found) == 1:
                return found
        return ()

    def _dlr(self, words: Mapping[str, str]) -> tuple[str, int, str]:
        url = words.get("dlr-url", "")
        wanted = words.get("dlr") == "yes" or url or "dlr-level" in words
        if not (wanted and url):
            return "", 0, "GET"
        networks = self._intake.account.settings.callback_allow
        if complaint_of_url(url, networks) is not None:
            raise _invalid("dlr-url", url)
        method = words.get("dlr-method", "POST").upper()
        return url, int(words.get("dlr-level", "1")), method

    def _content(self, arguments: Arguments, coding: int) -> MessageDraft:
        given = arguments.get("hex-content")
        if given is None:
            octets = arguments.get("content", b"")
            if coding == 0:
                return self._text(octets)
            if coding == _UCS2 and self._settings.utf8_ucs2:
                octets = _utf8(octets).encode("utf-16-be")
        else:
            try:
                octets = bytes.fromhex(given.decode("ascii"))
            except ValueError:
                shown = given[:40].decode("utf-8", "replace")
                raise JasminRefusal(f"Invalid hex-content data: '{shown}'") from None
        return coded(octets, coding)

    def _text(self, octets: bytes) -> MessageDraft:
        settings = self._settings
        class_ = self._intake.account.settings.class_
        text, _ = in_gsm(_utf8(octets), settings.text_fallback, class_)
        if not text:
            return coded(b"", 0)
        return MessageDraft(to="", text=text)


def _utf8(octets: bytes) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise DraftRefused("gateway:unencodable", "content is not UTF-8") from None
    if is_unfit(text):
        raise DraftRefused("gateway:unencodable", "content has a U+0000")
    return text


def coded(octets: bytes, coding: int) -> MessageDraft:
    """Return a draft of octets under a data_coding, which leave as they are."""
    raw = RawUserData(
        octets=octets, data_coding=coding, payload=len(octets) > LONGEST_SMS
    )
    reading = reading_of(raw)
    if octets and coding == _UCS2 and reading.text:
        return MessageDraft(to="", text=reading.text, charset=Charset.UCS2)
    if octets and coding == _BINARY:
        return MessageDraft(to="", binary=octets)
    return MessageDraft(
        to="",
        raw=raw,
        text=reading.text,
        binary=reading.binary,
        on_unencodable=OnUnencodable.REJECT,
    )


def count_of(draft: MessageDraft) -> int:
    """Return how many SMS a draft becomes (``submit_sm_count``)."""
    text = draft.text
    if text is None:
        octets = draft.binary or (draft.raw.octets if draft.raw else b"")
        return 1 if len(octets) <= LONGEST_SMS else -(-len(octets) // 134)
    fits = draft.charset is not Charset.UCS2 and charsets.fits(text, Charset.GSM8)
    charset = Charset.GSM8 if fits else Charset.UCS2
    found = split(text, charset, method=Method.UDH)
    return found.count if isinstance(found, TooLong) else max(1, len(found))


# error word of the gateway -> (HTTP status, what Jasmin would say)
_REFUSALS: Final = {
    "gateway:no_route": (412, "No route found"),
    "gateway:bad_number": (400, "destination_address filter mismatch"),
    "gateway:sender_not_allowed": (400, "source_address filter mismatch"),
    "gateway:unencodable": (400, "content filter mismatch"),
}


def refusal(code: str, text: str, username: str) -> JasminRefusal:
    """Return why a message is not taken, in Jasmin's words."""
    if code == "gateway:too_long":
        return JasminRefusal(
            f"Authorization failed for user [{username}] (Long content not authorized)."
        )
    known = _REFUSALS.get(code)
    if known is None:
        return JasminRefusal(text.replace('"', "'"))
    status, said = known
    if status == 400:
        said = f"Value filter failed for user [{username}] ({said})."
    return JasminRefusal(said, status)
