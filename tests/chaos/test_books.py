"""The checker finds what is planted: a loss, a double, a gap, a changed octet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from chaos.books import QUIET, Blame, Books, Span, Telling, table
from chaos.wire import Arrival, message, octets_of, text_of

COUNT, STREAMS = 40, 2
# of stream 0: a command (held), the notification after it (sent again), a long command
HELD, RESENT, LONG = 0, 2, 32
STORY = ("accepted", "submitted", "delivered")


def arrivals(number: int, at_s: float = 20.0) -> list[Arrival]:
    """Return a message as an SMSC takes it, in segments where it is long."""
    coding, octets = octets_of(text_of(number, STREAMS))
    room = 153 if coding == 0 else 134
    pieces = [octets]
    if len(octets) > 160:
        pieces = [octets[at : at + room] for at in range(0, len(octets), room)]
    return [
        Arrival(int(at_s * 1e9), number, coding, part, len(pieces), piece)
        for part, piece in enumerate(pieces, 1)
    ]


def events(number: int, states: Iterable[str] = STORY) -> list[dict[str, Any]]:
    """Return the events of a message; the last one is final."""
    states = list(states)
    return [
        {
            "type": "status",
            "id": f"x-{number}",
            "seq": seq,
            "state": state,
            "final": seq == len(states),
        }
        for seq, state in enumerate(states, 1)
    ]


class BooksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.books = Books(COUNT, STREAMS)
        self.told = self.books.telling("http")

    def take(
        self, number: int, *, arrive: int = 1, states: Iterable[str] = STORY
    ) -> None:
        """Let a message be accepted, arrive so often, and be told."""
        self.books.accepted(number, 10.0)
        for _ in range(arrive):
            for one in arrivals(number):
                self.books.arrived(one)
        self.tell(events(number, states))

    def tell(self, told: Iterable[dict[str, Any]], by: Telling | None = None) -> None:
        """Let a reader hear events."""
        for event in told:
            (by or self.told).heard(event)

    def wrong(self) -> list[tuple[str, int]]:
        """Return what is wrong, and with which message."""
        return [(fault.what, fault.number) for fault in self.books.close()]

    def test_nothing_is_wrong_with_what_was_kept(self) -> None:
        """Every kind of text, accepted, sent once, told once."""
        for number in range(COUNT):
            self.take(number)
        self.assertEqual((self.wrong(), self.books.open()), ([], []))
        self.assertEqual(self.books.ends(), {"delivered": COUNT})

    def test_a_planted_loss(self) -> None:
        """Accepted, and nothing was told of it: lost, whether it arrived or not."""
        self.books.accepted(HELD, 10.0)
        self.books.accepted(RESENT, 10.0)
        self.books.arrived(arrivals(RESENT)[0])
        self.assertEqual(self.wrong(), [("lost", HELD), ("lost", RESENT)])
        self.assertEqual(self.books.open(), [HELD, RESENT])

    def test_told_as_delivered_but_never_at_the_smsc(self) -> None:
        """Lost."""
        self.take(HELD, arrive=0)
        self.assertEqual(self.wrong(), [("lost", HELD)])

    def test_one_segment_of_two_never_came(self) -> None:
        """Lost: nobody can read a half."""
        self.take(LONG, arrive=0)
        self.books.arrived(arrivals(LONG)[0])
        self.assertEqual(self.wrong(), [("lost", LONG)])

    def test_told_as_uncertain_it_may_not_have_come(self) -> None:
        """The gateway did not know, and said so."""
        self.take(HELD, arrive=0, states=["accepted", "uncertain"])
        self.assertEqual(self.wrong(), [])
        self.assertEqual(self.books.uncertain(), [HELD])

    def test_a_planted_double(self) -> None:
        """Of a command it is wrong; of what asked to be sent again it is counted."""
        self.take(HELD, arrive=2)
        self.take(RESENT, arrive=2)
        self.assertEqual(self.wrong(), [("doubled", HELD)])
        self.assertEqual(self.books.repeated(), [HELD, RESENT])

    def test_a_double_of_one_segment(self) -> None:
        """Half a command twice is twice."""
        self.take(LONG)
        self.books.arrived(arrivals(LONG)[1])
        self.assertEqual(self.wrong(), [("doubled", LONG)])

    def test_a_double_of_what_was_never_accepted(self) -> None:
        """Nobody answered for it, and still it must not be sent twice."""
        self.books.arrived(arrivals(HELD)[0])
        self.assertEqual(self.wrong(), [])
        self.books.arrived(arrivals(HELD)[0])
        self.assertEqual(self.wrong(), [("doubled", HELD)])

    def test_a_planted_gap(self) -> None:
        """An event is missing, or comes before the one that it follows."""
        for states in ((1, 3), (2,), (2, 1, 3), (1, 1, 2, 3)):
            with self.subTest(seqs=states):
                telling = Telling("one", COUNT)
                told = events(HELD)
                for seq in states:
                    telling.heard(told[seq - 1])
                self.assertTrue(telling.wrong)
        self.take(HELD, states=STORY)
        self.told.heard({**events(HELD)[0], "seq": 9})
        self.assertEqual(self.wrong(), [("gap", HELD)])

    def test_what_may_come_again_is_no_gap(self) -> None:
        """A queue tells at least once, with the numbers that it told before."""
        telling = self.books.telling("queue", at_least_once=True)
        first, second, third = events(HELD)
        self.tell([first, second, first, second, third, third], telling)
        self.assertEqual((telling.wrong, telling.repeats), ([], 3))
        self.assertEqual(telling.finals[HELD], 1)
        self.tell([{**third, "seq": 5}], telling)
        self.assertEqual(len(telling.wrong), 1)

    def test_a_planted_changed_octet(self) -> None:
        """In any place of any kind of text; also the coding says what is written."""
        for number in (HELD, RESENT, LONG, 12, 24):
            for one in arrivals(number):
                for place in (0, len(one.octets) // 2, len(one.octets) - 1):
                    with self.subTest(number=number, part=one.part, place=place):
                        octets = bytearray(one.octets)
                        octets[place] ^= 1
                        books = Books(COUNT, STREAMS)
                        books.arrived(evolve(one, octets=bytes(octets)))
                        self.assertIn("changed", [f.what for f in books.close()])
        books = Books(COUNT, STREAMS)
        books.arrived(evolve(arrivals(HELD)[0], coding=8))
        self.assertEqual([fault.what for fault in books.close()], ["changed"])

    def test_a_text_that_was_trimmed(self) -> None:
        """Spaces are payload."""
        self.take(4, arrive=0)
        (one,) = arrivals(4)
        self.assertTrue(one.octets.startswith(b"  "))
        self.books.arrived(evolve(one, octets=one.octets.strip()))
        self.assertEqual(self.wrong(), [("changed", 4)])

    def test_what_nobody_sent(self) -> None:
        """A number beyond all that there are."""
        self.books.arrived(evolve(arrivals(HELD)[0], number=COUNT))
        self.assertEqual(self.wrong(), [("changed", COUNT)])

    def test_one_final_event_each(self) -> None:
        """None is wrong, two are, and so are two readers who disagree."""
        self.take(HELD, states=STORY)
        self.tell([{**events(HELD)[2], "seq": 4}])
        self.take(2)
        self.books.accepted(4, 10.0)
        self.books.arrived(arrivals(4)[0])
        self.tell(events(4)[:2])
        queue = self.books.telling("queue", at_least_once=True)
        self.tell(events(2, ["accepted", "submitted", "uncertain"]), queue)
        self.assertEqual(self.wrong(), [("finals", HELD), ("finals", 2), ("finals", 4)])

    def test_ended_otherwise_than_sent(self) -> None:
        """No SMSC refused anything, so nothing may end as refused."""
        self.take(HELD, states=["accepted", "undelivered"])
        self.assertEqual(self.wrong(), [("failed", HELD)])

    def test_answers_are_no_events(self) -> None:
        """seq 0 says that it was taken before; inbound SMS are none of ours."""
        self.take(HELD)
        self.told.heard({**events(HELD)[0], "seq": 0, "state": "duplicate"})
        self.told.heard({"type": "inbound", "id": "9c7c820a2090-b"})
        self.assertEqual(self.wrong(), [])


class TableTests(SynchronousTestCase):
    def test_the_fault_that_a_message_met(self) -> None:
        """What it ran into, else the last one before; each gateway has its own."""
        spans = [Span("kill", (0,), 10.0, 11.0), Span("cut", (0, 1), 20.0, 21.0)]
        blame = Blame(spans, 2)
        self.assertEqual(
            [blame.kind(0, at_s) for at_s in (9.0, 9.9, 10.0, 15.0, 19.9, 25.0)],
            [QUIET, "kill", "kill", "kill", "cut", "cut"],
        )
        self.assertEqual(blame.kind(1, 15.0), QUIET)

    def test_rows(self) -> None:
        """Messages and what became of them stand with the fault they met."""
        books = Books(COUNT, STREAMS)
        told = books.telling("http")
        for number, arrive in ((HELD, 2), (RESENT, 2), (1, 0)):
            books.accepted(number, 5.0)
            for one in arrivals(number) * arrive:
                books.arrived(one)
            for event in events(number, ["accepted", "uncertain"]):
                told.heard(event)
        spans = [Span("kill", (0,), 10.0, 11.0), Span("kill", (0,), 30.0, 31.0)]
        rows = table(books, books.close(), spans, [0, 1])
        kill, quiet = rows["kill"], rows[QUIET]
        self.assertEqual((kill.times, kill.messages, kill.uncertain), (2, 2, 2))
        self.assertEqual((kill.repeated, kill.faults), (1, {"doubled": 1}))
        self.assertEqual((quiet.times, quiet.messages, quiet.uncertain), (0, 1, 1))


class MessageTests(SynchronousTestCase):
    def test_each_has_a_phone_and_a_text_of_its_own(self) -> None:
        """Half are commands, held; half ask to be sent again."""
        made = [message(number, STREAMS) for number in range(400)]
        self.assertEqual(len({one["to"] for one in made}), 400)
        self.assertEqual(len({one["text"] for one in made}), 400)
        held = [one for one in made if one["on_unsure"] == "hold"]
        self.assertEqual({one["class"] for one in held}, {"command"})
        self.assertEqual(len(held), 200)
        # of both kinds, every text
        texts = {len(octets_of(one["text"])[1]) > 160 for one in held}
        self.assertEqual(texts, {True, False})
