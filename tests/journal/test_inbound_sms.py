"""SMS that come in: repeats, segments in any order, codings cut in two."""

from __future__ import annotations

from itertools import permutations

from gdemoi.journal import inbound_sms
from gdemoi.message import Inbound, InboundSegment
from tests.journal.builders import NOW, JournalTestCase, inbound


def part(number: int, text: str | None, total: int = 3, **fields) -> Inbound:
    """Return segment `number` of an SMS with reference 7."""
    reference = fields.pop("reference", "7")
    return inbound(text, part=InboundSegment(reference, total, number), **fields)


def octets(number: int, data: bytes, charset: str, total: int = 2, **fields) -> Inbound:
    """Return a segment with its octets, and what can be read of them alone."""
    return part(number, "?", total, binary=data, charset=charset, **fields)


class InboundTests(JournalTestCase):
    def came(self, found: Inbound) -> str | None:
        """Record an inbound SMS; return its id."""
        return self.did(self.journal.inbound(found))

    def test_one_sms(self) -> None:
        """The event as docs/events.rst, "Inbound SMS", has it."""
        name = self.came(inbound("hi", line="l1", sent_at=NOW - 2))
        [body] = self.bodies()
        self.assertEqual(
            {**body, "event_id": ""},
            {
                "v": 1,
                "type": "inbound",
                "event_id": "",
                "id": name,
                "from": "+79160000001",
                "to": "1234",
                "text": "hi",
                "binary": None,
                "charset": "gsm8",
                "segments": 1,
                "complete": True,
                "channel": "mts",
                "line": "l1",
                "received_at": "1970-01-12T13:46:40.000Z",
                "sent_at": "1970-01-12T13:46:38.000Z",
                "reply_to": None,
            },
        )
        [event] = self.did(self.journal.events(0, 9))
        self.assertEqual(event.routing_key, "inbound.mts")

    def test_a_time_beyond_the_calendar(self) -> None:
        """A device's or provider's slip of a date does not lose the SMS."""
        # 9999-12-31T23:59:59-23:59, 0001-01-01T00:00:00+23:59
        for sent_at in (253402387139.0, -62135683140.0, 1e300):
            self.assertIsNotNone(self.came(inbound("hi", sent_at=sent_at)))
        events = [body["sent_at"] for body in self.bodies()]
        self.assertEqual([at[:4] for at in events], ["9999", "0001", "9999"])

    def test_binary_is_base64(self) -> None:
        """Octets that are no text go up whole."""
        self.came(inbound(None, binary=b"\x00\xff", charset="binary"))
        [body] = self.bodies()
        self.assertEqual((body["text"], body["binary"]), (None, "AP8="))

    def test_repeat_within_the_window(self) -> None:
        """A delivery that the upstream repeats is told once."""
        first = self.came(inbound(dedup="k"))
        self.assertIsNotNone(first)
        self.assertIsNone(self.came(inbound(dedup="k")))
        self.assertIsNotNone(self.came(inbound(dedup="k", channel="beeline")))
        self.clock.advance(600)
        self.assertIsNotNone(self.came(inbound(dedup="k")))
        self.assertEqual(len(self.bodies()), 3)

    def test_segments_in_any_order(self) -> None:
        """One event, when the last one is there."""
        words = {1: "one ", 2: "two ", 3: "three"}
        for index, order in enumerate(permutations(words)):
            line = f"l{index}"
            names = {self.came(part(n, words[n], line=line)) for n in order}
            self.assertEqual(len(names), 1)
            bodies = [body for body in self.bodies() if body["line"] == line]
            self.assertEqual(
                [(b["text"], b["segments"], b["complete"], b["id"]) for b in bodies],
                [("one two three", 3, True, names.pop())],
            )

    def test_repeated_segments_are_ignored(self) -> None:
        """Before the end and after it."""
        self.came(part(1, "one "))
        self.assertIsNone(self.came(part(1, "one ")))
        self.came(part(2, "two "))
        self.came(part(3, "three"))
        self.assertIsNone(self.came(part(2, "two ")))
        self.assertEqual([body["text"] for body in self.bodies()], ["one two three"])

    def test_the_same_reference_again(self) -> None:
        """A device that always says reference 7 loses nothing."""
        for number in (1, 2, 3):
            self.came(part(number, f"a{number}"))
        for number in (1, 2, 3):
            self.came(part(number, f"b{number}"))
        self.assertEqual([b["text"] for b in self.bodies()], ["a1a2a3", "b1b2b3"])

    def test_the_same_reference_before_the_end(self) -> None:
        """What was there of the first SMS is told as it is."""
        self.came(part(1, "a1"))
        for number in (1, 2, 3):
            self.came(part(number, f"b{number}"))
        self.assertEqual(
            [(b["text"], b["complete"]) for b in self.bodies()],
            [("a1", False), ("b1b2b3", True)],
        )

    def test_senders_and_lines_are_kept_apart(self) -> None:
        """A reference is one phone's."""
        self.came(part(1, "a", 2))
        self.came(part(2, "b", 2, from_="+79160000002"))
        self.came(part(2, "c", 2, line="l2"))
        self.assertEqual(self.bodies(), [])
        self.came(part(2, "d", 2))
        self.assertEqual([b["text"] for b in self.bodies()], ["ad"])

    def test_incomplete_is_told_after_the_window(self) -> None:
        """What is there after join_window goes up with complete false."""
        name = self.came(part(1, "one ", binary=b"one "))
        self.came(part(3, "three", binary=b"three"))
        self.sweep(NOW + 599)
        self.assertEqual(self.bodies(), [])
        self.sweep(NOW + 600)
        [body] = self.bodies()
        self.assertEqual(
            (body["id"], body["text"], body["complete"], body["segments"]),
            (name, "one three", False, 3),
        )
        self.assertEqual(body["binary"], "b25lIHRocmVl")
        self.sweep(NOW + 9_999)
        self.assertEqual(len(self.bodies()), 1)

    def test_surrogate_pair_cut_in_two(self) -> None:
        """UCS2 segments are joined before they are read."""
        data = "ok 😀".encode("utf-16-be")
        self.came(octets(1, data[:8], "ucs2"))
        self.came(octets(2, data[8:], "ucs2"))
        [body] = self.bodies()
        self.assertEqual((body["text"], body["binary"]), ("ok 😀", None))

    def test_a_mark_in_the_first_segment(self) -> None:
        """It says the order of all, repeated in each or not."""
        first, last = "Әле".encode("utf-16-le"), "м ß".encode("utf-16-le")
        for index, again in enumerate((b"", b"\xff\xfe")):
            line = f"l{index}"
            self.came(octets(2, again + last, "ucs2", line=line))
            self.came(octets(1, b"\xff\xfe" + first, "ucs2", line=line))
        big = [word.encode("utf-16-be") for word in ("Әле", "м ß")]
        self.came(octets(1, b"\xfe\xff" + big[0], "ucs2", line="l3"))
        self.came(octets(2, b"\xfe\xff" + big[1], "ucs2", line="l3"))
        self.assertEqual([b["text"] for b in self.bodies()], ["Әлем ß"] * 3)

    def test_a_mark_when_a_segment_is_missing(self) -> None:
        """What is there is read in the right order."""
        data = "Где?".encode("utf-16-le")
        self.came(octets(1, b"\xff\xfe" + data, "ucs2", 3))
        self.came(octets(3, data, "ucs2", 3))
        self.sweep(NOW + 600)
        [body] = self.bodies()
        self.assertEqual((body["text"], body["complete"]), ("Где?Где?", False))

    def test_marks_that_others_made_letters_of(self) -> None:
        """GoIP, TG and clouds hand texts over: a mark is none."""
        swapped = "Где".encode("utf-16-le").decode("utf-16-be")
        for text in ("\ufeffГде", "\ufffe" + swapped, "Где"):
            self.came(inbound(text, charset="utf8"))
        self.came(part(1, "\ufeffГ", 2))
        self.came(part(2, "де", 2))
        self.assertEqual([b["text"] for b in self.bodies()], ["Где"] * 4)

    def test_ports_and_header(self) -> None:
        """In the event where there were any, also of a long SMS."""
        there = {"udh": b"\x02\x70\x00", "dest_port": 2948, "source_port": 0}
        self.came(inbound("x", **there))
        self.came(part(2, "b", 2))
        self.came(part(1, "a", 2, **there))
        self.came(inbound("y"))
        names = ("udh", "dest_port", "source_port")
        events = [[b.get(n, "-") for n in names] for b in self.bodies()]
        self.assertEqual(
            events, [["027000", 2948, 0], ["027000", 2948, 0], ["-", "-", "-"]]
        )

    def test_two_channels_of_one_account(self) -> None:
        """Segments over both are joined, repeats known."""
        here, there = (
            {"channel": name, "account": "acc", "line": None} for name in ("a", "b")
        )
        for reference in ("07", "sar0102"):
            self.came(part(1, "one ", 2, reference=reference, **here))
            self.came(part(2, "two", 2, reference=reference, **there))
            self.assertIsNone(
                self.came(part(1, "one ", 2, reference=reference, **there))
            )
        self.assertIsNotNone(self.came(inbound("x", dedup="k", **here)))
        self.assertIsNone(self.came(inbound("x", dedup="k", **there)))
        other = {**there, "account": "other"}
        self.assertIsNotNone(self.came(inbound("y", dedup="k", **other)))
        self.assertEqual(
            [b["text"] for b in self.bodies()], ["one two", "one two", "x", "y"]
        )

    def test_what_was_written_by_channel_is_still_known(self) -> None:
        """A poll that overlaps an upgrade repeats nothing."""
        self.came(inbound("x", dedup="k", channel="a"))
        self.assertIsNone(self.came(inbound("x", dedup="k", channel="a", account="c")))

    def test_a_group_of_before_is_joined(self) -> None:
        """Segments that came before and after an upgrade make one SMS.

        Groups were kept by channel, and senders as they came.
        """
        fields = {"channel": "a", "from_": "89161234567"}
        self.came(part(1, "ab", 2, **fields))
        fields = {"account": "c", "from_": "+79161234567", "from_raw": "89161234567"}
        self.came(part(2, "cd", 2, channel="a", **fields))
        [body] = self.bodies()
        self.assertEqual((body["text"], body["complete"]), ("abcd", True))

    def test_escape_cut_in_two(self) -> None:
        """A GSM escape at the end of one segment belongs to the next."""
        self.came(octets(2, b"\x65!", "gsm8"))
        self.came(octets(1, b"5\x1b", "gsm8"))
        [body] = self.bodies()
        self.assertEqual(body["text"], "5€!")

    def test_mixed_codings_join_as_texts(self) -> None:
        """Segments of different codings are read one by one."""
        self.came(part(1, "ab", 2, binary=b"ab", charset="gsm8"))
        self.came(part(2, "я", 2, binary=b"\x04\x4f", charset="ucs2"))
        [body] = self.bodies()
        self.assertEqual((body["text"], body["charset"]), ("abя", "mixed"))

    def test_binary_segments(self) -> None:
        """Octets in order, no text."""
        self.came(part(2, None, 2, binary=b"\x02", charset="binary"))
        self.came(part(1, None, 2, binary=b"\x01", charset="binary"))
        [body] = self.bodies()
        self.assertEqual((body["text"], body["binary"]), (None, "AQI="))

    def test_segment_without_a_place_goes_up_alone(self) -> None:
        """Number 4 of 3 is a fault of the sender, not a reason to lose it."""
        self.came(part(4, "lost?"))
        self.came(part(0, "lost too?"))
        self.assertEqual(
            [body["text"] for body in self.bodies()], ["lost?", "lost too?"]
        )

    def loose(self, index: int, text: str, total: int = 3, reference: str = "l") -> str:
        """Let a segment come whose device counts from 0 or from 1."""
        place = InboundSegment(reference, total, index, loose=True)
        return self.came(inbound(text, part=place)) or ""

    def test_counted_from_0_or_from_1(self) -> None:
        """Told once, whole and in order, whichever it was."""
        for base in (0, 1):
            for order in permutations(range(3)):
                reference = f"{base}{order}"
                before = len(self.bodies())
                for place in order:
                    self.loose(place + base, "abc"[place], reference=reference)
                [body] = self.bodies()[before:]
                self.assertEqual((body["text"], body["complete"]), ("abc", True))

    def test_two_segments_are_told_once(self) -> None:
        """The example: `a` and then `ac`, both incomplete, was told."""
        self.loose(0, "x", 2, "before")
        self.loose(1, "y", 2, "before")
        self.loose(1, "a")
        self.loose(3, "c")
        self.sweep(NOW + 600)
        self.assertEqual(
            [(body["text"], body["complete"]) for body in self.bodies()],
            [("xy", True), ("ac", False)],
        )

    def test_both_ends_are_of_two_sms(self) -> None:
        """Index 0 and index 3 of 3 are two SMS; nothing is lost."""
        self.loose(0, "old")
        for index, text in ((3, "c"), (1, "a"), (2, "b")):
            self.loose(index, text)
        self.assertEqual(
            [(body["text"], body["complete"]) for body in self.bodies()],
            [("old", False), ("abc", True)],
        )

    def test_loose_repeats_and_strays(self) -> None:
        """A repeat is told no second time, a place outside goes up alone."""
        self.loose(0, "a", 2)
        self.assertEqual(self.loose(0, "a", 2), "")
        self.loose(3, "stray", 2)
        self.loose(1, "b", 2)
        self.assertEqual([body["text"] for body in self.bodies()], ["stray", "ab"])

    def test_groups_are_bounded(self) -> None:
        """Endless first segments push the oldest out, told as they are."""
        self.patch(inbound_sms, "GROUP_LIMIT", 20)
        for number in range(40):
            self.came(part(1, f"t{number}", reference=str(number)))
        bodies = self.bodies()
        self.assertGreaterEqual(len(bodies), 20)
        self.assertEqual(bodies[0]["complete"], False)
        counters = self.journal._transaction.counters
        self.assertLessEqual(counters["groups"], 21)
