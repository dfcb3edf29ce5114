"""Kannel's configuration: its ``smsc`` groups become ``[smpp:…]`` sections.

The form is that of Kannel 1.4's user guide, "Configuration file syntax" and
"SMSCenter groups": groups with an empty line between them, ``name = value``, values
with or without quotes, ``include`` of a file or of all files of a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import define, field

from gdemoi.importing.drafts import (
    Draft,
    Found,
    Rule,
    bad,
    file_of,
    in_seconds,
    name_of,
    no,
    number,
    optional,
    reconnect,
    route,
    shown,
    take,
    throughput,
    to,
)
from gdemoi.ini import Place, Sources
from gdemoi.smpp.settings import SmppSettings

PROGRAM: Final = "Kannel"
_BOOLEAN: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), "yes"),
    **dict.fromkeys(("false", "no", "off", "0"), "no"),
}
# of the alphabets that alt-charset may name, those that we have a word for
_CHARSETS: Final = {
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "iso_8859-1", "latin1"), "latin1"),
    **dict.fromkeys(("ascii", "us-ascii", "ansi_x3.4-1968"), "ascii"),
    **dict.fromkeys(("utf-8", "utf8"), "utf8"),
    **dict.fromkeys(("gsm", "gsm_03.38"), "gsm8"),
}
_VERSIONS: Final = {"34": "3.4", "33": "3.3"}
# bit 1: the response is hexadecimal; bit 2: the receipt is
_ID_FORMS: Final = ("same", "hex-dec", "dec-hex", "same")
_ELSEWHERE: Final = {
    "core": "[gateway] and [http] stand for it",
    "smsbox": "[http] or [amqp] takes messages",
    "sendsms-user": "[account:NAME] stands for a user",
    "sms-service": "inbound SMS are events, which the platform answers itself",
    "smsbox-route": "inbound SMS are events; [account:NAME] tells whose they are",
    "smppbox": "[smpp-server:NAME] and [smpp-client:NAME] stand for it",
    "opensmppbox": "[smpp-server:NAME] and [smpp-client:NAME] stand for it",
}


@define
class Group:
    """One group as it was written."""

    place: Place
    settings: dict[str, Found] = field(factory=dict)

    def get(self, word: str) -> str | None:
        """Return one value."""
        found = self.settings.get(word)
        return None if found is None else found.value


def looks_like(text: str) -> bool:
    """Tell whether a text is a Kannel configuration."""
    return any(
        line.partition("=")[0].strip() in ("group", "include") and "=" in line
        for line in text.splitlines()
        if not line.lstrip().startswith(("#", "["))
    )


def imported(file: str, text: str, sources: Sources) -> str:
    """Return the ini file for a configuration; raises `BadImport`."""
    drafts: list[Draft] = []
    remarks: list[str] = []
    groups = list(_groups(file, text, sources, (file,)))
    for group in groups:
        kind = group.get("group") or ""
        if kind != "smsc":
            why = _ELSEWHERE.get(kind, "it is not about a far side")
            remarks.append(f"# {group.place}: group = {shown(kind)}: {why}")
        elif (group.get("smsc") or "").casefold() != "smpp":
            remarks += _other(group)
        else:
            drafts.append(_smpp(group, [one.name for one in drafts]))
    if not any(group.get("group") == "smsc" for group in groups):
        raise bad(Place(file, 0), "expected at least one `group = smsc`")
    parts = [draft.text() for draft in drafts]
    if remarks:
        parts.append("\n".join(remarks) + "\n")
    everything = route("imported", drafts)
    if everything is not None:
        parts.append(
            "# Kannel shares messages among all that may have them; here the first\n"
            f"# that is able gets them, or by weight: policy = weighted\n{everything}"
        )
    return file_of(file, PROGRAM, parts)


# -- the file ---------------------------------------------------------------


def _groups(
    file: str, text: str, sources: Sources, chain: tuple[str, ...]
) -> Iterator[Group]:
    group: Group | None = None
    for line_number, line in _lines(text):
        place = Place(file, line_number)
        if not line:
            if group is not None:
                yield _named(group)
            group = None
            continue
        if line.startswith("#"):
            continue
        word, equals, value = line.partition("=")
        word, value = word.strip(), _unquoted(value.strip())
        if not equals or not word:
            raise bad(place, f"{shown(line)!r}: expected a line like name = value")
        if word == "include":
            if group is not None:
                yield _named(group)
            group = None
            yield from _included(Found(word, value, place), sources, chain)
            continue
        group = group or Group(place)
        if word == "group" and "group" in group.settings:
            raise bad(place, "expected an empty line before the next group")
        # the last one holds, as in Kannel
        group.settings[word] = Found(word, value, place)
    if group is not None:
        yield _named(group)


def _named(group: Group) -> Group:
    if "group" not in group.settings:
        raise bad(group.place, "expected a line `group = …` in this group")
    return group


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number; a backslash at the end joins the next."""
    start, joined = 0, ""
    for at, raw in enumerate(text.splitlines(), 1):
        start = start or at
        line = raw.strip()
        if line.endswith("\\") and not line.startswith("#"):
            joined += line[:-1]
            continue
        yield start, (joined + line).strip()
        start, joined = 0, ""
    if joined:
        yield start, joined.strip()


def _unquoted(value: str) -> str:
    if len(value) < 2 or not value.startswith('"') or not value.endswith('"'):
        return value
    return value[1:-1].replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")


def _included(
    found: Found, sources: Sources, chain: tuple[str, ...]
) -> Iterator[Group]:
    path = sources.resolve(found.value, found.place.file)
    for file in sources.expand(f"{path.rstrip('/')}/*", found.place.file) or [path]:
        if file in chain:
            raise bad(found.place, f"include = {shown(found.value)}: includes itself")
        try:
            octets = sources.read(file)
        except OSError as error:
            why = error.strerror or str(error)
            raise found.fault(f"a file or folder that can be read ({why})") from None
        yield from _groups(file, decoded(file, octets), sources, (*chain, file))


def decoded(file: str, octets: bytes) -> str:
    """Return octets as text; raises `BadImport` with the line that is not UTF-8."""
    try:
        return octets.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise bad(Place(file, line), "expected text in UTF-8") from None


# -- one smsc group ---------------------------------------------------------


def _other(group: Group) -> list[str]:
    """Return the comments for a group that is no SMPP service."""
    kind = group.get("smsc") or ""
    why = "only smsc = smpp has a counterpart"
    if kind == "at":
        why = "no modems: a [goip:…] or [yeastar:…] device carries the SIMs"
    elif kind == "http":
        why = "its provider may have a kind of section of its own (gdemoi-sms keys)"
    return [
        f"# from {group.place}, smsc = {shown(kind)}: {why}",
        *(
            f"# {one.word} = {shown(one.value)}: {why}"
            for one in group.settings.values()
            if one.word not in ("group", "smsc")
        ),
    ]


def _smpp(group: Group, taken: list[str]) -> Draft:
    wish = group.get("smsc-id") or group.get("host") or "kannel"
    draft = Draft("smpp", name_of(wish, taken), SmppSettings, str(group.place))
    for word in ("host", "smsc-username", "smsc-password"):
        if word not in group.settings:
            raise bad(group.place, f"this group has no {word}: expected one for SMPP")
    _bind(draft, group)
    _addresses(draft, group)
    rest = [one for one in group.settings.values() if one.word not in _BY_HAND]
    take(draft, rest, _RULES)
    if "esm-class" not in group.settings:
        draft.say("what Kannel sends when it is not told: store and forward")
        draft.put("esm_class", "3")
    return draft


def _bind(draft: Draft, group: Group) -> None:
    """Set the port and which binds: two ports are two connections in Kannel."""
    main, receive = group.settings.get("port"), group.settings.get("receive-port")
    transceiver = group.settings.get("transceiver-mode")
    port = main.whole(0, 65535) if main else 0
    other = receive.whole(0, 65535) if receive else 0
    if not port and not other:
        raise bad(group.place, "expected a port, or a receive-port")
    draft.put("port", str(port or other))
    if transceiver is not None and transceiver.one_of(_BOOLEAN) == "yes":
        if not port:
            raise bad(group.place, "expected a port for transceiver-mode")
        draft.put("bind", "transceiver")
        if receive is not None and other:
            draft.note(receive, "a transceiver has one connection")
        return
    draft.put(
        "bind", "pair" if port and other else "receiver" if other else "transmitter"
    )
    draft.receives_only = not port
    if receive is not None and port and other and port != other:
        draft.note(receive, "both binds of a pair go to the same port")


def _addresses(draft: Draft, group: Group) -> None:
    """Set TON and NPI of the sender: autodetection is ours, unless switched off."""
    auto = group.settings.get("source-addr-autodetect")
    derived = auto is None or auto.one_of(_BOOLEAN) == "yes"
    if auto is not None:
        draft.note(auto, "source_ton = auto does it; a number there does not")
    for word, key in (
        ("source-addr-ton", "source_ton"),
        ("source-addr-npi", "source_npi"),
    ):
        found = group.settings.get(word)
        if found is None:
            continue
        if derived:
            found.whole(0, 18)
            draft.note(found, f"Kannel derives it; {key} here would hold for names too")
        else:
            draft.put(key, str(found.whole(0, 18)), found)


def _receipt_id(draft: Draft, found: Found) -> None:
    draft.put("receipt_id", _ID_FORMS[found.whole(0, 3)], found)


def _charset(draft: Draft, found: Found) -> None:
    word = _CHARSETS.get(found.value.casefold())
    if word is None:
        draft.note(found, "default_charset has no such alphabet")
    else:
        draft.put("default_charset", word, found)


def _senders(draft: Draft, found: Found) -> None:
    if "*" not in found.value:
        draft.put_list("allowed_sender", (found.value, "*"), found)


def _cut(key: str, most: int) -> Rule:
    """Return the rule of a credential, of which Kannel sends so many characters."""

    def rule(draft: Draft, found: Found) -> None:
        if len(found.value) > most:
            draft.note(found, f"Kannel sends {most} characters of it, and so does this")
        if found.value:
            draft.put(key, found.value[:most], found)

    return rule


_ROUTES: Final = "which messages go this way is said by [route:NAME]"
_RETRIES: Final = "retries are those of [gateway] and of the message's on_unsure"
_LOG: Final = "there is one log, with log_levels by part; see pdu_log"
_RULES: Final[dict[str, Rule]] = {
    "host": lambda draft, found: draft.put_list("host", (found.value,), found),
    "smsc-username": _cut("system_id", 15),
    "smsc-password": _cut("password", 8),
    "system-type": _cut("system_type", 12),
    "service-type": optional("service_type"),
    "address-range": _cut("address_range", 40),
    "interface-version": to("version", lambda found: found.one_of(_VERSIONS)),
    "use-ssl": to("tls", lambda found: found.one_of(_BOOLEAN)),
    "throughput": throughput,
    "max-pending-submits": to("window", number(0)),
    "enquire-link-interval": to("enquire_link", in_seconds),
    "reconnect-delay": reconnect(1000),
    "wait-ack": to("response_timeout", in_seconds),
    "dest-addr-ton": to("destination_ton", number(0, 18)),
    "dest-addr-npi": to("destination_npi", number(0, 18)),
    "bind-addr-ton": to("address_ton", number(0, 18)),
    "bind-addr-npi": to("address_npi", number(0, 18)),
    "msg-id-type": _receipt_id,
    "alt-charset": _charset,
    "esm-class": to("esm_class", number(0, 255)),
    "priority": to("priority_flag", number(0, 3)),
    "default-sender": _senders,
    "wait-ack-expire": no(
        "what has no answer is uncertain; on_unsure of the message or its route"
        " says whether it is sent again"
    ),
    "connection-timeout": no(
        "a silent connection is found by enquire_link and link_timeout"
    ),
    "validityperiod": no(
        "minutes; the ttl of the message or of its [route:NAME] holds, and"
        " validity_period = ttl tells it to the carrier"
    ),
    "alt-addr-charset": no("senders are sent in ASCII"),
    "alt-dcs": no("data_coding is chosen by the text; see gsm_coding"),
    "my-number": no("inbound SMS keep the number that they came to"),
    "instances": no("one bind for each section: a second section, or a larger window"),
    "max-sms-octets": no("140 octets, cut as long_messages says"),
    "ssl-client-certkey-file": no("no certificate of our own is shown"),
    "our-host": no("the system chooses the address of this side"),
    "our-port": no("the system chooses the port of this side"),
    "dead-start": no("no channel starts paused: `gdemoi-sms pause NAME` afterwards"),
    "smsc-admin-id": no("commands use the section's name"),
    "max-error-count": no("no number of errors stops a channel"),
    "unified-prefix": no("home_country of [gateway] says how numbers are read"),
    **dict.fromkeys(("log-file", "log-level"), no(_LOG)),
    **dict.fromkeys(("retry", "max-resend", "resend-freq"), no(_RETRIES)),
    **dict.fromkeys(
        [
            f"{verb}-{what}{tail}"
            for verb in ("allowed", "denied", "preferred")
            for what in ("smsc-id", "prefix", "sender-prefix", "receiver-prefix")
            for tail in ("", "-regex")
        ],
        no(_ROUTES),
    ),
    **dict.fromkeys(
        ("white-list", "black-list", "white-list-regex", "black-list-regex"),
        no(_ROUTES),
    ),
    **dict.fromkeys(
        ("reroute", "reroute-smsc-id", "reroute-receiver", "reroute-dlr"),
        no("inbound SMS are events, and never sent on by the gateway"),
    ),
}
_BY_HAND: Final = (
    *("group", "smsc", "smsc-id", "port", "receive-port", "transceiver-mode"),
    *("source-addr-ton", "source-addr-npi", "source-addr-autodetect"),
)
