"""The platform's own gateways: rows of its table ``sms_gates``, as JSON.

A row has ``id, owner_id, label, type, provider, params, enabled, class_filter``;
``params`` is an object, or JSON within a string, as the database has it.  The file is
one row, a list of rows, or what an export tool makes of them (``{"sms_gates": […]}``,
``[{"type": "table", "name": "sms_gates", "data": […]}]``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from gdemoi.cloud.settings import CloudSettings
from gdemoi.cloud.textlocal import TextlocalSettings
from gdemoi.cloud.twilio.provider import TwilioSettings
from gdemoi.cloud.tyntec import TyntecSettings
from gdemoi.cloud.vonage.account import VonageSettings
from gdemoi.importing.drafts import (
    BadImport,
    Draft,
    Found,
    Rule,
    bad,
    file_of,
    finished_smpp,
    in_milliseconds,
    name_of,
    no,
    number,
    optional,
    reconnect,
    route,
    shown,
    take,
    to,
)
from gdemoi.ini import Complaint, Place
from gdemoi.smpp.settings import SmppSettings
from gdemoi.yeastar.settings import YeastarSettings

PROGRAM: Final = "sms_gates"
_TRUE_FALSE: Final = {
    **dict.fromkeys(("true", "1", "yes"), "yes"),
    **dict.fromkeys(("false", "0", "no"), "no"),
}
_TYPES: Final = {one: one for one in ("transmitter", "transceiver", "receiver")}
_CHARSETS: Final = {
    "gsm8": "gsm8",
    "gsm7": "gsm7",
    "iso-8859-1": "latin1",
    "utf-8": "utf8",
    "iso-8859-15": "",
}
_VERSIONS: Final = {
    **dict.fromkeys(("3.4", "34", "52", "0x34"), "3.4"),
    **dict.fromkeys(("3.3", "33", "51", "0x33"), "3.3"),
}
_LONG: Final = {"udh": "udh", "payload": "payload"}
# the classes of a message that a word of class_filter lets through
_CLASSES: Final = {
    "notifications": ("notification",),
    "commands": ("command", "activation"),
}
_ALL: Final = ("command", "activation", "notification")
_ROW_WORDS: Final = (
    *("id", "owner_id", "label", "type", "provider", "params", "enabled"),
    "class_filter",
)


def looks_like(text: str) -> bool:
    """Tell whether a text may be rows: it is JSON."""
    return re.match(r"\s*(\{\s*\"|\[\s*\{)", text) is not None


@frozen
class Lines:
    """Where things of a JSON text stand: a row, and a word after its beginning."""

    file: str
    text: str

    def place(self, start: int, word: str | None = None) -> Place:
        """Return the line of a row, or of a word in it."""
        at = start
        if word is not None:
            # within a string the quotes have backslashes
            found = re.compile(rf'\\?"{re.escape(word)}\\?"\s*:').search(
                self.text, start
            )
            at = found.start() if found else start
        return Place(self.file, self.text.count("\n", 0, at) + 1)


@frozen
class NavixyRow:
    """One gateway as it was exported."""

    lines: Lines
    start: int
    fields: dict[str, Any]

    def found(self, word: str, value: Any) -> Found:
        """Return one setting."""
        return Found(word, _text(value), self.lines.place(self.start, word))

    def fault(self, word: str, expected: str) -> BadImport:
        """Return the fault of a field; what it holds may be a secret."""
        place = self.lines.place(self.start, word)
        return bad(place, f"{word}: expected {expected}")

    def params(self) -> dict[str, Any]:
        """Return ``params``; raises `BadImport`."""
        params = self.fields.get("params")
        if isinstance(params, str):
            try:
                params = json.loads(params)
            except ValueError:
                raise self.fault("params", "an object, or JSON of one") from None
        if not isinstance(params, dict):
            raise self.fault("params", "an object, or JSON of one")
        return params

    def word(self, word: str, words: dict[str, str], default: str) -> str:
        """Return what a table says of a field of the row; raises `BadImport`."""
        value = self.fields.get(word)
        if value is None:
            return default
        return self.found(word, value).one_of(words)


def imported(file: str, text: str) -> str:
    """Return the ini file for rows; raises `BadImport`."""
    drafts: list[Draft] = []
    parts: list[str] = []
    passed: dict[str, tuple[str, ...]] = {}
    wrong: list[Complaint] = []
    for row in _rows(Lines(file, text)):
        try:
            draft = _draft(row, [one.name for one in drafts])
            classes = _classes(row)
        except BadImport as fault:
            wrong += fault.complaints
            continue
        if isinstance(draft, str):
            parts.append(draft)
            continue
        drafts.append(draft)
        passed[draft.name] = classes
        parts.append(draft.text())
    if wrong:
        raise BadImport(wrong)
    return file_of(file, PROGRAM, [*parts, *_routes(drafts, passed)])


# -- the file ---------------------------------------------------------------


def _rows(lines: Lines) -> Iterator[NavixyRow]:
    try:
        json.loads(lines.text)
    except (ValueError, RecursionError) as error:
        at = getattr(error, "lineno", 0)
        what = getattr(error, "msg", str(error))
        raise bad(Place(lines.file, at), f"expected JSON: {what}") from None
    rows: list[NavixyRow] = []
    decoder = json.JSONDecoder()
    # every row is an object with `provider`: found where it begins, for its line
    for start in _objects(lines.text):
        value, _ = decoder.raw_decode(lines.text, start)
        if "provider" in value or ("params" in value and "label" in value):
            rows.append(NavixyRow(lines, start, value))
    if not rows:
        raise bad(
            Place(lines.file, 1), "expected rows of sms_gates: objects with `provider`"
        )
    yield from rows


def _objects(text: str) -> Iterator[int]:
    """Yield where each object of a JSON text begins: braces outside strings."""
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|\{', text):
        if found[0] == "{":
            yield found.start()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


# -- one row ----------------------------------------------------------------


def _draft(row: NavixyRow, taken: list[str]) -> Draft | str:
    """Return the section of a row, or comments when it has no counterpart."""
    provider = row.fields.get("provider")
    if not isinstance(provider, str):
        raise row.fault("provider", f"one of {', '.join(_PROVIDERS)}")
    kind = _PROVIDERS.get(provider.casefold())
    if kind is None:
        return _unknown(row, provider)
    name, settings, rules, needed = kind
    label = row.fields.get("label") or f"{provider}-{row.fields.get('id', '')}"
    draft = Draft(
        name, name_of(_text(label), taken), settings, str(row.lines.place(row.start))
    )
    params = row.params()
    for word in needed:
        if params.get(word) in (None, "", []):
            raise row.fault("params", f"`{word}` in it for {provider}")
    for word, value in row.fields.items():
        if word not in _ROW_WORDS or word in ("id", "owner_id", "label"):
            draft.note(row.found(word, value), _OF_ROWS.get(word, _UNKNOWN_COLUMN))
    if settings is SmppSettings:
        draft.put("bind", row.word("type", _TYPES, "transceiver"))
    draft.receives_only = row.word("type", _TYPES, "transceiver") == "receiver"
    present = [row.found(w, v) for w, v in params.items() if v is not None]
    # what source_npi means depends on it
    present.sort(key=lambda found: found.word != "source_ton")
    take(draft, present, rules)
    _finish(draft, row, params)
    if row.word("enabled", _TRUE_FALSE, "yes") == "no":
        draft.off = "the row is not enabled"
    return draft


def _finish(draft: Draft, row: NavixyRow, params: dict[str, Any]) -> None:
    """Add what follows from several settings."""
    if draft.settings is SmppSettings:
        if "response_timeout" not in draft.keys and "submit_timeout" in params:
            wait = row.found("submit_timeout", params["submit_timeout"])
            draft.put("response_timeout", in_milliseconds(wait), wait)
        finished_smpp(draft)
    elif issubclass(draft.settings, CloudSettings):
        draft.say("webhooks are faster: set webhooks and public_url in [http], and")
        draft.say("receipts = webhook, inbound = webhook here (docs/cloud.rst)")
        asked = draft.kind in ("twilio", "textlocal", "tyntec")
        draft.put("receipts", "poll" if asked else "none")
        draft.put("inbound", "poll" if draft.kind == "textlocal" else "none")


def _unknown(row: NavixyRow, provider: str) -> str:
    why = "no such provider here; a carrier's SMPP is [smpp:NAME]"
    found = [row.found(word, value) for word, value in row.fields.items()]
    return "\n".join(
        [
            f"# from {row.lines.place(row.start)}, provider {shown(provider)}: {why}",
            *(f"# {one.word} = {shown(one.value)}: {why}" for one in found),
            "",
        ]
    )


def _classes(row: NavixyRow) -> tuple[str, ...]:
    """Return the classes that class_filter lets through; raises `BadImport`."""
    value = row.fields.get("class_filter")
    words = [one.strip() for one in _text(value or "*").split(",")]
    allowed: set[str] = set()
    if all(word.startswith("-") for word in words):
        allowed = set(_ALL)
    for word in words:
        if word == "*":
            allowed = set(_ALL)
            continue
        classes = _CLASSES.get(word.removeprefix("-"))
        if classes is None:
            expected = "*, notifications, commands, or one of them after a -"
            raise row.found("class_filter", value).fault(expected)
        if word.startswith("-"):
            allowed -= set(classes)
        else:
            allowed |= set(classes)
    return tuple(one for one in _ALL if one in allowed)


def _routes(drafts: list[Draft], passed: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the routes: one, or one for each way in which classes are let through."""
    groups = {
        one: [draft for draft in drafts if one in passed[draft.name]] for one in _ALL
    }
    ways: dict[tuple[str, ...], list[str]] = {}
    for one, able in groups.items():
        ways.setdefault(tuple(draft.name for draft in able), []).append(one)
    if len(ways) == 1:
        whole = route("imported", drafts)
        return [whole] if whole else []
    found = []
    for names, classes in ways.items():
        able = [draft for draft in drafts if draft.name in names]
        name = "imported-" + "-".join(classes)
        found.append(route(name, able, (f"class = {', '.join(classes)}",)))
    return [one for one in found if one is not None]


# -- the tables -------------------------------------------------------------


def _addresses(draft: Draft, found: Found) -> None:
    try:
        value = json.loads(found.value) if found.value[:1] == "[" else [found.value]
    except ValueError:
        value = None
    good = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if not good or not value:
        raise found.fault('addresses such as ["smpp.example.org:2775"]')
    for one in value:
        port = re.fullmatch(r"(?:\[[^\]]+\]|[^:\s]+):([0-9]+)|[^:\s]+", one)
        if port is None or not 1 <= int(port[1] or 1) <= 65535:
            raise found.fault("host:port, with a port of 1..65535")
    draft.put_list("host", value, found)


def _auto(key: str) -> Rule:
    """Return the rule of a TON or NPI, for which -1 is auto."""

    def rule(draft: Draft, found: Found) -> None:
        value = found.whole(-1, 18)
        draft.put(key, "auto" if value == -1 else str(value), found)

    return rule


def _source_npi(draft: Draft, found: Found) -> None:
    if "source_ton = auto" in draft.lines:
        draft.note(found, "source_ton = auto derives both")
    else:
        _auto("source_npi")(draft, found)


def _charset(draft: Draft, found: Found) -> None:
    word = found.one_of(_CHARSETS)
    if word:
        draft.put("default_charset", word, found)
    else:
        draft.note(found, "default_charset has no such alphabet")


def _override(draft: Draft, found: Found) -> None:
    if found.value:
        draft.put_list("allowed_sender", (found.value,), found)
        draft.put("on_other_sender", "replace", found)


def _cloud_override(draft: Draft, found: Found) -> None:
    if found.value:
        draft.put_list("allowed_sender", (found.value,), found)
        draft.put("sender_policy", "fixed", found)


def _flag(key: str, yes: str, no_: str) -> Rule:
    return to(key, lambda found: yes if found.one_of(_TRUE_FALSE) == "yes" else no_)


def _logged(word: str) -> Rule:
    def rule(draft: Draft, found: Found) -> None:
        if found.one_of(_TRUE_FALSE) == "no":
            draft.note(found, "off, as without pdu_log")
        else:
            draft.put("pdu_log", word, found)

    return rule


def _india(draft: Draft, found: Found) -> None:
    if "textlocal.in" in found.value:
        draft.put("host", "in", found)
    elif found.value:
        draft.note(
            found, "the addresses of the two Textlocals are known: host = uk, in"
        )


def _span(draft: Draft, found: Found) -> None:
    span = found.whole(0)
    if span:
        draft.say(f"gsm_span {span}: a TG has its port {span - 1} there (span_offset)")
        draft.put("ports", str(span - 1), found)


_CALLBACK: Final = no("receipts says how outcomes are learnt: webhook, poll or none")
_SMPP: Final[dict[str, Rule]] = {
    "addresses": _addresses,
    "login": to("system_id"),
    "password": to("password"),
    "system_type": optional("system_type"),
    "interface_version": to("version", lambda found: found.one_of(_VERSIONS)),
    "enquire_link_timeout": to("link_timeout", in_milliseconds),
    "connect_timeout": to("connect_timeout", in_milliseconds),
    "bind_timeout": to("bind_timeout", in_milliseconds),
    "enquire_link_interval": to("enquire_link", in_milliseconds),
    "request_expiry_timeout": to("response_timeout", in_milliseconds),
    "submit_timeout": no(
        "messages wait for a place in the window as long as they live"
    ),
    "reconnect_wait": reconnect(1),
    "window_size": to("window", number(1)),
    "source_ton": _auto("source_ton"),
    "source_npi": _source_npi,
    "dest_ton": _auto("destination_ton"),
    "dest_npi": _auto("destination_npi"),
    "default_charset": _charset,
    "default_coding": to("gsm_coding", number(0, 255)),
    "override_originator": _override,
    "long_sms_transmit_method": to("long_messages", lambda found: found.one_of(_LONG)),
    "registered_delivery_receipt_request": _flag("receipts", "final", "none"),
    "log_bytes": _logged("hex"),
    "log_pdu": _logged("line"),
    "binary_coding": no("binary messages go with data_coding 4"),
    "unicode_coding": no("UCS2 goes with data_coding 8"),
    "support_binary": no("binary messages are always taken"),
    "null_padded_octet_strings": no("text is sent without a NUL behind it"),
    **dict.fromkeys(
        ("alnum_ton", "alnum_npi", "num_ton", "num_npi"),
        no("source_ton = auto: names are 5/0, international numbers 1/1"),
    ),
}
_TWILIO: Final[dict[str, Rule]] = {
    "account_sid": to("account_sid"),
    "auth_token": optional("auth_token"),
    "api_sid": optional("api_key"),
    "api_secret": optional("api_secret"),
    "override_originator": _cloud_override,
    "enable_status_callback": _CALLBACK,
}
_VONAGE: Final[dict[str, Rule]] = {
    "api_key": to("api_key"),
    "api_secret": to("api_secret"),
    "override_originator": _cloud_override,
    "enable_status_callback": _CALLBACK,
}
_TEXTLOCAL: Final[dict[str, Rule]] = {
    "api_key": optional("api_key"),
    "url": _india,
    "override_originator": _cloud_override,
    "enable_status_callback": _CALLBACK,
    **dict.fromkeys(
        ("username", "hash"), no("an API key of the account stands for it: api_key")
    ),
}
_TYNTEC: Final[dict[str, Rule]] = {
    "override_originator": _cloud_override,
    "url": no("the SMS API v1 has one address, which is known"),
    **dict.fromkeys(
        ("username", "password"), no("the SMS API v1 takes an API key: api_key")
    ),
}
_YEASTAR: Final[dict[str, Rule]] = {
    "address": to("host"),
    "port": to("port", number(1, 65535)),
    "login": to("username"),
    "password": to("password"),
    "gsm_span": _span,
    "connection_timeout": to("connect_timeout", in_milliseconds),
    "send_timeout": to("result_timeout", in_milliseconds),
    "reconnect_timeout": no("pauses between connections grow by themselves"),
    "ping_timeout": no("ping_interval and answer_timeout find a silent device"),
    "time_shift": no("utc_offset is the device's offset from UTC, not a correction"),
}
_Kind = tuple[str, type, dict[str, Rule], tuple[str, ...]]
_PROVIDERS: Final[dict[str, _Kind]] = {
    "smpp": ("smpp", SmppSettings, _SMPP, ("addresses", "login")),
    "twilio": ("twilio", TwilioSettings, _TWILIO, ("account_sid",)),
    "nexmo": ("vonage", VonageSettings, _VONAGE, ("api_key", "api_secret")),
    "textlocal": ("textlocal", TextlocalSettings, _TEXTLOCAL, ()),
    "tyntec": ("tyntec", TyntecSettings, _TYNTEC, ()),
    "yeastar": ("yeastar", YeastarSettings, _YEASTAR, ("address", "login", "password")),
}
_UNKNOWN_COLUMN: Final = "import does not know this column"
_OF_ROWS: Final = {
    "id": "names the gateway in /sms/ID/incoming; here that is the section's name",
    "owner_id": "whose gateway it is: [account:NAME] and the routes say who uses it",
    "label": "the section's name is made of it",
}
