"""Received SMS: events of several firmwares made into inbound messages."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal.inbound_sms import SegmentGroup, joined
from gdemoi.message import Inbound, InboundSegment
from gdemoi.moments import rfc3339
from gdemoi.yeastar.ami import AmiBlock, AmiFramer
from gdemoi.yeastar.inbound import GROUP_LIMIT, InboundReader, read


def block(**headers: str) -> AmiBlock:
    """Return a ReceivedSMS event with these headers."""
    written = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    (found,) = AmiFramer().feed(
        f"Event: ReceivedSMS\r\nPrivilege: all,smscommand\r\n{written}"
        "--END SMS EVENT--\r\n\r\n".encode()
    )
    assert isinstance(found, AmiBlock)
    return found


def single(**headers: str) -> AmiBlock:
    """Return the event of one short SMS, as in the captures of 2019."""
    usual = {
        "ID": "",
        "GsmSpan": "2",
        "Sender": "+79001234567",
        "Recvtime": "2019-04-01 10:00:00",
        "Index": "1",
        "Total": "1",
        "Smsc": "+79168999100",
        "Content": "Ok",
    }
    return block(**{**usual, **headers})


class Gateway:
    """What came in, with time as a number."""

    def __init__(self) -> None:
        self.arrivals = InboundReader("tg", phones={1: "+79161112233"}, epoch="e")
        self.now = 1000.0
        self.reported: list[Inbound] = []

    def take(self, event: AmiBlock) -> list[Inbound]:
        """Let an event come in; return what goes up."""
        found = self.arrivals.take(read(event, 1), self.now)
        self.reported += found
        return found

    def part(
        self, index: int, total: int, content: str = "", reference: str = "244"
    ) -> list[Inbound]:
        """Let a segment come in."""
        return self.take(
            single(
                ID=reference,
                Index=str(index),
                Total=str(total),
                Content=content or f"part{index}",
            )
        )

    def groups(self) -> dict[str, dict[int, str]]:
        """Return {reference: {number: text}} of what went up."""
        found: dict[str, dict[int, str]] = {}
        for inbound in self.reported:
            assert inbound.part is not None
            numbers = found.setdefault(inbound.part.reference, {})
            assert inbound.part.number not in numbers, "a place taken twice"
            numbers[inbound.part.number] = inbound.text or ""
        return found


class SingleTests(SynchronousTestCase):
    def test_form_of_2019(self) -> None:
        """Empty ID, GsmSpan 2, index 1 of 1: a text on port 1."""
        (inbound,) = Gateway().take(single())
        self.assertEqual(
            (inbound.text, inbound.line, inbound.from_, inbound.to),
            ("Ok", "1", "+79001234567", "+79161112233"),
        )
        self.assertIsNone(inbound.part)
        self.assertIsNone(inbound.binary)

    def test_a_device_with_a_wrong_calendar(self) -> None:
        """A date that is none is left out; one at the calendar's end is told."""
        for recvtime, reported in (
            ("9999-12-31 23:59:59", "9999-12-31T23:59:59.000Z"),
            ("0001-01-01 00:00:00", "0001-01-01T00:00:00.000Z"),
            ("10000-01-01 00:00:00", None),
            ("0000-00-00 00:00:00", None),
            ("2019-02-29 00:00:00", None),
            ("", None),
        ):
            hours = -5 if reported is not None and reported.startswith("9") else 5
            arrivals = InboundReader("tg", epoch="e", utc_offset_s=hours * 3600.0)
            (inbound,) = arrivals.take(read(single(Recvtime=recvtime), 1), 1000.0)
            sent_at = inbound.sent_at
            self.assertEqual(None if sent_at is None else rfc3339(sent_at), reported)

    def test_form_of_2025(self) -> None:
        """Index 0, a byte order mark, a blank at the end that stays."""
        (inbound,) = Gateway().take(single(Index="0", Content="%EF%BB%BF%D0%9E%D0%BA+"))
        self.assertEqual(inbound.text, "Ок ")
        self.assertIsNone(inbound.part)

    def test_form_of_2013(self) -> None:
        """GsmPort counts from 1, and blanks are pluses."""
        event = block(
            ID="",
            GsmPort="1",
            Sender="10086",
            Index="1",
            Total="1",
            Content="Reply+Test+For+TG+sms",
        )
        (inbound,) = Gateway().take(event)
        self.assertEqual((inbound.line, inbound.text), ("1", "Reply Test For TG sms"))

    def test_broken_text_comes_with_its_octets(self) -> None:
        """A cut letter is replaced, and the octets go along."""
        (inbound,) = Gateway().take(single(Content="ok%D0"))
        self.assertEqual((inbound.text, inbound.binary), ("ok\ufffd", b"ok\xd0"))
        self.assertEqual(inbound.charset, "utf8")

    def test_senders(self) -> None:
        """One trailing @ of alphanumeric senders goes; no sender is fine."""
        gateway = Gateway()
        for sender, expected in (
            ("MegaFon@", "MegaFon"),
            ("a@b@@", "a@b@"),
            ("", ""),
            ("+79001234567", "+79001234567"),
            ("89001234567", "89001234567"),
        ):
            (inbound,) = gateway.take(single(Sender=sender))
            self.assertEqual((inbound.from_, inbound.numbering), (expected, "unknown"))

    def test_local_time_with_a_known_offset(self) -> None:
        """The device's clock has no zone: told only if its offset is set."""
        (untold,) = Gateway().take(single())
        self.assertIsNone(untold.sent_at)
        moscow = InboundReader("tg", utc_offset_s=3 * 3600.0)
        (reported,) = moscow.take(read(single(Recvtime="1970-01-01 03:00:10"), 1), 5.0)
        self.assertEqual(reported.sent_at, 10.0)
        (odd,) = moscow.take(read(single(Recvtime="yesterday"), 1), 5.0)
        self.assertIsNone(odd.sent_at)

    def test_equal_sms_are_two(self) -> None:
        """The device never repeats: the same text twice was sent twice."""
        gateway = Gateway()
        first, second = (*gateway.take(single()), *gateway.take(single()))
        self.assertNotEqual(first.dedup, second.dedup)


class SegmentsTests(SynchronousTestCase):
    def test_both_bases_in_any_order(self) -> None:
        """1..n and 0..n-1 make one group, in every order of arrival."""
        for base in (0, 1):
            for order in permutations(range(3)):
                gateway = Gateway()
                for place in order:
                    gateway.part(place + base, 3, content=f"text{place}")
                (whole,) = gateway.groups().values()
                texts = [whole[number] for number in sorted(whole)]
                self.assertEqual(texts, ["text0", "text1", "text2"], (base, order))
                self.assertEqual(len(gateway.arrivals._open), 0)

    def test_no_group_decides_for_another(self) -> None:
        """Devices that count from 0 and from 1 by turns."""
        gateway = Gateway()
        for reference, base in (("1", 0), ("2", 1), ("3", 0), ("4", 1)):
            gateway.part(1 + base, 2, reference=reference)
            gateway.part(0 + base, 2, reference=reference)
        self.assertEqual(
            {name: sorted(group) for name, group in gateway.groups().items()},
            {"1.0": [0, 1], "2.0": [1, 2], "3.0": [0, 1], "4.0": [1, 2]},
        )
        self.assertEqual(len(gateway.reported), 8)

    def test_both_ends_are_of_two_sms(self) -> None:
        """Index 0 and index 2 of 2 cannot be of one SMS."""
        gateway = Gateway()
        gateway.part(0, 2)
        gateway.part(2, 2)
        gateway.part(1, 2)
        self.assertEqual(
            gateway.groups(),
            {"244.0": {0: "part0"}, "244.1": {2: "part2", 1: "part1"}},
        )

    def test_each_segment_goes_up_at_once(self) -> None:
        """Nothing is held back in memory: the journal joins."""
        gateway = Gateway()
        (first,) = gateway.part(1, 2)
        self.assertEqual(first.part, InboundSegment("244.0", 2, 1, True))
        self.assertEqual(first.join_window_s, 300.0)
        self.assertEqual(first.binary, b"part1")
        (second,) = gateway.part(2, 2)
        self.assertEqual(second.part, InboundSegment("244.0", 2, 2, True))

    def test_a_letter_cut_in_two_is_whole_again(self) -> None:
        """The journal joins octets, so that no segment's border spoils a letter."""
        gateway = Gateway()
        gateway.part(2, 2, content="%8F+end")
        gateway.part(1, 2, content="%EF%BB%BF%D0%BF%D1")
        group = SegmentGroup("id", 0.0, 2, gateway.reported)
        self.assertEqual(joined(group).text, "пя end")

    def test_repeated_segment(self) -> None:
        """The same segment again goes nowhere."""
        gateway = Gateway()
        gateway.part(1, 2)
        self.assertEqual(gateway.part(1, 2), [])
        self.assertEqual(len(gateway.arrivals._open), 1)

    def test_reused_reference(self) -> None:
        """After completion, or with another text, it is a new message."""
        gateway = Gateway()
        for _ in range(2):
            gateway.part(1, 2)
            gateway.part(2, 2)
        gateway.part(1, 2, content="old")
        gateway.part(1, 2, content="new")
        self.assertEqual(
            gateway.groups(),
            {
                "244.0": {1: "part1", 2: "part2"},
                "244.1": {1: "part1", 2: "part2"},
                "244.2": {1: "old"},
                "244.3": {1: "new"},
            },
        )

    def test_missing_segment(self) -> None:
        """After 300 s the group is over here, as it is in the journal."""
        gateway = Gateway()
        gateway.part(1, 2)
        gateway.now += 299.0
        gateway.take(single())
        self.assertEqual(len(gateway.arrivals._open), 1)
        gateway.now += 1.0
        (late,) = gateway.part(2, 2)
        assert late.part is not None
        self.assertEqual(late.part.reference, "244.1")

    def test_impossible_numbers(self) -> None:
        """No total, too large a total, no place: each goes up by itself."""
        gateway = Gateway()
        for index, total in ((1, 0), (1, 999), (1, -1), (3, 2), (-1, 2), (9, 9**9)):
            (inbound,) = gateway.part(index, total)
            self.assertIsNone(inbound.part)
        for value in ("", "x", "1e9", "²", "99999999999999999999"):
            (inbound,) = gateway.take(single(ID="7", Index=value, Total=value))
            self.assertIsNone(inbound.part)
        self.assertEqual(len(gateway.arrivals._open), 0)

    def test_memory_is_bounded(self) -> None:
        """Groups that never complete push out the oldest, nothing more."""
        gateway = Gateway()
        for number in range(GROUP_LIMIT * 3):
            gateway.part(1, 2, reference=f"{number:08X}")
        self.assertEqual(len(gateway.arrivals._open), GROUP_LIMIT)
        self.assertEqual(len(gateway.reported), GROUP_LIMIT * 3)

    def test_senders_and_ports_do_not_mix(self) -> None:
        """The same ID from another phone, or on another port, is another SMS."""
        gateway = Gateway()
        for sender in ("+7901", "+7902"):
            for span in ("2", "3"):
                gateway.take(
                    single(ID="1", Sender=sender, GsmSpan=span, Index="1", Total="2")
                )
        self.assertEqual(len(gateway.arrivals._open), 4)

    @given(
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    name: st.one_of(
                        st.sampled_from(["0", "1", "2", "3", "-1", "", "244"]),
                        st.text(
                            st.characters(exclude_characters="\r\n", codec="utf-8"),
                            max_size=12,
                        ),
                    )
                    for name in [
                        "ID",
                        "GsmSpan",
                        "GsmPort",
                        "Sender",
                        "Recvtime",
                        "Index",
                        "Total",
                        "Content",
                    ]
                },
            ),
            max_size=12,
        )
    )
    def test_any_event_is_an_sms(self, all_headers: list[dict[str, str]]) -> None:
        """Nothing raises, places are within their totals, no text is lost."""
        gateway = Gateway()
        for headers in all_headers:
            event = block(**headers)
            for inbound in gateway.take(event):
                self.assertIsNotNone(inbound.text)
                if inbound.part is not None:
                    self.assertLessEqual(inbound.part.number, inbound.part.total)
                    self.assertGreaterEqual(inbound.part.number, 0)
