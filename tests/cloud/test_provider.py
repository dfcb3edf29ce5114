"""Values that all providers share: validity, Retry-After, a webhook's fields."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.provider import Answer, Door, Validity, Webhook, retry_after_s
from gdemoi.errors import TheirFault
from tests.cloud.net import NOW


class ProviderTests(SynchronousTestCase):
    def test_validity_in_every_unit(self) -> None:
        """Seconds, milliseconds, minutes as text, a timestamp; within bounds."""
        for unit, low, high, left, spelled in (
            ("seconds", 1, 36000, 3600, "3600"),
            ("seconds", 1, 36000, 10**6, "36000"),
            ("milliseconds", 20, 604800, 10, "20000"),
            ("minutes", 60, 172800, 3600, "60"),
            ("minutes", 60, 172800, 1, "1"),
            ("timestamp", 60, 259200, 3600, str(int(NOW) + 3600)),
        ):
            self.assertEqual(Validity(unit, low, high).spelled(left, NOW), spelled)

    def test_retry_after(self) -> None:
        """Seconds or a date; anything else is nothing."""
        for value, seconds in (
            ("7", 7.0),
            ("Tue, 03 Feb 2026 12:15:25 GMT", 60.0),
            ("Tue, 03 Feb 2026 12:00:00 GMT", 0.0),
            ("soon", None),
            ("", None),
            ("-1", None),
        ):
            answer = Answer(status=429, headers={"retry-after": value})
            self.assertEqual(retry_after_s(answer, NOW), seconds, value)

    def test_a_webhooks_fields(self) -> None:
        """Out of a query, a form or JSON; blank values stay, shapes do not mix."""
        for method, kind, body, fields in (
            ("GET", "", b"", {"q": " 1", "e": ""}),
            (
                "POST",
                "application/x-www-form-urlencoded",
                b"a=&b=+2",
                {"a": "", "b": " 2"},
            ),
            (
                "POST",
                "application/json",
                b'{"a": 1, "b": [1], "c": true}',
                {"a": "1", "c": "true"},
            ),
        ):
            hook = Webhook(
                door=Door.STATUS,
                method=method,
                url="https://x.example/?q=+1&e=",
                headers=(("content-type", kind),),
                body=body,
            )
            self.assertEqual(hook.fields(), fields)

    def test_a_form_that_is_not_utf8_is_their_fault(self) -> None:
        """Raw octets have no place in a form."""
        hook = Webhook(door=Door.STATUS, method="POST", url="/", body=b"a=\xff")
        with self.assertRaises(TheirFault):
            hook.form()
