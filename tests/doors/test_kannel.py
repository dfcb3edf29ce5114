"""Kannel's sendsms: what clients say, what they hear, what leaves.

The cases are those of a list of our own for doors, by their numbers (DK1 …).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import fail
from twisted.logger import capturedLogs, formatEvent

from gdemoi.accounts.settings import AccountSettings
from gdemoi.doors.kannel_door import ACCEPTED, QUEUED
from gdemoi.doors.settings import DoorSections, KannelSettings
from gdemoi.errors import Unavailable
from gdemoi.ini.networks import networks
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

DLR = "http://vts.example.org/dlr?type=%d&to=%p&from=%P&answer=%A&myid=7"
USER = {"username": "vts", "password": "pa ss&w"}
DENIED = "Number(s) has/have been denied by white- and/or black-lists."


class KannelTestCase(DoorsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {"vts": AccountSettings(class_=MessageClass.COMMAND)}
        self.settings: dict[str, Any] = {}

    def open(self, journal: Journal | None = None) -> None:
        made = KannelSettings(
            **{"password": "pa ss&w", "default_sender": "GdeMoi", **self.settings}
        )
        self.sections = DoorSections(kannel={"vts": made})
        super().open(journal)

    def sendsms(self, **fields: str | bytes) -> Answer:
        """Ask for an SMS as most clients do."""
        asked = {**USER, "to": TO, "text": "ping", **fields}
        query = urlencode({name.replace("_", "-"): v for name, v in asked.items()})
        return self.ask(f"/cgi-bin/sendsms?{query}")

    def said(self, **fields: str | bytes) -> tuple[int, str]:
        """Ask for an SMS; return status and body of the answer."""
        answer = self.sendsms(**fields)
        return answer.status, answer.body.decode()

    def taken(self, **fields: str | bytes) -> Any:
        """Ask for an SMS; return the message that leaves."""
        self.assertEqual(self.said(**fields), (202, ACCEPTED))
        return self.channel.submitted[-1][0].message


class AnswerTests(KannelTestCase):
    def test_accepted(self) -> None:
        """DK1, DK2: 202 and just these octets, also while the channel is down."""
        answer = self.sendsms()
        self.assertEqual(
            (answer.status, answer.body), (202, b"0: Accepted for delivery")
        )
        self.assertEqual(answer.headers["content-type"], "text/html")
        message = self.channel.submitted[-1][0].message
        self.assertEqual(answer.headers["x-gdemoi-id"], message.id)
        self.assertRegex(message.id, "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertEqual(message.account, "vts")
        self.channel.down = "no link"
        self.assertEqual(self.said(), (202, ACCEPTED))

    def test_queued_where_that_is_wanted(self) -> None:
        """DK2: with `queued_reply`, as Kannel says it."""
        self.settings = {"queued_reply": True}
        self.assertEqual(self.said(), (202, ACCEPTED))
        self.channel.down = "no link"
        self.assertEqual(self.said(), (202, QUEUED))

    def test_after_the_commit(self) -> None:
        """DK31: a journal that does not write: 503, and nothing is kept."""
        self.open()
        self.patch(self.journal, "accept", lambda _: fail(Unavailable("disk full")))
        answer = self.sendsms()
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.body, b"Temporal failure, try again later.")
        self.assertIn("retry-after", answer.headers)
        self.assertEqual(self.channel.submitted, [])
        self.assertEqual(self.door("vts")["taken"], 0)

    def test_no_receiver(self) -> None:
        """DK3: missing and empty."""
        query = urlencode({**USER, "text": "x"})
        answer = self.ask(f"/cgi-bin/sendsms?{query}")
        self.assertEqual(answer.body, b"Missing receiver number, rejected")
        self.assertEqual(
            self.said(to=" "), (400, "Empty receiver number not allowed, rejected")
        )

    def test_who_may_not(self) -> None:
        """DK4: wrong password, nobody, a foreign address: one answer."""
        self.settings = {"allow_ip": networks("10.0.0.0/8")}
        denied = (403, "Authorization failed for sendsms")
        self.assertEqual(self.said(password="x"), denied)
        self.assertEqual(self.said(username="nobody"), denied)
        self.assertEqual(self.ask("/cgi-bin/sendsms").status, 403)
        query = urlencode({**USER, "to": TO, "text": "x"})
        answer = self.ask(f"/cgi-bin/sendsms?{query}", host="192.0.2.1")
        self.assertEqual((answer.status, answer.body.decode()), denied)
        self.assertEqual(self.channel.submitted, [])

    def test_who_guesses_waits(self) -> None:
        """DK4: ten in a minute, then 503 for a minute; others are not disturbed."""
        for _ in range(10):
            self.assertEqual(self.said(password="x")[0], 403)
        self.assertEqual(self.said()[0], 503)
        query = urlencode({**USER, "to": TO, "text": "x"})
        other = self.ask(f"/cgi-bin/sendsms?{query}", host="10.0.0.2")
        self.assertEqual(other.status, 202)
        self.clock.advance(60.0)
        self.assertEqual(self.said()[0], 202)

    def test_old_names(self) -> None:
        """DK5: user and pass."""
        query = urlencode({"user": "vts", "pass": "pa ss&w", "to": TO, "text": "x"})
        self.assertEqual(self.ask(f"/sendsms?{query}").status, 202)
        self.assertEqual(self.ask(f"/kannel/sendsms?{query}").status, 202)
        self.assertEqual(self.ask("/x").body, b"Unknown request.")

    def test_senders(self) -> None:
        """DK6, DK7: none at all; the default; faked-sender beats all."""
        self.assertEqual(self.taken().from_, "GdeMoi")
        self.assertEqual(self.taken(**{"from": "+7916"}).from_, "+7916")
        self.close()
        self.settings = {"default_sender": None}
        why = "Sender missing and no global set, rejected"
        self.assertEqual(self.said(), (400, why))
        self.close()
        self.settings = {"faked_sender": "Fake"}
        self.assertEqual(self.taken(**{"from": "X"}).from_, "Fake")

    def test_a_sender_that_is_not_allowed(self) -> None:
        """By the account, whatever the door."""
        self.accounts = {"vts": AccountSettings(allowed_sender=("GdeMoi",))}
        self.assertEqual(self.said()[0], 202)
        self.assertEqual(
            self.said(**{"from": "Bank"}), (400, "Sender not allowed, rejected")
        )

    def test_several_receivers(self) -> None:
        """DK8: one message each; a bad one is passed over, and counted."""
        answer = self.sendsms(to="+79161234567 79161234568")
        self.assertEqual(answer.status, 202)
        self.assertEqual(len(answer.headers["x-gdemoi-id"].split(", ")), 2)
        to = [ready.message.to for ready, _, _ in self.channel.submitted]
        self.assertEqual(to, ["+79161234567", "+79161234568"])
        self.assertEqual(self.said(to="7916x +79161234569")[0], 202)
        self.assertEqual(self.door("vts")["refused"], {"bad_number": 1})
        self.assertEqual(self.said(to="abc x"), (400, DENIED))
        self.close()
        self.settings = {"partial_to": False}
        self.channel.submitted.clear()
        self.assertEqual(self.said(to="7916x +79161234569"), (400, DENIED))
        self.assertEqual(self.channel.submitted, [])

    def test_misformed_fields(self) -> None:
        """DK9: ten fields, each in its words."""
        for name, value, word in (
            *(
                ("coding", "7", "Coding"),
                ("mclass", "9", "MClass"),
                ("mwi", "9", "MWI"),
            ),
            *(("pid", "999", "PID"), ("alt-dcs", "9", "Alt-DCS"), ("rpi", "9", "RPI")),
            *(("compress", "9", "Compress"), ("priority", "9", "Priority")),
            *(("validity", "-5", "Validity"), ("deferred", "-5", "Deferred")),
            *(("coding", "x", "Coding"), ("compress", "1", "Compress")),
        ):
            with self.subTest(field=name, value=value):
                self.assertEqual(
                    self.said(**{name: value}),
                    (400, f"{word} field misformed, rejected"),
                )
        self.assertEqual(self.channel.submitted, [])

    def test_a_header_of_a_wrong_length(self) -> None:
        """DK10: the first octet counts the others."""
        why = "UDH field misformed, rejected"
        self.assertEqual(self.said(udh=b"\x06\x05\x04"), (400, why))

    def test_no_route(self) -> None:
        """DK31: 403, as nothing will ever change that."""
        self.channel.refuses = Error("gateway:no_route", "no way")
        self.assertEqual(self.said(), (403, "Not routable. Do not try again."))

    def test_too_long(self) -> None:
        """DK16: refused, and nothing is sent."""
        self.channel.refuses = Error("gateway:too_long", "12 of 10")
        self.assertEqual(
            self.said(text="x" * 2000), (400, "Message too long, rejected")
        )
        self.assertEqual(self.channel.submitted, [])
        self.channel.refuses = None
        self.assertEqual(self.taken(text="x" * 2000).max_segments, 10)

    def test_cut_where_that_is_wanted(self) -> None:
        """DK16: as Kannel does, to max-messages; never through an escape pair."""
        self.settings = {"cut": True, "max_messages": 1}
        self.assertEqual(self.taken(text="x" * 400).text, "x" * 160)
        self.assertEqual(self.taken(text="x" * 159 + "€").text, "x" * 159)

    def test_an_unknown_charset(self) -> None:
        """DK17: and octets that are none of the charset."""
        why = (400, "Charset or body misformed, rejected")
        self.assertEqual(self.said(charset="nonsense"), why)
        self.assertEqual(self.said(text=b"\xff\xfe"), why)

    def test_other_methods(self) -> None:
        """DK19: HEAD and PUT send nothing."""
        query = urlencode({**USER, "to": TO, "text": "x"})
        self.assertEqual(self.ask(f"/sendsms?{query}", "HEAD").status, 405)
        self.assertEqual(self.ask(f"/sendsms?{query}", "PUT").status, 400)
        self.assertEqual(self.channel.submitted, [])

    def test_rate_and_quota(self) -> None:
        """503 with the time to come again, never 403: clients keep the message."""
        self.accounts = {"vts": AccountSettings(rate=1.0, daily=2)}
        self.assertEqual(self.said()[0], 202)
        answer = self.sendsms()
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
        self.clock.advance(1.0)
        self.assertEqual(self.said()[0], 202)
        self.clock.advance(1.0)
        answer = self.sendsms()
        self.assertEqual(answer.status, 503)
        self.assertGreater(int(answer.headers["retry-after"]), 1000)
        refused = self.door("vts")["refused"]
        self.assertEqual(refused, {"rate": 1, "daily": 1})

    def test_a_full_backlog(self) -> None:
        """503: the client comes again."""
        self.open()
        self.dispatcher.intake.backlog_limit = 0
        self.assertEqual(self.said()[0], 503)

    def test_the_same_again(self) -> None:
        """Within dedup_window it is the first; without, two messages."""
        self.assertEqual([self.said()[0], self.said()[0]], [202, 202])
        self.assertEqual(len(self.channel.submitted), 2)
        self.close()
        self.channel.submitted.clear()
        self.accounts = {"vts": AccountSettings(dedup_window_s=60.0)}
        ids = [self.sendsms().headers["x-gdemoi-id"] for _ in range(2)]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(len(self.channel.submitted), 1)
        self.assertEqual(self.said(text="other")[0], 202)
        self.assertEqual(len(self.channel.submitted), 2)

    def test_no_password_in_the_log(self) -> None:
        """DK30: nor in the status."""
        with capturedLogs() as logs:
            self.said()
            self.said(password="hunter22")
            self.said(to="x", dlr_url="http://vts.example.org/?p=hunter22")
        shown = " ".join([*(str(formatEvent(one)) for one in logs), *map(str, logs)])
        shown += f"{self.doors.describe()} {self.sections}"
        for hidden in ("pa ss&w", "hunter22", "pa+ss"):
            self.assertNotIn(hidden, shown)


class TextTests(KannelTestCase):
    def test_blanks_and_plus(self) -> None:
        """DK14: ``a+b%20c%2Bd``; blanks at the ends are kept."""
        base = "/sendsms?username=vts&password=pa+ss%26w&to=%2B79161234567&text="
        self.assertEqual(self.ask(base + "+a+b%20c%2Bd+%0D%0A").status, 202)
        message = self.channel.submitted[-1][0].message
        self.assertEqual(message.text, " a b c+d \r\n")
        self.assertEqual(message.to, "+79161234567")

    def test_an_empty_text(self) -> None:
        """DK15: is an SMS, with or without the parameter."""
        self.assertEqual(self.taken(text="").raw.octets, b"")
        query = urlencode({**USER, "to": TO})
        self.assertEqual(self.ask(f"/sendsms?{query}").status, 202)

    def test_binary_by_its_header(self) -> None:
        """DK11: udh without coding is 8-bit; all octets pass."""
        octets = bytes(range(256))[:130]
        message = self.taken(udh=b"\x06\x05\x04\x0b\x84\x00\x00", text=octets)
        self.assertEqual((message.binary, message.text), (octets, None))
        self.assertEqual(message.udh, b"\x06\x05\x04\x0b\x84\x00\x00")
        message = self.taken(coding="1", text=bytes(range(128, 256)))
        self.assertEqual(message.binary, bytes(range(128, 256)))

    def test_wide(self) -> None:
        """DK12: with a charset it is converted, without it is octets as they are."""
        message = self.taken(coding="2", charset="UTF-8", text="п")
        self.assertEqual((message.text, message.charset), ("п", Charset.UCS2))
        message = self.taken(coding="2", text=b"\x04\x3f")
        self.assertEqual((message.text, message.charset), ("п", Charset.UCS2))
        message = self.taken(coding="2", text=b"\xd0\xbf\xd8\x00\x41")
        self.assertEqual(message.raw.octets, b"\xd0\xbf\xd8\x00\x41")
        self.assertEqual((message.raw.data_coding, message.text), (8, None))

    def test_cyrillic_without_a_coding(self) -> None:
        """DK13: a command is refused, a notification is UCS-2, or ? where wanted."""
        why = (400, "Charset or body misformed, rejected")
        self.assertEqual(self.said(text="Привет"), why)
        self.assertEqual(self.said(text="ключ é", coding="0"), why)
        self.close()
        self.accounts = {"vts": AccountSettings(class_=MessageClass.NOTIFICATION)}
        self.assertEqual(self.taken(text="Привет").text, "Привет")
        self.close()
        self.settings = {"text_fallback": "question"}
        self.assertEqual(self.taken(text="да ok").text, "?? ok")

    def test_latin_charsets(self) -> None:
        """The charset is that of the octets."""
        message = self.taken(charset="ISO-8859-1", text=b"caf\xe9")
        self.assertEqual(message.text, "café")

    def test_flash_and_other_classes(self) -> None:
        """mclass 0 is flash; others are bits of data_coding, as Kannel makes them."""
        self.assertTrue(self.taken(mclass="0").flash)
        self.assertTrue(self.taken(flash="0").flash)
        for fields, dcs in (
            ({"mclass": "1"}, 0xF1),
            ({"mclass": "1", "alt_dcs": "1"}, 0x11),
            ({"mclass": "2", "coding": "1"}, 0xF6),
            ({"mclass": "1", "coding": "2", "charset": "utf-8"}, 0x19),
            ({"mwi": "0"}, 0xD8),
            ({"mwi": "5"}, 0xD1),
        ):
            with self.subTest(fields=fields):
                self.assertEqual(self.taken(**fields).raw.data_coding, dcs)
        message = self.taken(rpi="1", pid="64")
        self.assertEqual((message.raw.esm_class, message.smpp.protocol_id), (0x80, 64))

    def test_text_behind_a_header(self) -> None:
        """coding 0 with udh: the octets of GSM, under UDHI."""
        message = self.taken(coding="0", udh=b"\x03\x01\x01\x01", text="@[")
        self.assertEqual(message.raw.octets, b"\x03\x01\x01\x01\x00\x1b\x3c")
        self.assertEqual((message.raw.esm_class, message.raw.data_coding), (0x40, 0))

    def test_times_and_priority(self) -> None:
        """validity and deferred are minutes from now."""
        message = self.taken(validity="60", priority="3")
        self.assertEqual(message.expires_at, NOW + 3600)
        self.assertEqual(message.priority, 9)
        self.assertEqual(self.said(validity="60", deferred="5"), (202, ACCEPTED))
        page = self.result(
            self.gateway.search(
                __import__("gdemoi.contract.gateway", fromlist=["Search"]).Search()
            )
        )
        story = self.result(self.gateway.story(page.messages[0]["id"]))
        self.assertEqual(story["message"]["not_before"], NOW + 300)
        self.assertEqual(story["message"]["expires_at"], NOW + 3600)
        self.assertEqual(self.said(validity="5", deferred="5")[0], 400)

    def test_channels(self) -> None:
        """smsc is a channel's name, or one of the client's own; unknown: by routes."""
        self.settings = {"channel_names": {"modem1": "a"}}
        self.assertEqual(self.taken(smsc="modem1").channels, ("a",))
        self.assertEqual(self.taken(smsc="a").channels, ("a",))
        self.assertEqual(self.taken(smsc="b").channels, ())

    def test_labels(self) -> None:
        """account, binfo and meta-data are in every event; binfo goes upstream."""
        message = self.taken(account="unit 7", binfo="CMT", meta_data="?smpp?a=b")
        self.assertEqual(message.smpp.service_type, "CMT")
        self.assertEqual(
            bytes(message.correlation),
            b'{"account": "unit 7", "binfo": "CMT", "meta-data": "?smpp?a=b"}',
        )


class FormTests(KannelTestCase):
    def test_the_four_forms(self) -> None:
        """DK18: a form, text/plain with headers, XML: the same message as GET."""
        form = urlencode({**USER, "to": TO, "text": "a+b é"}).encode()
        kind = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        self.assertEqual(self.ask("/sendsms", "POST", form, kind).status, 202)
        login = urlencode(USER)
        half = urlencode({"to": TO, "text": "a+b é"}).encode()
        self.assertEqual(self.ask(f"/sendsms?{login}", "POST", half, kind).status, 202)
        headers = {
            "content-type": 'text/plain; charset="ISO-8859-1"',
            "X-Kannel-Username": "vts",
            "X-Kannel-Password": "pa ss&w",
            "X-Kannel-To": TO,
        }
        body = "a+b é".encode("latin-1")
        self.assertEqual(self.ask("/sendsms", "POST", body, headers).status, 202)
        xml = (
            "<?xml version='1.0'?><message><submit><da><number>+79161234567</number>"
            "</da>"
            "<ud>a+b é</ud><from><username>vts</username><password>pa ss&amp;w"
            "</password></from></submit></message>"
        ).encode()
        answer = self.ask("/sendsms", "POST", xml, {"content-type": "text/xml"})
        self.assertEqual((answer.status, answer.body.decode()), (202, ACCEPTED))
        texts = [ready.message.text for ready, _, _ in self.channel.submitted]
        self.assertEqual(texts, ["a+b é"] * 4)

    def test_octets_in_a_body(self) -> None:
        """application/octet-stream is 8-bit; its header is in hexadecimal."""
        headers = {
            "content-type": "application/octet-stream",
            "x-kannel-username": "vts",
            "x-kannel-password": "pa ss&w",
            "x-kannel-to": TO,
            "x-kannel-udh": "0605040b840000",
        }
        self.assertEqual(self.ask("/sendsms", "POST", b"\0\xff", headers).status, 202)
        message = self.channel.submitted[-1][0].message
        self.assertEqual(
            (message.binary, message.udh.hex()), (b"\0\xff", "0605040b840000")
        )

    def test_credentials_of_the_query_do_not_count_with_headers(self) -> None:
        """As in Kannel: a text/plain POST has them in its headers."""
        answer = self.ask(
            f"/sendsms?{urlencode(USER)}", "POST", b"x", {"content-type": "text/plain"}
        )
        self.assertEqual(answer.status, 403)

    def test_what_is_no_form(self) -> None:
        """Other types; XML with entities or broken."""
        for kind, body, status in (
            ("image/png", b"x", 415),
            ("text/xml", b"<x", 400),
            ("text/xml", b"<x/>", 400),
            (
                "text/xml",
                b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><message>'
                b"<submit><ud>&e;</ud></submit></message>",
                400,
            ),
        ):
            with self.subTest(kind=kind, body=body):
                answer = self.ask("/sendsms", "POST", body, {"content-type": kind})
                self.assertEqual(answer.status, status)

    def test_aliases(self) -> None:
        """A template client with names of its own."""
        self.settings = {
            "aliases": {"clientaddress": "to", "message": "text", "pw": "password"}
        }
        fields = {
            "username": "vts", "pw": "pa ss&w", "clientaddress": TO, "message": "hi",
            "transport": "x", "id": "7",
        }  # fmt: skip
        self.assertEqual(self.ask(f"/sendsms?{urlencode(fields)}").status, 202)
        self.assertEqual(self.channel.submitted[-1][0].message.text, "hi")

    def test_a_body_that_is_too_large(self) -> None:
        """413, and nothing is read of it."""
        answer = self.ask(
            "/sendsms", "POST", b"x" * 1_100_000, {"content-type": "text/plain"}
        )
        self.assertEqual(answer.status, 413)


class ReceiptTests(KannelTestCase):
    settles = False

    def dlr(self, mask: str = "31", url: str = DLR, **fields: str) -> str:
        """Send a message that wants callbacks; return its id."""
        answer = self.sendsms(dlr_mask=mask, dlr_url=url, **fields)
        self.assertEqual(answer.status, 202, answer.body)
        return answer.headers["x-gdemoi-id"]

    def types(self) -> list[str]:
        return [one.query["type"] for one in self.platform.called]

    def test_submitted_then_delivered(self) -> None:
        """DK20, DK24: 8 before 1; numbers as written, the client's own id untouched."""
        id_ = self.dlr(to="89161234567", **{"from": "+7495"})
        self.assertEqual(self.types(), [])
        self.delivered(id_)
        self.assertEqual(self.types(), ["8", "1"])
        first, last = self.platform.called
        self.assertEqual((first.method, first.host), ("GET", "vts.example.org"))
        self.assertEqual(first.query["answer"], "ACK/")
        self.assertEqual(last.query["to"], "89161234567")
        self.assertEqual(last.query["from"], "+7495")
        self.assertEqual(last.query["myid"], "7")
        self.assertRegex(
            last.query["answer"],
            rf"^id:p-{id_} sub:001 dlvrd:001 submit date:\d{{10}} done date:\d{{10}}"
            r" stat:DELIVRD err:000 text:ping$",
        )

    def test_masks(self) -> None:
        """DK20: only what is asked for; no mask or no address is none."""
        for mask, state, types in (
            ("1", MessageState.DELIVERED, ["1"]),
            ("2", MessageState.DELIVERED, []),
            ("2", MessageState.UNDELIVERED, ["2"]),
            ("19", MessageState.UNDELIVERED, ["2"]),
            ("24", MessageState.DELIVERED, ["8"]),
            ("x", MessageState.DELIVERED, []),
            ("0", MessageState.DELIVERED, []),
            ("31", MessageState.UNDELIVERED, ["8", "2"]),
        ):
            with self.subTest(mask=mask, state=state):
                self.platform.called.clear()
                id_ = self.dlr(mask)
                self.answer(id_)
                self.outcome(id_, state)
                self.assertEqual(self.types(), types)
        self.platform.called.clear()
        id_ = self.sendsms(dlr_mask="31").headers["x-gdemoi-id"]
        self.delivered(id_)
        self.assertEqual(self.types(), [])

    def test_enroute(self) -> None:
        """4: the network keeps it."""
        id_ = self.dlr("4")
        self.answer(id_)
        self.outcome(id_, MessageState.ENROUTE)
        self.assertEqual(self.types(), ["4"])

    def test_expired(self) -> None:
        """DK20: 2, which all clients know; 34 where wanted."""
        self.answer(id_ := self.dlr("2"))
        self.outcome(id_, MessageState.EXPIRED)
        self.assertEqual(self.types(), ["2"])
        self.close()
        self.settings = {"dlr_extended": True}
        self.open()
        self.answer(id_ := self.dlr("2"))
        self.outcome(id_, MessageState.EXPIRED)
        self.assertEqual(self.types(), ["2", "34"])

    def test_refused_upstream(self) -> None:
        """DK21: 16 alone, with the carrier's code and words."""
        id_ = self.dlr()
        error = Error("smpp:0x0B", "Invalid Destination Address")
        self.answer(id_, Refused(error=error))
        self.assertEqual(self.types(), ["16"])
        self.assertEqual(
            self.platform.called[0].query["answer"],
            "NACK/smpp:0x0B/Invalid Destination Address",
        )

    def test_every_escape_of_a_receipt(self) -> None:
        """DK22: as the list has them."""
        codes = "pPqQaAbeksSrtTiIdFncmMCuOBofRvVDxN"
        url = "http://vts.example.org/d?" + "&".join(
            f"{one if one.islower() else one + one}=%{one}" for one in codes
        )
        id_ = self.dlr(
            "1", url + "&pc=%%d&meta=%#smpp#a#", to="0079161234567",
            account="unit 7", meta_data="?smpp?a=b c", validity="60",
        )  # fmt: skip
        self.delivered(id_)
        [called] = self.platform.called
        query = called.query
        text = query["a"]
        self.assertTrue(text.startswith(f"id:p-{id_} sub:001"))
        expected = {
            "p": "0079161234567", "q": "+79161234567", "PP": "GdeMoi",
            "QQ": "GdeMoi", "AA": text, "b": text, "e": text.encode().hex(),
            "k": f"id:p-{id_}", "s": "sub:001", "SS": "dlvrd:001", "i": "a",
            "II": id_, "d": "1", "FF": f"p-{id_}", "n": "vts", "c": "-1", "meta": "b c",
            "m": "-1", "MM": "-1", "CC": "UTF-8", "u": "", "OO": "00", "BB": "",
            "o": "unit 7",
            "f": "", "v": "60", "VV": "", "x": "%x", "NN": "%N", "pc": "%d",
            "DD": "?smpp?a=b+c&", "TT": str(int(NOW)), "t": "2026-11-18 11:06:40",
        }  # fmt: skip
        for name, value in expected.items():
            if name == "t":
                self.assertRegex(query[name], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
            else:
                self.assertEqual(query[name], value, name)
        self.assertIn("&meta=b+c", called.path)
        self.assertTrue(query["RR"].startswith("http://vts.example.org/d?"))

    def test_the_platform_is_down(self) -> None:
        """DK25: told later, once after its 2xx; a restart in between loses none."""
        self.url = f"sqlite:///{Path(self.mktemp()).absolute()}"
        id_ = self.dlr()
        self.platform.status = 500
        self.delivered(id_)
        self.pass_(5.0)
        self.assertEqual(self.types(), ["8", "8"])
        self.restart()
        self.platform.status = 200
        self.pass_(600.0)
        self.assertEqual(self.types(), ["8", "8", "8", "1"])
        self.restart()
        self.pass_(600.0)
        self.assertEqual(len(self.types()), 4)

    def test_a_refusal_is_asked_again_later(self) -> None:
        """4xx: five minutes at least; 410 ends that one only."""
        id_ = self.dlr("24")
        self.platform.answers = [404, 410]
        self.answer(id_)
        self.pass_(299.0)
        self.assertEqual(len(self.types()), 1)
        self.pass_(1.0)
        self.assertEqual(len(self.types()), 2)
        self.pass_(86400.0)
        self.assertEqual(len(self.types()), 2)
        self.assertEqual(self.door("vts")["given_up"], 1)
        self.answer(self.dlr("24"))
        self.assertEqual(len(self.types()), 3)

    def test_addresses_that_are_not_called(self) -> None:
        """DK26: metadata, files, what is not allowed: refused with the message."""
        why = (400, "DLR-Url not allowed, rejected")
        for url in (
            *("http://169.254.169.254/latest", "file:///etc/passwd", "gopher://x/"),
            *("http://127.0.0.1/x?%d", "http://[::1]/", "x"),
        ):
            with self.subTest(url=url):
                self.assertEqual(self.said(dlr_mask="31", dlr_url=url), why)
        self.close()
        self.accounts = {"vts": AccountSettings(callback_allow=networks("127.0.0.1"))}
        self.settings = {"dlr_url_allow": ("http://127.0.0.1/",)}
        self.dlr(url="http://127.0.0.1/x?%d")
        self.assertEqual(self.said(dlr_mask="31", dlr_url=DLR), why)

    def test_the_address_of_the_section(self) -> None:
        """dlr_url of the configuration for messages that name none."""
        self.settings = {"dlr_url": "http://vts.example.org/all?type=%d&id=%I"}
        id_ = self.sendsms(dlr_mask="1").headers["x-gdemoi-id"]
        self.delivered(id_)
        self.assertEqual(self.platform.called[0].query, {"type": "1", "id": id_})


class InboundTests(KannelTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {"vts": AccountSettings(numbers=("7777",))}
        self.settings = {"get_url": "http://vts.example.org/mo?from=%p&to=%P&a=%a&k=%k"}

    def test_a_text(self) -> None:
        """Of the account's numbers, and of no other."""
        self.open()
        self.arrive("STATUS  ok *1", to="7777")
        self.arrive("other", to="8888")
        [called] = self.platform.called
        self.assertEqual(
            called.query,
            {"from": TO, "to": "7777", "a": "STATUS ok *1", "k": "STATUS"},
        )

    def test_a_text_with_escapes_in_it(self) -> None:
        """DK23: it stays a text."""
        self.open()
        self.arrive("%d&x=#%p €")
        self.assertEqual(self.platform.called[0].query["a"], "%d&x=#%p €")

    def test_octets_with_a_header(self) -> None:
        """DK27: %u, %b and %c."""
        self.settings = {
            "get_url": "http://vts.example.org/mo?u=%u&b=%b&c=%c&C=%C&O=%O&d=%d&e=%e"
        }
        self.open()
        self.arrive(
            None,
            binary=b"\x00\xff",
            charset="binary",
            udh=b"\x06\x05\x04\x0b\x84\x00\x00",
        )
        [called] = self.platform.called
        self.assertEqual(
            called.path,
            "/mo?u=%06%05%04%0B%84%00%00&b=%00%FF&c=1&C=8-BIT&O=04&d=-1&e=00ff",
        )

    def test_every_escape_of_a_text(self) -> None:
        """DK22: of an inbound SMS in Cyrillic."""
        codes = "cCOnoitIdDFfRvV"
        url = "http://vts.example.org/d?" + "&".join(
            f"{'x' + one if one.isupper() else one}=%{one}" for one in codes
        )
        self.settings = {"get_url": url + "&s1=%s&s2=%s&r=%r&S=%S&b=%b"}
        self.open()
        self.arrive("да *b c d e")
        query = self.platform.called[0].query
        self.assertEqual(query["c"], "2")
        self.assertEqual(query["xC"], "UTF-16BE")
        self.assertEqual(query["xO"], "08")
        self.assertEqual((query["n"], query["o"], query["i"]), ("vts", "vts", "a"))
        self.assertEqual((query["s1"], query["s2"]), ("*b", "c"))
        self.assertEqual((query["r"], query["S"]), ("d e", "d"))
        self.assertEqual((query["d"], query["xF"], query["xR"]), ("-1", "", ""))
        self.assertIn(
            "&b=%04%34%040", self.platform.called[0].path.replace("%044", "%04%34")
        )

    def test_post_url(self) -> None:
        """DK28: headers and body; nobody gets an SMS in return."""
        self.settings = {"post_url": "http://vts.example.org/mo", "send_sender": True}
        self.open()
        self.platform.said = b"OK"
        self.arrive("да")
        self.arrive(None, binary=b"\x00\xff", charset="binary", udh=b"\x03\x01\x01\x01")
        first, second = self.platform.called
        self.assertEqual((first.method, first.body.decode()), ("POST", "да"))
        self.assertEqual(first.headers["content-type"], 'text/plain; charset="UTF-8"')
        for name, value in {
            "x-kannel-to": "7777", "x-kannel-from": TO, "x-kannel-smsc": "a",
            "x-kannel-coding": "2", "x-kannel-service": "vts",
        }.items():  # fmt: skip
            self.assertEqual(first.headers[name], value)
        self.assertRegex(first.headers["x-kannel-time"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:")
        self.assertIn("GMT", first.headers["date"])
        self.assertEqual(second.headers["content-type"], "application/octet-stream")
        self.assertEqual(second.headers["x-kannel-udh"], "03010101")
        self.assertEqual(second.body, b"\x00\xff")
        self.assertEqual(self.channel.submitted, [])

    def test_it_comes_again(self) -> None:
        """A failure repeats it, in order of what is about the same only."""
        self.open()
        self.platform.answers = [500]
        self.arrive("one")
        self.arrive("two")
        self.pass_(5.0)
        self.assertEqual(
            [one.query["a"] for one in self.platform.called], ["one", "two", "one"]
        )
