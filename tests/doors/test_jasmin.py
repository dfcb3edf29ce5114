"""Jasmin's HTTP and REST APIs: what clients say, what they hear, what leaves.

The cases are those of a list of our own for doors, by their numbers (DJ1 …).
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import fail

from gdemoi.accounts.settings import AccountSettings
from gdemoi.contract.gateway import Search
from gdemoi.doors.settings import DoorSections, JasminSettings
from gdemoi.errors import Unavailable
from gdemoi.journal import Journal
from gdemoi.message import (
    Charset,
    Error,
    MessageClass,
    MessageState,
    Refused,
)
from tests.doors.house import NOW, TO, DoorsTestCase
from tests.http.gateway import Answer

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
URL = "http://vts.example.org/dlr"
JSON = {"content-type": "application/json;charset=UTF-8"}
LOGIN = {"authorization": f"Basic {b64encode(b'vts:pass with 17 chars').decode()}"}


class JasminTestCase(DoorsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {"vts": AccountSettings()}
        self.settings: dict[str, Any] = {}
        self.platform.said = b"ACK/Jasmin"

    def open(self, journal: Journal | None = None) -> None:
        made = JasminSettings(**{"password": "pass with 17 chars", **self.settings})
        self.sections = DoorSections(jasmin={"vts": made})
        super().open(journal)

    def asked(self, path: str = "/send", **fields: str | bytes | None) -> Answer:
        """Ask as most clients do."""
        given: dict[str, Any] = {
            "username": "vts", "password": "pass with 17 chars", "to": TO,
            "content": "ping", **fields,
        }  # fmt: skip
        query = urlencode(
            {n.replace("_", "-"): v for n, v in given.items() if v is not None}
        )
        return self.ask(f"{path}?{query}")

    def said(self, **fields: str | bytes | None) -> tuple[int, str]:
        """Return status and body of the answer."""
        answer = self.asked(**fields)
        return answer.status, answer.body.decode()

    def error(self, **fields: str | bytes | None) -> tuple[int, str]:
        """Return status and text of an error."""
        status, body = self.said(**fields)
        self.assertRegex(body, '^Error ".*"$')
        return status, body[7:-1]

    def taken(self, **fields: str | bytes | None) -> Any:
        """Return the message that leaves."""
        status, body = self.said(**fields)
        self.assertEqual(status, 200, body)
        return self.channel.submitted[-1][0].message

    def rest(self, path: str, body: Any, login: bool = True) -> Answer:
        """Ask the REST API."""
        headers = {"content-type": "application/json"} | (LOGIN if login else {})
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(path, "POST", octets, headers)


class SendTests(JasminTestCase):
    def test_taken(self) -> None:
        """DJ1, DJ26: 200 and the id, which is that of the message."""
        answer = self.asked()
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.body.decode(), f'^Success "{UUID}"$')
        self.assertEqual(answer.headers["content-type"], "text/plain")
        id_ = answer.body.decode()[9:-1]
        self.assertEqual(self.channel.submitted[-1][0].message.id, id_)

    def test_what_is_missing(self) -> None:
        """DJ2, DJ3: one argument, or all."""
        for name in ("to", "password", "username"):
            self.assertEqual(
                self.error(**{name: None}),
                (400, f"Mandatory argument [{name}] is not found."),
            )
        answer = self.ask("/send")
        self.assertEqual(
            (answer.status, answer.body),
            (
                400,
                b'Error "Mandatory arguments not found, please refer to the HTTPAPI'
                b' specifications."',
            ),
        )

    def test_an_unknown_argument(self) -> None:
        """DJ4: by its name."""
        self.assertEqual(self.error(smsc="x"), (400, "Argument [smsc] is unknown."))

    def test_values_that_are_none(self) -> None:
        """DJ5: by name and value."""
        for name, value in (
            *(
                ("priority", "9"),
                ("dlr-url", "ftp://x"),
                ("coding", "11"),
                ("to", "12a"),
            ),
            *(("sdt", "tomorrow"), ("validity-period", "-1"), ("dlr-level", "4")),
            ("dlr-url", "http://127.0.0.1/x"),
        ):
            with self.subTest(name=name):
                self.assertEqual(
                    self.error(**{name: value}),
                    (400, f"Argument [{name}] has an invalid value: [{value}]."),
                )
        self.assertEqual(self.channel.submitted, [])

    def test_contents(self) -> None:
        """DJ6, DJ7: none, both, and bad hexadecimal."""
        self.assertEqual(
            self.error(content=None), (400, "content or hex-content not present.")
        )
        why = "content and hex-content cannot be used both in same request."
        self.assertEqual(self.error(hex_content="00"), (400, why))
        self.assertEqual(
            self.error(content=None, hex_content="0x"),
            (400, "Invalid hex-content data: '0x'"),
        )

    def test_a_wrong_password(self) -> None:
        """DJ8: 403 with the name."""
        why = (403, "Authentication failure for username:vts")
        self.assertEqual(self.error(password="x"), why)
        why = (403, "Authentication failure for username:nobody")
        self.assertEqual(self.error(username="nobody"), why)

    def test_refusals(self) -> None:
        """DJ9, DJ25: no route; too long, and nothing is sent."""
        for code, status, said in (
            ("gateway:no_route", 412, "No route found"),
            ("gateway:too_long", 400,
             "Authorization failed for user [vts] (Long content not authorized)."),
            ("gateway:unsupported", 400, "no way"),
        ):  # fmt: skip
            self.channel.refuses = Error(code, "no way")
            self.assertEqual(self.error(), (status, said))
        self.assertEqual(self.channel.submitted, [])
        self.channel.refuses = None
        self.assertEqual(self.taken().max_segments, 5)

    def test_numbers_and_senders_that_are_none(self) -> None:
        """400 in the words of a filter."""
        self.accounts = {"vts": AccountSettings(allowed_sender=("GdeMoi",))}
        why = "Value filter failed for user [vts] ({} filter mismatch)."
        self.assertEqual(self.error(to="1"), (400, why.format("destination_address")))
        self.assertEqual(
            self.error(**{"from": "Bank"}), (400, why.format("source_address"))
        )

    def test_limits(self) -> None:
        """DJ10: the account's rate, and its day."""
        self.accounts = {"vts": AccountSettings(rate=1.0, daily=2)}
        self.taken()
        self.assertEqual(self.error(), (403, "User throughput exceeded"))
        self.clock.advance(1.0)
        self.taken()
        self.clock.advance(1.0)
        self.assertEqual(self.error()[0], 403)

    def test_a_journal_that_does_not_write(self) -> None:
        """DJ11: 500, and nothing is kept."""
        self.open()
        self.patch(self.journal, "accept", lambda _: fail(Unavailable("disk full")))
        status, why = self.error()
        self.assertEqual(status, 500)
        self.assertIn("Cannot send submit_sm", why)
        self.assertEqual(self.channel.submitted, [])

    def test_octets(self) -> None:
        """DJ12: of coding 8 and 4, unchanged."""
        message = self.taken(content=None, hex_content="043f0440", coding="8")
        self.assertEqual((message.text, message.charset), ("пр", Charset.UCS2))
        octets = bytes(range(140))
        message = self.taken(content=None, hex_content=octets.hex(), coding="4")
        self.assertEqual(message.binary, octets)
        octets = bytes(range(116, 256))
        message = self.taken(content=None, hex_content=octets.hex(), coding="4")
        self.assertEqual(message.binary, octets)
        message = self.taken(content=b"\xe9", coding="3")
        self.assertEqual((message.text, message.raw.octets), ("é", b"\xe9"))
        message = self.taken(content="п", coding="8")
        self.assertEqual((message.text, message.charset), ("킿", Charset.UCS2))
        self.close()
        self.settings = {"utf8_ucs2": True}
        self.assertEqual(self.taken(content="п", coding="8").text, "п")

    def test_letters(self) -> None:
        """DJ13: GSM as it is; Cyrillic by the class, or ? where wanted."""
        self.assertEqual(self.taken(content="é€[").text, "é€[")
        why = "Value filter failed for user [vts] (content filter mismatch)."
        self.assertEqual(self.error(content="Привет"), (400, why))
        self.assertEqual(self.error(content=b"\xff"), (400, why))
        self.close()
        self.accounts = {"vts": AccountSettings(class_=MessageClass.NOTIFICATION)}
        self.assertEqual(self.taken(content="Привет").text, "Привет")
        self.close()
        self.settings = {"text_fallback": "question"}
        self.assertEqual(self.taken(content="да ok").text, "?? ok")

    def test_times(self) -> None:
        """DJ18: sdt relative and absolute, validity-period in minutes."""
        self.assertEqual(self.taken(validity_period="60").expires_at, NOW + 3600)
        for sdt in ("000000000100000R", "261118110740000+"):
            self.said(sdt=sdt, validity_period="60")
            page = self.result(self.gateway.search(Search()))
            story = self.result(self.gateway.story(page.messages[0]["id"]))
            at = story["message"]["not_before"]
            self.assertGreater(at, NOW)
            self.assertEqual(story["message"]["expires_at"], at + 3600)

    def test_json(self) -> None:
        """DJ24: with numbers as values, and names with _."""
        body = {
            "username": "vts", "password": "pass with 17 chars", "to": 79161234567,
            "hex_content": "00", "coding": 4, "priority": 3, "dlr": False,
        }  # fmt: skip
        answer = self.ask("/send", "POST", json.dumps(body).encode(), JSON)
        self.assertEqual(answer.status, 200, answer.body)
        message = self.channel.submitted[-1][0].message
        self.assertEqual((message.binary, message.priority), (b"\0", 9))
        answer = self.ask("/send", "POST", b"[", JSON)
        self.assertEqual(answer.status, 400)

    def test_a_form(self) -> None:
        """DJ16: POST urlencoded, as PHP modules do."""
        form = urlencode(
            {"username": "vts", "password": "pass with 17 chars", "to": TO,
             "content": "a+b é"}
        ).encode()  # fmt: skip
        kind = {"content-type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.ask("/send", "POST", form, kind).status, 200)
        self.assertEqual(self.channel.submitted[-1][0].message.text, "a+b é")
        self.assertEqual(self.ask("/send", "PUT").status, 405)

    def test_tags(self) -> None:
        """A tag may name a channel."""
        self.settings = {"channel_names": {"gsm": "a"}}
        self.assertEqual(self.taken(tags="x,gsm").channels, ("a",))
        self.assertEqual(self.taken(tags="x").channels, ())


class AskTests(JasminTestCase):
    def test_balance(self) -> None:
        """DJ19: ND, or what is left of the day; errors are JSON strings."""
        answer = self.asked("/balance", to=None, content=None)
        self.assertEqual(answer.json, {"balance": "ND", "sms_count": "ND"})
        self.assertEqual(answer.headers["content-type"], "application/json")
        answer = self.asked("/balance", to=None, content=None, password="x")
        self.assertEqual(answer.status, 403)
        self.assertEqual(answer.json, "Authentication failure for username:vts")
        self.close()
        self.accounts = {"vts": AccountSettings(daily=10)}
        self.taken()
        answer = self.asked("/balance", to=None, content=None)
        self.assertEqual(answer.json["sms_count"], 9)

    def test_rate(self) -> None:
        """DJ19: two SMS for 161 characters; no content is one."""
        answer = self.asked("/rate", content="x" * 161)
        self.assertEqual(answer.json, {"unit_rate": 0.0, "submit_sm_count": 2})
        self.assertEqual(self.asked("/rate", content=None).json["submit_sm_count"], 1)
        octets = bytes(141).hex()
        answer = self.asked("/rate", content=None, hex_content=octets, coding="4")
        self.assertEqual(answer.json["submit_sm_count"], 2)
        self.assertEqual(self.channel.submitted, [])

    def test_ping(self) -> None:
        """DJ19: as text, and as JSON."""
        self.assertEqual(self.ask("/ping").body, b"Jasmin/PONG")
        answer = self.ask("/ping", headers={"accept": "application/json"})
        self.assertEqual(answer.json, {"data": "Jasmin/PONG"})


class RestTests(JasminTestCase):
    def test_send(self) -> None:
        """DJ20, DJ23: the closing quote is missing, as in Jasmin."""
        answer = self.rest("/secure/send", {"to": TO, "hex_content": "70", "coding": 4})
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.json["data"], f'^Success "{UUID}$')
        self.channel.refuses = Error("gateway:no_route", "x")
        answer = self.rest("/secure/send", {"to": TO, "content": "x"})
        self.assertEqual(
            (answer.status, answer.json["message"]), (412, 'Error "No route found')
        )
        self.close()
        self.channel.refuses = None
        self.settings = {"rest_quotes": True}
        answer = self.rest("/secure/send", {"to": TO, "content": "x"})
        self.assertRegex(answer.json["data"], f'^Success "{UUID}"$')

    def test_without_credentials(self) -> None:
        """DJ20: 401 in JSON; a wrong password is 403."""
        for path in ("/secure/send", "/secure/sendbatch", "/secure/rate"):
            answer = self.rest(path, {}, login=False)
            self.assertEqual(answer.status, 401)
            self.assertIn("title", answer.json)
        wrong = {"authorization": f"Basic {b64encode(b'vts:x').decode()}"}
        answer = self.ask("/secure/balance", headers=wrong)
        self.assertEqual(answer.status, 403)
        self.assertIn("Authentication failure", answer.json["message"])

    def test_rate_and_balance(self) -> None:
        """Under `data`."""
        answer = self.ask("/secure/balance", headers=LOGIN)
        self.assertEqual(answer.json["data"], {"balance": "ND", "sms_count": "ND"})
        answer = self.ask("/secure/rate?to=%2B79161234567&content=x", headers=LOGIN)
        self.assertEqual(answer.json["data"]["submit_sm_count"], 1)

    def test_batch(self) -> None:
        """DJ21: several numbers, globals, entries that are none, and their calls."""
        self.settles = False
        self.channel.window = 100
        answer = self.rest(
            "/secure/sendbatch",
            {
                "globals": {"from": "GdeMoi", "content": "all"},
                "messages": [
                    {"to": ["+79161234561", "+79161234562"]},
                    {"to": "+79161234563", "content": "one"},
                    {"content": "nobody"},
                ],
                "batch_config": {"callback_url": URL, "errback_url": URL + "/err"},
            },
        )
        self.assertEqual(answer.status, 200, answer.body)
        told = answer.json["data"]
        self.assertEqual(told["messageCount"], 3)
        texts = sorted(ready.message.text for ready, _, _ in self.channel.submitted)
        self.assertEqual(texts, ["all", "all", "one"])
        called = [one.query for one in self.platform.called]
        self.assertEqual({one["batchId"] for one in called}, {told["batchId"]})
        self.assertEqual({one["status"] for one in called}, {"1"})
        self.assertEqual(
            sorted(one["to"] for one in called),
            ["+79161234561", "+79161234562", "+79161234563"],
        )
        self.assertRegex(called[0]["statusText"], f'^Success "{UUID}"$')

    def test_a_batch_that_nothing_can_carry(self) -> None:
        """DJ21: errback_url with status 0, from the journal."""
        self.channel.refuses = Error("gateway:no_route", "no way")
        answer = self.rest(
            "/secure/sendbatch",
            {
                "messages": [{"to": TO, "content": "x"}],
                "batch_config": {"callback_url": URL, "errback_url": URL + "/err"},
            },
        )
        self.assertEqual(answer.json["data"]["messageCount"], 1)
        [called] = self.platform.called
        self.assertTrue(called.path.startswith("/dlr/err?"))
        self.assertEqual(
            (called.query["status"], called.query["statusText"]), ("0", "no way")
        )

    def test_batches_that_are_none(self) -> None:
        """DJ21: 412 in Jasmin's words; one bad message refuses all of it."""
        for body, title in (
            (b"[", "Cannot parse JSON data"),
            ({"messages": 7}, "Cannot parse JSON data"),
            ({"messages": [], "batch_config": {"schedule_at": "2020-01-01 00:00:00"}},
             "Cannot schedule batch in past date"),
        ):  # fmt: skip
            answer = self.rest("/secure/sendbatch", body)
            self.assertEqual((answer.status, answer.json["title"]), (412, title))
        wrong = {"authorization": f"Basic {b64encode(b'vts:x').decode()}"}
        answer = self.ask("/secure/sendbatch", "POST", b"{}", wrong)
        self.assertEqual(
            (answer.status, answer.json["title"]), (412, "Authentication failed")
        )
        messages = [{"to": TO, "content": "x"}, {"to": "12a", "content": "x"}]
        answer = self.rest("/secure/sendbatch", {"messages": messages})
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.channel.submitted, [])

    def test_scheduled(self) -> None:
        """DJ22: in so many seconds, or at a time."""
        body: dict[str, Any] = {
            "messages": [{"to": TO, "content": "x"}],
            "batch_config": {"schedule_at": "60s"},
        }
        answer = self.rest("/secure/sendbatch", body)
        self.assertEqual(answer.json["data"]["scheduled"], "60s")
        self.assertEqual(self.channel.submitted, [])
        page = self.result(self.gateway.search(Search()))
        story = self.result(self.gateway.story(page.messages[0]["id"]))
        self.assertEqual(story["message"]["not_before"], NOW + 60)
        body["batch_config"]["schedule_at"] = "2026-12-31 23:59:59"
        answer = self.rest("/secure/sendbatch", body)
        self.assertRegex(answer.json["data"]["scheduled"], r"^\d{7}s$")


class CallTests(JasminTestCase):
    settles = False

    def dlr(self, **fields: str) -> str:
        """Send a message that wants callbacks; return its id."""
        status, body = self.said(**{"dlr_url": URL, **fields})
        self.assertEqual(status, 200, body)
        return body[9:-1]

    def test_levels(self) -> None:
        """DJ14: an address alone is level 1 by POST; 2 is the end; 3 is both."""
        for fields, levels in (
            ({}, "1"),
            ({"dlr_level": "2"}, "2"),
            ({"dlr_level": "3"}, "12"),
        ):
            with self.subTest(fields=fields):
                self.platform.called.clear()
                id_ = self.dlr(**fields)
                self.delivered(id_)
                forms = [one.form for one in self.platform.called]
                self.assertEqual("".join(one["level"] for one in forms), levels)
                self.assertEqual({one["id"] for one in forms}, {id_})
                self.assertEqual({o.method for o in self.platform.called}, {"POST"})
        first, last = forms
        self.assertEqual(
            first,
            {"id": id_, "level": "1", "message_status": "ESME_ROK", "connector": "a"},
        )
        self.assertEqual(last["message_status"], "DELIVRD")
        self.assertEqual(
            (last["dlvrd"], last["err"], last["sub"]), ("001", "000", "001")
        )
        self.assertEqual((last["id_smsc"], last["text"]), (f"p-{id_}", "ping"))
        self.assertRegex(last["donedate"], r"^\d{10}$")
        agent = self.platform.called[0].headers["user-agent"]
        self.assertEqual(agent, "Jasmin gateway/1.0 DLRThrower")

    def test_a_failure(self) -> None:
        """err is 001 exactly, or the carrier's digits."""
        id_ = self.dlr(dlr_level="2")
        self.answer(id_)
        error = Error("receipt:034", "absent")
        self.outcome(id_, MessageState.UNDELIVERED, error=error)
        form = self.platform.called[0].form
        self.assertEqual((form["message_status"], form["err"]), ("UNDELIV", "001"))
        self.close()
        self.settings = {"dlr_err": "provider"}
        id_ = self.dlr(dlr_level="2")
        self.answer(id_)
        self.outcome(id_, MessageState.UNDELIVERED, error=error)
        self.assertEqual(self.platform.called[1].form["err"], "034")

    def test_refused_upstream(self) -> None:
        """DJ14: level 1 and 3 the carrier's status, level 2 one REJECTD."""
        error = Error("smpp:0x0000000B", "Invalid Destination Address")
        for level, status in (
            *(("1", "ESME_RINVDSTADR"), ("3", "ESME_RINVDSTADR"), ("2", "REJECTD")),
        ):
            self.platform.called.clear()
            self.answer(self.dlr(dlr_level=level), Refused(error=error))
            [called] = self.platform.called
            self.assertEqual(called.form["message_status"], status)

    def test_no_callback_without_an_address(self) -> None:
        """dlr=yes alone, and no dlr at all."""
        for fields in ({"dlr": "yes"}, {"dlr_level": "3"}, {}):
            status, body = self.said(**fields)
            self.assertEqual(status, 200)
            self.delivered(body[9:-1])
        self.assertEqual(self.platform.called, [])

    def test_get(self) -> None:
        """DJ16: values escaped once, behind what the address has."""
        id_ = self.dlr(
            dlr_url=f"{URL}?a=b%20c", dlr_method="get", dlr_level="2", content="a&b €+"
        )
        self.delivered(id_)
        [called] = self.platform.called
        self.assertEqual(called.method, "GET")
        self.assertTrue(called.path.startswith("/dlr?a=b%20c&id="))
        self.assertEqual(called.query["text"], "a&b ?+")

    def test_acknowledged(self) -> None:
        """DJ15: ACK/Jasmin and nothing else; four in Jasmin's time, then later."""
        self.url = f"sqlite:///{Path(self.mktemp()).absolute()}"
        self.platform.said = b"<html>ACK/Jasmin</html>"
        self.answer(self.dlr())
        self.assertEqual(self.platform.times, [0.0])
        self.platform.said = b"OK"
        self.pass_(30.0)
        self.platform.status = 500
        self.pass_(30.0)
        self.platform.status = 200
        self.pass_(30.0)
        self.assertEqual(self.platform.times, [0.0, 30.0, 60.0, 90.0])
        self.restart()
        self.pass_(NOW + 389.0 - self.clock.seconds())
        self.assertEqual(len(self.platform.times), 4)
        self.platform.said = b" ACK/Jasmin\n"
        self.pass_(1.0)
        self.assertEqual(self.platform.times[-1], 390.0)
        self.pass_(86400.0)
        self.assertEqual(len(self.platform.times), 5)


class InboundTests(JasminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {"vts": AccountSettings(numbers=("*",))}
        self.settings = {"inbound_url": "http://vts.example.org/mo"}

    def test_texts_and_octets(self) -> None:
        """DJ17: content are the octets of the coding; the ACK rule holds."""
        self.settings["inbound_method"] = "POST"
        self.open()
        self.arrive("é@")
        self.arrive("да")
        self.arrive(None, binary=b"\x00\xff", charset="binary")
        gsm, wide, binary = [one.body for one in self.platform.called]
        self.assertIn(b"&coding=0&content=%05%00&binary=0500", gsm)
        self.assertIn(b"&coding=8&content=%044%040&binary=04340430", wide)
        self.assertIn(b"&coding=4&content=%00%FF&binary=00ff", binary)
        form = self.platform.called[0].form
        self.assertEqual((form["from"], form["to"]), (TO, "7777"))
        self.assertEqual(form["origin-connector"], "a")

    def test_again(self) -> None:
        """By GET, until it is acknowledged."""
        self.open()
        self.platform.said = b"OK"
        self.arrive("one")
        self.pass_(30.0)
        self.assertEqual(len(self.platform.called), 2)
        self.assertEqual(self.platform.called[0].query["binary"], b"one".hex())
