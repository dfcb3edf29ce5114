"""Signed webhooks: what is posted, when again, and what is never called.

The cases are those of a list of our own for doors, by their numbers (DW1 …).
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any
from unittest.mock import patch

from standardwebhooks import Webhook, WebhookVerificationError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.accounts.settings import AccountSettings
from gdemoi.cloud.exchange import HttpRequest
from gdemoi.cloud.http import RequestNotSent
from gdemoi.doors.client import AllowedAddresses, callback_client, complaint_of_url
from gdemoi.doors.settings import DoorSections, WebhookSettings
from gdemoi.doors.signature import signed, standard_key
from gdemoi.doors.webhook import form_of
from gdemoi.ini import parse
from gdemoi.ini.networks import networks
from gdemoi.journal import Journal
from gdemoi.message import MessageClass, MessageState
from tests.doors.house import NOW, Called, DoorsTestCase
from tests.ini.sources import Memory
from tests.named_reactor import NamedReactor

KEY = b"0123456789abcdef0123456789abcdef"
OTHER = b"fedcba9876543210fedcba9876543210"
SECRET = f"whsec_{b64encode(KEY).decode()}"
OLD = f"whsec_{b64encode(OTHER).decode()}"
URL = "https://user:pa%20ss@erp.example.org/sms?tenant=7"


def verified(called: Called, key: bytes = KEY) -> bool:
    """Tell whether the library of Standard Webhooks takes a request."""
    from datetime import UTC, datetime

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(called.at, UTC)

    with patch("standardwebhooks.webhooks.datetime", Then):
        try:
            Webhook(key).verify(called.body, called.headers, json_parse=False)
        except WebhookVerificationError:
            return False
    return True


class WebhookTestCase(DoorsTestCase):
    def start(self, journal: Journal | None = None, **settings: Any) -> None:
        """Start a house with one webhook."""
        made = WebhookSettings(**{"url": URL, "secret_": SECRET, **settings})
        self.sections = DoorSections(webhooks={"erp": made})
        self.open(journal)

    @property
    def bookmark(self) -> str:
        """Return what the journal remembers of the webhook."""
        return str(self.result(self.journal.cursor("callbacks:webhook:erp")))


class SignatureTests(SynchronousTestCase):
    def test_the_vector(self) -> None:
        """DW1: the octets that the specification's own library gives."""
        key = standard_key("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
        body = b'{"type":"status","id":"cmd-1"}'
        headers = signed([key], "ev_1", body, 1764240000.9)
        self.assertEqual(
            headers["webhook-signature"],
            "v1,a+d80TApdFnRIczKyv9WKlBlpRhfhhEq10mzpdeIGck=",
        )
        self.assertEqual(headers["webhook-timestamp"], "1764240000")

    def test_secrets_that_are_none(self) -> None:
        """DW14: too short, too long, no base64, no prefix: refused at the start."""
        for bad in (
            *("whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "plain text of 24 letters"),
            f"whsec_{b64encode(bytes(65)).decode()}",
        ):
            with self.subTest(secret=bad):
                self.assertRaises(ValueError, standard_key, bad)
                settings = WebhookSettings(url=URL, secret_=bad)
                [(key, why)] = settings.complaints()
                self.assertEqual(key, "secret")
                self.assertNotIn(bad.removeprefix("whsec_") or "?", why)


class PostTests(WebhookTestCase):
    def test_each_state_is_posted_in_its_order(self) -> None:
        """DW2: the library verifies each; headers, user and query are as configured."""
        self.start(headers={"X-Tenant": "fleet"})
        self.send("m1", text="Привет 🚗")
        self.delivered("m1")
        self.assertEqual(self.platform.states, ["accepted", "submitted", "delivered"])
        for called in self.platform.called:
            self.assertTrue(verified(called))
            self.assertEqual(called.method, "POST")
            self.assertEqual(called.path, "/sms?tenant=7")
            self.assertEqual(called.headers["content-type"], "application/json")
            self.assertEqual(called.headers["authorization"], "Basic dXNlcjpwYSBzcw==")
            self.assertEqual(called.headers["x-tenant"], "fleet")
            self.assertRegex(called.headers["user-agent"], r"^gdemoi/\d")
            self.assertEqual(called.json["event_id"], called.headers["webhook-id"])
            self.assertNotIn(".", called.headers["webhook-id"])

    def test_what_is_signed_is_what_is_sent(self) -> None:
        """DW3: letters and emoji of an inbound SMS, octet for octet."""
        self.start()
        self.arrive("Где машина? 🚗 «ok»")
        [called] = self.platform.called
        self.assertEqual(called.json["text"], "Где машина? 🚗 «ok»")
        self.assertIn("🚗".encode(), called.body)
        self.assertTrue(verified(called))
        called.body = called.body.replace("🚗".encode(), b"X")
        self.assertFalse(verified(called))

    def test_a_form_has_the_same_fields(self) -> None:
        """For PHP of old: flat names, signed the same way."""
        self.start(format="form")
        self.send("m1", correlation=__import__("msgspec").Raw(b'{"unit":7}'))
        self.delivered("m1")
        last = self.platform.called[-1]
        self.assertTrue(verified(last))
        form = last.form
        self.assertEqual(form["state"], "delivered")
        self.assertEqual(form["final"], "true")
        self.assertEqual(form["segments_total"], "1")
        self.assertEqual(form["provider_ids"], "p-m1")
        self.assertEqual(form["correlation"], '{"unit":7}')
        self.assertNotIn("error", form)

    def test_a_form_of_lists_of_objects(self) -> None:
        """Findings are JSON in one field."""
        body = b'{"findings":[{"code":"x","text":"y & z"}],"error":{"code":"a:b"}}'
        self.assertEqual(
            form_of(body),
            b"findings=%5B%7B%22code%22%3A%22x%22%2C%22text%22%3A%22y+%26+z%22%7D%5D"
            b"&error_code=a%3Ab",
        )

    def test_two_secrets_sign_for_a_day(self) -> None:
        """DW5: old and new verify; after 24 hours only the new; a restart counts on."""
        self.url = f"sqlite:///{Path(self.mktemp()).absolute()}"
        self.start(old_secret=OLD)
        self.send("m1")
        self.assertEqual(
            [verified(self.platform.called[-1], key) for key in (KEY, OTHER)],
            [True, True],
        )
        self.pass_(23 * 3600.0)
        self.restart()
        self.send("m2")
        self.assertTrue(verified(self.platform.called[-1], OTHER))
        self.pass_(3600.0)
        self.restart()
        self.send("m3")
        self.assertEqual(
            [verified(self.platform.called[-1], key) for key in (KEY, OTHER)],
            [True, False],
        )

    def test_only_what_is_asked_for(self) -> None:
        """Types, states and accounts."""
        self.accounts["other"] = AccountSettings(numbers=("7777",))
        self.accounts["fleet"] = AccountSettings(numbers=("8888",))
        self.start(accounts=("fleet",), states=(MessageState.DELIVERED,))
        self.send("m1")
        self.send("m2", account="other")
        self.delivered("m1")
        self.delivered("m2")
        self.arrive(to="7777")
        self.arrive("for us", to="8888")
        self.result(self.journal.changed("a", None, "down", "cut", NOW))
        told = [one.json for one in self.platform.called]
        self.assertEqual(
            [(one["type"], one.get("account")) for one in told],
            [("status", "fleet"), ("inbound", None)],
        )
        self.assertEqual(told[1]["text"], "for us")

    def test_answers_when_asked_for(self) -> None:
        """Of commands of the section's accounts; the phone that sent one answers."""
        self.accounts["fleet"] = AccountSettings(numbers=("8888",))
        self.start(accounts=("fleet",), types=("answer",))
        for name, account in (("m1", "fleet"), ("m2", "other")):
            self.send(name, account=account, class_=MessageClass.COMMAND)
            self.answer(name)
            self.arrive(f"OK {name}")
        (told,) = [one.json for one in self.platform.called]
        self.assertEqual((told["id"], told["text"]), ("m1", "OK m1"))

    def test_channels_when_asked_for(self) -> None:
        """A channel that went down is an event as any."""
        self.start(types=("channel",))
        self.send("m1")
        self.result(self.journal.changed("a", None, "down", "cut", NOW))
        self.assertEqual(self.platform.called[-1].json["state"], "down")
        self.assertEqual(
            {one.json["type"] for one in self.platform.called}, {"channel"}
        )


class AgainTests(WebhookTestCase):
    def test_the_schedule(self) -> None:
        """DW4, DW6, DW13: 5 s, 5 min …; the id stays, the time is new; then parked."""
        self.start(event_ttl_s=30 * 86400.0, states=(MessageState.ACCEPTED,))
        self.platform.status = 500
        self.send("m1")
        hours = [3600.0 * one for one in (2, 5, 10, 14, 20, 24)]
        for pause_s in (5.0, 300.0, 1800.0, *hours):
            self.pass_(pause_s - 0.5)
            before = len(self.platform.called)
            self.pass_(0.5)
            self.assertEqual(len(self.platform.called), before + 1, pause_s)
        called = self.platform.called
        self.assertEqual(len(called), 10)
        self.assertEqual(len({one.headers["webhook-id"] for one in called}), 1)
        stamps = [int(one.headers["webhook-timestamp"]) for one in called]
        self.assertEqual(stamps, [int(one.at) for one in called])
        self.assertTrue(verified(called[-1]))
        self.flushLoggedErrors()
        queue = self.doors.callbacks["webhook:erp"]
        [parked] = self.result(queue.parked())
        self.assertEqual(parked["event"]["id"], "m1")
        self.assertIn("HTTP 500", parked["why"])
        self.platform.status = 204
        self.assertEqual(self.result(queue.replay([99])), [])
        self.assertEqual(self.result(queue.replay()), [parked["seq"]])
        self.assertEqual(len(called), 11)
        self.assertEqual(self.result(queue.parked()), [])

    def test_jitter_is_a_tenth_at_most(self) -> None:
        """DW6: so that many who wait do not all come at once."""
        self.start()
        self.doors.callbacks["webhook:erp"]._random = lambda: 1.0
        self.platform.answers = [500]
        self.send("m1")
        self.pass_(5.4)
        self.assertEqual(len(self.platform.called), 1)
        self.pass_(0.1)
        self.assertEqual(len(self.platform.called), 2)

    def test_a_redirect_is_a_failure(self) -> None:
        """DW7: 302 is not followed, and tried again."""
        self.start()
        self.platform.answers = [(302, {"location": "http://127.0.0.1/admin"})]
        self.send("m1")
        self.assertEqual(len(self.platform.called), 1)
        self.pass_(5.0)
        self.assertEqual(self.platform.called[1].path, "/sms?tenant=7")

    def test_gone_disables(self) -> None:
        """DW8: 410 ends all calls, also after a restart, until someone resumes."""
        self.url = f"sqlite:///{Path(self.mktemp()).absolute()}"
        self.start()
        self.platform.answers = [410]
        with capturedLogs() as logs:
            self.send("m1")
        self.assertIn("410 Gone", " ".join(formatEvent(one) for one in logs))
        self.send("m2")
        self.pass_(86400.0)
        self.assertEqual(len(self.platform.called), 1)
        self.assertEqual(self.door("erp")["state"], "disabled")
        self.restart()
        self.pass_(86400.0)
        self.assertEqual(len(self.platform.called), 1)
        self.assertEqual(self.door("erp")["state"], "disabled")
        self.result(self.doors.callbacks["webhook:erp"].resume())
        told = [(one.json["id"], one.json["state"]) for one in self.platform.called[1:]]
        self.assertEqual(told[0], ("m1", "accepted"))
        self.assertIn(("m2", "accepted"), told)
        self.assertEqual(self.door("erp")["state"], "up")

    def test_slow_down(self) -> None:
        """DW8: 429 with Retry-After: 7: nothing at all leaves for 7 seconds."""
        self.start()
        self.platform.answers = [(429, {"retry-after": "7"})]
        self.send("m1")
        self.send("m2")
        self.pass_(6.9)
        self.assertEqual(len(self.platform.called), 1)
        self.pass_(0.1)
        self.assertEqual({one.json["id"] for one in self.platform.called}, {"m1", "m2"})

    def test_retry_after_has_a_limit(self) -> None:
        """DW8: a day at most."""
        self.start()
        self.platform.answers = [(503, {"retry-after": "999999"})]
        self.send("m1", expires_at=NOW + 10 * 86400)
        self.pass_(86399.0)
        self.assertEqual(len(self.platform.called), 1)
        self.pass_(1.0)
        self.assertGreater(len(self.platform.called), 1)

    def test_a_receiver_that_hangs(self) -> None:
        """DW9: cut at the time limit; the events of others go on meanwhile."""
        self.start()
        self.platform.answers = [None]
        self.send("m1")
        self.send("m2")
        self.assertEqual([one.json["id"] for one in self.platform.called], ["m1", "m2"])
        self.pass_(15.0)
        self.pass_(5.0)
        self.assertEqual(self.platform.called[-1].json["id"], "m1")
        self.assertEqual(self.platform.times[-1], 20.0)

    def test_a_restart_between_tries(self) -> None:
        """DW10: none is lost, none comes again after a 2xx, the tries count on."""
        self.url = f"sqlite:///{Path(self.mktemp()).absolute()}"
        self.start(states=(MessageState.ACCEPTED,))
        self.send("m1")
        self.platform.status = 500
        self.send("m2")
        self.pass_(5.0)
        self.assertEqual(len(self.platform.called), 3)
        self.restart()
        self.platform.status = 200
        self.pass_(NOW + 304.0 - self.clock.seconds())
        self.assertEqual(len(self.platform.called), 3)
        self.pass_(1.0)
        self.assertEqual(
            [one.json["id"] for one in self.platform.called], ["m1", "m2", "m2", "m2"]
        )
        self.restart()
        self.assertEqual(len(self.platform.called), 4)

    def test_what_happened_while_the_gateway_was_away(self) -> None:
        """DW10: events that nobody had time to post come after the start."""
        self.url = f"sqlite:///{Path(self.mktemp()).absolute()}"
        self.start()
        self.result(self.doors.stop())
        self.send("m1")
        self.pass_(1.0)
        self.restart()
        self.assertEqual(self.platform.states[0], "accepted")

    def test_the_order_of_a_message(self) -> None:
        """DW12: the final event waits for those before it; other messages do not."""
        self.start()
        self.platform.answers = [500]
        self.send("m1")
        self.send("m2")
        self.delivered("m1")
        self.delivered("m2")
        ids = [(one.json["id"], one.json["state"]) for one in self.platform.called]
        self.assertEqual(ids[0], ("m1", "accepted"))
        self.assertEqual(
            ids[1:], [("m2", s) for s in ("accepted", "submitted", "delivered")]
        )
        self.pass_(5.0)
        self.assertEqual(
            self.platform.states[-3:], ["accepted", "submitted", "delivered"]
        )

    def test_after_an_outage_all_goes_at_once(self) -> None:
        """Nobody waits for its hour when the platform is there again."""
        self.start(states=(MessageState.ACCEPTED,))
        self.platform.status = 500
        for number in range(20):
            self.send(f"m{number}")
        self.pass_(5.0)
        self.assertEqual(self.door("erp")["state"], "down")
        self.assertIn("HTTP 500", self.door("erp")["reason"])
        self.assertEqual(self.door("erp")["waiting"], 20)
        self.platform.status = 200
        before = len(self.platform.called)
        self.pass_(300.0)
        self.assertEqual(len(self.platform.called), before + 20)
        self.assertEqual(self.door("erp")["state"], "up")
        self.assertEqual(self.door("erp")["waiting"], 0)

    def test_what_is_too_old_is_given_up(self) -> None:
        """It is listed, and told in the log."""
        self.start(event_ttl_s=3600.0, states=(MessageState.ACCEPTED,))
        self.platform.status = 500
        self.send("m1")
        for _ in range(3):
            self.pass_(2000.0)
        self.flushLoggedErrors()
        self.assertEqual(self.door("erp")["given_up"], 1)
        self.assertIn("in time", self.door("erp")["last_given_up"])

    def test_many_more_than_are_held(self) -> None:
        """A thousand events pass through a platform that was down."""
        self.start(states=(MessageState.ACCEPTED,))
        self.platform.status = 503
        for number in range(1100):
            self.send(f"m{number}")
        self.assertLessEqual(self.door("erp")["waiting"], 1000)
        self.platform.status = 200
        self.pass_(86400.0)
        ids = {one.json["id"] for one in self.platform.called if one.at > NOW}
        self.assertEqual(len(ids), 1100)
        self.assertEqual(self.door("erp")["waiting"], 0)

    def test_the_secret_is_nowhere(self) -> None:
        """DW14: neither in the log, nor in what people see, nor in the bookmark."""
        with capturedLogs() as logs:
            self.start()
            self.platform.status = 500
            for number in range(5):
                self.send(f"m{number}")
            self.pass_(5.0)
        shown = " ".join([*(str(formatEvent(one)) for one in logs), *map(str, logs)])
        shown += f"{self.doors.describe()} {self.sections} {self.bookmark}"
        shown += str(self.doors.callbacks["webhook:erp"]._maker.request)
        for hidden in (SECRET, b64encode(KEY).decode(), "pa%20ss", "pa ss"):
            self.assertNotIn(hidden, shown)
        self.assertEqual(self.door("erp")["url"], "https://erp.example.org/sms")


class AddressTests(SynchronousTestCase):
    """DW11: what a callback may reach."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.reactor = NamedReactor(self.clock)

    def why(self, url: str, allowed: str = "") -> str:
        """Return why a request does not leave."""
        nets = networks(allowed) if allowed else ()
        http = callback_client(self.reactor, lambda: nets, 15.0)
        sending = Deferred.fromCoroutine(
            http.send(HttpRequest(method="POST", url=url, body=b"x"))
        )
        self.clock.pump([0.3] * 8)
        return str(self.failureResultOf(sending, RequestNotSent).value)

    def test_private_addresses_are_not_called(self) -> None:
        """Loopback, private, link-local, the metadata of clouds, in all spellings."""
        for host in (
            *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0"),
            *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "100.64.0.1"),
            *("[64:ff9b::a00:1]", "[2002:7f00:1::]", "224.0.0.1"),
        ):
            with self.subTest(host=host):
                self.assertIn("leads to", self.why(f"http://{host}/x"))
        self.assertEqual(self.reactor.tried, [])

    def test_names_are_judged_by_their_addresses(self) -> None:
        """One private address among public ones is enough, at whatever time."""
        self.reactor.names["erp.example"] = ["198.51.100.7", "127.0.0.1"]
        self.assertIn("erp.example leads to", self.why("http://erp.example/x"))
        self.reactor.names["erp.example"] = ["93.184.216.34"]
        self.assertIn("refused", self.why("http://erp.example/x").lower())
        self.assertEqual(self.reactor.tried, ["93.184.216.34"])
        # the name is another's now
        self.reactor.names["erp.example"] = ["127.0.0.1"]
        self.assertIn("leads to 127.0.0.1", self.why("http://erp.example/x"))
        self.assertEqual(self.reactor.tried, ["93.184.216.34"])

    def test_what_is_allowed_is_called(self) -> None:
        """callback_allow names networks and single addresses."""
        self.assertIn("refused", self.why("http://10.1.2.3/x", "10.0.0.0/8").lower())
        self.assertEqual(self.reactor.tried, ["10.1.2.3"])
        self.assertIn("leads to", self.why("http://10.1.2.3/x", "10.1.2.4"))

    def test_an_address_that_says_it_by_itself(self) -> None:
        """Is refused when the configuration is read."""
        self.assertIsNone(complaint_of_url("https://erp.example.org/x", ()))
        for bad in (
            *("ftp://a.b/", "http:///x", "file:///etc/passwd", "http://10.0.0.1/x"),
            *("http://localhost/x", "http://[::1]:80/x", "http://a b/", "http://ü.b/"),
            *("http://a:99999/", "gopher://a.b/"),
        ):
            with self.subTest(url=bad):
                self.assertIsNotNone(complaint_of_url(bad, ()))
        self.assertIsNone(complaint_of_url("http://10.0.0.1/x", networks("10.0.0.1")))

    def test_allowed_addresses_alone(self) -> None:
        """What is no address is not allowed; what is allowed may change."""
        nets = list(networks("10.0.0.0/8"))
        allowed = AllowedAddresses(lambda: tuple(nets))
        self.assertTrue(allowed("10.1.2.3"))
        nets.clear()
        self.assertFalse(allowed("10.1.2.3"))
        self.assertFalse(AllowedAddresses()("erp.example"))
        self.assertTrue(AllowedAddresses()("93.184.216.34"))
        self.assertTrue(AllowedAddresses()("2a00:1450:4001::1"))


class SettingsTests(SynchronousTestCase):
    def read(self, more: str) -> list[str]:
        """Return the complaints about a section."""
        text = f"[webhook:erp]\nurl = https://erp.example.org/x\n{more}"
        document = parse("x.ini", Memory({"x.ini": text.encode()}))
        document.sections[0].read(WebhookSettings)
        return [one.what for one in document.complaints if not one.warning]

    def test_what_contradicts_itself(self) -> None:
        """Each is told with its key."""
        good = f"secret = {SECRET}\n"
        self.assertEqual(self.read(good), [])
        self.assertIn("required", " ".join(self.read("")) or "")
        for more in (
            *("timeout = 60s", "types = inbound\nstates = delivered", "event_ttl = 1m"),
            *(f"old_secret = {SECRET}", "old_secret = whsec_AAAA", "format = xml"),
            *("types = sms", "header.X Y = z", "callback_allow = here"),
        ):
            with self.subTest(more=more):
                self.assertEqual(len(self.read(good + more)), 1)
