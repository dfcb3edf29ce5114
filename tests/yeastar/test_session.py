"""The conversation with a TG, with octets for the device and numbers for time."""

from __future__ import annotations

from typing import TypeVar

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Outcome, Refused, Scope, Uncertain
from gdemoi.yeastar import session_events
from gdemoi.yeastar.ami import encode_text
from gdemoi.yeastar.jobs import SmsCommand, SmsIds
from gdemoi.yeastar.ports import Ports
from gdemoi.yeastar.session import ConnectionStage, TgSession
from gdemoi.yeastar.settings import YeastarSettings

BANNER = b"Asterisk Call Manager/1.1\r\n"
ACCEPTED = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
TAKEN = b"Response: Follows\r\nPrivilege: SMSCommand\r\n--END COMMAND--\r\n\r\n"
TO = "+79001234567"
BEGIN = 1000.0

E = TypeVar("E")


def follows(output: str) -> bytes:
    """Return what a command's answer looks like."""
    return (
        f"Response: Follows\r\nPrivilege: SMSCommand\r\n{output}--END COMMAND--\r\n\r\n"
    ).encode()


def result(sms_id: str, status: str | None = "1") -> bytes:
    """Return a result event."""
    line = "" if status is None else f"Status: {status}\r\n"
    return (
        "Event: UpdateSMSSend\r\nPrivilege: all,smscommand\r\n"
        f"ID: {sms_id}\r\nSmsc: +79\r\n{line}--END SMS EVENT--\r\n\r\n"
    ).encode()


class Device:
    """The far side: the test speaks for it, and reads what we write."""

    def __init__(
        self, *ports: int, interval_s: float = 10.0, poll_s: float = 0.0
    ) -> None:
        self.settings = YeastarSettings(
            host="tg",
            username="apiuser",
            password="apipass",
            ports=ports or (1,),
            poll_interval_s=poll_s,
            interval_s=interval_s,
        )
        self.now = BEGIN
        self.ports = Ports(ports or (1,), interval_s=interval_s)
        self.ids = SmsIds()
        self.reported: list[session_events.SessionEvent] = []
        self.answers_pings = True
        self._unread = ""
        self.connect()

    def connect(self) -> None:
        """Begin a connection."""
        self.session = TgSession(self.settings, self.ports, self.ids, self.now)

    def says(self, *chunks: bytes) -> None:
        """Let the device send."""
        for chunk in chunks:
            self.reported += self.session.receive(chunk, self.now)

    def later(self, seconds: float) -> None:
        """Let time pass, as a timer that follows `next_deadline` would."""
        end = self.now + seconds
        while (at := self.session.next_deadline()) is not None and at <= end:
            assert at >= self.now - 1e-9, "a deadline that was not served"
            self.now = max(at, self.now)
            self.reported += self.session.tick(self.now)
            self._pong()
        self.now = end
        self.reported += self.session.tick(self.now)

    def _pong(self) -> None:
        self._unread += self.session.outbox().decode()
        before, ping, after = self._unread.partition("Action: Ping\r\n")
        if ping and self.answers_pings:
            self._unread = before + after.partition("\r\n\r\n")[2]
            self.says(b"Response: Success\r\nPing: Pong\r\n\r\n")

    def written(self) -> str:
        """Return what we wrote since last asked, without answered pings."""
        written, self._unread = self._unread + self.session.outbox().decode(), ""
        return written

    def log_in(self) -> Device:
        """Do the greeting and the login."""
        self.says(BANNER)
        self.written()
        self.says(ACCEPTED)
        return self

    def send(
        self,
        text: str = "Hi",
        to: str = TO,
        segments: int = 1,
        only: tuple[int, ...] = (),
    ) -> int:
        """Submit an SMS and let the session write."""
        sms = SmsCommand(to, encode_text(text), segments, only)
        ticket = self.session.submit(sms, self.now)
        self.reported += self.session.tick(self.now)
        return ticket

    def sent_id(self) -> str:
        """Return the id in the send command that we wrote last."""
        written = self.written()
        assert "gsm send sms" in written, written
        return written.rstrip().rpartition(" ")[2]

    def of(self, kind: type[E]) -> list[E]:
        """Return what was told of one kind."""
        return [event for event in self.reported if isinstance(event, kind)]

    def outcome(self) -> Outcome:
        """Return what became of the only settled SMS."""
        (settled,) = self.of(session_events.SmsSettled)
        return settled.outcome


class LoginTests(SynchronousTestCase):
    def test_login_after_the_banner(self) -> None:
        """The login leaves at the greeting, nothing before its success."""
        device = Device()
        self.assertEqual(device.written(), "")
        device.says(BANNER)
        self.assertEqual(
            device.written(),
            "Action: Login\r\nUsername: apiuser\r\nSecret: apipass\r\n"
            "ActionID: 1\r\n\r\n",
        )
        ticket = device.send()
        self.assertEqual(device.written(), "")
        (settled,) = device.of(session_events.SmsSettled)
        self.assertEqual(settled.ticket, ticket)
        self.assertIsInstance(settled.outcome, Refused)
        device.says(b"Response: Success\r\nActionID: 1\r\nMessage: ok\r\n\r\n")
        self.assertEqual(len(device.of(session_events.LoggedIn)), 1)
        device.send()
        self.assertIn("gsm send sms", device.written())

    def test_every_kind_of_greeting(self) -> None:
        """No banner, another version, a cut one, one glued to the answer."""
        for chunks in (
            [],
            [b"Asterisk Call Manager/1.3\r\n"],
            [b"Aste", b"risk Call Man", b"ager/1.1\r", b"\n"],
        ):
            device = Device()
            device.says(*chunks)
            device.later(2.0)
            self.assertIn("Action: Login", device.written())
            device.says(ACCEPTED)
            self.assertEqual(device.session.stage, ConnectionStage.READY)
        glued = Device()
        glued.later(2.0)
        glued.says(BANNER + ACCEPTED)
        self.assertEqual(glued.session.stage, ConnectionStage.READY)
        self.assertEqual(glued.written().count("Action: Login"), 1)

    def test_another_protocol_is_told_no_password(self) -> None:
        """What greets as something else is left before the login."""
        device = Device()
        device.says(b"SSH-2.0-OpenSSH_8.9\r\n")
        self.assertEqual(device.written(), "")
        self.assertEqual(len(device.of(session_events.ConnectionEnded)), 1)

    def test_an_answer_before_the_question(self) -> None:
        """What is said before our login is no answer to it."""
        device = Device()
        device.says(ACCEPTED)
        self.assertIn("Action: Login", device.written())
        self.assertEqual(device.of(session_events.LoggedIn), [])
        device.says(ACCEPTED)
        self.assertEqual(len(device.of(session_events.LoggedIn)), 1)

    def test_refused_login(self) -> None:
        """Said with the device's words, and the conversation is over."""
        device = Device()
        device.says(BANNER)
        device.says(b"Response: Error\r\nMessage: Authentication failed\r\n\r\n")
        (refused,) = device.of(session_events.LoginFailed)
        self.assertEqual(refused.text, "Authentication failed")
        self.assertEqual(device.session.stage, ConnectionStage.OVER)

    def test_silence_after_the_login(self) -> None:
        """Ten seconds without an answer end the conversation."""
        device = Device()
        device.says(BANNER)
        device.later(9.9)
        self.assertEqual(device.of(session_events.ConnectionEnded), [])
        device.later(0.1)
        (over,) = device.of(session_events.ConnectionEnded)
        self.assertEqual(over.why, "no answer to login in 10 s")


class SendingTests(SynchronousTestCase):
    def test_sent(self) -> None:
        """The exact command; taken, and a result of 1: accepted."""
        device = Device().log_in()
        device.send("Hi")
        written = device.written()
        sms_id = written.rstrip().rpartition(" ")[2]
        self.assertEqual(
            written,
            "Action: smscommand\r\nActionID: 2\r\n"
            f'command: gsm send sms 2 +79001234567 "Hi" {sms_id}\r\n\r\n',
        )
        self.assertTrue(sms_id.isdecimal() and len(sms_id) <= 10)
        device.says(TAKEN)
        self.assertEqual(device.of(session_events.SmsSettled), [])
        device.says(result(sms_id))
        self.assertEqual(
            device.outcome(),
            Accepted(provider_ids=(sms_id,), line="1", receipt_expected=False),
        )

    def test_result_before_the_answer(self) -> None:
        """An event may overtake the command's own answer."""
        device = Device().log_in()
        device.send()
        device.says(result(device.sent_id()) + TAKEN)
        self.assertIsInstance(device.outcome(), Accepted)
        device.later(10.0)
        self.assertEqual(device.session.stage, ConnectionStage.READY)

    def test_failed_and_unknown_status(self) -> None:
        """0 was not sent; 2, or no status, tells nothing: unsure, and noted."""
        for status, kind in (("0", Refused), ("2", Uncertain), (None, Uncertain)):
            device = Device().log_in()
            device.send()
            sms_id = device.sent_id()
            device.says(TAKEN, result(sms_id, status))
            outcome = device.outcome()
            self.assertIsInstance(outcome, kind)
            self.assertEqual(
                len(device.of(session_events.ConnectionNotice)), int(kind is Uncertain)
            )
        device = Device().log_in()
        device.send()
        device.says(TAKEN, result(device.sent_id(), "0"))
        refused = device.outcome()
        assert isinstance(refused, Refused)
        self.assertTrue(refused.error.retryable)
        self.assertIs(refused.scope, Scope.MESSAGE)

    def test_what_a_port_counts(self) -> None:
        """Sent, failed, unsure: each SMS in one of them."""
        for status, counts in (("1", (1, 0, 0)), ("0", (0, 1, 0)), ("2", (0, 0, 1))):
            device = Device().log_in()
            device.send()
            device.says(TAKEN, result(device.sent_id(), status))
            (port,) = device.ports.by_number.values()
            shown = port.describe(device.now)
            found = tuple(shown[word] for word in ("sent", "failed", "unsure"))
            self.assertEqual((status, found), (status, counts))
            self.assertEqual((shown["name"], shown["span"]), ("1", 2))
            self.assertEqual((shown["busy"], shown["free_in_s"]), (False, 10.0))

    def test_no_result(self) -> None:
        """A minute after it was taken an SMS is unsure, and not sent again."""
        device = Device().log_in()
        device.send()
        sms_id = device.sent_id()
        device.says(TAKEN)
        device.later(59.9)
        self.assertEqual(device.of(session_events.SmsSettled), [])
        device.later(0.1)
        unsure = device.outcome()
        assert isinstance(unsure, Uncertain)
        self.assertEqual(unsure.provider_ids, (sms_id,))
        self.assertNotIn("gsm send sms", device.written())
        device.says(result(sms_id))
        self.assertEqual(
            device.of(session_events.UnexpectedResult),
            [session_events.UnexpectedResult(sms_id, "1")],
        )

    def test_no_answer_to_the_command(self) -> None:
        """After ten seconds the connection is dropped and the SMS unsure."""
        device = Device(1, 2).log_in()
        device.send("one")
        device.sent_id()
        waiting = device.send("two")
        self.assertEqual(device.written(), "")
        device.later(10.0)
        (over,) = device.of(session_events.ConnectionEnded)
        self.assertIn("no answer", over.why)
        first, second = device.of(session_events.SmsSettled)
        self.assertIsInstance(first.outcome, Uncertain)
        self.assertEqual(second.ticket, waiting)
        refused = second.outcome
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_FOR_A_WHILE)
        # the next connection's commands get no late answers of this one
        count = len(device.reported)
        device.says(TAKEN + TAKEN)
        self.assertEqual(device.reported[count:], [])

    def test_an_answer_counts_only_for_its_action(self) -> None:
        """A wrong ActionID answers nothing."""
        device = Device().log_in()
        device.send()
        device.sent_id()
        device.says(
            b"Response: Follows\r\nPrivilege: x\r\nActionID: 77\r\n"
            b"No GSM running on span 2\n--END COMMAND--\r\n\r\n"
        )
        self.assertEqual(device.of(session_events.SmsSettled), [])
        self.assertEqual(len(device.of(session_events.ConnectionNotice)), 1)

    def test_permission_denied(self) -> None:
        """Not sent, the channel waits for someone, the port is not used."""
        device = Device().log_in()
        device.send()
        device.sent_id()
        device.says(b"Response: Error\r\nMessage: Permission denied\r\n\r\n")
        refused = device.outcome()
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_HALTED)
        self.assertFalse(refused.error.retryable)
        self.assertEqual(device.ports.unable(device.now), "port 1: Permission denied")

    def test_another_port_takes_it(self) -> None:
        """What a port did not even try goes out by the next, under a new id."""
        for said in ("No GSM running on span 2\n", "Command 'gsm …' failed.\n"):
            device = Device(1, 2).log_in()
            device.send()
            first = device.sent_id()
            device.says(follows(said))
            written = device.written()
            self.assertIn("gsm send sms 3 ", written)
            second = written.rstrip().rpartition(" ")[2]
            self.assertNotEqual(first, second)
            device.says(result(first, "0"))
            self.assertEqual(device.of(session_events.SmsSettled), [])
            device.says(TAKEN, result(second))
            accepted = device.outcome()
            self.assertEqual(accepted.line, "2")

    def test_a_port_that_refused_and_sent_it_all_the_same(self) -> None:
        """The device contradicts itself: no other port is to send it again."""
        # the other port is free at once / rests after an SMS of its own
        for rests in (False, True):
            device = Device(1, 2).log_in()
            if rests:
                device.ports.by_number[2].free_at = device.now + 5.0
            device.send()
            first = device.sent_id()
            device.says(follows("No GSM running on span 2\n") + result(first, "1"))
            written = device.written()
            unsure = device.outcome()
            assert isinstance(unsure, Uncertain)
            self.assertTrue(unsure.unclear)
            self.assertIn(first, unsure.provider_ids)
            self.assertEqual("gsm send sms" in written, False)
            device.later(20.0)
            self.assertNotIn("gsm send sms", device.written())
            device.send("another")
            device.says(TAKEN, result(device.sent_id()))
            self.assertIsInstance(
                device.of(session_events.SmsSettled)[1].outcome, Accepted
            )

    def test_an_sms_under_way_by_the_next_port_is_unsure_then(self) -> None:
        """Both may send it; a result under either id still tells."""
        device = Device(1, 2).log_in()
        device.send()
        first = device.sent_id()
        device.says(follows("No GSM running on span 2\n"))
        second = device.sent_id()
        device.says(result(first, "1"))
        unsure = device.outcome()
        assert isinstance(unsure, Uncertain)
        self.assertEqual(unsure.provider_ids, (first, second))
        device.says(TAKEN, result(second))
        self.assertEqual(
            device.of(session_events.UnexpectedResult),
            [session_events.UnexpectedResult(second, "1")],
        )

    def test_an_answer_that_says_both(self) -> None:
        """Success and Error in one answer refuse nothing: the result decides."""
        device = Device().log_in()
        device.send()
        sms_id = device.sent_id()
        device.says(b"Response: Error\r\nResponse: Success\r\nMessage: x\r\n\r\n")
        self.assertEqual(device.of(session_events.SmsSettled), [])
        device.says(result(sms_id))
        self.assertIsInstance(device.outcome(), Accepted)

    def test_a_result_that_says_both(self) -> None:
        """Status 0 and 1 in one event: nobody knows; two ids: nobody's result."""
        device = Device().log_in()
        device.send()
        sms_id = device.sent_id()
        device.says(TAKEN, result(sms_id).replace(b"Smsc", b"ID: 77\r\nSmsc"))
        self.assertEqual(device.of(session_events.SmsSettled), [])
        device.says(result(sms_id, "0\r\nStatus: 1"))
        self.assertIsInstance(device.outcome(), Uncertain)

    def test_a_port_that_is_asked_for_does_not_stop_the_others(self) -> None:
        """Its SIM is gone: that is about this SMS while another port works."""
        device = Device(1, 2).log_in()
        device.send(only=(1,))
        device.says(follows("No GSM running on span 2\n"))
        refused = device.outcome()
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.MESSAGE)
        self.assertTrue(refused.error.retryable)
        self.assertIsNone(device.ports.unable(device.now))

    def test_no_port_takes_it(self) -> None:
        """Refused by all: by the channel if ports are down, else as a message."""
        device = Device().log_in()
        device.send()
        device.says(follows("No GSM running on span 2\n"))
        down = device.outcome()
        assert isinstance(down, Refused)
        self.assertIs(down.scope, Scope.CHANNEL_FOR_A_WHILE)
        self.assertIsNotNone(device.ports.unable(device.now))
        device = Device().log_in()
        device.send()
        device.says(follows("Command 'x' failed.\n"))
        failed = device.outcome()
        assert isinstance(failed, Refused)
        self.assertIs(failed.scope, Scope.MESSAGE)
        self.assertTrue(failed.error.retryable)
        self.assertIsNone(device.ports.unable(device.now))

    def test_ids_that_are_not_waited_for(self) -> None:
        """(null), unknown ids and those of another time settle nothing."""
        device = Device().log_in()
        device.send()
        sms_id = device.sent_id()
        device.says(TAKEN)
        for other in ("(null)", "", "1", str(int(sms_id) + 1), f"{sms_id}0"):
            device.says(result(other))
        self.assertEqual(device.of(session_events.SmsSettled), [])
        self.assertEqual(len(device.of(session_events.UnexpectedResult)), 5)
        # the same device, connected anew: old ids are nobody's
        device.reported += device.session.lost("cut", device.now)
        device.connect()
        device.log_in()
        device.later(30.0)
        device.send()
        self.assertNotEqual(device.sent_id(), sms_id)
        settled = len(device.of(session_events.SmsSettled))
        device.says(TAKEN, result(sms_id))
        self.assertEqual(len(device.of(session_events.SmsSettled)), settled)

    def test_second_result_is_ignored(self) -> None:
        """Only the first result of an id settles."""
        device = Device().log_in()
        device.send()
        sms_id = device.sent_id()
        device.says(TAKEN, result(sms_id, "1"), result(sms_id, "0"))
        self.assertIsInstance(device.outcome(), Accepted)

    def test_one_sms_in_ten_seconds_per_port(self) -> None:
        """Two ports take two SMS at once, the third waits for a rested port."""
        device = Device(1, 2).log_in()
        for _ in range(3):
            device.send()
        sent = []
        for _ in range(2):
            written = device.written()
            sent.append(written.rstrip().rpartition(" ")[2])
            device.says(TAKEN)
        for sms_id in sent:
            device.says(result(sms_id))
        self.assertEqual(device.written(), "")
        device.later(9.9)
        self.assertEqual(device.written(), "")
        device.later(0.1)
        self.assertIn("gsm send sms 2 ", device.written())

    def test_a_long_sms_rests_its_port_longer(self) -> None:
        """Each segment on the air counts."""
        device = Device().log_in()
        device.send(segments=3)
        device.says(TAKEN, result(device.sent_id()))
        device.send()
        device.later(29.9)
        self.assertEqual(device.written(), "")
        device.later(0.1)
        self.assertIn("gsm send sms", device.written())

    def test_a_port_is_told_when_it_has_rested(self) -> None:
        """So that the lane sends on."""
        device = Device().log_in()
        device.send()
        device.says(TAKEN, result(device.sent_id()))
        device.reported.clear()
        device.later(9.0)
        self.assertEqual(device.of(session_events.PortReady), [])
        device.later(1.0)
        self.assertEqual(len(device.of(session_events.PortReady)), 1)

    def test_waits_for_a_port_only_so_long(self) -> None:
        """What finds its port busy for too long is given back, unsent."""
        device = Device(interval_s=1.0).log_in()
        device.settings = evolve(device.settings, result_timeout_s=300.0)
        device.connect()
        device.log_in()
        device.send()
        device.sent_id()
        device.says(TAKEN)
        device.send()
        device.later(60.9)
        self.assertEqual(device.of(session_events.SmsSettled), [])
        device.later(0.1)
        refused = device.outcome()
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_FOR_A_WHILE)
        self.assertNotIn("gsm send sms", device.written())

    def test_the_port_that_is_asked_for_is_down(self) -> None:
        """The message waits for it; the rest of the device goes on."""
        device = Device(1, 2).log_in()
        device.ports.update({2: "Power off", 3: "Power on, Up"})
        device.session.submit(SmsCommand(TO, "Hi", only=(1,)), device.now)
        device.reported += device.session.tick(device.now)
        refused = device.outcome()
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.MESSAGE)
        self.assertTrue(refused.error.retryable)


class LivenessTests(SynchronousTestCase):
    def test_ping_and_both_pongs(self) -> None:
        """Silence of 30 s is broken by a ping; either Pong will do."""
        device = Device().log_in()
        device.answers_pings = False
        for pong in (
            b"Response: Success\r\nPing: Pong\r\n\r\n",
            b"Response: Pong\r\n\r\n",
        ):
            device.later(29.9)
            self.assertEqual(device.written(), "")
            device.later(0.1)
            self.assertIn("Action: Ping\r\n", device.written())
            device.says(pong)
        device.later(9.0)
        self.assertEqual(device.session.stage, ConnectionStage.READY)

    def test_no_pong(self) -> None:
        """Ten seconds without Pong end it; what was pending is unsure."""
        device = Device().log_in()
        device.answers_pings = False
        device.later(25.0)
        device.send()
        device.sent_id()
        device.says(TAKEN)
        device.later(30.0)
        self.assertIn("Ping", device.written())
        device.later(10.0)
        (over,) = device.of(session_events.ConnectionEnded)
        self.assertEqual(over.why, "no answer to ping in 10 s")
        self.assertIsInstance(device.outcome(), Uncertain)

    def test_end_in_the_middle_of_an_event(self) -> None:
        """The partial event is discarded; the end is told once."""
        device = Device().log_in()
        device.says(b"Event: ReceivedSMS\r\nSender: +79\r\nContent: ha")
        device.reported += device.session.lost("closed", device.now)
        device.reported += device.session.lost("closed again", device.now)
        self.assertEqual(device.of(session_events.TgSmsReceived), [])
        self.assertEqual(
            device.of(session_events.ConnectionEnded),
            [session_events.ConnectionEnded("closed")],
        )

    def test_hostile_server(self) -> None:
        """Endless lines end it, before the login and after it."""
        for device in (Device(), Device().log_in()):
            device.says(*([b"Event: " + b"x" * 65536] * 3))
            self.assertEqual(len(device.of(session_events.ConnectionEnded)), 1)
            self.assertIsNone(device.session.next_deadline())

    @given(st.lists(st.binary(max_size=50), max_size=10))
    def test_any_octets(self, chunks: list[bytes]) -> None:
        """No octets make the session raise, at any stage."""
        for device in (Device(), Device().log_in()):
            device.send()
            device.says(*chunks)
            device.later(100.0)

    @given(
        st.lists(
            st.sampled_from(
                [
                    BANNER,
                    ACCEPTED,
                    TAKEN,
                    result("8001"),
                    result("8001", "0"),
                    follows("No GSM running on span 2\n"),
                    b"Response: Pong\r\n\r\n",
                    b"Response: Error\r\nMessage: Permission denied\r\n\r\n",
                    b"\r\n",
                    b"Event: ReceivedSMS\r\nID: 1\r\nIndex: 1\r\nTotal: 2\r\n\r\n",
                ]
            ),
            max_size=12,
        ),
        st.lists(st.sampled_from(["send", "wait", "say", "say"]), max_size=30),
    )
    def test_every_sms_is_settled_once(
        self, blocks: list[bytes], steps: list[str]
    ) -> None:
        """Whatever the device says and when, each ticket has one outcome."""
        device = Device(1, 2).log_in()
        tickets = []
        for step in steps:
            if step == "send":
                tickets.append(device.send())
            elif step == "wait":
                device.later(7.0)
            elif blocks:
                device.says(blocks.pop())
        device.reported += device.session.lost("end", device.now)
        settled = [one.ticket for one in device.of(session_events.SmsSettled)]
        self.assertEqual(sorted(settled), tickets)

    def test_other_events(self) -> None:
        """Events of other concerns tell nothing."""
        device = Device().log_in()
        count = len(device.reported)
        for name in ("FullyBooted", "PeerStatus", "Nonsense", ""):
            device.says(f"Event: {name}\r\nPrivilege: x\r\nID: 1\r\n\r\n".encode())
        self.assertEqual(device.reported[count:], [])

    def test_goodbye(self) -> None:
        """Logoff is the last that leaves, and its answer ends it."""
        device = Device().log_in()
        device.session.log_off()
        device.reported += device.session.tick(device.now)
        self.assertIn("Action: Logoff", device.written())
        device.says(b"Response: Goodbye\r\nMessage: Thanks for all the fish.\r\n\r\n")
        self.assertEqual(
            device.of(session_events.ConnectionEnded),
            [session_events.ConnectionEnded("logged off")],
        )


class PollTests(SynchronousTestCase):
    def test_ports_by_their_words(self) -> None:
        """Polled at login and every minute; a port that is not up is passed over."""
        device = Device(1, 2, 3, poll_s=60.0).log_in()
        self.assertIn("command: gsm show spans\r\n", device.written())
        device.says(
            follows(
                "GSM span 2: Power on, Provisioned, Undetected SIM Card, Active\n"
                "GSM span 3: Power on, Up, Active, Standard\n"
            )
        )
        for span in (2, 3, 4):
            self.assertIn(f"gsm show span {span}\r\n", device.written())
            device.says(follows("Signal Quality (0,31): 17\nNetwork Name: MTS\n"))
        self.assertEqual(
            device.of(session_events.PortsChanged),
            [session_events.PortsChanged((1, 2, 3))],
        )
        described = [
            port.describe(device.now) for port in device.ports.by_number.values()
        ]
        self.assertEqual([line["state"] for line in described], ["down", "up", "down"])
        self.assertEqual(described[1]["signal"], 17)
        self.assertEqual(described[1]["operator"], "MTS")
        device.send()
        self.assertIn("gsm send sms 3 ", device.written())
        device.says(TAKEN)
        device.answers_pings = False
        device.later(29.0)
        self.assertNotIn("gsm show spans", device.written())
        device.later(1.0)
        self.assertIn("Ping", device.written())
        device.says(b"Response: Pong\r\n\r\n")
        device.later(30.0)
        self.assertIn("gsm show spans", device.written())

    def test_ports_without_a_list(self) -> None:
        """The device's own spans are the ports."""
        device = Device(poll_s=60.0)
        device.ports = Ports(())
        device.connect()
        device.log_in()
        self.assertIn("gsm show spans", device.written())
        device.says(follows("GSM span 2: Power on, Up\nGSM span 3: Power on, Up\n"))
        self.assertEqual(sorted(device.ports.by_number), [1, 2])
        self.assertIn("gsm show span 2", device.written())

    def test_a_device_that_tells_no_spans(self) -> None:
        """The ports of the settings are used as they are."""
        device = Device(poll_s=60.0).log_in()
        device.says(b"Response: Error\r\nMessage: Invalid/unknown command\r\n\r\n")
        self.assertEqual(len(device.of(session_events.ConnectionNotice)), 1)
        device.says(follows(""))
        self.assertIsNone(device.ports.unable(device.now))

    def test_a_question_that_is_never_answered(self) -> None:
        """After three connections that it ended, it is not asked any more."""
        device = Device(poll_s=60.0)
        for _ in range(3):
            device.connect()
            device.log_in()
            self.assertIn("gsm show spans", device.written())
            device.says(follows("GSM span 2: Power on, Up\n"))
            self.assertIn("gsm show span 2", device.written())
            device.later(10.0)
            self.assertIn(
                "gsm show span", device.of(session_events.ConnectionEnded)[-1].why
            )
        device.connect()
        device.log_in()
        device.says(follows("GSM span 2: Power on, Up\n"))
        device.written()
        device.later(50.0)
        self.assertEqual(device.written(), "")
        self.assertEqual(device.session.stage, ConnectionStage.READY)

    def test_commands_of_operators(self) -> None:
        """A query's output is told; without a login, or an answer, why not."""
        device = Device().log_in()
        ticket = device.session.query("gsm send at 2 AT+CSQ", 10.0)
        device.reported += device.session.tick(device.now)
        self.assertIn("command: gsm send at 2 AT+CSQ\r\n", device.written())
        device.says(follows("OK\n"))
        self.assertEqual(
            device.of(session_events.CommandOutput),
            [session_events.CommandOutput(ticket, "OK")],
        )
        device.session.query("gsm send at 2 AT", 10.0)
        device.reported += device.session.tick(device.now)
        device.later(10.0)
        last = device.of(session_events.CommandOutput)[-1]
        self.assertIsNone(last.output)
        self.assertIn("no answer", last.error)
        device.session.query("gsm show spans", 10.0)
        device.reported += device.session.tick(device.now)
        self.assertIn(
            "not logged in", device.of(session_events.CommandOutput)[-1].error
        )


class SilentPortTests(SynchronousTestCase):
    """A port whose SMS come to nothing rests longer each time."""

    def rests(self, device: Device) -> float:
        """Return how long the only port is left alone from now on."""
        until = device.ports.by_number[1].blocked_until
        rest_s = max(0.0, until - device.now)
        device.later(rest_s + 10.0)
        return rest_s

    def test_no_results(self) -> None:
        """Ten seconds at first, and as long as it takes for a success."""
        device = Device(1).log_in()
        wait_s = device.settings.result_timeout_s
        rests = []
        for _ in range(3):
            device.send()
            device.says(TAKEN)
            device.later(wait_s)
            rests.append(self.rests(device))
        self.assertEqual(rests, [10.0, 20.0, 40.0])
        device.written()
        device.send()
        device.says(TAKEN, result(device.sent_id()))
        device.later(10.0)
        device.send()
        device.says(TAKEN)
        device.later(wait_s)
        self.assertEqual(self.rests(device), 10.0)

    def test_refusals(self) -> None:
        """A port that the device calls down again and again."""
        device = Device(1).log_in()
        rests = []
        for _ in range(6):
            device.send()
            device.says(follows("No GSM running on span 2\r\n"))
            rests.append(self.rests(device))
        self.assertEqual(rests, [60.0, 120.0, 240.0, 480.0, 900.0, 900.0])
