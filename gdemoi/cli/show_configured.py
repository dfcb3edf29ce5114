"""What the answers of `keys` and `explain` look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table

from gdemoi.cli.show import error_words, finding, plain
from gdemoi.cli.terminal import PlainText as Text
from gdemoi.contract.remedies import remedy_of
from gdemoi.ini import KeyReference
from gdemoi.smpp.pdu.headers import HEADER_OCTETS
from gdemoi.smpp.pdu.pdus import SubmitSm, decode

Json = Mapping[str, Any]


def keys(console: Console, label: str, doc: str, found: Sequence[KeyReference]) -> None:
    """Show a section's keys: name, default, unit; below it what it means."""
    console.print(Text(f"[{label}]", style="bold cyan"))
    for paragraph in doc.strip().split("\n\n"):
        console.print(plain(" ".join(paragraph.split())))
    for one in found:
        line = Text("  ")
        line.append(one.name, style="bold")
        if one.required:
            line.append("  required", style="bold red")
        elif one.default:
            line.append(f" = {one.default}", style="green")
        line.append(f"  ({one.unit})", style="dim")
        console.print(line)
        console.print(Padding(plain(one.doc), (0, 0, 0, 6), expand=False))
        if one.example:
            example = one.example.removeprefix(f"{one.name} = ")
            shown = plain(f"{one.name} = {example}", "dim")
            console.print(Padding(shown, (0, 0, 0, 6), expand=False))
    console.print()


def explanation(console: Console, data: Json) -> None:
    """Show which way a message would go, and its bytes."""
    head = Table.grid(padding=(0, 2))
    names = ("to", "country", "route", "sender", "transliterated", "charset")
    for name in (*names, "data_coding"):
        if name == "transliterated" and name not in data:
            continue
        value = data.get(name)
        if name == "data_coding" and isinstance(value, int):
            value = f"0x{value:02x}"
        head.add_row(plain(name, "dim"), plain("–" if value is None else value))
        addresses = _addresses(data) if name == "sender" else ""
        if addresses:
            head.add_row(plain("TON/NPI", "dim"), plain(addresses))
    console.print(head)
    _tracker(console, data.get("tracker"))
    console.print(Group(*_rules(data), *_ways(data)))
    for number, segment in enumerate(data.get("segments") or (), 1):
        count = len(data["segments"])
        title = Text(f"segment {number} of {count}", style="bold")
        title.append(f"  {segment['units']} units", style="dim")
        console.print(title)
        console.print(plain(segment["user_data"]), soft_wrap=True)
        for piece in segment["wire"]:
            console.print(plain(piece, "dim"), soft_wrap=True)
    if data.get("error"):
        console.print(Text(f"✗ {error_words(data['error'])}", style="bold red"))
        remedy = remedy_of(str(data["error"].get("code")))
        if remedy is not None:
            console.print(Text(f"→ {remedy.en}", style="yellow"))


def _tracker(console: Console, told: Json | None) -> None:
    """Show which profile a message has, and what that finds."""
    if told is None:
        return
    line = Text(f"profile {told['profile']}", style="bold")
    line.append(f"  sure {told['sure']}, by {told['by']}", style="dim")
    console.print(line)
    for one in told["findings"]:
        console.print(finding(one), soft_wrap=True)


def _addresses(data: Json) -> str:
    """Return TON/NPI of the addresses, when what would leave is a submit_sm."""
    segments = data.get("segments") or ()
    if not segments:
        return ""
    try:
        frame = bytes.fromhex(segments[0]["wire"][0])
    except ValueError:
        return ""
    if len(frame) < HEADER_OCTETS or int.from_bytes(frame[:4], "big") != len(frame):
        return ""
    pdu = decode(frame)
    if not isinstance(pdu, SubmitSm):
        return ""
    source = f"{pdu.source_addr_ton}/{pdu.source_addr_npi}"
    return f"source {source}, destination {pdu.dest_addr_ton}/{pdu.dest_addr_npi}"


def _rules(data: Json) -> list[Text]:
    return [
        _mark(bool(rule["matched"]), f"route {rule['name']}", rule["why"])
        for rule in data.get("rules") or ()
    ]


def _ways(data: Json) -> list[Text]:
    """Return a line for each channel; those with one reason share theirs."""
    alike: dict[tuple[bool, Any], list[str]] = {}
    for way in data.get("channels") or ():
        alike.setdefault((bool(way["able"]), way["why"]), []).append(way["name"])
    return [
        line
        for (able, why), names in alike.items()
        for line in (
            [_mark(able, f"channel {name}", why) for name in names]
            if able
            else [_mark(able, f"{_channels(names)} {', '.join(names)}", why)]
        )
    ]


def _channels(names: Sequence[str]) -> str:
    return "channel" if len(names) == 1 else "channels"


def _mark(good: bool, what: str, why: Any) -> Text:
    line = Text("✓ " if good else "✗ ", style="green" if good else "red")
    line.append(what, style="bold" if good else "")
    line.append(f"  {why or ''}", style="dim")
    return line


def difference(console: Console, found: Json) -> None:
    """Print what a file would change, and which keys could not be compared."""
    for change in found["changes"]:
        console.print(Text(change["text"]))
    if not found["changes"]:
        console.print(Text("nothing else changes"))
    if found["not_compared"]:
        console.print(Text(f"not compared: {', '.join(found['not_compared'])}"))
