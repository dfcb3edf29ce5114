"""Rows of the platform's table sms_gates, and what they become."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.importing import BadImport
from tests.importing.test_importing import configuration, converted

PARAMS = {"addresses": ["h:1"], "login": "u", "password": "p"}


def row(
    label: str, params: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a row of an SMPP gateway."""
    whole = {**PARAMS, **(params or {})}
    return {"label": label, "provider": "smpp", "params": whole, **more}


def text_of(*rows: dict[str, Any]) -> str:
    return converted(json.dumps(list(rows)))


class FormTests(SynchronousTestCase):
    def test_what_export_tools_make(self) -> None:
        """One row, a list, a named list, and params as a string are the same."""
        one = row("a")
        table = [{"type": "table", "name": "sms_gates", "data": [one]}]
        as_text = {**one, "params": json.dumps(one["params"])}
        for value in (one, [one], {"sms_gates": [one]}, table, [as_text]):
            found = configuration(converted(json.dumps(value))).channels
            self.assertEqual([each.settings.system_id for each in found], ["u"])

    def test_faults(self) -> None:
        """Each is told with its line and what was expected there."""
        for text, told in (
            ('[{"provider"]', "in:1: expected JSON: Expecting ':' delimiter"),
            ("[]", "in:1: expected rows of sms_gates: objects with `provider`"),
            (
                '[\n{"provider": "smpp",\n "params": 5}]',
                "in:3: params: expected an object, or JSON of one",
            ),
            (
                '[{"provider": "smpp", "params": {"login": "u"}}]',
                "in:1: params: expected `addresses` in it for smpp",
            ),
            (
                '[{"provider": "smpp", "params": {"login": "u",\n"addresses":'
                ' ["h:x"],\n"window_size": "many"}}]',
                'in:2: addresses = ["h:x"]: expected host:port, with a port of'
                " 1..65535\nin:3: window_size = many: expected a whole number of 1"
                " or more",
            ),
            (
                json.dumps(row("a", class_filter="some")),
                "in:1: class_filter = some: expected one of them",
            ),
        ):
            with self.subTest(text):
                fault = self.assertRaises(BadImport, converted, text, "navixy")
                if "class_filter" in told:
                    self.assertIn("notifications, commands", str(fault))
                else:
                    self.assertEqual(str(fault), told)

    def test_all_faults_of_all_rows_are_told(self) -> None:
        """One run tells everything that is wrong."""
        fault = self.assertRaises(
            BadImport, text_of, row("a", {"dest_ton": 99}), row("b", type="both")
        )
        self.assertEqual(len(fault.complaints), 2)


class MeaningTests(SynchronousTestCase):
    def test_ton_and_npi(self) -> None:
        """-1 is auto, which derives both, whatever source_npi says and where."""
        for params, expected in (
            ({"source_npi": 1, "source_ton": -1}, (None, None)),
            ({"source_npi": 1, "source_ton": 5}, (5, 1)),
            ({"source_npi": -1, "source_ton": 5}, (5, None)),
        ):
            (one,) = configuration(text_of(row("a", params))).channels
            found = one.settings
            self.assertEqual((found.source_ton, found.source_npi), expected)

    def test_class_filter_becomes_routes(self) -> None:
        """Commands go only where they may, and so do notifications."""
        found = configuration(
            text_of(
                row("all", class_filter="*"),
                row("cmd", class_filter="commands"),
                row("not", class_filter="-commands"),
                row("in", type="receiver", class_filter="*"),
                row("off", enabled=0, class_filter="*"),
            )
        )
        ways = {
            tuple(str(one.value) for one in route.class_): [
                name for name, _weight in route.channels
            ]
            for _name, route in found.routes
        }
        self.assertEqual(
            ways,
            {
                ("command", "activation"): ["all", "cmd"],
                ("notification",): ["all", "not"],
            },
        )

    def test_times_are_milliseconds(self) -> None:
        """3000 is three seconds, not fifty minutes."""
        params = {"enquire_link_timeout": 3000, "enquire_link_interval": 15000}
        (one,) = configuration(text_of(row("a", params))).channels
        found = one.settings
        self.assertEqual((found.link_timeout_s, found.enquire_link_s), (3.0, 15.0))

    def test_a_long_password(self) -> None:
        """What the carrier took so far it will take from us."""
        params = {"password": "more than eight"}
        (one,) = configuration(text_of(row("a", params))).channels
        self.assertTrue(one.settings.long_credentials)
