"""The benchmarks' own far sides: a bare SMSC and an HTTP load."""

import argparse
import asyncio
import json

from twisted.trial.unittest import SynchronousTestCase

from bench import load, rig, sink, startup
from gdemoi.smpp import receipts
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import PduFramer

SUBMIT = pdus.SubmitSm(
    sequence_number=7,
    source_addr="GdeMoi",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="79161234567",
    registered_delivery=1,
    short_message=b"r1-0001 setparam 2004",
)
BIND = pdus.BindTransceiver(sequence_number=1, system_id="b", password="b")


class Wire(asyncio.Transport):
    """What the SMSC has written."""

    def __init__(self) -> None:
        super().__init__()
        self.octets = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.octets += bytes(data)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def read(self) -> list[pdus.Pdu]:
        """Return the PDUs since the last look."""
        frames = PduFramer().feed(self.octets)
        self.octets = b""
        return [pdus.decode(frame) for frame in frames]


class SmscTests(SynchronousTestCase):
    def link(self, *words: str) -> tuple[sink.Link, Wire]:
        """Return a connection of an SMSC with these options, bound."""
        self.loop = asyncio.new_event_loop()
        self.addCleanup(self.loop.close)
        made = sink.Link(sink.Sink(sink.parsed(["--port", "1", *words])))
        wire = Wire()
        made.connection_made(wire)
        self.feed(made, pdus.encode(BIND))
        self.assertEqual([type(one) for one in wire.read()], [pdus.BindTransceiverResp])
        return made, wire

    def feed(self, link: sink.Link, *pieces: bytes) -> None:
        """Let octets arrive, and what is due at once happen."""

        async def work() -> None:
            for piece in pieces:
                link.data_received(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.loop.run_until_complete(work())

    def test_a_submit_is_answered_wherever_reads_cut_it(self) -> None:
        """Two in one read, and one in two, with ids of their own."""
        link, wire = self.link()
        octets = pdus.encode(SUBMIT)
        self.feed(link, octets + octets[:20], octets[20:])
        first, second = wire.read()
        assert isinstance(first, pdus.SubmitSmResp)
        assert isinstance(second, pdus.SubmitSmResp)
        self.assertEqual(first.sequence_number, 7)
        self.assertNotEqual(first.message_id, second.message_id)
        self.assertEqual(link.sink.submits, 2)

    def test_a_receipt_names_the_message(self) -> None:
        """Our own reader of receipts finds id, state and number."""
        link, wire = self.link("--dlr-ms", "0")
        self.feed(link, pdus.encode(SUBMIT))
        answer, report = wire.read()
        assert isinstance(answer, pdus.SubmitSmResp)
        assert isinstance(report, pdus.DeliverSm)
        self.assertEqual(report.source_addr, "79161234567")
        facts = receipts.facts_of(report.esm_class, report.short_message)
        self.assertIn(answer.message_id, repr(facts))
        self.assertIn("DELIVERED", repr(facts))

    def test_receipts_wait_for_room(self) -> None:
        """No more of them are unanswered than the window allows."""
        link, wire = self.link("--dlr-ms", "0")
        self.feed(link, pdus.encode(SUBMIT) * (sink.WINDOW + 5))
        reports = [one for one in wire.read() if isinstance(one, pdus.DeliverSm)]
        self.assertEqual(len(reports), sink.WINDOW)
        answer = pdus.DeliverSmResp(sequence_number=reports[0].sequence_number)
        self.feed(link, pdus.encode(answer) * 2)
        self.assertEqual([type(one) for one in wire.read()], [pdus.DeliverSm] * 2)

    def test_it_hangs_up_when_asked_to(self) -> None:
        """At its third submit, which gets no answer."""
        link, wire = self.link("--drop-after", "3")
        self.feed(link, pdus.encode(SUBMIT) * 3)
        self.assertEqual(len(wire.read()), 2)
        self.assertTrue(wire.aborted)
        self.assertEqual(json.loads(link.sink.final()[6:])["dropped"], 1)

    def test_a_signal_lets_it_hang_up(self) -> None:
        """At the next submit, which is taken, written down and not answered."""
        path = self.mktemp()
        link, wire = self.link("--log", path, "--write-through")
        self.feed(link, pdus.encode(SUBMIT))
        self.assertEqual(len(wire.read()), 1)
        link.sink.hang_up()
        self.feed(link, pdus.encode(SUBMIT))
        self.assertEqual((wire.read(), wire.aborted), ([], True))
        with open(path) as log:
            self.assertEqual([line.split()[-1] for line in log], ["ok", "dropped"])
        link.connection_lost(None)
        self.assertEqual((link.sink.links, link.sink.receivers), ([], []))

    def test_what_is_answered_is_written_down(self) -> None:
        """With --write-through, in the file before the answer is on the wire."""
        path = self.mktemp()
        link, wire = self.link("--log", path, "--write-through")
        seen: list[int] = []
        write = wire.write

        def written(data: bytes) -> None:
            with open(path) as log:
                seen.append(len(log.readlines()))
            write(data)

        wire.write = written  # type: ignore[method-assign, assignment]
        self.feed(link, pdus.encode(SUBMIT) * 3)
        self.assertEqual(seen, [3])

    def test_the_log_is_read_by_the_rig(self) -> None:
        """Each text's first word, and when it came first."""
        path = self.mktemp()
        link, _ = self.link("--log", path)
        self.feed(link, pdus.encode(SUBMIT) * 2)
        link.sink.flush()
        reader = rig.Smsc.__new__(rig.Smsc)
        reader.log = rig.Path(path)
        arrived = reader.arrivals()
        self.assertEqual(list(arrived), ["r1-0001"])
        self.assertEqual(arrived["r1-0001"], link.sink.first_ns)


class LoadTests(SynchronousTestCase):
    def options(self, *words: str) -> argparse.Namespace:
        """Return the options of a load."""
        return load.parsed(["--port", "80", *words])

    def test_marks_are_filled_in(self) -> None:
        """`{id}` is the word, `{text}` the word and filler, so many octets long."""
        text = load.filled("a={id}&t={text}", "M0000000001", 20)
        self.assertEqual(text, "a=M0000000001&t=M0000000001+position")
        self.assertEqual(load.filled("{text}", "M0000000001", 5), "M0000000001")
        self.assertEqual(len(load.filled("{text}", "M", 200)), 200)

    def test_a_request_says_how_long_it_is(self) -> None:
        """POST with a body, GET without."""
        made = load.Load(self.options("--body", "{id}", "--prefix", "7"))
        self.assertEqual(
            made.request(2).splitlines()[-3:],
            [b"Content-Length: 11", b"", b"70000000002"],
        )
        self.assertTrue(load.Load(self.options()).request(1).startswith(b"GET / "))

    def test_an_answer_is_whole(self) -> None:
        """By its length, or by the last chunk."""
        head = b"http/1.1 202 accepted\r\ncontent-length: 4"
        chunked = b"http/1.1 202 accepted\r\ntransfer-encoding: chunked"
        for lines, body, whole in (
            (head, b"abcd", True),
            (head, b"abc", False),
            (chunked, b"3\r\nabc\r\n", False),
            (chunked, b"3\r\nabc\r\n0\r\n\r\n", True),
            (b"http/1.1 200 ok", b"", False),
        ):
            with self.subTest(body=body):
                self.assertIs(load.is_whole(lines, body), whole)

    def test_what_is_reported(self) -> None:
        """Good answers have latencies; errors and losses are counted apart."""
        made = load.Load(self.options("--count", "4"))
        made.sent_ns = [0, 0, 0, 0]
        for number, status in ((1, 202), (2, 202), (3, 503), (4, -1)):
            made.answered(number, status)
        made.answered_ns = {1: 1_000_000, 2: 3_000_000, 3: 1, 4: 2}
        report = made.report()
        self.assertEqual(
            (report["ok"], report["errors"], report["lost"], report["unanswered"]),
            (2, 1, 1, 0),
        )
        self.assertEqual((report["p50_us"], report["max_us"]), (1_000.0, 3_000.0))
        self.assertTrue(made.over.is_set())


class RigTests(SynchronousTestCase):
    def test_the_size_scales_but_leaves_something(self) -> None:
        """A short run is not an empty one."""
        self.assertEqual(rig.Work(size=0.1).count(10_000), 1_000)
        self.assertEqual(rig.Work(size=0.001).count(10_000), 50)

    def test_spread_of_latencies(self) -> None:
        """In milliseconds, whatever the order."""
        found = rig.spread([n * 1_000_000 for n in range(100, 0, -1)])
        self.assertEqual(found, {"p50_ms": 50.0, "p99_ms": 99.0, "max_ms": 100.0})

    def test_a_page_of_events(self) -> None:
        """How many events, and the place after them; `after` in a text is none."""
        reader = rig.EventReader.__new__(rig.EventReader)
        reader.count = reader.after = 0
        page = b'{"events":[{"event_id":"a","text":"\\"after\\": 9"},{"event_id":"b"}],'
        self.assertEqual(reader.heard(page + b'"after": 4711}'), 2)
        self.assertEqual((reader.after, reader.count), (4711, 2))
        self.assertEqual(reader.heard(b'{"events":[],"after":4711}'), 0)
        self.assertEqual(reader.after, 4711)

    def test_without_the_tools_our_own_far_sides(self) -> None:
        """One line says so: the variable is not set, or a source is missing."""
        self.patch(rig.os, "environ", {})
        self.assertEqual(
            rig.build_tools(rig.Path(".")),
            (None, "GDEMOI_BENCH_TOOLS is not set: bench.sink and bench.load instead"),
        )
        self.patch(rig.os, "environ", {rig.TOOLS: self.mktemp()})
        tools, missing = rig.build_tools(rig.Path("."))
        self.assertIsNone(tools)
        self.assertIn("no smsc_sink, http_load, http_sink.c", missing)

    def test_without_a_broker_one_line_says_so(self) -> None:
        """Neither user nor password stands in it."""
        address = f"amqp://guest:secret@127.0.0.1:{rig.free_port()}"
        with self.assertRaises(SystemExit) as raised:
            rig.need_broker(address)
        told = str(raised.exception)
        self.assertTrue(told.startswith("needs RabbitMQ; none is at 127.0.0.1:"))
        self.assertNotIn("secret", told)

    def test_a_journal_of_any_size(self) -> None:
        """The last batch is the rest; no message is made twice or left out."""
        for first, end in ((0, 19_800), (19_800, 20_000), (0, 0), (5, 505)):
            found = startup.batches(first, end)
            with self.subTest(first=first, end=end):
                numbers = [n for at, count in found for n in range(at, at + count)]
                self.assertEqual(numbers, list(range(first, end)))

    def test_the_kernel_tells_of_this_process(self) -> None:
        """CPU, memory, threads and files of a process that lives."""
        number = rig.os.getpid()
        self.assertGreater(rig.cpu_s(number), 0.0)
        self.assertGreater(rig.rss_mb(number), 5.0)
        self.assertGreaterEqual(rig.threads(number), 1)
        self.assertGreater(rig.open_files(number), 2)
        self.assertGreater(rig.switches(number), 0)
