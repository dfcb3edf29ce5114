"""Kannel's configuration and requests, as its user's guide has them."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from bench import kannel


def groups(store: str) -> dict[str, dict[str, str]]:
    """Return the configuration by group."""
    text = kannel.configuration(
        Path("/tmp/k"), store=store, admin=1, boxes=2, sendsms=3, smsc_port=4
    )
    found: dict[str, dict[str, str]] = {}
    for part in text.split("\n\n"):
        lines = [line.partition(" = ") for line in part.strip().splitlines()]
        (first, *rest) = [(key, value) for key, _, value in lines]
        assert first[0] == "group", part
        found[first[1]] = dict(rest)
    return found


class ConfigurationTests(SynchronousTestCase):
    def test_boxes_find_each_other_and_the_smsc(self) -> None:
        """smsbox at bearerbox, bearerbox at the SMSC, and every port once."""
        found = groups("memory")
        self.assertEqual(
            list(found), ["core", "smsc", "smsbox", "sendsms-user", "sms-service"]
        )
        self.assertEqual(found["core"]["smsbox-port"], "2")
        self.assertEqual(found["core"]["admin-port"], "1")
        self.assertEqual(found["smsbox"]["bearerbox-host"], "127.0.0.1")
        self.assertEqual(found["smsbox"]["sendsms-port"], "3")
        self.assertEqual(found["smsc"]["port"], "4")
        self.assertEqual(found["smsc"]["transceiver-mode"], "true")

    def test_the_window_is_that_of_the_gateway(self) -> None:
        """The same work: as many submits unanswered as we allow ourselves."""
        window = groups("memory")["smsc"]["max-pending-submits"]
        self.assertEqual(window, str(kannel.WINDOW))

    def test_a_store_only_for_the_spool(self) -> None:
        """Memory is what Kannel does without one."""
        self.assertNotIn("store-type", groups("memory")["core"])
        core = groups("spool")["core"]
        self.assertEqual(core["store-type"], "spool")
        self.assertEqual(core["store-location"], '"/tmp/k/spool"')


class RequestTests(SynchronousTestCase):
    def test_a_receipt_is_told_to_the_callback(self) -> None:
        """The mask asks for the final state alone; Kannel fills in %d."""
        query = parse_qs(urlsplit(kannel.send_path(8088)).query)
        self.assertEqual(query["dlr-mask"], ["1"])
        told = "http://127.0.0.1:8088/dlr?id={id}&state=%d"
        self.assertEqual(query["dlr-url"], [told])
        self.assertEqual(query["to"], ["+{id}"])
        self.assertEqual(query["text"], ["{text}"])

    def test_no_receipt_when_none_is_wanted(self) -> None:
        """As for the drain of a backlog."""
        self.assertNotIn("dlr", kannel.send_path(None))
