"""One SIM line: where it is, what it tells of itself, whether it may send.

A line is alive while its keepalives come (every 30 s), and usable when it is
alive, on its GSM network, not left alone after a fault, and under its daily
limit.  Its address is that of its last good keepalive, guarded: a forged keepalive
moves the address and gets the next PASSWORD datagram, so a living line moves only
after two good keepalives in a row from the new place.
"""

from __future__ import annotations

import hmac
from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field

from gdemoi.goip.datagrams import NOTHING, Push
from gdemoi.goip.numbers import NumberFormat, spell, unspell
from gdemoi.goip.receipts import SentTable
from gdemoi.goip.settings import GoipLineSettings

if TYPE_CHECKING:
    from gdemoi.goip.exchange import Exchange
    from gdemoi.goip.line_commands import LineCommand
    from gdemoi.goip.session_events import GoipJob

Address = tuple[str, int]

# A line silent for so long may have moved; its new address is taken at once.
MOVE_AT_ONCE_S: Final = 60.0
MOVE_AFTER: Final = 2
DAY_S: Final = 86400.0
# What one line may make us remember of its own words.
FACTS_LIMIT: Final = 40
FACT_LIMIT: Final = 160

# What each push verb tells, as facts of the line.
TOLD: Final[dict[str, tuple[str, ...]]] = {
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
    troubles: int = 0
    # what is being sent, what waits, and when the next may begin
    exchange: Exchange | None = None
    waiting: deque[GoipJob] = field(factory=deque)
    next_at: float = 0.0
    order: LineCommand | None = None
    sent: SentTable = field(init=False)
    # the count of daily_limit
    day: int = 0
    sent_today: int = 0
    sent_total: int = 0
    received_total: int = 0
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

    def hear(self, push: Push) -> None:
        """Keep what another push tells of the line."""
        if push.verb == "USSN" and push.text is not None:
            self.reported["USSN"] = words_of(push.text)
            return
        shown = [words_of(push.fields.get(name, b"")) for name in TOLD[push.verb]]
        self.reported[push.verb] = " ".join(shown)

    def is_lost(self, now: float) -> bool:
        """Whether keepalives have failed to come for too long."""
        return self.seen_at is None or now - self.seen_at > self.timeout_s

    # -- sending -----------------------------------------------------------

    def standing(self, now: float) -> tuple[str, str]:
        """Return (up | degraded | down, reason)."""
        if not self.alive:
            return "down", "no keepalive" if self.seen_at else "no keepalive yet"
        if self.gsm_status not in (None, "LOGIN"):
            return "degraded", f"GSM {self.gsm_status or 'status unknown'}"
        if now < self.suspended_until:
            return "degraded", self.suspended_why
        return "up", ""

    def unusable(self, now: float) -> str | None:
        """Return why nothing can be sent over it now."""
        if not self.settings.enabled:
            return "not enabled"
        state, reason = self.standing(now)
        if state != "up":
            return reason
        if self.is_spent(now):
            return "daily limit reached"
        return None

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

    def rest(self, why: str, until: float) -> None:
        """Leave the line alone until then; a longer rest is not cut short."""
        if until >= self.suspended_until:
            self.suspended_why, self.suspended_until = why, until

    def works(self) -> None:
        """The line sent an SMS: what it failed at before is forgotten."""
        self.failures = self.troubles = 0
        self.suspended_until = 0.0

    @property
    def busy(self) -> bool:
        """Whether another SMS would have to wait here."""
        under_way = self.exchange is not None and not self.exchange.released
        return under_way or bool(self.waiting)

    @property
    def on_trial(self) -> bool:
        """Whether one SMS is trying the line out, and others better go elsewhere."""
        return self.troubles > 0 and self.busy

    def spelled(self, number: str) -> str:
        """Return a number in the form that this line's operator wants."""
        given = self.settings
        form: NumberFormat = given.number_format  # type: ignore[assignment]
        return spell(number, form, given.country_code, given.trunk_prefix)

    def unspelled(self, number: str) -> str:
        """Return the international form of a number that the line told."""
        given = self.settings
        form: NumberFormat = given.number_format  # type: ignore[assignment]
        return unspell(number, form, given.country_code, given.trunk_prefix)
