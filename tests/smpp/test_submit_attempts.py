"""One outcome of many answers, also when some of them come late."""

from __future__ import annotations

from itertools import permutations, product

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Error, MessageClass, Outcome, Refused, Uncertain
from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.smpp.encoder import SmppEncoder
from gdemoi.smpp.settings import SmppSettings
from gdemoi.smpp.submit_attempts import SubmitAttempt
from tests.smpp.rig import ChannelRig

GONE = Refused(error=Error("smpp:0x0B", "invalid destination"))
BUSY = Refused(error=Error("smpp:0x08", "system error", retryable=True))


class SendingCase(SynchronousTestCase):
    def submission(self) -> tuple[SubmitAttempt, list[Outcome]]:
        """Return a try of three segments, and where its outcome will be."""
        message = ChannelRig(start=False).message("Внимание! " * 15)
        settings = SmppSettings(host=("h",), system_id="esme")
        prepared = SmppEncoder(settings, lambda: 0.5).prepare(message, 0.0, tlvs=True)
        outcomes: list[Outcome] = []
        submission = SubmitAttempt(prepared, 1, outcomes.append)
        submission.begin(tlvs=True)
        self.assertEqual(len(submission.todo), 3)
        return submission, outcomes


class SendingTests(SendingCase):
    def test_a_late_answer_before_the_end_leaves_the_others_counted(self) -> None:
        """With window 1: the second segment waits when the first's answer comes."""
        submission, outcomes = self.submission()
        submission.leaves()
        submission.unsure("no answer in 2 s")
        submission.leaves()
        submission.accepted(0, "1", late=True)
        self.assertEqual(outcomes, [])
        submission.accepted(1, "2")
        submission.leaves()
        submission.accepted(2, "3")
        self.assertEqual(outcomes, [Accepted(provider_ids=("1", "2", "3"), segments=3)])

    def test_a_late_answer_does_not_end_it_early(self) -> None:
        """What still waits for its own answer is waited for."""
        submission, outcomes = self.submission()
        for _ in range(3):
            submission.leaves()
        submission.unsure("no answer in 2 s")
        submission.unsure("no answer in 2 s")
        submission.accepted(0, "1", late=True)
        self.assertEqual(outcomes, [])
        submission.accepted(2, "3")
        (outcome,) = outcomes
        assert isinstance(outcome, Uncertain)
        self.assertEqual(outcome.provider_ids, ("1", "3"))

    def test_a_late_refusal_stops_the_rest(self) -> None:
        """The rest is not sent, and the outcome is told once."""
        submission, outcomes = self.submission()
        submission.leaves()
        submission.unsure("no answer in 2 s")
        submission.refused(0, GONE, late=True)
        self.assertEqual(outcomes, [GONE])
        self.assertEqual(submission.todo, [])


class TableTests(SendingCase):
    """What three segments' answers amount to, whatever their order."""

    # one letter per segment: taken, refused for good, busy, silent
    TABLE = (
        ("ttt", "accepted"),
        ("tts", "unsure"),
        ("tss", "unsure"),
        ("sss", "unsure"),
        ("ttb", "busy"),
        ("tbb", "busy"),
        ("bbb", "busy"),
        ("ttr", "refused"),
        ("trb", "refused"),
        ("rrr", "refused"),
        # without the refused segment nothing can be read, whatever became of the
        # silent one: a refusal for good beats a doubt
        ("trs", "refused"),
        ("rss", "refused"),
        ("rbs", "refused"),
        # sent again, the silent one might be there twice
        ("tbs", "unsure"),
        ("bss", "unsure"),
        ("bbs", "unsure"),
    )

    def test_segments_and_outcome(self) -> None:
        """Every mixture in every order, all three on the wire before an answer."""
        for letters, expected in self.TABLE:
            for order in set(permutations(letters)):
                submission, outcomes = self.submission()
                places = [submission.leaves() for _ in range(3)]
                for place, letter in zip(places, order, strict=True):
                    self.assertEqual(outcomes, [], order)
                    self.answer(submission, place, letter)
                (outcome,) = outcomes
                self.assertEqual(self.kind(outcome), expected, order)
                self.assertEqual(self.ids(outcome), self.taken(order), order)

    def answer(
        self, submission: SubmitAttempt, place: int, letter: str, late: bool = False
    ) -> None:
        """Let one segment be answered, or not."""
        match letter:
            case "t":
                submission.accepted(place, f"id{place}", late=late)
            case "r":
                submission.refused(place, GONE, late=late)
            case "b":
                submission.refused(place, BUSY, late=late)
            case _:
                submission.unsure("no answer in 2 s")

    def kind(self, outcome: Outcome) -> str:
        """Return an outcome in a word."""
        if isinstance(outcome, Refused):
            return "busy" if outcome.error.retryable else "refused"
        return "accepted" if isinstance(outcome, Accepted) else "unsure"

    def ids(self, outcome: Outcome) -> list[str]:
        """Return the ids that an outcome brings, whatever it is."""
        if isinstance(outcome, Refused):
            progress = outcome.progress
            return [] if progress is None else list(progress.provider_ids)
        return list(outcome.provider_ids)

    def taken(self, order: tuple[str, ...]) -> list[str]:
        """Return the ids of the segments that were taken."""
        return [f"id{place}" for place, letter in enumerate(order) if letter == "t"]

    def test_a_refusal_stops_the_rest(self) -> None:
        """What has not left does not leave any more; the temporary one is news."""
        for letter, expected in (("r", "refused"), ("b", "busy")):
            submission, outcomes = self.submission()
            self.answer(submission, submission.leaves(), letter)
            self.assertEqual(submission.todo, [])
            (outcome,) = outcomes
            self.assertEqual(self.kind(outcome), expected)

    def test_late_answers_and_outcome(self) -> None:
        """Each silent segment is answered after all: the outcome, once, at the end."""
        for letters in product("trb", repeat=3):
            submission, outcomes = self.submission()
            places = [submission.leaves() for _ in range(3)]
            for _ in places:
                self.answer(submission, 0, "s")
            self.assertEqual([self.kind(one) for one in outcomes], ["unsure"])
            reported = []
            for place, letter in zip(places, letters, strict=True):
                self.answer(submission, place, letter, late=True)
                late = submission.late_outcome()
                reported.append("" if late is None else self.kind(late))
            worst = max(letters, key="tbr".index)
            last = {"t": "accepted", "b": "busy", "r": "refused"}[worst]
            self.assertEqual(reported.count(last), 1, (letters, reported))
            if worst != "r":
                self.assertEqual(reported[-1], last, letters)
            # the last word before the end is only that of a segment more
            self.assertLessEqual(set(reported), {last, "unsure", ""}, letters)
            self.assertIsNone(submission.late_outcome(), letters)

    def test_no_ids_no_receipts(self) -> None:
        """An SMSC that names no id: nobody waits for receipts that match nothing."""
        for ids, expected in (
            (("", "", ""), False),
            (("1", "", ""), True),
            (("1", "2", "3"), True),
        ):
            submission, outcomes = self.submission()
            for place, id_ in zip(
                [submission.leaves() for _ in range(3)], ids, strict=True
            ):
                submission.accepted(place, id_)
            (outcome,) = outcomes
            assert isinstance(outcome, Accepted)
            self.assertEqual((ids, outcome.receipt_expected), (ids, expected))

    def test_what_a_doubt_says(self) -> None:
        """The first reason, what is known to be taken, and whether it was silence."""
        for letters, why, ids, silent in (
            ("sss", "no answer in 2 s", (None, None, None), False),
            ("ttd", "the link broke", ("id0", "id1", None), False),
            ("dst", "the link broke", (None, None, "id2"), False),
            ("nnn", "no answer in 2 s", (None, None, None), True),
            ("nnt", "no answer in 2 s", (None, None, "id2"), False),
            ("nnd", "no answer in 2 s", (None, None, None), False),
        ):
            submission, outcomes = self.submission()
            places = [submission.leaves() for _ in range(3)]
            for place, letter in zip(places, letters, strict=True):
                if letter == "d":
                    submission.unsure("the link broke")
                elif letter == "n":
                    submission.unsure("no answer in 2 s", silent=True)
                else:
                    self.answer(submission, place, letter)
            (outcome,) = outcomes
            assert isinstance(outcome, Uncertain)
            self.assertEqual((letters, outcome.why), (letters, why))
            self.assertEqual((letters, outcome.unanswered), (letters, silent))
            self.assertEqual(outcome.segments, 3)
            self.assertEqual(outcome.provider_ids, tuple(i for i in ids if i))
            found = None if outcome.progress is None else outcome.progress.ids
            self.assertEqual(found, ids if any(ids) else None)

    def test_the_link_is_gone_before_all_has_left(self) -> None:
        """What was on the wire is waited for; the rest may go another way."""
        for letter, expected in (("t", "busy"), ("s", "unsure"), ("r", "refused")):
            submission, outcomes = self.submission()
            place = submission.leaves()
            submission.cannot_leave(BUSY)
            self.assertEqual((submission.todo, outcomes), ([], []))
            self.answer(submission, place, letter)
            (outcome,) = outcomes
            self.assertEqual((letter, self.kind(outcome)), (letter, expected))
        submission, outcomes = self.submission()
        submission.cannot_leave(BUSY)
        self.assertEqual(outcomes, [BUSY])

    def test_what_would_not_fit_to_a_part_does_not_leave(self) -> None:
        """A command that left in part over a link with TLVs is not sent without."""
        message = ChannelRig(start=False).message(
            "Внимание! " * 15, class_=MessageClass.COMMAND
        )
        settings = SmppSettings(host=("h",), system_id="esme", long_messages="sar")
        prepared = SmppEncoder(settings, lambda: 0.5).prepare(message, 0.0, tlvs=True)
        prepared.taken[0] = "id0"
        outcomes: list[Outcome] = []
        submission = SubmitAttempt(prepared, 2, outcomes.append)
        submission.begin(tlvs=False)
        self.assertEqual((self.kind(outcomes[0]), submission.todo), ("unsure", []))

    def test_when_a_message_leaves(self) -> None:
        """Always, but for the rest of a command that would not fit to its part."""
        for class_, method, made, link, part, leaves in (
            (MessageClass.COMMAND, "sar", True, True, False, 3),
            (MessageClass.COMMAND, "sar", True, True, True, 2),
            (MessageClass.COMMAND, "sar", True, False, False, 3),
            (MessageClass.COMMAND, "sar", True, False, True, 0),
            (MessageClass.COMMAND, "sar", False, True, True, 0),
            (MessageClass.COMMAND, "udh", True, False, True, 2),
            (MessageClass.COMMAND, "udh", False, True, False, 3),
            (MessageClass.ACTIVATION, "sar", True, False, True, 0),
            (MessageClass.NOTIFICATION, "sar", True, False, True, 3),
            (MessageClass.NOTIFICATION, "sar", True, True, True, 2),
        ):
            message = ChannelRig(start=False).message("Внимание! " * 15, class_=class_)
            settings = SmppSettings(host=("h",), system_id="esme", long_messages=method)
            prepared = SmppEncoder(settings, lambda: 0.5).prepare(
                message, 0.0, tlvs=made
            )
            if part:
                prepared.taken[0] = "id0"
            outcomes: list[Outcome] = []
            sending = SubmitAttempt(prepared, 2, outcomes.append)
            sending.begin(tlvs=link)
            case = (class_, method, made, link, part)
            self.assertEqual((case, len(sending.todo)), (case, leaves))
            self.assertEqual((case, len(outcomes)), (case, int(not leaves)))


class LateTests(SynchronousTestCase):
    def test_late_answers_with_window_one_do_not_stop_the_channel(self) -> None:
        """Each answer takes longer than response_timeout: an outcome, and only one."""
        slow = SmscPersonality(password="secret", tracker=False, response_delay_s=3.0)
        rig = ChannelRig(slow, window=1, response_timeout_s=2.0)
        first = rig.submit(rig.message("Внимание! " * 15))
        second = rig.submit(rig.message("short"))
        rig.advance(20)
        self.assertEqual((len(first), len(second)), (1, 1))
        self.assertLessEqual(len(rig.recorder.lates), 2)
        rig.stop()
