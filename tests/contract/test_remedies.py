"""What to do about errors, and about what channels say of themselves."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli.configured import sections
from gdemoi.contract.remedies import (
    OF_ANY,
    REMEDIES,
    Remedy,
    remedy_of,
    remedy_of_reason,
)
from gdemoi.ini import reference
from gdemoi.settings import known_kinds
from gdemoi.smpp.error_codes import RULES

# a reason as a channel, a bind or a line gives it, and a word of what to do
REASONS = (
    ("tx: bind refused: ESME_RINVPASWD", "system_id"),
    ("bind refused: ESME_RINVSYSID", "system_id"),
    ("bind refused: ESME_RALYBND", "session"),
    ("bind refused: ESME_RBINDFAIL", "system_id"),
    ("Connection was refused by other side: 111: Connection refused.", "host and port"),
    ("DNS lookup failed: no results for hostname lookup: smsc.invalid.", "host"),
    ("An error occurred while connecting: 113: No route to host.", "firewall"),
    ("no answer to the bind in 30 s", "firewall"),
    ("User timeout caused connection failure.", "firewall"),
    ("TLS: its certificate is not signed by an authority that is trusted", "tls_ca"),
    ("no keepalive yet", "SMS Server"),
    ("no keepalive", "SMS Server"),
    ("the SIM is not registered", "antenna"),
    ("3 submits without an answer", "silent"),
    ("Connection was closed cleanly.", "hurry"),
    ("the SMSC unbound", "hurry"),
)


class RemedyTests(SynchronousTestCase):
    def test_reasons(self) -> None:
        """What a channel says is answered by what an operator can do."""
        for reason, word in REASONS:
            remedy = remedy_of_reason(reason)
            self.assertIsNotNone(remedy, reason)
            assert remedy is not None
            self.assertIn(word, remedy.en, reason)

    def test_what_is_well_needs_nothing(self) -> None:
        """No words where nothing is known."""
        self.assertIsNone(remedy_of_reason(""))
        self.assertIsNone(remedy_of("receipt:034"))
        self.assertIsNone(remedy_of(""))

    def test_any_namespace(self) -> None:
        """An HTTP status means the same at each provider."""
        self.assertEqual(remedy_of("twilio:http401"), remedy_of("vonage:http401"))
        self.assertIsNotNone(remedy_of("tyntec:unreachable"))

    def test_each_status_with_a_rule_of_its_own_has_words(self) -> None:
        """Those that the gateway acts on are those that people meet."""
        missing = {
            f"smpp:0x{status:02X}"
            for status in RULES
            if remedy_of(f"smpp:0x{status:02X}") is None
        }
        # no credentials, no sender: nothing that an operator of ours can do
        self.assertEqual(missing, {"smpp:0x04", "smpp:0x64", "smpp:0x105"})

    def test_both_languages_say_something(self) -> None:
        """Russian words are Russian, and name the same keys."""
        for code, one in {**REMEDIES, **OF_ANY}.items():
            self.assertIsInstance(one, Remedy)
            self.assertTrue(one.en and re.search("[а-я]", one.ru), code)
            self.assertNotRegex(one.en, "[а-я]", code)

    def test_what_they_name_is_there(self) -> None:
        """A key in `…` is one of a channel, its route or the gateway."""
        declared = sections()
        kinds = [one.name for one in known_kinds()]
        where = {"gateway", "route", "tracker", *kinds}
        known = {one.name for kind in where for one in reference(declared[kind])}
        # a command, a field of a message, a word of `status`
        known |= {"explain", "ttl", "reason"}
        told = [*REMEDIES.values(), *OF_ANY.values()]
        told += [one for one in map(remedy_of_reason, dict(REASONS)) if one]
        for one in told:
            for words in (one.en, one.ru):
                named = re.findall(r"`([^`]+)`", words)
                keys = {word for word in named if not word.startswith("trackers ")}
                self.assertEqual(keys - known, set(), words)
