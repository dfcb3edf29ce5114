"""The sandbox's trackers: each answers as its family does; profiles read them."""

from __future__ import annotations

from urllib.parse import quote

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.answers import OutstandingCommand, find
from gdemoi.profiles.library import Library
from gdemoi.sandbox.goip_box import GoipBox
from gdemoi.sandbox.smsc_personality import SmscPersonality
from gdemoi.sandbox.tg_box import TgBox
from gdemoi.sandbox.trackers import (
    ANSWER_S,
    NEXT_S,
    REBOOT_S,
    TRACKERS,
    TrackerPark,
)
from gdemoi.smpp.pdu.pdus import DeliverSm
from gdemoi.text import gsm7
from tests.sandbox.test_smsc import Far
from tests.sandbox.test_tg import Client

T = "+79161000001"
GLM = "AT+GTGLM=gl300,1,1,2,13813888888,13913999999,,,,,000D$"
# family, password, command, state of each answer
SAID = (
    ("teltonika", "", "  getver", ["unknown"]),
    ("teltonika", "", "  setparam 2004:gps.example.org", ["ok"]),
    ("teltonika", "", "  getparam 2004", ["ok"]),
    ("teltonika", "", "  getparam 2004;2005", ["ok"]),
    ("teltonika", "", "  getparam x", ["error"]),
    ("teltonika", "", "  getparam 99999", ["error"]),
    ("teltonika", "", "  setparam x", ["error"]),
    ("teltonika", "", "  setdigout 11", ["ok"]),
    ("teltonika", "login:pass", "login pass getver", ["unknown"]),
    ("teltonika", "login:pass", "  getver", []),
    ("teltonika", "", "getver", []),
    ("ruptela", "pass", "pass RESET", ["ok"]),
    ("ruptela", "pass", "pass connect 10.0.0.1,7011,TCP", ["ok"]),
    ("ruptela", "pass", "pass connect 10.0.0.1", ["error"]),
    ("ruptela", "pass", "pass setconnection a,b,c,10.0.0.1,7011,TCP", ["ok"]),
    ("ruptela", "", " imei", ["ok"]),
    ("ruptela", "pass", "pass coords", ["ok"]),
    ("ruptela", "pass", "word imei", []),
    ("queclink", "gl300", GLM, ["ok"]),
    ("queclink", "gl300", GLM[:-1], []),
    ("queclink", "other", GLM, []),
    ("queclink", "gl300", "AT+GTRTO=gl300,1,,,,,,000F$", ["ok", "ok"]),
    ("gt06", "", "RELAY,1#", ["ok"]),
    ("gt06", "", "RELAY,1", []),
    ("gt06", "", "TIMER,30#", ["ok"]),
    ("gt06", "", "RESET#", ["ok"]),
    ("gt06", "1234", "1234,APN,internet#", ["ok"]),
    ("coban", "", "begin123456", ["ok"]),
    ("coban", "", "check123456", ["ok"]),
    ("coban", "", "apn123456 internet", ["ok"]),
    ("coban", "", "apn654321 internet", ["error"]),
)


class FamilyTests(SynchronousTestCase):
    def test_profiles_read_what_they_say(self) -> None:
        """Two that were written apart agree, command by command."""
        library = Library()
        for family, password, command, states in SAID:
            profile = library.get(family)
            assert profile is not None
            tracker = TrackerPark([f"{T}/{family}/{password}"])
            answers = tracker.take(T, command, 0.0)
            assert answers is not None
            found = []
            for number, (text, _) in enumerate(answers):
                waiting = OutstandingCommand(
                    id="c",
                    command=profile.read(command),
                    left_at=0.0,
                    deadline=60.0,
                    parts=number,
                    parts_until=60.0,
                )
                one = find(text, [waiting], 1.0)
                assert one is not None, text
                found.append(str(one.state))
            self.assertEqual(found, states, (family, command))

    def test_they_remember(self) -> None:
        """What was set is told; a relay that is cut already says so."""
        park = TrackerPark([f"{T}/teltonika", "+79161000002/gt06"])
        park.take(T, "  setparam 2004:gps.example.org", 0.0)
        answers = park.take(T, "  getparam 2004", 0.0)
        expected = [("Param ID:2004 Value:gps.example.org", ANSWER_S)]
        self.assertEqual(answers, expected)
        park.take("+79161000002", "RELAY,1#", 0.0)
        ((text, _),) = park.take("+79161000002", "RELAY,1#", 0.0) or ()
        self.assertTrue(text.startswith("Already in the state"))

    def test_a_changed_password(self) -> None:
        """The old one is refused from then on."""
        park = TrackerPark([f"{T}/coban/111111"])
        park.take(T, "password111111 222222", 0.0)
        self.assertEqual(park.take(T, "begin111111", 0.0), [("pwd fail!", ANSWER_S)])
        self.assertEqual(park.take(T, "begin222222", 0.0), [("begin ok!", ANSWER_S)])

    def test_a_restart_takes_its_time(self) -> None:
        """What comes meanwhile is answered when it is over."""
        park = TrackerPark([f"{T}/teltonika"])
        self.assertEqual(park.take(T, "  cpureset", 100.0), [])
        ((_, after_s),) = park.take(T, "  getver", 104.0) or ()
        self.assertEqual(after_s, REBOOT_S - 4 + ANSWER_S)

    def test_an_answer_in_two_sms(self) -> None:
        """One after the other."""
        park = TrackerPark([f"{T}/queclink/gl300"])
        answers = park.take(T, "AT+GTRTO=gl300,1,,,,,,000F$", 0.0)
        assert answers is not None
        times = [after_s for _, after_s in answers]
        self.assertEqual(times, [ANSWER_S, ANSWER_S + NEXT_S])

    def test_what_is_written_wrong(self) -> None:
        """A number, and a family that is known here."""
        for value in ("hello/teltonika", f"{T}/x", T):
            self.assertRaises(ValueError, TRACKERS, value)
        self.assertEqual(TRACKERS(f"{T}/gt06"), (f"{T}/gt06",))
        self.assertIsNone(TrackerPark().take(T, "x", 0.0))


class BehindTests(SynchronousTestCase):
    def test_behind_a_goip(self) -> None:
        """The answer comes in at the line that sent; other phones do as ever."""
        clock, out = Clock(), []
        box = GoipBox(clock, trackers=TrackerPark([f"{T}/teltonika"]))
        line = box.add("goip1", "p", "+7", out.append)
        box.aired(line, T, "  getver", 1)
        clock.advance(ANSWER_S)
        self.assertTrue(any(b"Ver:03.27" in one for one in out))
        box.aired(line, "+79990000000", "x?", 2)
        clock.advance(ANSWER_S)
        self.assertTrue(any("Внуково".encode() in one for one in out))
        line.stop()

    def test_behind_a_tg(self) -> None:
        """The same at a port of a TG."""
        clock = Clock()
        box = TgBox.with_ports(clock, 2)
        box.trackers = TrackerPark([f"{T}/gt06"])
        client = Client(box).log_in()
        sms = quote("RELAY,1#")
        client.say(
            f'Action: smscommand\r\ncommand: gsm send sms 2 {T} "{sms}" 5\r\n\r\n'
        )
        clock.advance(ANSWER_S)
        self.assertIn("Cut%20off%20the", client.read().replace("+", "%20"))

    def test_behind_an_smsc(self) -> None:
        """After the receipt, to who sent it; a wrong password meets silence."""
        far = Far(SmscPersonality(receipt_delay_s=0.0))
        far.smsc.trackers = TrackerPark([f"{T}/queclink/gl300"])
        where = {"destination_addr": T[1:], "dest_addr_ton": 1}
        for command, answers in ((GLM, 1), (GLM.replace("gl300", "wrong"), 0)):
            far.submit(short_message=gsm7.encode(command), **where)
            far.seen.clear()
            far.clock.advance(ANSWER_S + 0.1)
            far.clock.advance(0)
            told = [one for one in far.seen if isinstance(one, DeliverSm)]
            self.assertEqual(len(told), answers)
            for one in told:
                self.assertEqual(one.source_addr, T[1:])
                self.assertIn(b"+ACK:GTGLM", one.short_message)
