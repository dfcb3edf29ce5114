"""What a line remembers, and which number belongs to it."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.datagrams import Push
from gdemoi.goip.lines import FACTS_LIMIT, TALKS_LIMIT, Affinity, Line, line_view
from tests.goip.rig import HOME, line_settings


class AffinityTests(SynchronousTestCase):
    def test_talks_are_bounded(self) -> None:
        """The numbers that were silent longest are forgotten."""
        affinity = Affinity()
        for number in range(TALKS_LIMIT + 10):
            affinity.note(f"+7916{number:07d}", "a")
        self.assertEqual(len(affinity), TALKS_LIMIT)
        self.assertIsNone(affinity.line("+79160000000"))
        self.assertEqual(affinity.line(f"+7916{TALKS_LIMIT:07d}"), "a")

    def test_loaded_talks_do_not_override(self) -> None:
        """What was learned since the start is newer than what was saved."""
        affinity = Affinity()
        affinity.note("+79160000001", "new")
        affinity.load({"160000001": "old", "160000002": "old"})
        self.assertEqual(affinity.line("+79160000001"), "new")
        self.assertEqual(affinity.line("+79160000002"), "old")


class FactsTests(SynchronousTestCase):
    def test_facts_are_bounded(self) -> None:
        """A line cannot make us remember endless facts."""
        line = Line("a", line_settings())
        for start in range(10):
            fields = {f"x{start}{n}": b"v" * 500 for n in range(60)}
            line.keepalive(Push("req", b"1", fields), HOME, 0.0)
        self.assertLessEqual(len(line.facts), FACTS_LIMIT)
        self.assertLessEqual(max(map(len, line.facts.values())), 160)

    def test_missing_values(self) -> None:
        """`(null)` and `<NULL>` are nothing; signal 99 is kept as told."""
        line = Line("a", line_settings())
        fields = {"num": b"(null)", "pro": b"<NULL>", "signal": b"99"}
        line.keepalive(Push("req", b"1", fields), HOME, 0.0)
        self.assertIsNone(line.number)
        self.assertEqual((line.facts["pro"], line.signal), ("", 99))


def keepalive(**fields: bytes) -> Push:
    """Return a keepalive with these fields."""
    return Push("req", b"1", {"gsm_status": b"LOGIN", **fields})


class LineTests(SynchronousTestCase):
    def test_why_it_cannot_send(self) -> None:
        """Not enabled, no keepalive, no network, suspended, over its daily limit."""
        line = Line("a", line_settings(daily_limit=2))
        off = Line("b", line_settings(enabled=False))
        off.keepalive(keepalive(), HOME, 0.0)
        self.assertEqual(off.unusable(0.0), "not enabled")
        self.assertEqual(line.unusable(0.0), "no keepalive yet")
        line.keepalive(keepalive(gsm_status=b"LOGOUT"), HOME, 0.0)
        self.assertEqual(line.state_at(0.0), ("degraded", "GSM LOGOUT"))
        line.keepalive(keepalive(), HOME, 0.0)
        line.suspend("silent", 10.0)
        self.assertEqual(line.state_at(9.9), ("degraded", "silent"))
        self.assertEqual(line.state_at(10.0), ("up", ""))
        line.count(1, 10.0)
        self.assertIsNone(line.unusable(10.0))
        line.count(1, 10.0)
        self.assertEqual(line.unusable(10.0), "daily limit reached")
        # a new day
        self.assertIsNone(line.unusable(86400.0))

    def test_without_a_daily_limit(self) -> None:
        """0 is no limit, however many were sent."""
        line = Line("a", line_settings())
        line.count(10_000, 0.0)
        self.assertFalse(line.is_spent(0.0))

    def test_a_longer_suspension_stays(self) -> None:
        """A shorter one does not end it."""
        line = Line("a", line_settings())
        line.keepalive(keepalive(), HOME, 0.0)
        line.suspend("long", 100.0)
        line.suspend("short", 50.0)
        self.assertEqual(line.state_at(60.0), ("degraded", "long"))
        line.works()
        self.assertEqual(line.state_at(60.0), ("up", ""))

    def test_when_it_moves(self) -> None:
        """(silent for, keepalives from the new place, is it there).

        Living lines move after the second in a row; silent ones at once.
        """
        new = ("203.0.113.9", 4)
        for silent_s, times, moved in (
            (30.0, 1, False), (30.0, 2, True), (60.0, 1, False), (60.1, 1, True),
        ):  # fmt: skip
            line = Line("a", line_settings())
            line.keepalive(keepalive(), HOME, 0.0)
            for _ in range(times):
                line.keepalive(keepalive(), new, silent_s)
            self.assertEqual(
                (silent_s, times, line.address == new), (silent_s, times, moved)
            )

    def test_a_keepalive_from_home_undoes_a_newcomer(self) -> None:
        """Two in a row are wanted: one that is forged now and then moves nothing."""
        line, new = Line("a", line_settings()), ("203.0.113.9", 4)
        line.keepalive(keepalive(), HOME, 0.0)
        for now in (1.0, 3.0):
            self.assertFalse(line.keepalive(keepalive(), new, now))
            self.assertFalse(line.keepalive(keepalive(), HOME, now + 1))
        self.assertEqual(line.address, HOME)

    def test_what_an_operator_sees(self) -> None:
        """Every field, and neither id nor password."""
        line = Line("a", line_settings(number="+79161112233"))
        fields = {"pro": b"MTS", "signal": b"17", "imei": b"35", "x": b"y"}
        secrets = {"id": b"a", "pass": b"secret", "password": b"secret"}
        line.keepalive(keepalive(**fields, **secrets), HOME, 5.0)
        line.count(2, 5.0)
        self.assertEqual(
            line_view(line, 6.0),
            {
                "name": "a",
                "state": "up",
                "reason": "",
                "number": "+79161112233",
                "signal": 17,
                "gsm_status": "LOGIN",
                "address": "{}:{}".format(*HOME),
                "seen_at": 5.0,
                "sending": None,
                "waiting": 0,
                "sent_today": 2,
                "daily_limit": None,
                "budget": None,
                "sent": 2,
                "received": 0,
                "bad_auth": 0,
                "call": None,
                "balance": None,
                "imei": "35",
                "imsi": None,
                "iccid": None,
                "operator": "MTS",
                "cell": None,
                "remain_time": None,
                "voip_status": None,
                "sms_login": None,
                "facts": {"x": "y"},
                "told": {},
            },
        )
