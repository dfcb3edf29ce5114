"""The sections of the broker."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings, url


class UrlTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """Host, port, virtual host, user, password; percent signs decoded."""
        one = url("amqp://user:p%40ss@host:5673/v%2Fhost")
        self.assertEqual((one.host, one.port, one.tls), ("host", 5673, False))
        self.assertEqual(
            (one.vhost, one.username, one.password), ("v/host", "user", "p@ss")
        )
        self.assertNotIn("p@ss", repr(one) + str(one))

    def test_what_is_left_out(self) -> None:
        """The usual ports, `/` and guest."""
        for text in ("amqp://host", "amqp://host/", "amqp://host/%2F"):
            one = url(text)
            self.assertEqual((one.port, one.vhost, one.username), (5672, "/", "guest"))
        self.assertEqual(url("amqps://host").port, 5671)
        self.assertTrue(url("amqps://host").tls)

    def test_what_is_no_address(self) -> None:
        """Each with its reason."""
        for text in (
            "host:5672",
            "http://host",
            "amqp://",
            "amqp://h?x=1",
            "amqp://h:x",
        ):
            with self.assertRaises(ValueError):
                url(text)


class ComplaintsTests(SynchronousTestCase):
    def complaints(self, *urls: str, **more: object) -> list[str]:
        settings = AmqpSettings(
            url=tuple(map(url, urls or ("amqp://guest@h",))),
            **more,  # type: ignore[arg-type]
        )
        return [key for key, _ in settings.complaints()]

    def test_good_ones(self) -> None:
        """Nothing to complain of."""
        self.assertEqual(self.complaints(), [])
        self.assertEqual(self.complaints("amqp://u:p@h"), [])
        self.assertEqual(self.complaints("amqp://u@h", password="p"), [])
        self.assertEqual(self.complaints(format="map", map="x"), [])
        self.assertEqual(self.complaints("amqps://guest@h", tls_ca="x"), [])

    def test_bad_ones(self) -> None:
        """The key is named."""
        self.assertEqual(self.complaints("amqp://u@h"), ["password"])
        self.assertEqual(self.complaints(format="map"), ["map"])
        self.assertEqual(self.complaints(map="x"), ["map"])
        self.assertEqual(self.complaints(tls_ca="x"), ["tls_ca"])
        self.assertEqual(self.complaints(heartbeat_s=1e6), ["heartbeat"])

    def test_passwords(self) -> None:
        """The address's own first; none of them in the repr."""
        settings = AmqpSettings(
            url=(url("amqp://u:geheim@h"), url("amqp://u@h")), password="anders"
        )
        self.assertEqual(settings.password_for(settings.url[0]), "geheim")
        self.assertEqual(settings.password_for(settings.url[1]), "anders")
        self.assertNotIn("geheim", repr(settings))
        self.assertNotIn("anders", repr(settings))


class MapTests(SynchronousTestCase):
    def test_fields_by_the_names_of_the_message(self) -> None:
        """`class` and `from`, not Python's spellings."""
        settings = AmqpMapSettings(
            to="phone", text="message", class_="const:command", from_="sender"
        )
        self.assertEqual(
            settings.fields(),
            {
                "to": "phone",
                "text": "message",
                "class": "const:command",
                "from": "sender",
            },
        )

    def test_text_xor_binary(self) -> None:
        """Something must be sent."""
        self.assertTrue(list(AmqpMapSettings(to="phone").complaints()))
        self.assertFalse(list(AmqpMapSettings(to="phone", text="t").complaints()))
