"""How a notice reaches people: event, signed webhook, command, SMS."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from gdemoi.alerts.conditions import parse
from gdemoi.alerts.notices import (
    SMS_LETTERS,
    Teller,
    sentence,
    variables,
    webhooks_out,
)
from gdemoi.alerts.settings import AlertSettings
from gdemoi.alerts.watch import Notice
from gdemoi.cloud.http import CloudHttp
from gdemoi.doors.signature import signed, signing_key
from gdemoi.errors import Unavailable
from tests.http.gateway import NOW, FakeGateway

NOTICE = Notice(
    "carrier", "smsc", "smsc", "firing", "channel_down > 2m",
    "channel smsc is down: cut", NOW - 130, NOW,
)  # fmt: skip
OVER = Notice(
    "carrier", "smsc", "smsc", "recovered", "channel_down > 2m",
    "channel smsc is up", NOW - 130, NOW,
)  # fmt: skip
SECRET = f"whsec_{b64encode(b'0123456789abcdef01234567').decode()}"


def alert(**settings: Any) -> AlertSettings:
    """Return the settings of an alert that is told in the given ways alone."""
    settings.setdefault("event", False)
    return AlertSettings(when=parse("channel_down > 2m"), **settings)


class Receiver(Resource):
    """A server that keeps what is posted, and answers what it is told to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.status = 204

    def render_POST(self, request: IRequest) -> bytes:
        headers = {
            name.decode().lower(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.came.append((headers, request.content.read()))
        request.setResponseCode(self.status)
        return b""


class Machine(Clock):
    """A clock that also keeps the programs which were started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[Any, str, list[str], dict[str, str]]] = []
        self.missing = False

    def spawnProcess(
        self, protocol: Any, program: str, words: list[str], given: dict[str, str]
    ) -> Any:
        if self.missing:
            raise FileNotFoundError(2, "No such file or directory")
        self.started.append((protocol, program, words, given))
        protocol.makeConnection(Stdin())
        return protocol.transport

    def end(self, code: int = 0, said: bytes = b"") -> None:
        """Let the last program end."""
        protocol = self.started[-1][0]
        protocol.errReceived(said)
        why = ProcessDone(0) if not code else ProcessTerminated(code)
        protocol.processEnded(Failure(why))


class Stdin:
    """The near end of a program."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.signals: list[str] = []

    def write(self, octets: bytes) -> None:
        self.written += octets

    def closeStdin(self) -> None:
        self.closed = True

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)


class TellerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Machine()
        self.gateway = FakeGateway()
        self.receiver = Receiver()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.broken = 0
        self.agent = RequestTraversalAgent(self.receiver)
        http = CloudHttp(
            self.agent,
            self.clock,
            lambda: 0.5,
            timeout_s=15,
            in_flight=4,
            insecure=True,
        )
        self.teller = Teller(self.gateway, self.write, self.clock, http)

    def write(self, key: str, body: Any) -> Deferred[None]:
        if self.broken:
            self.broken -= 1
            return fail(Unavailable("no disk"))
        self.events.append((key, json.loads(body("e1"))))
        return succeed(None)

    def tell(self, settings: AlertSettings, notice: Notice = NOTICE) -> list[str]:
        """Tell a notice; return the warnings of the log."""
        with capturedLogs() as logs:
            self.teller.tell(notice, settings)
            self.agent.flush()
        return self.warnings(logs)

    def warnings(self, logs: Any) -> list[str]:
        return [
            one["fault"].args[0]
            for one in logs
            if one["log_level"] is LogLevel.warn and "fault" in one
        ]


class EventTests(TellerCase):
    def test_the_event(self) -> None:
        """As docs/events.rst tells it."""
        self.tell(alert(event=True))
        [(key, body)] = self.events
        self.assertEqual(key, "alert.carrier")
        self.assertEqual(
            body,
            {
                "v": 1, "type": "alert", "event_id": "e1", "name": "carrier",
                "state": "firing", "subject": "smsc", "channel": "smsc",
                "when": "channel_down > 2m", "text": "channel smsc is down: cut",
                "since": "2026-11-18T11:04:30.000Z", "at": "2026-11-18T11:06:40.000Z",
            },
        )  # fmt: skip

    def test_again_while_the_journal_cannot_be_written(self) -> None:
        """In the end it is there, once; until then the log says what is tried."""
        self.broken = 2
        said = self.tell(alert(event=True))
        self.assertEqual((said, self.events), (["no disk"], []))
        self.clock.advance(2)
        self.clock.advance(10)
        self.assertEqual(len(self.events), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_gateway_that_stops(self) -> None:
        """Leaves no timer of a way that failed."""
        self.broken = 99
        self.tell(alert(event=True))
        self.teller.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.broken, 98)

    def test_given_up_at_last(self) -> None:
        """No timer is left for a journal that never comes back."""
        self.broken = 99
        self.tell(alert(event=True))
        self.clock.pump([2, 10, 60, 300, 3600])
        self.assertEqual(self.broken, 94)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class WebhookTests(TellerCase):
    HOOK = alert(webhook="https://ops.example.org/sms", webhook_secret=SECRET)

    def test_signed_as_standard_webhooks_says(self) -> None:
        """Whoever holds the secret can check who says it, and when."""
        self.assertEqual(self.tell(self.HOOK), [])
        [(headers, body)] = self.receiver.came
        self.assertEqual(headers["webhook-id"], NOTICE.id)
        self.assertEqual(headers["webhook-timestamp"], str(int(NOW)))
        content = f"{NOTICE.id}.{int(NOW)}.".encode() + body
        key = b"0123456789abcdef01234567"
        mac = hmac.new(key, content, hashlib.sha256).digest()
        version, signature = headers["webhook-signature"].split(",")
        self.assertEqual((version, b64decode(signature)), ("v1", mac))
        self.assertEqual(json.loads(body)["text"], NOTICE.text)
        self.assertEqual(headers["content-type"], "application/json")

    def test_the_example_of_the_specification(self) -> None:
        """Secret, id, time and body of its own text give its signature."""
        found = signed(
            [signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            b'{"test": 2432232314}',
            1614265330.0,
        )
        self.assertEqual(
            found["webhook-signature"],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        )

    def test_a_server_that_fails(self) -> None:
        """Is asked again with the same id, so that it can tell a repeat."""
        self.receiver.status = 500
        said = self.tell(self.HOOK)
        self.assertEqual(said, ["https://ops.example.org/sms answered 500"])
        self.receiver.status = 200
        self.clock.advance(2)
        self.agent.flush()
        ids = {headers["webhook-id"] for headers, _ in self.receiver.came}
        self.assertEqual((len(self.receiver.came), len(ids)), (2, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_redirect_is_no_yes(self) -> None:
        """The JSON and its signature go where the settings say, and nowhere else."""
        self.receiver.status = 302
        self.assertIn("answered 302", self.tell(self.HOOK)[0])

    def test_an_event_that_fails_does_not_keep_it(self) -> None:
        """The journal is full: that is what it tells."""
        self.broken = 9
        settings = alert(event=True, webhook="https://o.org/", webhook_secret=SECRET)
        self.tell(settings)
        self.assertEqual(len(self.receiver.came), 1)


class CommandTests(TellerCase):
    TELL = alert(command=("/usr/local/bin/tell", "--sms", "a b"))

    def test_what_it_is_given(self) -> None:
        """Its words as they are, the facts in its environment, the JSON as input."""
        self.tell(self.TELL)
        [(protocol, program, words, given)] = self.clock.started
        self.assertEqual(program, "/usr/local/bin/tell")
        self.assertEqual(words, ["/usr/local/bin/tell", "--sms", "a b"])
        self.assertEqual(given["GDEMOI_ALERT_STATE"], "firing")
        self.assertEqual(
            given["GDEMOI_ALERT_TEXT"], "gdemoi-1: carrier: channel smsc is down: cut"
        )
        self.assertEqual(json.loads(protocol.transport.written)["name"], "carrier")
        self.assertTrue(protocol.transport.closed)
        self.clock.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_fails_is_run_again(self) -> None:
        """Its last words are in the log."""
        with capturedLogs() as logs:
            self.teller.tell(NOTICE, self.TELL)
            self.clock.end(3, b"no modem\n")
        self.assertIn("exit code 3. no modem", self.warnings(logs)[0])
        self.clock.advance(2)
        self.assertEqual(len(self.clock.started), 2)
        self.clock.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_hangs_is_killed(self) -> None:
        """After half a minute."""
        with capturedLogs() as logs:
            self.teller.tell(NOTICE, self.TELL)
            self.clock.advance(30)
        transport = self.clock.started[0][0].transport
        self.assertEqual(transport.signals, ["KILL"])
        self.assertIn("did not end in 30 s", self.warnings(logs)[0])
        self.clock.end(9)

    def test_one_that_is_not_there(self) -> None:
        """Is told, and nothing else stops."""
        self.clock.missing = True
        said = self.tell(self.TELL)
        self.assertIn("No such file or directory", said[0])

    def test_facts_are_plain_text(self) -> None:
        """Nothing of a far side's words reaches a shell: there is none."""
        odd = Notice("n", "s", None, "firing", "w", "$(reboot) `x`", NOW, NOW)
        found = variables(odd, "gw")["GDEMOI_ALERT_TEXT"]
        self.assertEqual(found, "gw: n: $(reboot) `x`")


class SmsTests(TellerCase):
    def setUp(self) -> None:
        super().setUp()
        self.gateway.described = [{"name": "smsc"}, {"name": "office"}, {"name": "tg"}]

    def taken(self) -> list[Any]:
        return [message for message, _ in self.gateway.taken.values()]

    def test_by_another_channel(self) -> None:
        """Than the one that is down."""
        self.tell(alert(sms=("+79161234567", "+79031234567"), sms_from="Ops"))
        first, second = self.taken()
        self.assertEqual((first.channels, first.priority), (("office", "tg"), 9))
        self.assertEqual((first.to, second.to), ("+79161234567", "+79031234567"))
        self.assertEqual(first.from_, "Ops")
        self.assertEqual(first.text, sentence(NOTICE, "gdemoi-1"))

    def test_by_the_channels_that_are_named(self) -> None:
        """Without the one it is about; none left is told in the log."""
        self.tell(alert(sms=("+79161234567",), sms_channels=("smsc", "tg")))
        self.assertEqual(self.taken()[0].channels, ("tg",))
        self.tell(alert(sms=("+79161234568",), sms_channels=("smsc",)))
        self.assertEqual(len(self.taken()), 1)

    def test_a_repeat_is_one_sms(self) -> None:
        """The id of the message comes from the notice."""
        settings = alert(sms=("+79161234567",))
        self.tell(settings)
        self.tell(settings)
        self.assertEqual(len(self.taken()), 1)
        self.tell(settings, OVER)
        texts = [message.text for message in self.taken()]
        self.assertEqual(texts[1], "gdemoi-1: carrier is over: channel smsc is up")

    def test_a_long_text_is_cut(self) -> None:
        """An alert is not to cost ten segments."""
        long = Notice("n", "s", None, "firing", "w", "x" * 900, NOW, NOW)
        self.tell(alert(sms=("+79161234567",)), long)
        self.assertEqual(len(self.taken()[0].text), SMS_LETTERS)

    def test_one_that_is_refused_is_tried_again(self) -> None:
        """A route may come back."""
        said = self.tell(alert(sms=("+9991234567",)))
        self.assertEqual(said, ["gateway:no_route: no route leads anywhere"])
        self.clock.pump([2, 10, 60, 300])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ProgramTests(TestCase):
    """A real program, as the operating system runs it."""

    async def test_it_runs(self) -> None:
        """It finds the facts where they are said to be."""
        from twisted.internet import reactor

        file = Path(self.mktemp())
        script = (
            "import os, sys, pathlib; pathlib.Path(sys.argv[1]).write_text("
            "os.environ['GDEMOI_ALERT_NAME'] + sys.stdin.read())"
        )
        http = webhooks_out(reactor)
        teller = Teller(FakeGateway(), lambda key, body: succeed(None), reactor, http)
        settings = alert(command=(sys.executable, "-c", script, str(file)))
        await teller._command(NOTICE, settings)
        name, _, body = file.read_text().partition("{")
        self.assertEqual(name, "carrier")
        self.assertEqual(json.loads("{" + body)["state"], "firing")
