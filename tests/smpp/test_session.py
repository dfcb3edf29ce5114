from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import LostFrame
from gdemoi.smpp.session import EsmeSession
from gdemoi.smpp.session_types import (
    MAY_SUBMIT,
    Bound,
    DeliveryReceived,
    ResponseMissing,
    ResponseReceived,
    SessionEnded,
    SessionNotice,
    SessionState,
)
from tests.smpp.sessions import NOW, SUBMIT, bound, give, in_state, parameters, sent

ANSWER = pdus.SubmitSmResp(sequence_number=2, message_id="a1")


class SessionTests(SynchronousTestCase):
    def test_a_response_settles_its_request(self) -> None:
        """The answer is found by its number and told with the request's context."""
        session = bound()
        self.assertEqual(session.submit(SUBMIT, "context", NOW), 2)
        (answered,) = give(session, ANSWER, NOW + 0.1)
        assert isinstance(answered, ResponseReceived)
        self.assertEqual(answered.context, "context")
        self.assertEqual(answered.pdu, ANSWER)
        self.assertAlmostEqual(answered.round_trip_s, 0.1)

    def test_what_is_submitted_in_one_turn_leaves_together(self) -> None:
        """The outbox is one string of octets, and is empty after it was taken."""
        session = bound()
        for number in range(5):
            session.submit(SUBMIT, number, NOW)
        self.assertEqual(
            [pdu.sequence_number for pdu in sent(session)], [2, 3, 4, 5, 6]
        )
        self.assertEqual(session.outbox(), b"")

    def test_submitting_when_not_bound_is_our_fault(self) -> None:
        """The operation matrix, state by state."""
        for state in SessionState:
            session = in_state(state)
            if MAY_SUBMIT.get(state) and 0x04 in MAY_SUBMIT[state]:
                session.submit(SUBMIT, None, NOW)
            else:
                with self.assertRaises(OurFault):
                    session.submit(SUBMIT, None, NOW)

    def test_binding_twice_is_our_fault(self) -> None:
        """A bind belongs at the beginning."""
        with self.assertRaises(OurFault):
            bound().bind(NOW)

    def test_a_closed_session_is_deaf(self) -> None:
        """After the end nothing happens, whatever comes."""
        session = in_state(SessionState.CLOSED)
        self.assertEqual(give(session, ANSWER), [])
        self.assertEqual(session.tick(NOW + 1e6), [])
        self.assertIsNone(session.next_deadline())
        self.assertEqual(session.lost("again"), [])
        self.assertEqual(session.drain(NOW, 1), [])
        session.answer(pdus.DeliverSm(sequence_number=1), 0, NOW)
        self.assertEqual(session.outbox(), b"")

    def test_the_round_trip_is_smoothed(self) -> None:
        """One slow answer moves it by an eighth."""
        session = bound()
        session.submit(SUBMIT, 1, NOW)
        give(session, ANSWER, NOW + 8.0)
        self.assertAlmostEqual(session.round_trip_s or 0, 1.0)

    def test_deadlines_are_those_of_what_waits(self) -> None:
        """Silence, a response, a drain: the earliest counts."""
        session = bound(enquire_link_s=30, response_timeout_s=20)
        self.assertEqual(session.next_deadline(), NOW + 30)
        session.submit(SUBMIT, 1, NOW + 5)
        self.assertEqual(session.next_deadline(), NOW + 25)
        session.drain(NOW + 6, 2)
        self.assertEqual(session.next_deadline(), NOW + 8)


def header(command_id: int, status: int, number: int, body: bytes = b"") -> bytes:
    """Return any frame."""
    parts = (16 + len(body), command_id, status, number)
    return b"".join(part.to_bytes(4, "big") for part in parts) + body


COMMANDS = st.sampled_from(
    [
        *(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x15),
        *(0x21, 0x102, 0x103, 0x10200, 0x7FFFFFFF),
        *(0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80000004, 0x80000005),
        *(0x80000006, 0x80000009, 0x80000015, 0x80000021, 0x80000103, 0x8000FFFF),
    ]
)
NUMBERS = st.one_of(
    st.integers(0, 5), st.sampled_from([0x7FFFFFFF, 0x80000001, 0xFFFFFFFF])
)
GOOD = pdus.encode(
    pdus.DeliverSm(sequence_number=9, source_addr="79161234567", short_message=b"OK")
)
FRAMES = st.one_of(
    st.builds(
        header,
        COMMANDS,
        st.sampled_from([0, 0x58, 0x400, 0xFFFFFFFF]),
        NUMBERS,
        st.binary(max_size=60),
    ),
    st.just(GOOD),
    st.builds(
        lambda at, octet: GOOD[:at] + bytes((octet,)) + GOOD[at + 1 :],
        st.integers(4, len(GOOD) - 1),
        st.integers(0, 255),
    ),
)
ENDS = {0x06, 0x80000006}


class PropertyTests(SynchronousTestCase):
    @given(st.sampled_from(SessionState), st.lists(FRAMES, max_size=8))
    def test_any_frames_in_any_state(
        self, state: SessionState, frames: list[bytes]
    ) -> None:
        """Whole frames never raise, and only unbind ends a bound session."""
        session = in_state(state)
        found = session.receive(b"".join(frames), NOW)
        kinds = {int.from_bytes(frame[4:8], "big") for frame in frames}
        if state in MAY_SUBMIT and not kinds & ENDS:
            self.assertTrue(session.bound)
            self.assertEqual(
                [one for one in found if isinstance(one, SessionEnded)], []
            )
        for pdu in sent(session):
            self.assertNotIsInstance(pdu, pdus.UnparsedPdu)

    @given(st.sampled_from(SessionState), st.binary(max_size=200))
    def test_any_octets_in_any_state(self, state: SessionState, octets: bytes) -> None:
        """Octets that are no SMPP never raise; a lost frame ends the session."""
        session = in_state(state)
        found = session.receive(octets, NOW)
        over = [one for one in found if isinstance(one, SessionEnded)]
        if over and state in MAY_SUBMIT and len(octets) < 20:
            (nack,) = sent(session)
            self.assertIsInstance(nack, pdus.GenericNack)
            self.assertEqual(nack.command_status, LostFrame.command_status)

    @given(
        st.lists(FRAMES, max_size=6),
        st.lists(st.integers(1, 40), max_size=20),
    )
    def test_chunking_does_not_matter(
        self, frames: list[bytes], cuts: list[int]
    ) -> None:
        """The same octets, cut anyhow, make the same events and answers."""
        octets = b"".join(frames)
        whole, pieces = bound(), bound()
        whole.submit(SUBMIT, "c", NOW)
        pieces.submit(SUBMIT, "c", NOW)
        expected = whole.receive(octets, NOW)
        found = []
        start = 0
        for size in [*cuts, len(octets)]:
            found += pieces.receive(octets[start : start + size], NOW)
            start += size
        self.assertEqual(repr(found), repr(expected))
        self.assertEqual(pieces.outbox(), whole.outbox())
        self.assertEqual(pieces.state, whole.state)

    @given(st.lists(st.sampled_from(["submit", "answer", "tick", "late"]), max_size=60))
    def test_each_request_is_settled_exactly_once(self, steps: list[str]) -> None:
        """Whatever the order of answers and timeouts, one fate per request."""
        session = bound(window=5, response_timeout_s=10, enquire_link_s=0)
        now, reported, open_numbers = NOW, [], []
        submitted = 0
        for step in steps:
            if step == "submit" and session.free:
                open_numbers.append(session.submit(SUBMIT, submitted, now))
                submitted += 1
            elif step == "answer" and open_numbers:
                number = open_numbers.pop()
                reported += give(
                    session, pdus.SubmitSmResp(sequence_number=number), now
                )
            elif step == "tick":
                now += 6
                reported += session.tick(now)
        reported += session.lost("the end")
        outcomes = [
            one.context
            for one in reported
            if isinstance(one, ResponseReceived | ResponseMissing)
        ]
        self.assertEqual(sorted(outcomes), list(range(submitted)))

    def test_bound_is_told_once(self) -> None:
        """A second bind answer is nothing to us."""
        session = EsmeSession(parameters(), NOW)
        session.bind(NOW)
        answer = pdus.BindTransceiverResp(sequence_number=1, system_id="S")
        first = give(session, answer)
        second = give(session, answer)
        self.assertIsInstance(first[0], Bound)
        self.assertIsInstance(second[0], SessionNotice)

    def test_deliveries_while_unbinding_are_taken(self) -> None:
        """Nothing that the SMSC managed to send is lost."""
        session = in_state(SessionState.UNBINDING)
        (came,) = session.receive(GOOD, NOW)
        assert isinstance(came, DeliveryReceived)
        session.answer(came.pdu, 0, NOW)
        (answer,) = sent(session)
        self.assertIsInstance(answer, pdus.DeliverSmResp)
