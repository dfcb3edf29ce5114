"""The UDP shell: its timer, its log, and a system that refuses to write."""

from collections.abc import Callable

from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gdemoi.errors import Unavailable
from gdemoi.interfaces import IChannel
from gdemoi.message import (
    Accepted,
    Charset,
    OnUnencodable,
    Refused,
    Transliteration,
)
from tests.goip.rig import HOME, Rig, Socket, line_settings


def _refusing(fault: Exception) -> Callable[[bytes, tuple[str, int]], None]:
    """Return a `write` of a system that refuses."""

    def write(datagram: bytes, address: tuple[str, int]) -> None:
        raise fault

    return write


class ProtocolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig({"a": line_settings()})
        self.logged: list[dict[str, object]] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)

    def test_oddities_are_logged_sparingly(self) -> None:
        """Five lines a minute, and how many more there were."""
        for _ in range(100):
            self.rig.say(b"garbage", ("198.51.100.1", 9))
        self.assertEqual(len(self.logged), 5)
        self.rig.clock.advance(61)
        self.rig.say(b"garbage", ("198.51.100.1", 9))
        self.assertEqual(self.logged[5]["count"], 95)
        self.assertEqual(len(self.logged), 7)

    def test_unwritable_datagrams_are_lost_datagrams(self) -> None:
        """An error of the system is counted; the exchange repeats by itself."""
        self.rig.register("a")

        socket = self.rig.socket
        real = socket.write
        for fault in (OSError("no route"), MessageLengthError("too long")):
            socket.write = _refusing(fault)  # type: ignore[method-assign]
            outcomes = self.rig.submit()
            socket.write = real  # type: ignore[method-assign]
            self.rig.pass_time(5)
            sendid = self.rig.until_send()
            self.rig.say(f"OK {sendid} 1 5\n")
            self.rig.say(f"DONE {sendid}\n")
            self.assertIsInstance(outcomes[0], Accepted)
        self.assertEqual(self.rig.channel.describe()["counts"]["unwritten"], 2)

    def test_no_socket(self) -> None:
        """Without a socket nothing is written, and nothing breaks."""
        rig = Rig({"a": line_settings()})
        rig.register("a")
        rig.channel.protocol.transport = None
        rig.channel.protocol.datagramReceived(b"req:1;id:a;pass:password1;", HOME)
        self.assertEqual(rig.channel.protocol.unwritten, 1)


class ChannelTests(SynchronousTestCase):
    def test_is_a_channel(self) -> None:
        """It has everything that a channel must have."""
        verifyObject(IChannel, Rig().channel)

    def test_port_in_use(self) -> None:
        """It says why it is deaf, and tries again every 10 s."""
        rig = Rig({"a": line_settings()}, start=False)
        free = rig.reactor.listenUDP
        self.assertEqual(rig.channel.unable(), "not started")

        def taken(port: int, protocol: object, interface: str = "") -> Socket:
            raise CannotListenError(interface, port, OSError("in use"))

        rig.reactor.listenUDP = taken  # type: ignore[method-assign]
        rig.channel.start(rig.recorder)
        self.assertIn("in use", str(rig.channel.unable()))
        self.assertEqual(rig.recorder.changes[0][0], "down")
        self.assertEqual(rig.channel.describe()["state"], "down")
        rig.clock.advance(10)
        rig.reactor.listenUDP = free  # type: ignore[method-assign]
        rig.clock.advance(10)
        rig.socket = rig.reactor.sockets[-1]
        rig.register("a")
        self.assertIsNone(rig.channel.unable())

    def test_stop_while_deaf(self) -> None:
        """A channel that never listened stops without a trace."""
        rig = Rig({"a": line_settings()}, start=False)

        def taken(port: int, protocol: object, interface: str = "") -> Socket:
            raise CannotListenError(interface, port, OSError("in use"))

        rig.reactor.listenUDP = taken  # type: ignore[method-assign]
        rig.channel.start(rig.recorder)
        self.successResultOf(rig.channel.stop(5))
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_broken_memory(self) -> None:
        """Bookmarks that cannot be read do not keep the channel from its work."""
        cursors = {"goip:office:counts": "{broken", "goip:office:talks": "[1]"}
        rig = Rig({"a": line_settings()}, cursors=cursors)
        rig.register("a")
        self.assertIsNone(rig.channel.unable())

    def test_counts_are_saved_soon(self) -> None:
        """A daily limit holds over a crash: counts are written within 5 s."""
        rig = Rig({"a": line_settings(daily_limit=10)})
        rig.register("a")
        rig.submit()
        rig.say(f"OK {rig.until_send()} 1 5\n")
        rig.clock.advance(5)
        self.assertIn('"a":[', rig.cursors["goip:office:counts"])
        again = Rig({"a": line_settings(daily_limit=1)}, cursors=rig.cursors)
        again.register("a")
        self.assertEqual(again.channel.unable(), "1 daily limit reached")

    def test_cannot_be_asked(self) -> None:
        """A GoIP remembers nothing once the exchange is over."""
        rig = Rig()
        asked = rig.channel.ask(rig.message(), ["a:1:2"])
        self.assertIsNone(self.successResultOf(asked))

    def test_state_of_the_channel(self) -> None:
        """Down, degraded and up, told once each."""
        rig = Rig()
        rig.register("goipid1")
        rig.register("goipid2", ("127.0.0.1", 10992))
        rig.pass_time(100)
        states = [state for state, _, line in rig.recorder.changes if line is None]
        self.assertEqual(states, ["degraded", "up", "degraded", "down"])

    def test_disabled_line(self) -> None:
        """It registers and receives; it never sends."""
        rig = Rig({"a": line_settings(enabled=False)})
        rig.register("a")
        self.assertEqual(rig.channel.unable(), "1 not enabled")
        self.assertEqual(
            rig.asked("RECEIVE:1;id:a;pass:password1;srcnum:+7;msg:x"), "RECEIVE 1 OK"
        )

    def test_journal_down_for_a_receipt(self) -> None:
        """A receipt that cannot be written is not acknowledged."""
        rig = Rig({"a": line_settings()})
        rig.register("a")
        rig.recorder.broken = True
        datagram = "DELIVER:1;id:a;password:password1;sms_no:1;state:0;num:+7"
        self.assertIsNone(rig.asked(datagram))
        rig.recorder.broken = False
        self.assertEqual(rig.asked(datagram), "DELIVER 1 OK")
        self.assertEqual(len(rig.recorder.receipts), 1)

    def test_command_without_a_line(self) -> None:
        """A line that has not registered cannot be asked."""
        rig = Rig()
        self.failureResultOf(rig.channel.command("goipid1", "number", []), Unavailable)


class PrepareTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig({"a": line_settings(number="+79160000001")})

    def refused(self, text: str | None = "x", **more: object) -> str:
        refused = self.rig.channel.prepare(self.rig.message(text, **more))
        assert isinstance(refused, Refused), refused
        return refused.error.code

    def test_what_a_goip_cannot_carry(self) -> None:
        """Refused with the reason, before anything is written."""
        self.assertEqual(self.refused(None, binary=b"x"), "gateway:unsupported")
        self.assertEqual(self.refused(None), "gateway:unsupported")
        self.assertEqual(self.refused(udh=b"\0"), "gateway:unsupported")
        self.assertEqual(self.refused(dest_port=5), "gateway:unsupported")
        self.assertEqual(self.refused(flash=True), "gateway:unsupported")
        self.assertEqual(self.refused(""), "gateway:invalid")
        self.assertEqual(self.refused("a\0b"), "gateway:unencodable")
        self.assertEqual(self.refused("\ud800"), "gateway:unencodable")
        self.assertEqual(self.refused("x" * 161, max_segments=1), "gateway:too_long")
        self.assertEqual(
            self.refused(
                "щ", charset=Charset.GSM7, on_unencodable=OnUnencodable.REJECT
            ),
            "gateway:unencodable",
        )

    def test_what_the_device_will_do(self) -> None:
        """It chooses 7-bit or UCS2 by itself: the report says which."""
        for text, charset, coding, count in (
            ("  getgps?", "gsm7", 0, 1),
            ("x" * 161, "gsm7", 0, 2),
            ("Привет", "ucs2", 8, 1),
            ("щ" * 71, "ucs2", 8, 2),
        ):
            prepared = self.rig.channel.prepare(self.rig.message(text))
            assert not isinstance(prepared, Refused)
            self.assertEqual(
                (prepared.charset, prepared.data_coding, prepared.segments),
                (charset, coding, count),
            )
            self.assertEqual(prepared.user_data()[0][0], text.encode().hex())

    def test_transliteration_only_when_asked(self) -> None:
        """A notification may be; the text of a command never changes (and A17)."""
        message = self.rig.message(
            "“hi”", charset=Charset.GSM7, on_unencodable=OnUnencodable.TRANSLITERATE
        )
        prepared = self.rig.channel.prepare(message)
        assert not isinstance(prepared, Refused)
        self.assertEqual(prepared.wire()[0][0], 'MSG 1 4 "hi"\n')
        message = self.rig.message(
            "Ещё", on_unencodable=OnUnencodable.TRANSLITERATE,
            transliteration=Transliteration.GOST,
        )  # fmt: skip
        prepared = self.rig.channel.prepare(message)
        assert not isinstance(prepared, Refused)
        self.assertEqual(prepared.wire()[0][0], "MSG 1 6 Eshhyo\n")
        prepared = self.rig.channel.prepare(self.rig.message("“hi”"))
        assert not isinstance(prepared, Refused)
        self.assertEqual(prepared.charset, "ucs2")

    def test_wire_shows_the_exchange(self) -> None:
        """`explain` sees the datagrams that would leave, without the password."""
        prepared = self.rig.channel.prepare(self.rig.message("  hi\n"))
        assert not isinstance(prepared, Refused)
        self.assertEqual(
            prepared.wire(),
            [
                [
                    "MSG 1 5   hi\n\n",
                    "PASSWORD 1 ********\n",
                    "SEND 1 1 +8613800138000\n",
                    "DONE 1\n",
                ]
            ],
        )
        self.assertEqual(prepared.sender, "+79160000001")
