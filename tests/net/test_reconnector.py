"""Connect, ready, over, pause, again: with a far side made of Deferreds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.net.reconnector import Backoff, LoginRefused, Reconnector, ReconnectorState


class FarSide:
    """A conversation that the test leads by hand."""

    def __init__(self) -> None:
        self.logged_in: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()
        self.aborted = False
        self.worked = False

    def ready(self) -> Deferred[None]:
        return self.logged_in

    def over(self) -> Deferred[str]:
        return self.ended

    def abort(self) -> None:
        self.aborted = True


class KeeperTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.met: list[FarSide] = []
        self.answers: list[Deferred[FarSide]] = []
        self.reported: list[tuple[ReconnectorState, str]] = []
        self.keeper: Reconnector[FarSide] = Reconnector(
            self.clock,
            Logger(),
            "test",
            self.connect,
            lambda state, reason: self.reported.append((state, reason)),
            lambda: 0.5,
        )
        self.addCleanup(self.assert_no_timer)

    def assert_no_timer(self) -> None:
        self.keeper.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def hanging(self) -> Deferred[FarSide]:
        """Connect as an endpoint does to a host that does not answer."""

        def cancelled(connecting: Deferred[FarSide]) -> None:
            address = IPv4Address("TCP", "192.0.2.1", 2775)
            connecting.errback(ConnectingCancelledError(address))

        return Deferred(cancelled)

    def test_a_host_that_does_not_answer(self) -> None:
        """Endpoints spell the end of the limit in their own way: try again."""
        self.answers = [self.hanging()]
        self.keeper.start()
        self.clock.advance(10.0)
        self.assertEqual(
            self.reported[-1], (ReconnectorState.PAUSED, "no connection in 10 s")
        )
        self.clock.advance(1.0)
        self.assertEqual(len(self.met), 1)

    def test_stopped_while_a_host_does_not_answer(self) -> None:
        """Nothing is logged as a fault of ours."""
        self.answers = [self.hanging()]
        self.keeper.start()
        self.keeper.stop()
        self.assertEqual(self.reported[-1][0], ReconnectorState.STOPPED)
        self.assertEqual(self.flushLoggedErrors(), [])

    def connect(self) -> Deferred[FarSide]:
        if self.answers:
            return self.answers.pop(0)
        self.met.append(FarSide())
        return succeed(self.met[-1])

    def test_is_up_after_the_login(self) -> None:
        """A conversation whose login succeeds is the keeper's conversation."""
        self.keeper.start()
        self.assertEqual(self.keeper.state, ReconnectorState.LOGGING_IN)
        self.assertIsNone(self.keeper.conversation)
        self.met[0].logged_in.callback(None)
        self.assertEqual(self.keeper.state, ReconnectorState.UP)
        self.assertIs(self.keeper.conversation, self.met[0])

    def test_starts_over_when_the_conversation_ends(self) -> None:
        """The end is told with its reason; after a pause it connects again."""
        self.keeper.start()
        self.met[0].logged_in.callback(None)
        self.clock.advance(60)
        self.met[0].ended.callback("gone")
        self.assertEqual(self.reported[-1], (ReconnectorState.PAUSED, "gone"))
        self.assertIsNone(self.keeper.conversation)
        self.assertTrue(self.met[0].aborted)
        self.clock.advance(1.0)
        self.assertEqual(len(self.met), 2)

    def test_refused_logins_back_off_and_close(self) -> None:
        """Each refused login closes its connection and doubles the pause."""
        self.keeper.start()
        for pause_s in (1.0, 2.0, 4.0):
            self.met[-1].logged_in.errback(LoginRefused("not you"))
            self.assertTrue(self.met[-1].aborted)
            count = len(self.met)
            self.clock.advance(pause_s - 0.01)
            self.assertEqual(len(self.met), count)
            self.clock.advance(0.01)
            self.assertEqual(len(self.met), count + 1)

    def test_a_refusal_that_needs_someone_is_a_state_of_its_own(self) -> None:
        """With a pause of its own the state is REFUSED and nothing is tried."""
        self.keeper.start()
        self.met[0].logged_in.errback(LoginRefused("bad password", pause_s=300.0))
        self.assertEqual(self.keeper.state, ReconnectorState.REFUSED)
        self.clock.advance(299)
        self.assertEqual(len(self.met), 1)
        self.clock.advance(1)
        self.assertEqual(len(self.met), 2)

    def test_dropped_after_each_login_is_slowed_down_too(self) -> None:
        """The pause is forgotten only after a stable while."""
        self.keeper.start()
        for _ in range(3):
            self.met[-1].logged_in.callback(None)
            self.met[-1].ended.callback("dropped")
            self.clock.advance(60)
        self.assertEqual(self.keeper.failures, 3)
        self.met[-1].logged_in.callback(None)
        self.clock.advance(10)
        self.met[-1].ended.callback("dropped")
        self.assertEqual(self.keeper.failures, 1)

    def test_a_conversation_that_worked_comes_back_at_once(self) -> None:
        """However often it breaks; logins stay a second apart (report B18)."""
        self.keeper.start()
        for lasted_s, pause_s in ((5.0, 0.0), (0.25, 0.75), (0.0, 1.0), (3.0, 0.0)) * 4:
            count = len(self.met)
            self.met[-1].logged_in.callback(None)
            self.met[-1].worked = True
            self.clock.advance(lasted_s)
            self.met[-1].ended.callback("reset")
            self.assertTrue(self.keeper.held)
            if pause_s:
                self.clock.advance(pause_s - 0.01)
                self.assertEqual(len(self.met), count)
            self.clock.advance(0.01)
            self.assertEqual(len(self.met), count + 1)

    def test_pauses_grow_only_while_nothing_works(self) -> None:
        """At once, then 1, 2, 4 s; work in between begins anew (report B18)."""
        self.keeper.start()
        for _ in range(2):
            self.met[-1].logged_in.callback(None)
            self.met[-1].worked = True
            self.clock.advance(2)
            self.met[-1].ended.callback("reset")
            self.clock.advance(0)
            for pause_s in (1.0, 2.0, 4.0):
                self.met[-1].logged_in.errback(LoginRefused("not now"))
                count = len(self.met)
                self.clock.advance(pause_s - 0.01)
                self.assertEqual(len(self.met), count)
                self.clock.advance(0.01)
                self.assertEqual(len(self.met), count + 1)

    def test_connection_refused_is_a_pause(self) -> None:
        """A host that cannot be reached is tried again."""
        self.answers = [fail(ConnectionRefusedError("no"))]
        self.keeper.start()
        self.assertEqual(self.keeper.state, ReconnectorState.PAUSED)
        self.clock.advance(1)
        self.assertEqual(len(self.met), 1)

    def test_silence_at_connect_and_at_login_is_bounded(self) -> None:
        """Ten seconds each, then the ordinary pause."""
        self.answers = [Deferred()]
        self.keeper.start()
        self.clock.advance(10)
        self.assertEqual(
            self.reported[-1], (ReconnectorState.PAUSED, "no connection in 10 s")
        )
        self.clock.advance(1)
        self.clock.advance(10)
        self.assertEqual(
            self.reported[-1],
            (ReconnectorState.PAUSED, "no answer to the login in 10 s"),
        )
        self.assertTrue(self.met[0].aborted)

    def test_stops_at_every_stage(self) -> None:
        """Stopping while connecting, logging in, up or paused leaves nothing."""
        for stage in range(4):
            self.setUp()
            if stage == 0:
                self.answers = [Deferred()]
            self.keeper.start()
            if stage >= 2:
                self.met[0].logged_in.callback(None)
            if stage == 3:
                self.met[0].ended.callback("gone")
            self.keeper.stop()
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.assertEqual(self.keeper.state, ReconnectorState.STOPPED)
            if stage in (1, 2):
                self.assertTrue(self.met[0].aborted)
            self.clock.advance(1000)
            self.assertLessEqual(len(self.met), 1)

    def test_hurry_ends_the_pause(self) -> None:
        """Someone who corrected the configuration need not wait."""
        self.keeper.start()
        self.met[0].logged_in.errback(LoginRefused("x", pause_s=300.0))
        self.keeper.hurry()
        self.assertEqual(len(self.met), 2)

    def test_a_bug_is_logged_and_not_swallowed(self) -> None:
        """An error that no conversation may raise ends in the log."""
        self.answers = [fail(ZeroDivisionError())]
        self.keeper.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class BackoffTests(SynchronousTestCase):
    @given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
    def test_pauses_stay_within_bounds(self, failures: int, random: float) -> None:
        """Never under 40 % of the first pause, never over 130 % of the last."""
        pause_s = Backoff().pause_s(failures, random)
        self.assertGreaterEqual(pause_s, 0.4)
        self.assertLessEqual(pause_s, 78.0)

    def test_many_keepers_do_not_return_together(self) -> None:
        """Jitter spreads twenty restarts over more than a second."""
        for failures in range(1, 9):
            pauses = [Backoff().pause_s(failures, n / 20) for n in range(20)]
            self.assertGreater(max(pauses) - min(pauses), 1.0)


class UnavailableTests(SynchronousTestCase):
    def test_login_refused_is_an_unavailable(self) -> None:
        """Who catches Unavailable catches a refused login."""
        self.assertIsInstance(LoginRefused("x"), Unavailable)
