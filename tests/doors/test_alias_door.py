"""Template clients: GpsGate, traccar, gpswox, a script of somebody's."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

from gdemoi.accounts.settings import AccountSettings
from gdemoi.doors.settings import AliasSettings, DoorSections
from gdemoi.journal import Journal
from gdemoi.message import Error, MessageState
from tests.doors.house import TO, DoorsTestCase

GPSGATE = {
    "to": "clientaddress", "text": "message", "password": "pw", "id": "id",
}  # fmt: skip


class AliasTests(DoorsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {"gate": AccountSettings(numbers=("7777",))}
        self.settings: dict[str, Any] = {"fields": GPSGATE}

    def open(self, journal: Journal | None = None) -> None:
        made = AliasSettings(**{"password": "secret", **self.settings})
        self.sections = DoorSections(aliases={"gate": made})
        super().open(journal)

    def gate(self, **fields: str) -> tuple[int, str]:
        """Ask as GpsGate does."""
        asked = {
            "username": "gate", "pw": "secret", "clientaddress": TO,
            "message": "  stop engine", "transport": "x", **fields,
        }  # fmt: skip
        answer = self.ask(f"/sms?{urlencode(asked)}")
        return answer.status, answer.body.decode()

    @property
    def texts(self) -> list[str | None]:
        self.settle()
        return [ready.message.text for ready, _, _ in self.channel.submitted]

    def test_gpsgate(self) -> None:
        """GET with its own names; the text as it is."""
        self.assertEqual(self.gate(), (200, "OK"))
        self.assertEqual(self.texts, ["  stop engine"])
        self.assertEqual(self.channel.submitted[0][0].message.account, "gate")

    def test_its_id_is_a_key(self) -> None:
        """The same id again is the same message; with another text it is refused."""
        self.assertEqual([self.gate(id="7")[0] for _ in range(3)], [200, 200, 200])
        self.assertEqual(len(self.texts), 1)
        self.assertEqual(self.gate(id="7", message="other")[0], 400)
        self.assertEqual(self.gate(id="8")[0], 200)
        self.assertEqual(len(self.texts), 2)
        self.assertEqual(self.door("gate")["taken"], 2)

    def test_traccar(self) -> None:
        """Always POST: a form, or JSON by its template; Authorization in a header."""
        self.settings = {"fields": {"to": "phone", "text": "message"}}
        form = urlencode({"phone": TO, "message": "a+b"}).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        basic = b64encode(b"gate:secret").decode()
        for word in ("secret", "Bearer secret", f"Basic {basic}"):
            answer = self.ask("/sms", "POST", form, kind | {"authorization": word})
            self.assertEqual(answer.status, 200, word)
        octets = json.dumps({"phone": TO, "message": "é"}).encode()
        kind = {"content-type": "application/json;charset=UTF-8"}
        headers = kind | {"authorization": "secret"}
        self.assertEqual(self.ask("/sms", "POST", octets, headers).status, 200)
        self.assertEqual(self.ask("/sms", "POST", b"[", headers).status, 400)
        self.settle()
        self.assertEqual(self.texts, ["a+b", "a+b", "a+b", "é"])

    def test_who_may_not(self) -> None:
        """403, and 503 after ten of them."""
        self.assertEqual(self.gate(pw="x"), (403, "ERROR wrong user or password"))
        self.assertEqual(self.gate(username="x")[0], 403)
        self.assertEqual(self.ask("/sms").status, 403)
        for _ in range(7):
            self.gate(pw="x")
        self.assertEqual(self.gate()[0], 503)

    def test_what_is_no_message(self) -> None:
        """400 says why, by the program's own names."""
        self.assertEqual(
            self.gate(clientaddress=""), (400, "ERROR clientaddress is missing")
        )
        self.assertEqual(self.gate(message="")[0], 400)
        self.assertEqual(self.gate(clientaddress="abc")[0], 400)
        self.assertEqual(self.gate(message="a\0b")[0], 400)
        self.assertEqual(self.gate(priority="x")[0], 400)
        self.channel.refuses = Error("gateway:no_route", "no way")
        self.assertEqual(self.gate(), (400, "ERROR no way"))
        self.assertEqual(self.ask("/sms", "PUT").status, 405)
        answer = self.ask("/sms", "POST", b"x", {"content-type": "image/png"})
        self.assertEqual(answer.status, 415)

    def test_answers(self) -> None:
        """As the program wants them."""
        self.settings |= {
            "success": "sent {id}", "success_status": 202, "failure": "-1",
        }  # fmt: skip
        status, said = self.gate()
        self.assertEqual(status, 202)
        self.assertEqual(said, f"sent {self.channel.submitted[-1][0].message.id}")
        self.assertEqual(self.gate(message=""), (400, "-1"))

    def test_charset(self) -> None:
        """The text of an old program."""
        self.settings["charset"] = "cp1251"
        query = urlencode({"username": "gate", "pw": "secret", "clientaddress": TO})
        answer = self.ask(f"/sms?{query}&message=%EF%F0")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.texts, ["пр"])

    def test_limits(self) -> None:
        """503: such programs repeat it."""
        self.accounts = {"gate": AccountSettings(rate=1.0)}
        self.assertEqual(self.gate()[0], 200)
        self.assertEqual(self.gate()[0], 503)

    def test_it_is_told_what_became_of_it(self) -> None:
        """By templates with Kannel's escapes, and so of inbound SMS."""
        self.settles = False
        self.settings |= {
            "dlr_url": "http://gps.example.org/dlr?id=%I&state=%d",
            "get_url": "http://gps.example.org/mo?from=%p&text=%a",
            "success": "{id}",
        }
        _, id_ = self.gate()
        self.answer(id_)
        self.outcome(id_, MessageState.UNDELIVERED)
        self.arrive("ok")
        first, second = [one.query for one in self.platform.called]
        self.assertEqual(first, {"id": id_, "state": "2"})
        self.assertEqual(second, {"from": TO, "text": "ok"})

    def test_settings(self) -> None:
        """What contradicts itself."""
        for more in (
            {"fields": {"too": "x"}},
            {"charset": "x"},
            {"paths": ("sms",)},
            {"get_url": "http://a.b/", "post_url": "http://a.b/"},
        ):
            made = AliasSettings(**{"password": "secret", **more})
            self.assertEqual(len(list(made.complaints())), 1, more)
