"""The shell: what a keeper and a channel see of a connection."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.message import Accepted, Uncertain
from gdemoi.net.reconnector import LoginRefused
from gdemoi.yeastar import session_events
from gdemoi.yeastar.jobs import SmsCommand, SmsIds
from gdemoi.yeastar.ports import Ports
from gdemoi.yeastar.protocol import REFUSED_PAUSE_S, ConnectionEvent, TgProtocol
from gdemoi.yeastar.session import TgSession
from gdemoi.yeastar.settings import YeastarSettings

BANNER = b"Asterisk Call Manager/1.1\r\n"
ACCEPTED = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
TAKEN = b"Response: Follows\r\nPrivilege: SMSCommand\r\n--END COMMAND--\r\n\r\n"


class ProtocolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.news: list[ConnectionEvent] = []
        settings = YeastarSettings(
            host="tg", username="u", password="p", ports=(1,), poll_interval_s=0.0
        )
        self.protocol = TgProtocol(
            lambda now: TgSession(settings, Ports((1,)), SmsIds(), now),
            self.clock,
            self.news.append,
        )
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        self.addCleanup(self.close)

    def close(self) -> None:
        """No timer is left after the end."""
        self.protocol.abort()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def lose(self) -> None:
        """Let the far side close."""
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def sent_id(self) -> bytes:
        """Return the id in the last command."""
        return self.transport.value().rstrip().rpartition(b" ")[2]

    def test_ready_after_the_login(self) -> None:
        """Ready fires with the device's yes, over only with the end."""
        ready, over = self.protocol.ready(), self.protocol.over()
        self.protocol.dataReceived(BANNER)
        self.assertIn(b"Action: Login\r\n", self.transport.value())
        self.assertNoResult(ready)
        self.protocol.dataReceived(ACCEPTED)
        self.successResultOf(ready)
        self.assertNoResult(over)
        self.assertEqual(self.protocol.banner, "Asterisk Call Manager/1.1")
        self.lose()
        self.assertIn("closed", self.successResultOf(over))

    def test_refused(self) -> None:
        """A refusal asks the keeper for a minute's pause, and closes."""
        ready = self.protocol.ready()
        self.protocol.dataReceived(
            BANNER + b"Response: Error\r\nMessage: Authentication failed\r\n\r\n"
        )
        refused = self.failureResultOf(ready, LoginRefused).value
        assert isinstance(refused, LoginRefused)
        self.assertEqual(refused.pause_s, REFUSED_PAUSE_S)
        self.assertGreaterEqual(REFUSED_PAUSE_S, 60.0)
        self.assertTrue(self.transport.disconnected or self.transport.aborting)

    def test_hung_up_before_the_login(self) -> None:
        """The end before the login is a failure of ready."""
        ready = self.protocol.ready()
        self.lose()
        self.failureResultOf(ready, Unavailable)

    def test_greeting_of_another_kind(self) -> None:
        """Closed, without a login."""
        ready = self.protocol.ready()
        self.protocol.dataReceived(b"SSH-2.0-x\r\n")
        self.failureResultOf(ready, Unavailable)
        self.assertEqual(self.transport.value(), b"")

    def test_sends(self) -> None:
        """An SMS's Deferred fires with its outcome."""
        self.protocol.dataReceived(BANNER + ACCEPTED)
        sending = self.protocol.send(SmsCommand("+7900", "Hi"))
        event = b"Event: UpdateSMSSend\r\nID: %s\r\nStatus: 1\r\n\r\n" % self.sent_id()
        self.protocol.dataReceived(TAKEN)
        self.assertNoResult(sending)
        self.protocol.dataReceived(event)
        self.assertIsInstance(self.successResultOf(sending), Accepted)
        self.protocol.dataReceived(event)
        self.assertEqual(
            [type(one) for one in self.news],
            [session_events.PortReady, session_events.UnexpectedResult],
        )

    def test_the_timer_rings(self) -> None:
        """Silence closes the connection and settles what was written."""
        over = self.protocol.over()
        self.protocol.dataReceived(BANNER + ACCEPTED)
        sending = self.protocol.send(SmsCommand("+7900", "Hi"))
        asking = self.protocol.query("gsm show spans", 10.0)
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.successResultOf(over), "no answer to send in 10 s")
        self.assertIsInstance(self.successResultOf(sending), Uncertain)
        self.failureResultOf(asking, Unavailable)
        self.lose()
        # nothing can be sent over it any more
        late = self.protocol.send(SmsCommand("+7900", "Hi"))
        self.assertNotIsInstance(self.successResultOf(late), Uncertain)

    def test_abort_settles_at_once(self) -> None:
        """A stop need not wait for the transport."""
        self.protocol.dataReceived(BANNER + ACCEPTED)
        sending = self.protocol.send(SmsCommand("+7900", "Hi"))
        self.protocol.abort()
        self.assertIsInstance(self.successResultOf(sending), Uncertain)

    def test_goodbye(self) -> None:
        """Fires when the connection is closed; without a login, at once."""
        self.successResultOf(self.protocol.log_off())
        self.protocol.dataReceived(BANNER + ACCEPTED)
        goodbye = self.protocol.log_off()
        self.assertIn(b"Action: Logoff\r\n", self.transport.value())
        self.assertNoResult(goodbye)
        self.lose()
        self.successResultOf(goodbye)
