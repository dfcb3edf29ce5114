"""``[alert:NAME]`` in the ini: what is refused, with its line and what to write."""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.alerts.settings import AlertSettings
from gdemoi.doors.signature import signing_key
from gdemoi.settings import Configuration, examine
from tests.ini.sources import Memory

CHANNELS = """\
[gateway]
home_country = RU
[smpp:mts]
host = 127.0.0.1
system_id = u
password = p
[goip:office]
[amqp]
url = amqp://guest@127.0.0.1/
"""
SECRET = "webhook_secret = 0123456789abcdef"
# lines of [alert:x] -> the whole complaint, without its place
BAD = {
    "": "[alert:x] when: is required and missing",
    "when = chanel_down > 2m": (
        "[alert:x] when: 'chanel_down' is nothing that can be watched (channel_down,"
        " line_down, broker_down, callbacks_down, unready, signal, queue_age,"
        " delivered_ratio, balance, events_lag, disk_free, certificate_expires);"
        " did you mean channel_down > 2m?"
    ),
    "when = signal > 8": (
        "[alert:x] when: signal is compared by <; did you mean signal < 8?"
    ),
    "when = delivered_ratio < 80%": (
        "[alert:x] when: delivered_ratio needs the time that it is over; did you mean"
        " delivered_ratio < 80% over 15m?"
    ),
    "when = channel_down > 2m\nchannels = mst": (
        "[alert:x] channels: there is no channel mst; did you mean mts?"
    ),
    "when = events_lag > 1m\nchannels = mts": (
        "[alert:x] channels: events_lag is not about channels"
    ),
    "when = channel_down > 2m\nwebhook = ops.example.org": (
        "[alert:x] webhook: 'ops.example.org' is not an address like"
        " https://ops.example.org/sms"
    ),
    "when = channel_down > 2m\nwebhook = https://ops.example.org/": (
        "[alert:x] webhook_secret: is required: a webhook is signed"
    ),
    f"when = channel_down > 2m\n{SECRET}": (
        "[alert:x] webhook_secret: signs a webhook, and there is none"
    ),
    "when = channel_down > 2m\nwebhook = https://o.org/\nwebhook_secret = short": (
        "[alert:x] webhook_secret: is no key: is shorter than 16 octets"
    ),
    "when = channel_down > 2m\ncommand = mail -s x": (
        "[alert:x] command: begins with the full path of a program: /usr/local/bin/tell"
    ),
    "when = channel_down > 2m\ncommand = /bin/tell 'x": (
        "[alert:x] command: cannot be split into words: No closing quotation"
    ),
    "when = channel_down > 2m\nsms = +7916": "[alert:x] sms: +7916: ",
    "when = channel_down > 2m\nsms = 89161234567\nsms_channels = offise": (
        "[alert:x] sms_channels: there is no channel offise; did you mean office?"
    ),
    "when = channel_down > 2m\nsms_from = GdeMoi": (
        "[alert:x] sms_from: is only for `sms`"
    ),
    "when = channel_down > 2m\ndampening = 1m": (
        "[alert:x] dampening: is unknown here; did you mean damping?"
    ),
}
# what can be used, and probably not as it was meant
WARNINGS = {
    "when = events_lag > 1m": "events_lag: there is no [amqp]",
    "when = broker_down > 1m": "broker_down: there is no [amqp]",
}


def read(text: str) -> tuple[Configuration | None, list[str]]:
    """Return the configuration of an ini, and the complaints with their lines."""
    sources = Memory(files={"g.ini": text.encode()})
    configuration, complaints = examine("g.ini", sources=sources)
    return configuration, [str(one) for one in complaints]


class BadTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Each is refused with the line of the key, and what to write instead."""
        first = CHANNELS.count("\n") + 1
        for lines, expected in BAD.items():
            configuration, complaints = read(f"{CHANNELS}[alert:x]\n{lines}\n")
            self.assertIsNone(configuration, lines)
            wanted = [one for one in complaints if "[alert:x]" in one]
            self.assertEqual(len(wanted), 1, (lines, complaints))
            place, _, said = wanted[0].partition(": ")
            self.assertTrue(said.startswith(expected), f"{said}\n{expected}")
            self.assertGreaterEqual(int(place.split(":")[1]), first, wanted)

    def test_names(self) -> None:
        """They become part of routing keys."""
        for section, said in {
            "[alert]": "needs a name: write [alert:NAME]",
            "[alert:a.b]": "an alert's name is of letters, digits, _ and -",
        }.items():
            _, complaints = read(f"{CHANNELS}{section}\nwhen = line_down > 3m\n")
            self.assertIn(said, "\n".join(complaints))

    def test_what_can_never_happen(self) -> None:
        """A warning: the gateway runs, and nobody is told anything."""
        for lines, said in WARNINGS.items():
            text = CHANNELS.partition("[amqp]")[0]
            configuration, complaints = read(f"{text}[alert:x]\n{lines}\n")
            self.assertIsNotNone(configuration, complaints)
            self.assertIn(said, "\n".join(complaints))
        text = CHANNELS.replace("home_country", "journal = postgresql://u@h/b\n#")
        _, complaints = read(f"{text}[alert:x]\nwhen = disk_free < 1GiB\n")
        self.assertIn("a database, whose disk is not looked at", "\n".join(complaints))


class GoodTests(SynchronousTestCase):
    def test_numbers_in_one_form(self) -> None:
        """As people write them at home, and a list of them."""
        configuration, complaints = read(
            f"{CHANNELS}[alert:x]\nwhen = channel_down > 2m\n"
            "sms = 8 916 123-45-67, +79031234567\nsms_channels = office\n"
        )
        assert configuration is not None, complaints
        found = configuration.alerts["x"]
        self.assertEqual(found.sms, ("+79161234567", "+79031234567"))

    def test_secrets_do_not_show(self) -> None:
        """Neither in logs nor in a traceback."""
        configuration, _ = read(
            f"{CHANNELS}[alert:x]\nwhen = channel_down > 2m\n"
            f"webhook = https://o.org/\n{SECRET}\n"
        )
        assert configuration is not None
        self.assertNotIn("0123456789abcdef", repr(configuration))

    def test_keys(self) -> None:
        """With the prefix of Standard Webhooks in base64, else as it is."""
        raw = bytes(range(24))
        self.assertEqual(signing_key(f"whsec_{b64encode(raw).decode()}"), raw)
        self.assertEqual(signing_key("0123456789abcdef"), b"0123456789abcdef")
        for bad in ("whsec_no base64!", "whsec_AAAA", "short"):
            self.assertRaises(ValueError, signing_key, bad)

    def test_the_example_of_the_reference(self) -> None:
        """`when` alone makes an alert."""
        configuration, _ = read(f"{CHANNELS}[alert:x]\nwhen = line_down > 3m\n")
        assert configuration is not None
        alert = configuration.alerts["x"]
        self.assertIsInstance(alert, AlertSettings)
        self.assertTrue(alert.event)
