"""An SMS from a tracker, and the command that it answers: told with both."""

from __future__ import annotations

import json
from typing import Any

from gdemoi.journal.answers import AnsweringRules
from gdemoi.message import (
    Accepted,
    CommandPace,
    Inbound,
    InboundSegment,
    MessageState,
    Outbound,
    Report,
    Tracker,
    Turn,
    Uncertain,
)
from gdemoi.profiles.library import Library
from tests.routing.test_turns import TurnsCase

ANSWERED = Turn(pace=CommandPace.ANSWERED)
GLM = "AT+GTGLM=gl300,1,1,2,13813888888,13913999999,,,,,{}$"
ACK = "+ACK:GTGLM,1A0102,135790246811220,,{},20101029085505,0025$"


class AnswersCase(TurnsCase):
    def tell(self, id_: str, text: str, profile: str = "", **fields: Any) -> Outbound:
        """Return a command for channel a, as the intake would have it."""
        tracker = Tracker(profile) if profile else None
        return self.on("a", id_, text=text, tracker=tracker, **fields)

    def ask(self, id_: str, text: str, profile: str = "", **fields: Any) -> None:
        """Send one that is taken at once."""
        self.accept(self.tell(id_, text, profile, **fields))
        self.hands["a"].answer()

    def comes(self, text: str | None, channel: str = "a", **fields: Any) -> Any:
        """Let an SMS come from the tracker; return its event."""
        given: dict[str, Any] = {
            "channel": channel,
            "from_": "+79161234567",
            "to": "101",
            "text": text,
            "charset": "gsm8",
            "received_at": self.clock.seconds(),
            **fields,
        }
        self.successResultOf(self.dispatcher.inbound(Inbound(**given)))
        return self.outbox("inbound")[-1]

    def outbox(self, kind: str) -> list[Any]:
        """Return the events of a kind."""
        events = self.successResultOf(self.journal.events(0, 10_000))
        told = [json.loads(event.body) for event in events]
        return [one for one in told if one["type"] == kind]

    def answers(self, id_: str) -> list[tuple[str, str | None]]:
        """Return the answers that were told of a command: state and text."""
        told = [one for one in self.outbox("answer") if one["id"] == id_]
        return [(one["state"], one["text"]) for one in told]


class EventTests(AnswersCase):
    def test_by_its_key(self) -> None:
        """Both events, the story, and the place in the order of events."""
        self.ask("c1", GLM.format("000D"), "queclink")
        came = self.comes(ACK.format("000D"))
        self.assertEqual(came["reply_to"], "c1")
        said = came["answer"]
        self.assertEqual(
            (said["state"], said["by"], said["profile"], said["candidates"]),
            ("ok", "key", "queclink", ["c1"]),
        )
        (told,) = self.outbox("answer")
        self.assertEqual(
            (told["id"], told["inbound"], told["text"], told["late"]),
            ("c1", came["id"], ACK.format("000D"), False),
        )
        story = self.successResultOf(self.journal.story("c1"))
        self.assertEqual(story["answers"], [told])
        # the message has gone on meanwhile
        last = max(event["seq"] for event in story["events"])
        self.assertEqual(told["seq"], last + 1)
        self.assertEqual(story["state"], "submitted")
        keys = [e.routing_key for e in self.successResultOf(self.journal.events(0, 99))]
        self.assertIn("answer.ok.a", keys)

    def test_after_the_final_event(self) -> None:
        """It goes on counting, and is no state."""
        self.ask("c1", "hi")
        self.receipt("a", "c1", MessageState.DELIVERED)
        self.comes("done")
        story = self.successResultOf(self.journal.story("c1"))
        self.assertEqual(story["answers"][0]["seq"], 4)
        self.assertEqual([e["seq"] for e in story["events"]], [1, 2, 3])
        self.assertEqual((story["state"], story["final"]), ("delivered", True))

    def test_what_is_of_another_key(self) -> None:
        """An answer to a command that is not ours is nobody's."""
        self.ask("c1", GLM.format("000D"), "queclink", turn=ANSWERED)
        self.accept(self.tell("c2", GLM.format("000E"), "queclink"))
        for text in (ACK.format("000E"), "+RESP:GTSOS,1A0102,135790246811220,,"):
            came = self.comes(text)
            self.assertIsNone(came["reply_to"])
            self.assertNotIn("answer", came)
        self.assertEqual(self.hands["a"].ids, ["c1"])

    def test_report_none(self) -> None:
        """It is in the story, and not published."""
        self.ask("c1", "hi", report=Report.NONE)
        self.comes("done")
        self.assertEqual(self.outbox("answer"), [])
        story = self.successResultOf(self.journal.story("c1"))
        self.assertEqual(story["answers"][0]["text"], "done")


class MatchTests(AnswersCase):
    def test_without_a_profile(self) -> None:
        """The only one that is in time; of two nobody knows."""
        self.ask("c1", "hi")
        came = self.comes("hello")
        self.assertEqual(came["reply_to"], "c1")
        said = came["answer"]
        self.assertEqual((said["state"], said["by"]), ("unknown", "order"))
        self.ask("c2", "hi")
        self.ask("c3", "hi")
        self.assertIsNone(self.comes("hello you")["reply_to"])
        self.passes(121.0)
        self.ask("c4", "hi")
        self.assertEqual(self.comes("here")["reply_to"], "c4")
        self.passes(121.0)
        self.assertIsNone(self.comes("late")["reply_to"])

    def test_ambiguous(self) -> None:
        """A family that repeats nothing: the first one, and both are named."""
        self.ask("c1", "TIMER,30#", "gt06")
        self.ask("c2", "APN,x#", "gt06")
        said = self.comes("OK!")["answer"]
        self.assertEqual(said["candidates"], ["c1", "c2"])
        self.assertTrue(said["ambiguous"])
        came = self.comes("OK!")
        self.assertEqual((came["reply_to"], came["answer"]["again"]), ("c2", False))

    def test_pace_answered_makes_it_certain(self) -> None:
        """The second one has not left when the first one is answered."""
        for name, text in (("c1", "TIMER,30#"), ("c2", "APN,x#")):
            self.accept(self.tell(name, text, "gt06", turn=ANSWERED))
        self.hands["a"].answer()
        came = self.comes("OK!")
        self.assertEqual((came["reply_to"], came["answer"]["ambiguous"]), ("c1", False))
        self.assertEqual(self.hands["a"].ids, ["c1", "c2"])

    def test_late(self) -> None:
        """It goes to the old command by its key; the new one stays under way."""
        for serial, name in (("000D", "c1"), ("000E", "c2"), ("000F", "c3")):
            text = GLM.format(serial)
            self.accept(self.tell(name, text, "queclink", turn=ANSWERED))
        self.hands["a"].answer()
        self.passes(125.0)
        self.assertEqual(self.answers("c1"), [("none", None)])
        self.assertEqual(self.hands["a"].ids, ["c1", "c2"])
        self.hands["a"].answer()
        came = self.comes(ACK.format("000D"))
        self.assertEqual((came["reply_to"], came["answer"]["late"]), ("c1", True))
        self.assertEqual(len(self.answers("c1")), 2)
        self.assertEqual(self.hands["a"].ids, ["c1", "c2"])

    def test_who_sent_it(self) -> None:
        """In any spelling of the number; a name and a short number are nobody."""
        self.journal.read_answers_by(AnsweringRules(Library(), "RU"))
        for number, spelled in enumerate(
            ("89161234567", "79161234567", "0079161234567", "9161234567")
        ):
            self.ask(f"c{number}", "hi")
            came = self.comes(f"hello {number}", from_=spelled)
            self.assertEqual((spelled, came["reply_to"]), (spelled, f"c{number}"))
        self.ask("last", "hi")
        for spelled in ("MegaFon", "0500", "+79160000000"):
            self.assertIsNone(self.comes("OK!", from_=spelled)["reply_to"])

    def test_what_is_no_answer(self) -> None:
        """Octets, blanks, nothing, and what is for a port."""
        self.ask("c1", "hi")
        for text, fields in (
            (None, {"binary": b"OK!"}),
            ("", {}),
            (" ", {}),
            ("OK!", {"dest_port": 2948}),
        ):
            self.assertIsNone(self.comes(text, **fields)["reply_to"])

    def test_what_never_left(self) -> None:
        """A refused command cannot be answered; nor a notification."""
        from tests.routing.test_turns import BAD

        self.accept(self.tell("c1", "hi"))
        self.hands["a"].answer(BAD)
        self.accept(self.message("n1"))
        self.hands["a"].answer()
        self.assertIsNone(self.comes("hello")["reply_to"])

    def test_in_segments(self) -> None:
        """Once, when it is whole, in whatever order they came."""
        self.ask("c1", "hi")
        for number in (3, 1, 2):
            segment = InboundSegment(reference="7", total=3, number=number)
            inbound = Inbound(
                channel="a",
                from_="+79161234567",
                to="101",
                text=f"{number}",
                charset="gsm8",
                received_at=self.clock.seconds(),
                part=segment,
            )
            self.successResultOf(self.dispatcher.inbound(inbound))
        self.assertEqual(self.answers("c1"), [("unknown", "123")])
        self.assertEqual(len(self.outbox("inbound")), 1)

    def test_the_wrong_table_on_the_road(self) -> None:
        """A repaired copy fits; what is told is as it came."""
        self.ask("c1", GLM.format("000D"), "queclink")
        text = ACK.format("000D").replace("$", "¤")
        came = self.comes(text)
        self.assertTrue(came["answer"]["repaired"])
        self.assertEqual((came["text"], self.answers("c1")), (text, [("ok", text)]))


class AgainTests(AnswersCase):
    def test_the_same_twice(self) -> None:
        """An SMSC repeats: two inbound events, one answer; the other stays open."""
        self.ask("c1", "TIMER,30#", "gt06")
        first = self.comes("OK!", sent_at=900.0)
        self.ask("c2", "APN,x#", "gt06")
        second = self.comes("OK!", sent_at=900.0)
        self.assertEqual(first["answer"]["again"], False)
        self.assertEqual((second["reply_to"], second["answer"]["again"]), ("c1", True))
        self.assertEqual((len(self.answers("c1")), self.answers("c2")), (1, []))
        third = self.comes("OK!", sent_at=901.0)
        self.assertEqual(third["reply_to"], "c2")

    def test_a_tracker_that_repeats(self) -> None:
        """With no time of its own: when it answers nothing else."""
        self.ask("c1", "TIMER,30#", "gt06")
        self.comes("OK!")
        came = self.comes("OK!")
        self.assertEqual((came["reply_to"], came["answer"]["again"]), ("c1", True))
        self.assertEqual(len(self.answers("c1")), 1)


class PaceTests(AnswersCase):
    def test_one_after_the_other(self) -> None:
        """Five commands: each after the answer to the one before, and its gap."""
        turn = Turn(pace=CommandPace.ANSWERED, gap_s=5.0)
        names = [f"c{n}" for n in range(5)]
        self.accept(
            *[self.tell(n, f"TIMER,{n}#", "gt06", turn=turn) for n in names],
            self.on("b", "other", to="+79160000000"),
        )
        self.assertEqual(self.hands["b"].ids, ["other"])
        for count, name in enumerate(names, 1):
            self.assertEqual(self.hands["a"].ids, names[:count])
            self.hands["a"].answer()
            self.passes(30.0)
            self.assertEqual(self.hands["a"].ids, names[:count])
            self.assertEqual(self.comes("OK!")["reply_to"], name)
            self.passes(4.9)
            self.assertEqual(self.hands["a"].ids, names[:count])
            self.passes(0.2)

    def test_none_once_then_the_next(self) -> None:
        """No answer: one event, at its time; a receipt moves that time."""
        self.accept(self.tell("c1", "hi", turn=ANSWERED), self.on("b", "c2"))
        self.hands["a"].answer()
        self.passes(60.0)
        self.receipt("a", "c1", MessageState.DELIVERED)
        self.passes(119.0)
        self.assertEqual((self.answers("c1"), self.hands["b"].ids), ([], []))
        self.passes(3.0)
        self.assertEqual(self.answers("c1"), [("none", None)])
        self.assertEqual(self.hands["b"].ids, ["c2"])
        self.passes(300.0)
        self.assertEqual(len(self.answers("c1")), 1)

    def test_a_deadline_is_kept_over_a_restart(self) -> None:
        """It is not begun anew, and an answer after it is matched."""
        self.accept(self.tell("c1", "hi", turn=ANSWERED), self.on("b", "c2"))
        self.hands["a"].answer()
        self.passes(100.0)
        self.end(self.dispatcher)
        self.dispatcher = self.build(self.journal)
        self.assertEqual(self.hands["b"].ids, [])
        self.passes(22.0)
        self.assertEqual(self.hands["b"].ids, ["c2"])
        self.assertEqual(self.answers("c1"), [("none", None)])

    def test_an_error_stops_the_sequence(self) -> None:
        """The rest is not sent, and says why."""
        turn = Turn(pace=CommandPace.ANSWERED, sequence="install")
        text = "pass connect 192.168.0.1,7011,TCP"
        self.accept(
            self.tell("c1", text, "ruptela", turn=turn),
            self.tell("c2", "pass reset", "ruptela", turn=turn),
        )
        self.hands["a"].answer()
        self.assertEqual(self.comes("connection data incorrect")["reply_to"], "c1")
        self.assertEqual(self.states("c2")[-1], "cancelled")
        self.assertEqual(self.hands["a"].ids, ["c1"])


class UnsureTests(AnswersCase):
    def test_a_key_proves_that_it_arrived(self) -> None:
        """The message is delivered, and nothing is sent again."""
        for told_first in (False, True):
            with self.subTest(told_first):
                self.doCleanups()
                self.setUp()
                self.accept(self.tell("c1", GLM.format("000D"), "queclink"))
                self.accept(self.on("b", "c2"))
                self.hands["a"].answer(Uncertain(why="silence"))
                if told_first:
                    self.passes(60.0)
                self.comes(ACK.format("000D"))
                self.assertEqual(self.states("c1")[-1], "delivered")
                self.assertEqual(self.hands["b"].ids, ["c2"])
                self.passes(200.0)
                self.assertEqual(self.hands["a"].ids, ["c1"])

    def test_a_pattern_releases_the_number(self) -> None:
        """It proves nothing: the state stays, but nobody waits any more."""
        self.accept(self.tell("c1", "TIMER,30#", "gt06"), self.on("b", "c2"))
        self.hands["a"].answer(Uncertain(why="silence"))
        self.assertEqual(self.hands["b"].ids, [])
        self.comes("OK!")
        self.assertEqual(self.hands["b"].ids, ["c2"])
        self.assertEqual(self.answers("c1"), [("ok", "OK!")])
        self.passes(60.0)
        self.assertEqual(self.states("c1")[-1], "uncertain")

    def test_an_answer_before_the_outcome(self) -> None:
        """A tracker that is faster than the carrier's own answer loses nothing."""
        self.accept(self.tell("c1", "hi"), self.on("b", "c2"))
        self.assertEqual(self.comes("hello")["reply_to"], "c1")
        self.assertEqual(self.hands["b"].ids, [])
        self.hands["a"].answer(Accepted())
        self.assertEqual(self.states("c1"), ["accepted", "submitted"])
        self.assertEqual(self.hands["b"].ids, ["c2"])
        seqs = [event["seq"] for event in self.events("c1")]
        self.assertEqual(seqs, [1, 3])
