"""One declaration: names of keys, and the reference."""

from __future__ import annotations

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini import (
    KeyReference,
    boolean,
    choice,
    duration,
    integer,
    key,
    rate,
    reference,
    secret,
    size,
    text,
    words,
)
from gdemoi.message import Charset


@frozen(kw_only=True)
class Settings:
    """Some."""

    host: tuple[str, ...] = key(words, doc="where", example="a, b")
    link_timeout_s: float = key(duration, default=90.0, doc="silence")
    from_: str | None = key(text, default=None, doc="sender")
    speed: float | None = key(rate, default=0.5, name="throughput", doc="limit")
    tls: bool = key(boolean, default=False, doc="TLS")
    limit: int = key(size, default=65536, doc="octets")
    charset: Charset = key(choice(Charset), default=Charset.AUTO, doc="alphabet")
    port: int = key(integer(1, 65535), default=1, doc="port")
    password: str | None = key(secret, default=None, doc="secret")
    tlvs: dict[str, str] = key(text, name="tlv.*", default={}, doc="TLVs")
    cities: tuple[str, ...] = key(words, default=("Omsk", "Kazan"), doc="cities")


class ReferenceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.keys = {one.name: one for one in reference(Settings)}

    def test_names(self) -> None:
        """The unit of a field's name is no part of its key, nor is a last _."""
        self.assertEqual(
            list(self.keys),
            [
                "host",
                "link_timeout",
                "from",
                "throughput",
                "tls",
                "limit",
                "charset",
                "port",
                "password",
                "tlv.*",
                "cities",
            ],
        )

    def test_defaults_are_written_as_in_the_ini(self) -> None:
        """A default can be copied from the reference."""
        self.assertEqual(
            {name: one.default for name, one in self.keys.items() if one.default},
            {
                "link_timeout": "90s",
                "throughput": "30/min",
                "tls": "no",
                "limit": "64KiB",
                "charset": "auto",
                "port": "1",
                "cities": "Omsk, Kazan",
            },
        )

    def test_the_rest_of_a_line(self) -> None:
        """Unit, doc, example, whether it is required or a secret."""
        self.assertEqual(
            self.keys["host"],
            KeyReference("host", "list", "", True, False, "where", "a, b"),
        )
        self.assertEqual(self.keys["port"].unit, "integer 1..65535")
        self.assertEqual(
            self.keys["charset"].unit, "auto | gsm7 | gsm8 | latin1 | ucs2"
        )
        self.assertTrue(self.keys["password"].secret)

    def test_a_factory_in_place_of_a_converter(self) -> None:
        """`key(integer)` for `key(integer())` is found at import."""
        with self.assertRaises(TypeError):
            key(integer, doc="")  # type: ignore[arg-type]

    def test_dict_defaults_are_not_shared(self) -> None:
        """Each record has its own dict."""
        self.assertIsNot(Settings(host=("a",)).tlvs, Settings(host=("a",)).tlvs)
