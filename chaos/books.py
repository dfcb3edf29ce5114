"""The books: accepted, arrived, told; and what is wrong between them.

Nothing here knows the gateway.  `Books.accepted` hears of HTTP answers and of what the
broker confirmed, `Books.arrived` of segments that the SMSC logged, and each reader of
events has a `Telling`.  `Books.close` compares.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from chaos.wire import Arrival, may_be_repeated, octets_of, text_of

UNCERTAIN: Final = "uncertain"
# what may end a message that an SMSC took, when no receipt need come
SENT: Final = ("delivered", "submitted", "enroute")
NEVER: Final = -1.0
# ends at most this often; a bytearray holds no more
MOST: Final = 255


@frozen
class Fault:
    """Something that is wrong with one message; `at_s` is when it was under way."""

    what: str
    number: int
    at_s: float
    detail: str = ""


@define
class Telling:
    """What one reader was told of each message.

    ``at_least_once``: what was told may come again, with the `seq` that it had.
    """

    name: str
    count: int
    at_least_once: bool = False
    seqs: bytearray = field(init=False)
    finals: bytearray = field(init=False)
    ends: dict[int, str] = field(factory=dict)
    uncertain: set[int] = field(factory=set)
    wrong: list[tuple[int, str]] = field(factory=list)
    repeats: int = 0

    def __attrs_post_init__(self) -> None:
        self.seqs, self.finals = bytearray(self.count), bytearray(self.count)

    def heard(self, event: Mapping[str, Any]) -> None:
        """Take a status event; other kinds, and answers (seq 0), are passed over."""
        if event.get("type") != "status" or not event["seq"]:
            return
        number, seq = int(event["id"].removeprefix("x-")), event["seq"]
        last = self.seqs[number]
        if seq <= last and self.at_least_once:
            self.repeats += 1
            return
        if seq != last + 1:
            self.wrong.append((number, f"{self.name}: seq {last}, then {seq}"))
        self.seqs[number] = max(last, seq)
        if event["state"] == UNCERTAIN:
            self.uncertain.add(number)
        if event["final"]:
            self.finals[number] = min(MOST, self.finals[number] + 1)
            # most end delivered: only the others need room
            if event["state"] != "delivered":
                self.ends[number] = event["state"]

    def end(self, number: int) -> str:
        """Return the state in which a message ended; "" when it did not."""
        return self.ends.get(number, "delivered") if self.finals[number] else ""


@define
class Books:
    """All that is known of so many messages, dealt over so many streams."""

    count: int
    streams: int
    accepted_at: array[float] = field(init=False)
    arrived_at: array[float] = field(init=False)
    # how often the first segment came; other segments by (number, part)
    firsts: bytearray = field(init=False)
    others: Counter[tuple[int, int]] = field(factory=Counter)
    parts: dict[int, int] = field(factory=dict)
    lengths: dict[tuple[int, int], int] = field(factory=dict)
    tellings: list[Telling] = field(factory=list)
    changed: list[Fault] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.accepted_at = array("d", [NEVER]) * self.count
        self.arrived_at = array("d", [NEVER]) * self.count
        self.firsts = bytearray(self.count)

    def telling(self, name: str, at_least_once: bool = False) -> Telling:
        """Return the books of one more reader of events."""
        made = Telling(name, self.count, at_least_once)
        self.tellings.append(made)
        return made

    def accepted(self, number: int, at_s: float) -> None:
        """Take that a message is the gateway's from now on."""
        if self.accepted_at[number] == NEVER:
            self.accepted_at[number] = at_s

    def arrived(self, one: Arrival) -> None:
        """Take a segment that came to the SMSC."""
        at_s = one.at_ns / 1e9
        if one.number >= self.count:
            self.changed.append(Fault("changed", one.number, at_s, "nobody sent it"))
            return
        if self.arrived_at[one.number] == NEVER:
            self.arrived_at[one.number] = at_s
        if one.part == 1:
            self.firsts[one.number] = min(MOST, self.firsts[one.number] + 1)
        else:
            self.others[one.number, one.part] += 1
        if one.parts > 1:
            self.parts[one.number] = one.parts
            self.lengths[one.number, one.part] = len(one.octets)
        if not self._is_unchanged(one):
            detail = f"segment {one.part} of {one.parts}: {one.octets.hex()}"
            self.changed.append(Fault("changed", one.number, at_s, detail))

    def _is_unchanged(self, one: Arrival) -> bool:
        """Tell whether a segment is the one that it says, octet for octet."""
        coding, octets = octets_of(text_of(one.number, self.streams))
        if one.coding != coding:
            return False
        if one.part == one.parts == 1:
            return one.octets == octets
        if one.part == 1:
            return octets.startswith(one.octets)
        if one.part == one.parts:
            return octets.endswith(one.octets)
        return one.octets in octets

    # what is open, and what is wrong

    def open(self) -> list[int]:
        """Return the accepted messages of which nobody told the end."""
        return [
            number
            for number in range(self.count)
            if self.accepted_at[number] != NEVER
            and not any(telling.finals[number] for telling in self.tellings)
        ]

    def times(self, number: int) -> tuple[int, int]:
        """Return how often the segments of a message came: at least, and at most."""
        parts = range(2, self.parts.get(number, 1) + 1)
        found = [self.firsts[number], *(self.others[number, part] for part in parts)]
        return min(found), max(found)

    def at(self, number: int) -> float:
        """Return when a message was under way: at the SMSC, else when it was taken."""
        arrived = self.arrived_at[number]
        return arrived if arrived != NEVER else self.accepted_at[number]

    def uncertain(self) -> list[int]:
        """Return the messages that were ever told as uncertain."""
        found: set[int] = set()
        return sorted(found.union(*(telling.uncertain for telling in self.tellings)))

    def repeated(self) -> list[int]:
        """Return the messages of which a segment came more than once."""
        return [number for number in range(self.count) if self.times(number)[1] > 1]

    def close(self) -> list[Fault]:
        """Compare all; return what is wrong."""
        found = list(self.changed)
        for telling in self.tellings:
            for number, detail in telling.wrong:
                found.append(Fault("gap", number, self.at(number), detail))
        uncertain = set(self.uncertain())
        for number in range(self.count):
            found += [
                Fault(what, number, self.at(number), detail)
                for what, detail in self._complaints(number, number in uncertain)
            ]
        return found

    def _complaints(self, number: int, uncertain: bool) -> list[tuple[str, str]]:
        """Return what is wrong with a message."""
        found = []
        least, most = self.times(number)
        if most > 1 and not may_be_repeated(number, self.streams):
            found.append(("doubled", f"{most} times at the SMSC"))
        if number in self.parts and least and not self._is_whole(number):
            found.append(("changed", "its segments do not make its text"))
        if self.accepted_at[number] == NEVER:
            # nobody answered for it: it may be here or not, but not told twice
            limit = [one for one in self.tellings if one.finals[number] > 1]
            return found + [("finals", f"{one.name}: several") for one in limit]
        return found + self._unkept(number, least, uncertain)

    def _unkept(
        self, number: int, least: int, uncertain: bool
    ) -> list[tuple[str, str]]:
        """Return which promises about an accepted message were broken."""
        told = [one for one in self.tellings if one.seqs[number]]
        if not told:
            return [("lost", f"accepted, and no event; {least} times at the SMSC")]
        found = []
        for one in told:
            if one.finals[number] != 1:
                finals = f"{one.finals[number]} final events in {one.seqs[number]}"
                found.append(("finals", f"{one.name}: {finals}"))
        ends = {one.end(number) for one in told} - {""}
        if len(ends) > 1:
            found.append(("finals", f"told differently: {sorted(ends)}"))
        if not least and not uncertain:
            found.append(("lost", f"ended {sorted(ends)}, never came to the SMSC"))
        for end in sorted(ends - {*SENT, UNCERTAIN}):
            found.append(("failed", f"ended {end}, and no one refused it"))
        return found

    def _is_whole(self, number: int) -> bool:
        """Tell whether the segments of a message are as long as its text."""
        parts = range(1, self.parts[number] + 1)
        length = sum(self.lengths.get((number, part), 0) for part in parts)
        return length == len(octets_of(text_of(number, self.streams))[1])

    def ends(self) -> Counter[str]:
        """Count in which states messages ended, by the first who told it."""
        found: Counter[str] = Counter()
        for number in range(self.count):
            for telling in self.tellings:
                if telling.finals[number]:
                    found[telling.end(number)] += 1
                    break
        return found


# by fault


@frozen
class Span:
    """A fault that was in force, by the monotonic clock."""

    kind: str
    gateways: Sequence[int]
    begun_s: float
    ended_s: float


@define
class Row:
    """What happened while, and soon after, one kind of fault was in force."""

    times: int = 0
    messages: int = 0
    uncertain: int = 0
    repeated: int = 0
    faults: Counter[str] = field(factory=Counter)


QUIET: Final = "(none)"
# the SMSC's answer and receipt, on a busy machine
UNDER_WAY_S: Final = 0.25


class Blame:
    """Says which fault a message met that was under way at a moment.

    The one that began while it may still have been without answer and receipt, else the
    last one before.
    """

    def __init__(self, spans: Sequence[Span], gateways: int) -> None:
        self._begun: list[list[float]] = [[] for _ in range(gateways)]
        self._kinds: list[list[str]] = [[] for _ in range(gateways)]
        for span in sorted(spans, key=lambda one: one.begun_s):
            for gateway in span.gateways:
                self._begun[gateway].append(span.begun_s)
                self._kinds[gateway].append(span.kind)

    def kind(self, gateway: int, at_s: float) -> str:
        """Return the kind of that fault."""
        place = bisect_right(self._begun[gateway], at_s + UNDER_WAY_S)
        return self._kinds[gateway][place - 1] if place else QUIET


def table(
    books: Books, faults: Sequence[Fault], spans: Sequence[Span], owners: Sequence[int]
) -> dict[str, Row]:
    """Return a row for each kind of fault; `owners` has the gateway of each stream."""
    blame = Blame(spans, max(owners) + 1)
    rows: dict[str, Row] = {}

    def row(number: int, at_s: float) -> Row:
        gateway = owners[number % books.streams]
        return rows.setdefault(blame.kind(gateway, at_s), Row())

    for span in spans:
        rows.setdefault(span.kind, Row()).times += 1
    for number in range(books.count):
        if books.accepted_at[number] != NEVER:
            row(number, books.at(number)).messages += 1
    for number in books.uncertain():
        row(number, books.at(number)).uncertain += 1
    for number in books.repeated():
        if may_be_repeated(number, books.streams):
            row(number, books.at(number)).repeated += 1
    for fault in faults:
        row(fault.number, fault.at_s).faults[fault.what] += 1
    return rows
