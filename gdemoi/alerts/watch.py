"""Which alerts are on: observations go in, notices come out.

For each alert and subject one small state: since when it is bad, since when it is told,
since when it is well again.  Time is that of the observation.

* A condition that lasts (``channel_down > 2m``) is told after that time, a value beyond
  its limit after `damping`: what comes and goes in between is told to nobody.
* After `damping` of being well, that is told, once.
* What cannot be known now (a line that is down tells no signal) changes nothing.
* A subject that is gone, and an alert that is no longer configured, end quietly well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from attrs import define, field

from gdemoi.alerts.conditions import History, Observation, SubjectState
from gdemoi.alerts.settings import AlertSettings

FIRING: Final = "firing"
REMINDER: Final = "reminder"
RECOVERED: Final = "recovered"
GONE: Final = "is no longer there"


class Notice(msgspec.Struct, frozen=True):
    """Something to tell: an alert began, goes on, or is over.

    `subject` is what it is about (empty: the gateway); `since` when it began to be bad,
    `at` when it is told; times are epoch seconds.  `id` is the same whenever this
    notice is told again.
    """

    name: str
    subject: str
    channel: str | None
    state: str
    when: str
    text: str
    since: float
    at: float

    @property
    def id(self) -> str:
        """Return what this notice is known by."""
        told = f"{self.name}\0{self.subject}\0{self.state}\0{self.since}"
        if self.state == REMINDER:
            told += f"\0{self.at}"
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


class ActiveAlert(msgspec.Struct):
    """An alert that was told and is not over: what survives a restart."""

    name: str
    subject: str
    channel: str | None
    when: str
    text: str
    since: float
    told_at: float


@define
class _Course:
    """How an alert stands at one subject."""

    bad_since: float | None = None
    well_since: float | None = None
    active: ActiveAlert | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[ActiveAlert]).decode


@define
class Watch:
    """All alerts of a configuration, and how each stands."""

    alerts: Mapping[str, AlertSettings]
    _courses: dict[tuple[str, str], _Course] = field(factory=dict)
    _history: History = field(factory=History)

    def __attrs_post_init__(self) -> None:
        self.configure(self.alerts)

    def configure(self, alerts: Mapping[str, AlertSettings]) -> None:
        """Watch these from now on; what is on and still watched stays on."""
        self.alerts = alerts
        windows = [alert.when.over_s for alert in alerts.values()]
        self._history.widen(max(windows, default=0.0))

    def restore(self, saved: str | None) -> None:
        """Go on with what was on before a restart (as `saved` told it)."""
        if not saved:
            return
        try:
            found = _decode(saved)
        except msgspec.DecodeError:
            # another version wrote it: what is bad is told again
            return
        for active in found:
            course = _Course(bad_since=active.since, active=active)
            self._courses[active.name, active.subject] = course

    def saved(self) -> str:
        """Return what is on, for `restore`."""
        return _encode(self.active()).decode()

    def active(self) -> list[ActiveAlert]:
        """Return what is on, the oldest first."""
        found = [c.active for c in self._courses.values() if c.active is not None]
        return sorted(found, key=lambda one: (one.since, one.name, one.subject))

    def look(self, seen: Observation) -> list[Notice]:
        """Return what is to be told after this observation."""
        now = seen.figures.at
        notices: list[Notice] = []
        present: set[tuple[str, str]] = set()
        for name, alert in self.alerts.items():
            for reading in self._readings(alert, seen):
                place = (name, reading.subject)
                present.add(place)
                course = self._courses.setdefault(place, _Course())
                notices += _step(course, name, alert, reading, now)
        notices += self._end_of_others(present, seen)
        self._history.see(seen.figures)
        return notices

    def _readings(
        self, alert: AlertSettings, seen: Observation
    ) -> Iterable[SubjectState]:
        return alert.when.kind.read(alert.when, seen, alert.scope, self._history)

    def _end_of_others(
        self, present: set[tuple[str, str]], seen: Observation
    ) -> list[Notice]:
        """End what is about a subject that is gone, or of an alert that is gone."""
        notices = []
        silent = _channels_without_lines(seen)
        for place in set(self._courses) - present:
            active = self._courses[place].active
            if (
                active is not None
                and place[0] in self.alerts
                and _is_of(active, silent)
            ):
                # a device that has not told its ports yet has not lost them
                continue
            del self._courses[place]
            if active is not None:
                text = f"{active.subject or active.name} {GONE}"
                notices.append(_notice(active, RECOVERED, text, seen.figures.at))
        return notices


def _is_of(active: ActiveAlert, silent: set[str]) -> bool:
    """Tell whether an alert is about a line of one of these channels."""
    return active.channel in silent and active.subject != active.channel


def _channels_without_lines(seen: Observation) -> set[str]:
    return {str(one["name"]) for one in seen.figures.channels if not one.get("lines")}


def _step(
    course: _Course, name: str, alert: AlertSettings, reading: SubjectState, now: float
) -> Iterator[Notice]:
    """Let a reading change a course."""
    if reading.bad is None:
        return
    if reading.bad:
        course.well_since = None
        if course.bad_since is None:
            course.bad_since = now
        yield from _bad(course, name, alert, reading, now)
        return
    course.bad_since = None
    if course.active is None:
        return
    if course.well_since is None:
        course.well_since = now
    if now - course.well_since >= alert.damping_s:
        yield _notice(course.active, RECOVERED, reading.text, now)
        course.active = course.well_since = None


def _bad(
    course: _Course, name: str, alert: AlertSettings, reading: SubjectState, now: float
) -> Iterator[Notice]:
    since = course.bad_since
    assert since is not None
    active = course.active
    if active is None:
        lasts = alert.when.holds_s
        if now - since < (alert.damping_s if lasts is None else lasts):
            return
        active = course.active = ActiveAlert(
            name,
            reading.subject,
            reading.channel,
            str(alert.when),
            reading.text,
            since,
            now,
        )
        yield _notice(active, FIRING, reading.text, now)
        return
    active.text = reading.text
    if alert.repeat_s and now - active.told_at >= alert.repeat_s:
        active.told_at = now
        yield _notice(active, REMINDER, reading.text, now)


def _notice(active: ActiveAlert, state: str, text: str, now: float) -> Notice:
    return Notice(
        active.name,
        active.subject,
        active.channel,
        state,
        active.when,
        text,
        active.since,
        now,
    )


def told(active: ActiveAlert) -> dict[str, Any]:
    """Return an alert that is on as the status shows it."""
    return {
        "name": active.name,
        "subject": active.subject,
        "channel": active.channel,
        "when": active.when,
        "text": active.text,
        "since": active.since,
    }
