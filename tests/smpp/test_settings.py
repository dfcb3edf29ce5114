from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini.declared import keys_of
from gdemoi.ini.units import time_zone
from gdemoi.smpp.addresses import address, as_number
from gdemoi.smpp.settings import (
    SmppSettings,
    Tlvs,
    endpoint,
    hexadecimal,
    ton_or_npi,
)
from gdemoi.text.segments import Method

GOOD: dict[str, Any] = {"host": ("a",), "system_id": "esme"}


class SettingsTests(SynchronousTestCase):
    def test_the_smallest_settings_are_enough(self) -> None:
        """Address and login; everything else has a default."""
        settings = SmppSettings(**GOOD)
        self.assertEqual(list(settings.complaints()), [])
        required = [one.name for one in keys_of(SmppSettings) if one.required]
        self.assertEqual(required, ["host", "system_id"])

    def test_complaints_name_the_key(self) -> None:
        """What does not go together is said with the key to change."""
        for given_, key in (
            ({"host": ("a:x",)}, "host"),
            ({"host": ("a:99999",)}, "host"),
            ({"system_id": "имя"}, "system_id"),
            ({"version": "3.3", "tlvs": Tlvs.YES}, "tlvs"),
            ({"version": "3.3", "long_messages": Method.SAR}, "long_messages"),
            ({"reconnect_min_s": 5.0, "reconnect_max_s": 1.0}, "reconnect_max"),
            ({"version": "3.3", "priority_flag": 2}, "priority_flag"),
            ({"service_type": "toolong"}, "service_type"),
            ({"allowed_sender": ("ГдеМои",)}, "allowed_sender"),
            ({"vendor_tlvs": {"x": b""}}, "tlv.x"),
            ({"vendor_tlvs": {"0x10000": b""}}, "tlv.0x10000"),
            ({"status_rules": {"x": None}}, "status.x"),
        ):
            settings = SmppSettings(**{**GOOD, **given_})
            self.assertEqual([name for name, _ in settings.complaints()], [key])

    def test_a_host_is_no_url(self) -> None:
        """It was taken for a port that is no number."""
        for host in ("smpp://127.0.0.1", "tls://smsc.example:2776/", "ssmpp://[::1]"):
            (reported,) = SmppSettings(**{**GOOD, "host": (host,)}).complaints()
            scheme, _, rest = host.partition("://")
            bare = rest.rstrip("/")
            self.assertEqual(
                reported, ("host", f"write the host without {scheme}://: {bare}")
            )

    def test_converters(self) -> None:
        """auto, zones, hexadecimal octets."""
        self.assertIsNone(ton_or_npi("auto"))
        self.assertEqual(ton_or_npi("5"), 5)
        self.assertEqual(hexadecimal("3031"), b"01")
        self.assertEqual(str(time_zone("Europe/Madrid")), "Europe/Madrid")
        for convert, bad in (
            (ton_or_npi, "19"),
            (hexadecimal, "3"),
            (hexadecimal, "00" * 256),
            (time_zone, "Mars/Olympus"),
            (time_zone, "../etc"),
        ):
            with self.assertRaises(ValueError):
                convert(bad)  # type: ignore[operator]

    def test_where_outbind_listens(self) -> None:
        """A description that opens a port; one with a slip is told at once."""
        for good in ("", "tcp:2776", r"tcp6:2776:interface=\:\:1", "unix:/run/x"):
            self.assertEqual(endpoint(good), good)
        for bad in ("2776", "tcp", "tcp:", "tcp:x", "udp:2776", "tcp:27a"):
            with self.assertRaises(ValueError):
                endpoint(bad)
        settings = SmppSettings(**GOOD, outbind_listen="tcp:2776")
        self.assertEqual([str(one) for one in settings.listeners()], ["0.0.0.0:2776"])
        self.assertEqual(list(SmppSettings(**GOOD).listeners()), [])

    def test_the_password_is_not_shown(self) -> None:
        """Not in the record's repr."""
        self.assertNotIn("hidden", repr(SmppSettings(**GOOD, password="hidden")))


class AddressTests(SynchronousTestCase):
    @given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
    def test_numbers_there_and_back(self, number: str) -> None:
        """An international number is the same after both ways."""
        fields = address(number)
        self.assertEqual(as_number(fields.ton, fields.addr), number)

    def test_other_addresses_go_up_as_they_came(self) -> None:
        """Names, short numbers, and what is international without digits."""
        self.assertEqual(as_number(5, "Bank"), "Bank")
        self.assertEqual(as_number(0, "3434"), "3434")
        self.assertEqual(as_number(1, "+7916"), "+7916")
        self.assertEqual(as_number(1, ""), "")
