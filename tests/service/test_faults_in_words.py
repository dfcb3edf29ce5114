"""Faults that are provoked at a whole gateway, and the words that say what to do.

Each row: what is done to the far sides, a word of what a channel then says of itself
or of its last error, and words of what to do in both languages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.remedies import remedy_of
from gdemoi.sandbox.smsc_personality import Refusal
from tests.http.gateway import parsed
from tests.http.house import TOKEN, House

TO = "+79161234567"
ANY = "*"


class HangsUp(Protocol):
    """A far side that closes at once."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


def refuses(status: int) -> dict[str, Any]:
    return {"personality": {"refuse": (Refusal(ANY, status),)}}


# how the carrier is, and what is said: on the channel itself
LINKS: tuple[tuple[str, dict[str, Any], str, str, str], ...] = (
    ("wrong password", {"smpp": {"password": "other"}},
     "INVPASWD", "`password`", "`password`"),
    ("refused password", {"personality": {"refuse_bind": 0x0E}},
     "INVPASWD", "`password`", "должны быть"),
    ("unknown system_id", {"smpp": {"system_id": "nobody"}},
     "INVSYSID", "`system_id`", "`system_id`"),
    ("refused system_type", {"personality": {"refuse_bind": 0x53}},
     "INVSYSTYP", "`system_type`", "`system_type`"),
    ("bind failed", {"personality": {"refuse_bind": 0x0D}},
     "BINDFAIL", "carrier", "оператора"),
    ("already bound", {"personality": {"refuse_bind": 0x05}},
     "ALYBND", "another program", "другой программой"),
    ("nobody listens", {"smpp": {"host": ("gone.example",)}},
     "refused", "host and port", "адрес и порт"),
    ("silent", {"listens": Protocol},
     "no answer to the bind", "firewall", "файрвол"),
    ("hangs up", {"listens": HangsUp},
     "clos", "ask the far side", "спросите"),
)  # fmt: skip

# the status of a submit, and what is said: of the last error
SUBMITS: tuple[tuple[int, str, str], ...] = (
    (0x08, "tried again by itself", "повтор идёт сам"),
    (0x0A, "registered", "зарегистрируйте"),
    (0x0B, "country code", "код страны"),
    (0x14, "slows down", "сбавляет"),
    (0x45, "tried again by itself", "повтор идёт сам"),
    (0x48, "another `sender`", "другой `sender`"),
    (0x49, "another `sender`", "другой `sender`"),
    (0x58, "lower `throughput`", "уменьшите `throughput`"),
    (0xFE, "call them", "свяжитесь"),
    (0xFF, "call them", "свяжитесь"),
)

# what is asked to be sent, the code that `explain` tells, and what is said of it
MESSAGES: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"to": "12"}, "gateway:bad_number", "country's code", "код страны"),
    ({"text": "я", "charset": "gsm7", "on_unencodable": "reject"},
     "gateway:unencodable", "ucs2", "любые буквы"),
    ({"text": "a" * 500, "max_segments": 1}, "gateway:too_long", "shorter", "короче"),
    ({"from": "Nobody", "channels": ["strict"]}, "gateway:no_route",
     "`explain`", "`explain`"),
    ({"text": None, "binary": "AQ==", "channels": ["office"]}, "gateway:unsupported",
     "another channel", "другой канал"),
)  # fmt: skip


def unplugged(house: House) -> None:
    """Take the box from the wall."""
    for line in house.sims:
        line.stop()
    house.pass_time(200)


def without_network(house: House) -> None:
    """Take the antenna away."""
    for line in house.sims:
        line.gsm_status = "LOGOUT"
    house.pass_time(60)


# what happens to a box with SIMs, and what is said: on the channel and on its lines
BOXES: tuple[tuple[Callable[[House], None], str, str, str], ...] = (
    (unplugged, "no keepalive", "SMS Server", "выходит на связь"),
    (without_network, "LOGOUT", "antenna", "антенну"),
)


class FaultsTests(SynchronousTestCase):
    def house(self, **given: Any) -> House:
        made = House(**given)
        self.addCleanup(made.close)
        return made

    def ailing(self, house: House, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a channel as it is, and what is told of it."""
        told = house.result(house.gateway.overview())["channels"]
        [channel] = [one for one in house.gateway.channels() if one["name"] == name]
        [lately] = [one for one in told if one["name"] == name]
        return channel, lately

    def test_links(self) -> None:
        """What keeps a bind from being there."""
        for fault, given, reason, english, russian in LINKS:
            house = self.house(**given)
            house.pass_time(40)
            channel, told = self.ailing(house, "carrier")
            self.assertEqual(channel["state"], "down", fault)
            self.assertIn(reason, channel["reason"], fault)
            remedies = {one["subject"]: one for one in told["remedies"]}
            # a bind that is being tried again says nothing for that moment
            self.assertIn("", remedies, fault)
            self.assertLessEqual(set(remedies), {"", "transceiver"}, fault)
            for one in remedies.values():
                self.assertIn(english, one["en"], fault)
                self.assertIn(russian, one["ru"], fault)

    def test_submits(self) -> None:
        """What a carrier answers to messages."""
        for status, english, russian in SUBMITS:
            house = self.house(**refuses(status))
            house.send("m1", "hello", to=TO, channels=("carrier",))
            _, told = self.ailing(house, "carrier")
            error = told["last_error"]
            self.assertIsNotNone(error, hex(status))
            self.assertEqual(error["code"], f"smpp:0x{status:02X}")
            self.assertIn(english, error["remedy"]["en"], hex(status))
            self.assertIn(russian, error["remedy"]["ru"], hex(status))

    def test_boxes(self) -> None:
        """What befalls GSM lines."""
        for fault, reason, english, russian in BOXES:
            house = self.house()
            fault(house)
            channel, told = self.ailing(house, "office")
            [line, _] = channel["lines"]
            self.assertIn(reason, line["reason"])
            subjects = {one["subject"] for one in told["remedies"]}
            self.assertLessEqual({"sim1", "sim2"}, subjects)
            for one in told["remedies"]:
                self.assertIn(english, one["en"])
                self.assertIn(russian, one["ru"])

    def test_messages(self) -> None:
        """What cannot be sent as it is asked for."""
        house = self.house()
        headers = {"authorization": f"Bearer {TOKEN}", "host": "localhost"}
        for asked, code, english, russian in MESSAGES:
            body = {"to": TO, "text": "x", **asked}
            octets = json.dumps(body).encode()
            answer = parsed(house.asked("POST", "/v1/explain", octets, headers)).json
            self.assertEqual((answer["error"] or {}).get("code"), code, asked)
            remedy = remedy_of(code)
            assert remedy is not None
            self.assertIn(english, remedy.en, asked)
            self.assertIn(russian, remedy.ru, asked)

    def test_what_is_well_needs_no_words(self) -> None:
        """A carrier that is up has none."""
        _, told = self.ailing(self.house(), "carrier")
        self.assertEqual((told["remedies"], told["last_error"]), ([], None))
