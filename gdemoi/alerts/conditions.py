"""The conditions of alerts: how they are written, and what they read.

``when = channel_down > 2m``: a word, a comparison that the word prescribes, a limit in
the word's unit.  Pure: an `Observation` goes in, `SubjectState`s come out.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from attrs import define, field, frozen

from gdemoi.contract.figures import Figures
from gdemoi.ini import Converter, decimal, duration, size
from gdemoi.ini.units import Wrong, likely
from gdemoi.message import FINAL, ChannelState, MessageState

# The longest window of a ratio, and how many looks back are kept for it.
LONGEST_WINDOW_S: Final = 86400.0
LOOKS: Final = 120
# A window shorter than this holds hardly a look.
SHORTEST_WINDOW_S: Final = 60.0
# CSQ (3GPP TS 27.007 §8.5): 99 is "not known or not detectable".
NO_SIGNAL: Final = 99.0
STRONGEST: Final = 31.0
DAY_S: Final = 86400.0

_FORM: Final = re.compile(r"([A-Za-z_]+)\s*(>=|<=|==|=|>|<)?\s*(.*?)", re.DOTALL)
_OVER: Final = re.compile(r"(.*?)\s+over\s+(.*)", re.DOTALL)


@frozen
class SubjectState:
    """What a condition finds at one subject.

    `subject` is a channel, ``channel/line``, a file, or empty for the gateway as a
    whole; `bad` None: nobody knows now, and what was told stays.  `text` says how it
    stands, as a sentence for people.
    """

    subject: str
    bad: bool | None
    text: str
    channel: str | None = None


@frozen
class Observation:
    """One look at all that alerts may be about.

    `disk_free`: the folder of the journal, and octets left there; `certificates`: what
    each is for, and when it expires (epoch seconds).
    """

    figures: Figures
    disk_free: tuple[str, int] | None = None
    certificates: tuple[tuple[str, float], ...] = ()


Counts = Mapping[tuple[str, str], int]


@define
class History:
    """How many messages came to each state, look by look, for ratios over a time.

    Counts begin with 0 at the start of the process, and so does the history; one that
    is made longer later begins with its oldest look.
    """

    window_s: float = 0.0
    _looks: deque[tuple[float, Counts]] = field(factory=deque)
    _begun: bool = False
    _from_start: bool = True

    def widen(self, window_s: float) -> None:
        """Keep so much from now on."""
        if self._begun and window_s > self.window_s:
            self._from_start = False
        self.window_s = window_s

    def see(self, figures: Figures) -> None:
        """Remember the counts of now, if the last ones are old enough."""
        at = figures.at
        self._begun = True
        if not self.window_s:
            self._looks.clear()
            return
        if self._looks and 0 <= at - self._looks[-1][0] < self.window_s / LOOKS:
            return
        counted = figures.journal.states.copy().items()
        self._looks.append((at, {(c or "", str(s)): n for (c, s), n in counted}))
        while len(self._looks) > 1 and self._looks[1][0] <= at - self.window_s:
            self._looks.popleft()

    def ended(self, figures: Figures, channel: str, over_s: float) -> dict[str, int]:
        """Return how many messages of a channel ended in each state lately."""
        before = self._before(figures.at - over_s)
        states = figures.journal.states
        return {
            state: states[channel, state] - before.get((channel, str(state)), 0)
            for state in FINAL
        }

    def _before(self, at: float) -> Counts:
        """Return the counts of the last look until a time."""
        found: Counts = {}
        if not self._from_start and self._looks:
            found = self._looks[0][1]
        for seen_at, counts in self._looks:
            if seen_at > at:
                break
            found = counts
        return found


@frozen
class When:
    """A condition as it was written: ``delivered_ratio < 80% over 15m``.

    `limit` is in the word's unit (seconds, octets, a share of 1); `over_s` the window
    of a ratio.
    """

    word: str
    limit: float
    over_s: float = 0.0

    @property
    def kind(self) -> Kind:
        """Return what the word means."""
        return KINDS[self.word]

    @property
    def holds_s(self) -> float | None:
        """How long it must hold before it is told, where the limit is that time."""
        return self.limit if self.kind.lasts else None

    def __str__(self) -> str:
        kind = self.kind
        over = f" over {duration.render(self.over_s)}" if self.over_s else ""
        return f"{self.word} {kind.comparison} {kind.render(self.limit)}{over}"


@frozen
class AlertScope:
    """Which subjects an alert is about, and how many messages make a ratio."""

    channels: tuple[str, ...] = ()
    at_least: int = 1

    def takes(self, channel: str) -> bool:
        """Tell whether a channel is meant."""
        return not self.channels or any(fnmatchcase(channel, g) for g in self.channels)


Reader = Callable[[When, Observation, AlertScope, History], Iterator[SubjectState]]


@frozen
class Kind:
    """What a word of `when` means.

    `lasts`: it is true or not, and the limit is for how long.
    """

    comparison: str
    converter: Callable[[str], float]
    render: Callable[[float], str]
    example: str
    read: Reader
    lasts: bool = False
    about_channels: bool = True


# -- what is read ----------------------------------------------------------


def _channels(
    seen: Observation, scope: AlertScope
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for channel in seen.figures.channels:
        name = str(channel.get("name"))
        # of a channel that another gateway uses that one tells
        if scope.takes(name) and not channel.get("elsewhere"):
            yield name, channel


def _lines(
    seen: Observation, scope: AlertScope
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, channel in _channels(seen, scope):
        for line in channel.get("lines") or ():
            yield name, f"{name}/{line.get('name')}", line


def _channel_down(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    for name, channel in _channels(seen, scope):
        # what an operator paused is not a fault
        down = channel.get("state") == ChannelState.DOWN and not channel.get("paused")
        why = f": {channel.get('reason') or 'nobody says why'}" if down else ""
        yield SubjectState(name, down, f"channel {name} is {_down(down)}{why}", name)


def _down(is_down: bool) -> str:
    return "down" if is_down else "up"


def _line_down(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    for name, subject, line in _lines(seen, scope):
        down = line.get("state") == ChannelState.DOWN
        why = f": {line.get('reason') or 'nobody says why'}" if down else ""
        yield SubjectState(subject, down, f"line {subject} is {_down(down)}{why}", name)


def _broker_down(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    broker = seen.figures.amqp
    if broker is None:
        return
    if broker.blocked is not None:
        yield SubjectState("", True, f"the broker takes nothing: {broker.blocked}")
        return
    up = broker.state == "up"
    why = "" if up else f": {broker.reason or broker.state}"
    yield SubjectState(
        "", not up, f"the broker {broker.broker} is {_down(not up)}{why}"
    )


def _unready(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    reasons = seen.figures.unready
    text = f"no messages are taken: {'; '.join(reasons)}"
    yield SubjectState("", bool(reasons), text if reasons else "messages are taken")


def _signal(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    for name, subject, line in _lines(seen, scope):
        signal = amount(line.get("signal"))
        if signal is None or signal == NO_SIGNAL:
            yield SubjectState(
                subject, None, f"the signal of {subject} is not known", name
            )
            continue
        text = f"the signal of {subject} is {signal:g} of {STRONGEST:g}"
        yield SubjectState(subject, signal < when.limit, text, name)


def _queue_age(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    stored = seen.figures.stored
    for name, channel in _channels(seen, scope):
        if stored is None:
            yield SubjectState(name, None, "the journal cannot be read", name)
            continue
        age_s = stored.oldest_s.get(name, 0.0)
        waiting = channel.get("backlog") or 0
        text = f"{waiting} messages wait for {name}, the oldest {_span(age_s)}"
        yield SubjectState(name, age_s > when.limit, text, name)


def _delivered_ratio(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    for name, _ in _channels(seen, scope):
        ended = history.ended(seen.figures, name, when.over_s)
        total = sum(ended.values()) - ended.get(MessageState.CANCELLED, 0)
        good = ended.get(MessageState.DELIVERED, 0)
        text = f"{name} delivered {good} of {total} messages in {_span(when.over_s)}"
        bad: bool | None = total > 0 and good / total < when.limit
        if 0 < total < scope.at_least:
            # too few to tell; what was told stays until there are enough, or none
            bad = None
        yield SubjectState(name, bad, text, name)


def _balance(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    asked = [(name, name, one) for name, one in _channels(seen, scope)]
    for name, subject, one in [*asked, *_lines(seen, scope)]:
        left = amount(one.get("balance"))
        if left is None:
            yield SubjectState(
                subject, None, f"the balance of {subject} is not known", name
            )
            continue
        text = f"the balance of {subject} is {one.get('balance')}"
        currency = one.get("currency")
        text += f" {currency}" if currency and str(currency) not in text else ""
        yield SubjectState(subject, left < when.limit, text, name)


def _events_lag(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    broker = seen.figures.amqp
    if broker is not None:
        text = f"{broker.behind} events are not with the broker"
        text += f", the oldest for {_span(broker.lag_s)}" if broker.behind else ""
        text += f": {broker.stuck}" if broker.stuck else ""
        yield SubjectState("", broker.lag_s > when.limit, text)


def _callbacks_down(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    for door in seen.figures.doors:
        if "waiting" not in door or "state" not in door:
            continue
        section = f"{door.get('kind')}:{door.get('name')}"
        state = door["state"]
        down = state != "up"
        why = f" is {state}: {door.get('reason')}" if down else " takes callbacks"
        yield SubjectState(section, down, f"{section}{why}")


def _disk_free(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    if seen.disk_free is not None:
        folder, octets = seen.disk_free
        text = f"{octets / 1024**3:.2f} GiB are free where the journal is, in {folder}"
        yield SubjectState(folder, octets < when.limit, text)


def _certificate_expires(
    when: When, seen: Observation, scope: AlertScope, history: History
) -> Iterator[SubjectState]:
    for what, expires_at in seen.certificates:
        left_s = expires_at - seen.figures.at
        over = left_s <= 0
        text = f"the certificate of {what} "
        text += "has expired" if over else f"expires in {_span(left_s)}"
        yield SubjectState(what, left_s < when.limit, text)


def amount(value: Any) -> float | None:
    """Return a figure that a device or provider tells, with or without a currency."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = re.search(r"-?\d+(?:[.,]\d+)?", str(value or ""))
    return float(match[0].replace(",", ".")) if match else None


def _span(seconds: float) -> str:
    """Return a time for people: ``12 s``, ``7 min``, ``3.5 h``, ``13 d``."""
    for unit, length in (("d", DAY_S), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"


# -- how they are written --------------------------------------------------


def _percent(value: str) -> float:
    number = value.removesuffix("%").rstrip()
    try:
        share = float(number) / 100.0
    except ValueError:
        raise ValueError(f"{value!r} is not a percentage like 80%") from None
    if not value.endswith("%"):
        whole = float(number) * (100.0 if float(number) <= 1 else 1.0)
        raise Wrong(f"{value!r} is not a percentage like 80%", f"{whole:g}%")
    if not 0.0 < share <= 1.0:
        raise ValueError(f"{value} is not between 1% and 100%")
    return share


def _csq(value: str) -> float:
    number = decimal()(value)
    if not 0 < number <= STRONGEST:
        raise ValueError(f"{value} is not a signal: CSQ is 0 to {STRONGEST:g}")
    return number


def _lasting(read: Reader, example: str, *, about_channels: bool = True) -> Kind:
    return Kind(">", duration, duration.render, example, read, True, about_channels)


def _octets(value: float) -> str:
    return size.render(int(value))


def _number(value: float) -> str:
    return f"{value:g}"


KINDS: Final[dict[str, Kind]] = {
    "channel_down": _lasting(_channel_down, "channel_down > 2m"),
    "line_down": _lasting(_line_down, "line_down > 3m"),
    "broker_down": _lasting(_broker_down, "broker_down > 1m", about_channels=False),
    "callbacks_down": _lasting(
        _callbacks_down, "callbacks_down > 5m", about_channels=False
    ),
    "unready": _lasting(_unready, "unready > 1m", about_channels=False),
    "signal": Kind("<", _csq, _number, "signal < 8", _signal),
    "queue_age": Kind(">", duration, duration.render, "queue_age > 5m", _queue_age),
    "delivered_ratio": Kind(
        "<", _percent, lambda share: f"{share * 100:g}%",
        "delivered_ratio < 80% over 15m", _delivered_ratio,
    ),
    "balance": Kind("<", decimal(), _number, "balance < 10", _balance),
    "events_lag": Kind(
        ">", duration, duration.render, "events_lag > 1m", _events_lag,
        about_channels=False,
    ),
    "disk_free": Kind(
        "<", size, _octets, "disk_free < 1GiB", _disk_free, about_channels=False
    ),
    "certificate_expires": Kind(
        "<", duration, duration.render, "certificate_expires < 14d",
        _certificate_expires, about_channels=False,
    ),
}  # fmt: skip


def parse(value: str) -> When:
    """Read a condition; raise `Wrong`, with what was probably meant."""
    match = _FORM.fullmatch(value.strip())
    word = match[1] if match else value.split(" ")[0]
    kind = KINDS.get(word)
    if kind is None or match is None:
        known = ", ".join(KINDS)
        meant = likely(word, list(KINDS))
        hint = value.replace(word, meant, 1) if meant else KINDS["channel_down"].example
        raise Wrong(f"{word!r} is nothing that can be watched ({known})", hint)
    comparison, rest = match[2], match[3]
    if not comparison or not rest:
        raise Wrong(f"{value!r} says no limit", kind.example)
    if comparison != kind.comparison:
        meant = f"{word} {kind.comparison} {rest}"
        raise Wrong(f"{word} is compared by {kind.comparison}", meant)
    limit, over = _window(word, kind, rest)
    try:
        return When(word, float(kind.converter(limit)), over)
    except Wrong as wrong:
        tail = f" over {duration.render(over)}" if over else ""
        hint = f"{word} {comparison} {wrong.hint}{tail}" if wrong.hint else kind.example
        raise Wrong(str(wrong), hint) from None
    except ValueError as fault:
        raise Wrong(str(fault), kind.example) from None


def _window(word: str, kind: Kind, rest: str) -> tuple[str, float]:
    """Return the limit, and the window behind ``over``."""
    match = _OVER.fullmatch(rest)
    is_ratio = kind.read is _delivered_ratio
    if match is None:
        if is_ratio:
            meant = f"{word} {kind.comparison} {rest} over 15m"
            raise Wrong(f"{word} needs the time that it is over", meant)
        return rest, 0.0
    if not is_ratio:
        meant = f"{word} {kind.comparison} {match[1]}"
        raise Wrong(f"only delivered_ratio is over a time; {word} is not", meant)
    try:
        over_s = duration(match[2])
    except ValueError as fault:
        raise Wrong(str(fault), kind.example) from None
    if not SHORTEST_WINDOW_S <= over_s <= LONGEST_WINDOW_S:
        text = f"{match[2]} is not a window from 1m to 1d"
        raise Wrong(text, f"{word} {kind.comparison} {match[1]} over 15m")
    return match[1], over_s


def _shown(found: When) -> str:
    return str(found)


when: Final = Converter("condition", parse, _shown)
