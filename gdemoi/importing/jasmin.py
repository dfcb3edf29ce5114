"""Jasmin's connectors: what ``smppccm -s CID`` and ``smppccm -l`` print.

The keys are those of Jasmin's manual, "SMPP Client connector manager".  The text may
be a whole terminal session, with prompts and several connectors, also one in which
connectors are made (``smppccm -a`` with ``> key value`` lines).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from gdemoi.importing.drafts import (
    Draft,
    Found,
    Rule,
    bad,
    file_of,
    finished_smpp,
    in_seconds,
    name_of,
    no,
    number,
    reconnect,
    route,
    shown,
    take,
    throughput,
    to,
)
from gdemoi.ini import Place
from gdemoi.smpp.settings import SmppSettings

PROGRAM: Final = "Jasmin"
_PROMPT: Final = re.compile(r"jcli\s*:\s*(.*)")
_ROW: Final = re.compile(r"#(\S+)\s+(started|stopped)\b.*")
_KEY: Final = re.compile(r"([a-z][a-z0-9_]*)(?:\s+(.*))?")
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_YES_NO: Final = {"yes": "yes", "no": "no"}
_BINDS: Final = {one: one for one in ("transceiver", "transmitter", "receiver")}
_ID_FORMS: Final = {"0": "same", "1": "hex-dec", "2": "dec-hex"}
_TLV: Final = re.compile(r"(0x[0-9A-Fa-f]+|[0-9]+),(\w+),([^,]*)(?:,\w*)?")
_TLV_OCTETS: Final = {"Int1": 1, "Int2": 2, "Int4": 4, "Int8": 8}


@define
class Connector:
    """One connector as it was shown."""

    place: Place
    settings: dict[str, Found] = field(factory=dict)


@define
class Session:
    """What a terminal showed: connectors, and the rows of a listing."""

    file: str
    connectors: list[Connector] = field(factory=list)
    rows: dict[str, tuple[Place, bool]] = field(factory=dict)
    _open: Connector | None = None

    def line(self, place: Place, text: str) -> None:
        """Take one line; raises `BadImport`."""
        prompt, row = _PROMPT.fullmatch(text), _ROW.fullmatch(text)
        if prompt is not None or not text or text in ("ok", "ko"):
            self._open = None
        elif row is not None:
            self.rows[row[1]] = (place, row[2] == "started")
        elif text.startswith(("#", "Total connectors", "Success", "Adding a new")):
            self._open = None
        elif text.startswith("Unknown connector"):
            raise bad(place, f"{text}: expected the settings of a connector")
        else:
            self._setting(place, text)

    def _setting(self, place: Place, text: str) -> None:
        match = _KEY.fullmatch(text)
        if match is None or (self._open is None and match[1] not in _KNOWN):
            if self._open is None:
                # what a terminal says on its own: a greeting, a session's number
                return
            raise bad(place, f"{shown(text)!r}: expected a line like `key value`")
        word, value = match[1], (match[2] or "").strip()
        if self._open is None or word in self._open.settings:
            self._open = Connector(place)
            self.connectors.append(self._open)
        self._open.settings[word] = Found(word, value, place)


def looks_like(text: str) -> bool:
    """Tell whether a text shows connectors of Jasmin."""
    lines = [_plain(line) for line in text.splitlines()]
    return any(
        line.startswith(("#Connector id", "cid ")) or _PROMPT.fullmatch(line)
        for line in lines
    )


def imported(file: str, text: str) -> str:
    """Return the ini file for a text; raises `BadImport`."""
    session = Session(file)
    for at, line in enumerate(text.splitlines(), 1):
        session.line(Place(file, at), _plain(line))
    if not session.connectors and not session.rows:
        raise bad(
            Place(file, 0), "expected what `smppccm -s CID` or `smppccm -l` prints"
        )
    drafts: list[Draft] = []
    for connector in session.connectors:
        drafts.append(_smpp(connector, session, [one.name for one in drafts]))
    parts = [draft.text() for draft in drafts]
    shown_ones = {
        one.settings["cid"].value for one in session.connectors if "cid" in one.settings
    }
    for cid, (place, _) in session.rows.items():
        if cid not in shown_ones:
            parts.append(
                f"# from {place}: connector {shown(cid)} is listed without its"
                f" settings; import what `smppccm -s {shown(cid)}` prints\n"
            )
    everything = route("imported", drafts)
    if everything is not None:
        parts.append(f"# which way a message goes was said by mtrouter\n{everything}")
    return file_of(file, PROGRAM, parts)


def _plain(line: str) -> str:
    """Return a line without a terminal's colours and an input prompt."""
    return _ESCAPES.sub("", line).strip().removeprefix("> ").strip()


def _smpp(connector: Connector, session: Session, taken: list[str]) -> Draft:
    if "cid" not in connector.settings:
        raise bad(connector.place, "expected a line `cid …` among these settings")
    cid = connector.settings["cid"].value
    draft = Draft("smpp", name_of(cid, taken), SmppSettings, str(connector.place))
    settings = {word: one for word, one in connector.settings.items() if word != "cid"}
    for word, default in _DEFAULTS.items():
        settings.setdefault(word, Found(word, default, connector.place))
    present = [
        one for one in settings.values() if one.value not in ("", "None", "none")
    ]
    take(draft, present, _RULES)
    draft.receives_only = settings["bind"].value == "receiver"
    _place, started = session.rows.get(cid, (None, True))
    if not started:
        draft.off = "the listing says that it is stopped"
    finished_smpp(draft)
    return draft


def _retry(draft: Draft, found: Found) -> None:
    if found.one_of(_YES_NO) == "no":
        draft.note(found, "a lost connection is always made again")


def _tlvs(draft: Draft, found: Found) -> None:
    for one in filter(None, (part.strip() for part in found.value.split(";"))):
        match = _TLV.fullmatch(one)
        if match is None:
            raise found.fault("tag,type,value,required|optional; …")
        tag = int(match[1], 0)
        piece = Found(found.word, one, found.place)
        octets = _TLV_OCTETS.get(match[2])
        if octets is None:
            draft.note(piece, f"write its octets as tlv.0x{tag:04X} = HEXADECIMAL")
            continue
        try:
            value = int(match[3], 0).to_bytes(octets, "big")
        except (ValueError, OverflowError):
            raise piece.fault(f"a number of {octets} octets") from None
        draft.put(f"tlv.0x{tag:04X}", value.hex(), piece)


def _privacy(draft: Draft, found: Found) -> None:
    draft.put("pdu_log_texts", "no" if found.one_of(_YES_NO) == "yes" else "yes", found)


_LOG: Final = "there is one log, with log_levels by part; see pdu_log"
_RULES: Final[dict[str, Rule]] = {
    "host": lambda draft, found: draft.put_list("host", (found.value,), found),
    "port": to("port", number(1, 65535)),
    "username": to("system_id"),
    "password": to("password"),
    "systype": to("system_type"),
    "bind": to("bind", lambda found: found.one_of(_BINDS)),
    "bind_ton": to("address_ton", number(0, 6)),
    "bind_npi": to("address_npi", number(0, 18)),
    "addr_range": to("address_range"),
    "src_ton": to("source_ton", number(0, 6)),
    "src_npi": to("source_npi", number(0, 18)),
    "dst_ton": to("destination_ton", number(0, 6)),
    "dst_npi": to("destination_npi", number(0, 18)),
    "src_addr": lambda draft, found: draft.put_list(
        "allowed_sender", (found.value, "*"), found
    ),
    "submit_throughput": throughput,
    "elink_interval": to("enquire_link", in_seconds),
    "bind_to": to("bind_timeout", in_seconds),
    "res_to": to("response_timeout", in_seconds),
    "con_fail_delay": reconnect(1000),
    "con_loss_delay": no("reconnect_min holds after a loss too"),
    "con_fail_retry": _retry,
    "con_loss_retry": _retry,
    "proto_id": to("protocol_id", number(0, 255)),
    "priority": to("priority_flag", number(0, 3)),
    "dlr_msgid": to("receipt_id", lambda found: found.one_of(_ID_FORMS)),
    "ssl": to("tls", lambda found: found.one_of(_YES_NO)),
    "custom_tlvs": _tlvs,
    "logprivacy": _privacy,
    "trx_to": no("a silent connection is found by enquire_link and link_timeout"),
    "pdu_red_to": no("a PDU that does not end is found by link_timeout"),
    "validity": no(
        "seconds; the ttl of the message or of its [route:NAME] holds, and"
        " validity_period = ttl tells it to the carrier"
    ),
    "requeue_delay": no("pauses between tries are retry_first of [gateway]"),
    "dlr_expiry": no("how long a receipt is waited for is receipt_ttl of [gateway]"),
    "coding": no("data_coding is chosen by the text; see gsm_coding"),
    "ripf": no("a message may say it: smpp.replace_if_present_flag"),
    "def_msg_id": no("no predefined messages"),
    **dict.fromkeys(("logfile", "loglevel", "logrotate"), no(_LOG)),
}
# A connector that is made says only what differs; these defaults are not ours.
_DEFAULTS: Final = {
    "host": "127.0.0.1",
    "username": "smppclient",
    "password": "password",
    "bind": "transceiver",
    "submit_throughput": "1",
    "res_to": "60",
    "con_fail_delay": "10",
    "src_ton": "2",
    "src_npi": "1",
    "dst_ton": "1",
    "dst_npi": "1",
    "bind_npi": "1",
}
_KNOWN: Final = frozenset((*_RULES, "cid"))
