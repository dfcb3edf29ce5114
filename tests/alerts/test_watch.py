"""When an alert is told, told again, and over: tables of looks by virtual time."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.alerts.conditions import parse
from gdemoi.alerts.settings import AlertSettings
from gdemoi.alerts.watch import Notice, Watch
from tests.alerts.looks import NOW, channel, line, look

# seconds, what is there -> what is told
Course = list[tuple[float, Any, list[str]]]


def alert(when: str = "channel_down > 2m", **settings: Any) -> AlertSettings:
    """Return the settings of an alert."""
    return AlertSettings(when=parse(when), **settings)


def signal(strength: int | None) -> dict[str, Any]:
    """Return a channel whose line has this signal."""
    return channel("g", lines=[line("1", signal=strength)])


UP, DOWN = channel("a"), channel("a", "down", reason="cut")


class WatchTests(SynchronousTestCase):
    def follow(self, settings: AlertSettings, course: Course) -> list[Notice]:
        """Look at each time; return all notices."""
        self.watch = Watch({"x": settings})
        everything = []
        for at, seen, expected in course:
            notices = self.watch.look(look(seen, at=NOW + at))
            self.assertEqual([one.state for one in notices], expected, at)
            everything += notices
        return everything

    def test_told_after_its_time_and_once(self) -> None:
        """Down for two minutes, then told; well for `damping`, then told."""
        fired, over = self.follow(alert(), [
            (0, UP, []), (10, DOWN, []), (120, DOWN, []), (130, DOWN, ["firing"]),
            (140, DOWN, []), (9999, DOWN, []), (10_000, UP, []), (10_050, UP, []),
            (10_060, UP, ["recovered"]), (10_070, UP, []),
        ])  # fmt: skip
        self.assertEqual((fired.since, fired.at), (NOW + 10, NOW + 130))
        self.assertEqual(fired.text, "channel a is down: cut")
        self.assertEqual(fired.when, "channel_down > 2m")
        self.assertEqual((over.text, over.since), ("channel a is up", NOW + 10))
        self.assertNotEqual(fired.id, over.id)

    def test_what_comes_and_goes_is_told_to_nobody(self) -> None:
        """A link that is back before its time."""
        self.follow(alert(), [
            (0, DOWN, []), (110, DOWN, []), (115, UP, []), (120, DOWN, []),
            (230, DOWN, []), (235, UP, []),
        ])  # fmt: skip

    def test_flapping_is_one_alert(self) -> None:
        """Well for less than `damping` is not the end of it."""
        self.follow(alert(), [
            (0, DOWN, []), (120, DOWN, ["firing"]), (130, UP, []), (180, UP, []),
            (185, DOWN, []), (190, UP, []), (200, UP, []), (249, UP, []),
            (250, UP, ["recovered"]),
        ])  # fmt: skip

    def test_a_value_must_stay_beyond_its_limit(self) -> None:
        """For `damping`, which the settings say."""
        self.follow(alert("signal < 8", damping_s=30.0), [
            (0, signal(20), []), (10, signal(5), []), (30, signal(5), []),
            (35, signal(9), []), (40, signal(5), []), (70, signal(5), ["firing"]),
            (80, signal(8), []), (110, signal(8), ["recovered"]),
        ])  # fmt: skip

    def test_what_is_not_known_changes_nothing(self) -> None:
        """Neither that it is bad nor that it is well again."""
        self.follow(alert("signal < 8"), [
            (0, signal(5), []), (30, signal(None), []), (60, signal(5), ["firing"]),
            (70, signal(None), []), (500, signal(99), []), (510, signal(20), []),
            (570, signal(20), ["recovered"]),
        ])  # fmt: skip

    def test_told_again_while_it_lasts(self) -> None:
        """As often as `repeat` says, each with an id of its own."""
        notices = self.follow(alert(repeat_s=3600.0), [
            (0, DOWN, []), (120, DOWN, ["firing"]), (3700, DOWN, []),
            (3720, DOWN, ["reminder"]), (7000, DOWN, []), (7320, DOWN, ["reminder"]),
        ])  # fmt: skip
        self.assertEqual(len({one.id for one in notices}), 3)

    def test_each_subject_for_itself(self) -> None:
        """Two channels that are down are two alerts."""
        watch = Watch({"x": alert()})
        pair = [channel("a", "down"), channel("b", "down")]
        watch.look(look(*pair))
        told = watch.look(look(*pair, at=NOW + 120))
        self.assertEqual([one.subject for one in told], ["a", "b"])
        self.assertEqual([one.subject for one in watch.active()], ["a", "b"])

    def test_a_channel_that_is_gone(self) -> None:
        """Ends its alert: nobody could mend it any more."""
        notices = self.follow(alert(), [
            (0, DOWN, []), (120, DOWN, ["firing"]), (130, channel("b"), ["recovered"]),
        ])  # fmt: skip
        self.assertEqual(notices[-1].text, "a is no longer there")

    def test_a_device_that_tells_no_ports_yet(self) -> None:
        """Has not lost them: a TG names its ports after the login."""
        bad = channel("g", lines=[line("1", "down")])
        self.follow(alert("line_down > 3m"), [
            (0, bad, []), (180, bad, ["firing"]), (190, channel("g", lines=[]), []),
            (200, bad, []), (210, channel("b"), ["recovered"]),
        ])  # fmt: skip

    def test_an_alert_that_is_not_configured_any_more(self) -> None:
        """Is over with the change; one that stays goes on where it stood."""
        self.follow(alert(), [(0, DOWN, []), (120, DOWN, ["firing"])])
        self.watch.configure({"x": evolve(alert(), repeat_s=60.0)})
        again = self.watch.look(look(DOWN, at=NOW + 130))
        self.assertEqual(again, [])
        self.watch.configure({})
        [over] = self.watch.look(look(DOWN, at=NOW + 140))
        self.assertEqual((over.state, over.name), ("recovered", "x"))

    def test_a_restart_tells_nothing_twice(self) -> None:
        """What was on stays on, and its end is told."""
        self.follow(alert(), [(0, DOWN, []), (120, DOWN, ["firing"])])
        saved = self.watch.saved()
        for course in (
            [(300, DOWN, []), (9_000, DOWN, [])],
            [(300, UP, []), (360, UP, ["recovered"])],
        ):
            watch = Watch({"x": alert()})
            watch.restore(saved)
            for at, seen, expected in course:
                told = watch.look(look(seen, at=NOW + at))
                self.assertEqual([one.state for one in told], expected)

    def test_a_bookmark_of_another_version(self) -> None:
        """Is passed over: what is bad is told again, nothing breaks."""
        for saved in (None, "", "{", '[{"no": 1}]', "[1]", '"x"'):
            watch = Watch({"x": alert()})
            watch.restore(saved)
            self.assertEqual(watch.active(), [])

    def test_a_clock_that_is_put_back(self) -> None:
        """Delays an alert and loses none."""
        self.follow(alert(), [
            (1000, DOWN, []), (500, DOWN, []), (1119, DOWN, []),
            (1120, DOWN, ["firing"]),
        ])  # fmt: skip
