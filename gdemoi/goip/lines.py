"""The SIM lines: where each is, whether it may send, and which of them sends.

A line is alive while its keepalives come (every 30 s), and usable when it is
alive, on its GSM network, not suspended after a fault, and under its daily limit.
Its address is that of its last good keepalive, guarded: a forged keepalive would move
the address and get the next PASSWORD datagram, so a living line moves only after two
good keepalives in a row from the new place.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from gdemoi.goip.datagrams import (
    NOTHING,
    NumberFormat,
    Push,
    agree,
    in_line_form,
    is_number,
    tail,
    to_e164,
)
from gdemoi.goip.exchange import Exchange, LineCommand
from gdemoi.goip.receipts import SentTable
from gdemoi.goip.session_events import GoipJob
from gdemoi.goip.settings import GoipLineSettings
from gdemoi.kit.budgets import Budget
from gdemoi.kit.recent import Recent
from gdemoi.message import ChannelState

Address = tuple[str, int]

# A line silent for so long may have moved; its new address is taken at once.
MOVE_AT_ONCE_S: Final = 60.0
MOVE_AFTER: Final = 2
DAY_S: Final = 86400.0
# How much of its own words one line may make us remember.
FACTS_LIMIT: Final = 40
FACT_LIMIT: Final = 160

# The fields that are kept of each kind of push, for people to read.
REPORT_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "STATE": ("gsm_remain_state",),
    "RECORD": ("dir", "num"),
    "REMAIN": ("gsm_remain_time",),
    "EXPIRY": ("exp",),
    "HANGUP": ("num",),
    "CELLINFO": ("info",),
    "CGATT": ("cgatt",),
    "BCCH": ("bcch",),
    "CELLS": ("lists",),
    "NUMRECORD": (),
    "USSN": (),
}


def words_of(value: bytes) -> str:
    """Return a value of a device for people to read, on one line and short."""
    if value in NOTHING:
        return ""
    text = value[:FACT_LIMIT].decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)


@define(eq=False)
class Line:
    """A configured line and its present state."""

    name: str
    settings: GoipLineSettings = field(repr=False)
    timeout_s: float = 95.0
    address: Address | None = None
    seen_at: float | None = None
    alive: bool = False
    gsm_status: str | None = None
    signal: int | None = None
    facts: dict[str, str] = field(factory=dict)
    reported: dict[str, str] = field(factory=dict)
    bad_auth: int = 0
    suspended_until: float = 0.0
    suspended_why: str = ""
    # SMS that the network refused, one after the other
    failures: int = 0
    # exchanges to which the line did not do its part, since its last success
    failed_sends: int = 0
    # what is being sent, what waits, and when the next may begin
    exchange: Exchange | None = None
    waiting: deque[GoipJob] = field(factory=deque)
    next_at: float = 0.0
    command: LineCommand | None = None
    sent: SentTable = field(init=False)
    # the count of daily_limit
    day: int = 0
    sent_today: int = 0
    sent_total: int = 0
    received_total: int = 0
    budget: Budget | None = None
    # SMS that are about to be submitted here, when their intents are written
    reserved: int = 0
    _candidate: Address | None = None
    _candidate_times: int = 0

    def __attrs_post_init__(self) -> None:
        self.sent = SentTable(self.name)

    @property
    def password(self) -> bytes:
        """The password as it stands on the wire."""
        return self.settings.password.encode("utf-8")

    @property
    def number(self) -> str | None:
        """The SIM's number: configured, or as the device says."""
        return self.settings.number or self.facts.get("num") or None

    def knows(self, password: bytes) -> bool:
        """Whether this is the line's password."""
        return hmac.compare_digest(password, self.password)

    def may_be_at(self, address: Address) -> bool:
        """Whether the pinned address, if any, allows this one."""
        pinned = self.settings.address
        if pinned is None:
            return True
        host, port = pinned
        return address[0] == host and port in (None, address[1])

    # -- keepalives --------------------------------------------------------

    def keepalive(self, push: Push, address: Address, now: float) -> bool:
        """Take a good keepalive; return whether the line's address moved."""
        moved = self._move(address, now)
        if self.address != address:
            # a newcomer's word on a line that is alive elsewhere
            return False
        self.seen_at = now
        self.alive = True
        self._learn(push)
        return moved

    def _move(self, address: Address, now: float) -> bool:
        if address == self.address:
            self._candidate = None
            return False
        silent = self.seen_at is None or now - self.seen_at > MOVE_AT_ONCE_S
        if address == self._candidate:
            self._candidate_times += 1
        else:
            self._candidate, self._candidate_times = address, 1
        if not silent and self._candidate_times < MOVE_AFTER:
            return False
        self.address, self._candidate = address, None
        return True

    def _learn(self, push: Push) -> None:
        for name, value in list(push.fields.items())[:FACTS_LIMIT]:
            if name not in ("id", "pass", "password"):
                self.facts[words_of(name.encode("latin-1"))] = words_of(value)
        while len(self.facts) > FACTS_LIMIT:
            self.facts.popitem()
        status = push.fields.get("gsm_status")
        self.gsm_status = None if status is None else words_of(status)
        signal = push.fields.get("signal", b"")
        self.signal = int(signal) if signal.isdigit() and len(signal) < 4 else None

    def note_report(self, push: Push) -> None:
        """Keep what another push reports of the line."""
        if push.verb == "USSN" and push.text is not None:
            self.reported["USSN"] = words_of(push.text)
            return
        shown = [
            words_of(push.fields.get(name, b"")) for name in REPORT_FIELDS[push.verb]
        ]
        self.reported[push.verb] = " ".join(shown)

    def is_lost(self, now: float) -> bool:
        """Whether keepalives have failed to come for too long."""
        return self.seen_at is None or now - self.seen_at > self.timeout_s

    # -- sending -----------------------------------------------------------

    def state_at(self, now: float) -> tuple[ChannelState, str]:
        """Return (up | degraded | down, reason)."""
        if not self.alive:
            why = "no keepalive" if self.seen_at else "no keepalive yet"
            return ChannelState.DOWN, why
        if self.gsm_status not in (None, "LOGIN"):
            return ChannelState.DEGRADED, f"GSM {self.gsm_status or 'status unknown'}"
        if now < self.suspended_until:
            return ChannelState.DEGRADED, self.suspended_why
        return ChannelState.UP, ""

    def unusable(self, now: float) -> str | None:
        """Return why nothing can be sent over it now."""
        if not self.settings.enabled:
            return "not enabled"
        state, reason = self.state_at(now)
        if state != ChannelState.UP:
            return reason
        if self.is_spent(now):
            return "daily limit reached"
        return None

    def out_of_budget(self, now: float) -> str | None:
        """Return why its budget lets nothing more out now."""
        spent = None if self.budget is None else self.budget.exhausted(now)
        return None if spent is None else spent.text

    def today(self, now: float) -> int:
        """Return the number of the day that daily_limit counts in."""
        return int((now - self.settings.day_begins_s) // DAY_S)

    def next_day(self, now: float) -> float:
        """Return when the next day of daily_limit begins."""
        return (self.today(now) + 1) * DAY_S + self.settings.day_begins_s

    def is_spent(self, now: float) -> bool:
        """Whether the daily limit is reached."""
        limit = self.settings.daily_limit
        return bool(limit) and self.counted(now) >= limit

    def counted(self, now: float) -> int:
        """Return how many SMS were sent today."""
        return self.sent_today if self.day == self.today(now) else 0

    def count(self, units: int, now: float) -> None:
        """Count SMS that are about to be sent."""
        self.sent_today = self.counted(now) + units
        self.day = self.today(now)
        self.sent_total += units

    def suspend(self, why: str, until: float) -> None:
        """Send nothing over the line until then; a longer suspension stays."""
        if until >= self.suspended_until:
            self.suspended_why, self.suspended_until = why, until

    def works(self) -> None:
        """The line has sent an SMS: forget its failures, and the suspension."""
        self.failures = self.failed_sends = 0
        self.suspended_until = 0.0

    @property
    def busy(self) -> bool:
        """Whether another SMS would have to wait here."""
        under_way = self.exchange is not None and not self.exchange.released
        return under_way or bool(self.waiting)

    @property
    def on_trial(self) -> bool:
        """Whether one SMS is trying the line out, and others better go elsewhere."""
        return self.failed_sends > 0 and self.busy

    def in_line_form(self, number: str) -> str:
        """Return a number in the form that this line's operator wants."""
        given = self.settings
        form: NumberFormat = given.number_format  # type: ignore[assignment]
        return in_line_form(number, form, given.country_code, given.trunk_prefix)

    def to_e164(self, number: str) -> str:
        """Return the international form of a number that the device wrote."""
        given = self.settings
        form: NumberFormat = given.number_format  # type: ignore[assignment]
        return to_e164(number, form, given.country_code, given.trunk_prefix)


# -- which line sends --------------------------------------------------------
# In this order: the line that the message names by its sender; the line that last
# exchanged SMS with the number, since trackers obey the numbers they know; the line
# with the least to do, then the fewest SMS today for its weight.

TALKS_LIMIT: Final = 10_000


class Affinity:
    """Which line last exchanged SMS with which number; the oldest are forgotten."""

    def __init__(self) -> None:
        self._lines: Recent[str, str] = Recent(TALKS_LIMIT)
        self.changed = False

    def note(self, number: str, line: str) -> None:
        """Remember a talk."""
        key = tail(number)
        self.changed = self.changed or self._lines.get(key) != line
        self._lines[key] = line

    def line(self, number: str) -> str | None:
        """Return the line of the last talk."""
        return self._lines.get(tail(number))

    def saved(self) -> dict[str, str]:
        """Return all of it, to keep over a restart."""
        self.changed = False
        return dict(self._lines)

    def load(self, saved: Mapping[str, str]) -> None:
        """Take back what was saved, under what was learned since."""
        self._lines.update({**saved, **self._lines})

    def __len__(self) -> int:
        return len(self._lines)


@frozen
class NoUsableLine:
    """No line can take the message now; `after_s` is when to ask again.

    `one`: it is about the one line that may send it, others may be usable.
    """

    why: str
    after_s: float
    one: bool = False


def bound_line(sender: str | None, lines: Mapping[str, Line]) -> Line | None:
    """Return the line that a sender names: its name, or its SIM's number."""
    if not sender:
        return None
    named = lines.get(sender)
    if named is not None or not is_number(sender):
        return named
    for line in lines.values():
        number = line.number
        if number and (number == sender or (len(number) > 6 and agree(number, sender))):
            return line
    return None


def choose(
    lines: Iterable[Line],
    bound: Line | None,
    known: Line | None,
    now: float,
    *,
    required: bool = False,
    patient: bool = True,
) -> Line | NoUsableLine:
    """Return the line to send from.

    `bound` is the only choice when given, and so is `known` (it last talked with
    the number) when `required`.  Else `known` comes first while it is usable; an
    SMS that is not `patient` goes elsewhere when others wait there.  A line that
    failed to answer is tried out with one SMS, while others can take the rest.
    """
    only = bound or (known if required else None)
    if only is not None:
        why = only.unusable(now)
        return (
            only
            if why is None
            else NoUsableLine(f"line {only.name}: {why}", 60.0, True)
        )
    if known is not None and known.unusable(now) is None:
        kept = patient or not known.waiting
        if kept and not known.on_trial:
            return known
    best: Line | None = None
    best_rank: tuple[bool, int, float, float, str] | None = None
    for line in lines:
        if line.unusable(now) is not None:
            continue
        busy = line.exchange is not None and not line.exchange.released
        begins = max(line.next_at, now)
        load = len(line.waiting) + line.reserved + busy
        share = line.counted(now) / line.settings.weight
        rank = (line.on_trial, load, share, begins, line.name)
        if best_rank is None or rank < best_rank:
            best, best_rank = line, rank
    return best or NoUsableLine("no usable line", 5.0)


# -- what an operator sees of a line -----------------------------------------

# fields of a keepalive -> our names; the rest is shown under `facts`
_WORDS: Final = {
    "imei": "imei",
    "imsi": "imsi",
    "iccid": "iccid",
    "pro": "operator",
    "CELLINFO": "cell",
    "remain_time": "remain_time",
    "voip_status": "voip_status",
    "SMS_LOGIN": "sms_login",
}
_SHOWN: Final = frozenset({"num", "signal", "gsm_status", *_WORDS})


def line_view(line: Line, now: float) -> dict[str, Any]:
    """Return the present state of one line: JSON-ready, no secrets."""
    state, reason = line.state_at(now)
    unusable = line.unusable(now)
    if state == ChannelState.UP and unusable is not None:
        state, reason = ChannelState.DEGRADED, unusable
    standing = None if line.budget is None else line.budget.standing(now)
    if state == ChannelState.UP and standing is not None:
        state = ChannelState.DEGRADED
        reason = f"{standing.word} ({standing.text})"
    exchange = line.exchange
    view: dict[str, Any] = {
        "name": line.name,
        "state": state,
        "reason": reason,
        "number": line.number,
        "signal": line.signal,
        "gsm_status": line.gsm_status,
        "address": None if line.address is None else "{}:{}".format(*line.address),
        "seen_at": line.seen_at,
        "sending": None if exchange is None else exchange.stage.value,
        "waiting": len(line.waiting),
        "sent_today": line.counted(now),
        "daily_limit": line.settings.daily_limit or None,
        "budget": None if line.budget is None else line.budget.describe(now),
        "sent": line.sent_total,
        "received": line.received_total,
        "bad_auth": line.bad_auth,
        "call": line.reported.get("STATE"),
        "balance": line.reported.get("balance"),
    }
    for fact, word in _WORDS.items():
        view[word] = line.facts.get(fact) or None
    view["facts"] = {
        name: value for name, value in line.facts.items() if name not in _SHOWN
    }
    view["told"] = {
        name: value for name, value in line.reported.items() if name != "balance"
    }
    return view
