"""The provider of CONTRIBUTING.rst, taken out of the page and put to work."""

from __future__ import annotations

import hmac
import json
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gdemoi.cloud.channel import KINDS, channel_kind
from gdemoi.cloud.encoded import CloudEncodedMessage
from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.cloud.provider import Provider
from gdemoi.errors import OurFault
from gdemoi.interfaces import IChannel
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    MessageState,
    Outcome,
    Receipt,
    Refused,
    Scope,
    Uncertain,
    provider_key,
)
from gdemoi.sandbox.clouds_http import CallbackSender
from gdemoi.settings import load
from tests.cloud.net import (
    CLOUDS,
    NOW,
    PUBLIC,
    Answers,
    ChannelRig,
    Net,
    answered,
    message,
)
from tests.cloud.test_channel import context
from tests.ini.sources import Memory

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.rst"
KEY = "s1gns-webhooks"
INI = f"""\
[gateway]
name = test
journal = sqlite:///journal.sqlite
home_country = RU

[http]
webhooks = tcp:22000:interface=127.0.0.1
public_url = {PUBLIC}

[acme:eu]
api_key = k3y-of-acme
signing_key = {KEY}
base_url = {CLOUDS}
allowed_sender = GDEMOI
"""


def provider_of_the_page() -> ModuleType:
    """Return the page's code as a module."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition("Adding a cloud provider\n")[2]
    found = re.search(r"::\n\n((?:    .*\n|\n)+)", section)
    assert found is not None
    code = textwrap.dedent(found[1])
    module = ModuleType("acme")
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    module.__dict__["LINES"] = [line for line in code.splitlines() if line.strip()]
    return module


ACME: Any = provider_of_the_page()


class ShownProviderTests(SynchronousTestCase):
    """A channel of it, between a fake HTTP API and the way up."""

    def setUp(self) -> None:
        kinds = (*KINDS, channel_kind(ACME.KIND))
        sources = Memory({"g.ini": INI.encode()})
        (self.configured,) = load("g.ini", kinds=kinds, sources=sources).channels
        self.net = Net()
        self.callbacks = CallbackSender(self.net.agent(), self.net.clock)

    def rig(self, *replies: Any) -> ChannelRig:
        """Start a channel whose provider answers `replies`."""
        self.api = Answers(*replies)
        self.net.serve(22080, self.api)
        return ChannelRig(
            self.configured.settings, name="eu", net=self.net, kind=ACME.KIND
        ).start()

    def bring(
        self, where: str, fields: dict[str, Any], key: str = "s1gns-webhooks"
    ) -> int:
        """Post a signed webhook; return how it was answered."""
        body = json.dumps(fields).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Signature": hmac.new(key.encode(), body, "sha256").hexdigest(),
        }
        self.callbacks.bring(f"{PUBLIC}/sms/eu/{where}", body, headers)
        self.net.settle()
        url, status = self.callbacks.tries[-1]
        assert status is not None, url
        return status

    def test_it_is_short(self) -> None:
        """One that can do the least is a page of code, with its imports."""
        self.assertLess(len(ACME.LINES), 85)

    def test_one_name_makes_it_a_kind_of_channel(self) -> None:
        """Its section is read, and a channel is made of it, as of every kind."""
        self.assertEqual(self.configured.label, "acme:eu")
        mounted: dict[str, Any] = {}
        channel = self.configured.kind.make(
            "eu", self.configured.settings, [], context(mounted)
        )
        self.assertTrue(verifyObject(IChannel, channel))
        self.assertEqual((channel.kind, channel.account), ("acme", "acme:eu"))
        self.assertEqual(set(mounted["eu"].children), {b"incoming", b"status"})

    def test_a_message_is_sent_and_delivered(self) -> None:
        """One request, and the signed webhook that tells what became of it."""
        rig = self.rig(answered({"id": "e1", "parts": 2}, 202))
        self.assertEqual(
            rig.submit(message("setparam 1;2 #€")),
            Accepted(provider_ids=("e1",), segments=2, receipt_expected=True),
        )
        ((method, path, headers, body),) = self.api.requests
        self.assertEqual((method, path), ("POST", "/v1/sms"))
        self.assertEqual(headers["x-api-key"], "k3y-of-acme")
        self.assertEqual(
            json.loads(body),
            {
                "to": "+79001234567",
                "from": "GDEMOI",
                "text": "setparam 1;2 #€",
                "reference": "g1",
                "ttl": "3600",
                "receipts": f"{PUBLIC}/sms/eu/status",
            },
        )
        fields = {"id": "e1", "from": "GDEMOI", "status": "delivered"}
        self.assertEqual(self.bring("status", fields), 200)
        self.assertEqual(
            rig.recorder.receipts,
            [
                Receipt(
                    account="acme:eu",
                    channel="eu",
                    provider_id="e1",
                    keys=(provider_key("e1"),),
                    state=MessageState.DELIVERED,
                    verified=True,
                )
            ],
        )

    def test_an_inbound_sms_comes_in(self) -> None:
        """With the plus sign that the gateway writes, and an id that tells repeats."""
        rig = self.rig(answered({}, 500))
        fields = {"id": "i1", "from": "79001234567", "to": "4455", "text": "точка 1"}
        self.assertEqual(self.bring("incoming", fields), 200)
        del fields["to"]
        self.assertEqual(self.bring("incoming", {**fields, "id": "i2"}), 200)
        first = Inbound(
            channel="eu",
            account="acme:eu",
            from_="+79001234567",
            to="4455",
            received_at=NOW,
            text="точка 1",
            charset="utf-8",
            dedup="acme:eu:i1",
        )
        second = msgspec.structs.replace(first, to=None, dedup="acme:eu:i2")
        self.assertEqual(rig.recorder.inbounds, [first, second])

    def test_webhooks_that_prove_nothing_are_refused(self) -> None:
        """Another key, or nothing in it: nobody hears of them."""
        rig = self.rig(answered({}, 500))
        self.assertEqual(self.bring("status", {"id": "e1"}, key="guessed"), 403)
        self.assertEqual(self.bring("incoming", {"text": "from nobody"}), 400)
        self.assertEqual((rig.recorder.receipts, rig.recorder.inbounds), ([], []))

    def test_its_errors_mean_what_its_table_says(self) -> None:
        """A code of the table, else the status; what may have gone out is uncertain."""
        provider = self.rig(answered({})).provider

        def outcome(status: int, fields: dict[str, Any]) -> Outcome:
            body = json.dumps(fields).encode()
            return provider.outcome_of(HttpAnswer(status=status, body=body), NOW)

        halted = outcome(400, {"error": "bad-key"})
        assert isinstance(halted, Refused)
        self.assertEqual(halted.scope, Scope.CHANNEL_HALTED)
        other = outcome(400, {"error": "bad-sender"})
        assert isinstance(other, Refused)
        self.assertEqual(other.scope, Scope.SENDER)
        self.assertEqual(
            outcome(422, {"error": "odd"}),
            Refused(error=Error("acme:odd", "HTTP 422")),
        )
        self.assertEqual(
            outcome(413, {}), Refused(error=Error("acme:http413", "HTTP 413"))
        )
        self.assertEqual(
            outcome(500, {"error": "bad-key"}),
            Uncertain(why="acme:bad-key: HTTP 500"),
        )
        for status, fields in (
            (503, {"error": "bad-key"}),
            (202, {}),
            (202, {"error": "odd"}),
            (408, {}),
        ):
            self.assertIsInstance(outcome(status, fields), Uncertain, (status, fields))
        for status, fields in (
            (400, {"id": "e1", "error": "bad-key"}),
            (202, {"id": "e1", "error": "bad-key"}),
        ):
            both = outcome(status, fields)
            assert isinstance(both, Uncertain)
            self.assertEqual(both.provider_ids, ("e1",), (status, fields))

    def test_what_it_cannot_do_is_never_asked(self) -> None:
        """No polling, no balance, no question about a message: not one request."""
        rig = self.rig(answered({}))
        self.net.advance(7200)
        self.assertIsNone(
            self.successResultOf(rig.channel.ask(message(), ["e1"])),
        )
        self.failureResultOf(rig.channel.command("", "balance", ()), OurFault)
        self.assertEqual(self.api.requests, [])
        self.assertIsNone(rig.channel.describe()["balance"])
        answer, asked = HttpAnswer(status=200), HttpRequest(method="GET", url=CLOUDS)
        self.assertEqual(
            (
                rig.provider.status_of(answer, ["e1"], NOW).stopped,
                rig.provider.inbound_of(answer, asked, NOW).stopped,
            ),
            ("acme has no such question", "acme has no such question"),
        )

    def test_a_provider_that_lacks_the_least_cannot_be_made(self) -> None:
        """Sending, reading the answer, reading webhooks: forgotten is found at once."""
        for name in ("capabilities", "request_for", "outcome_of", "events_of"):
            forgetful = type(
                "Forgetful",
                (ACME.Acme,),
                {name: getattr(Provider, name), "__slots__": ()},
            )
            with self.assertRaisesRegex(TypeError, name):
                forgetful(self.configured.settings, "eu")

    def test_its_secrets_are_shown_nowhere(self) -> None:
        """Every key that is declared as a secret is hidden, without a further word."""
        rig = self.rig(answered({}))
        prepared = rig.channel.prepare(message())
        assert isinstance(prepared, CloudEncodedMessage)
        shown = f"{prepared.wire()} {self.configured.settings!r}"
        self.assertIn("X-Api-Key: ***", shown)
        for key in ("k3y-of-acme", "s1gns-webhooks"):
            self.assertNotIn(key, shown)
            self.assertIn(key, rig.provider.secrets)
