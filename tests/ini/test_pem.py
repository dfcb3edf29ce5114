"""Files of certificates and keys are looked at when the configuration is read."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.settings import AmqpSettings
from gdemoi.cloud.vonage.account import VonageSettings
from gdemoi.ini import parse
from gdemoi.settings import BadConfiguration, examine, load
from gdemoi.smpp.settings import SmppSettings
from tests.ini.sources import Memory
from tests.smpp.test_tls import CERTIFICATE, KEY, certificate

BROKEN = CERTIFICATE.replace(b"\nMII", b"\n!!!")
LOCKED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.BestAvailableEncryption(b"secret"),
)
SMPP = """\
[smpp:a]
host = smsc.example
system_id = u
tls = yes
tls_ca = f.pem
"""
AMQP = """\
[amqp]
url = amqps://broker.example/
password = p
tls_{} = f.pem
"""
VONAGE = """\
[vonage:a]
api_key = k
allowed_sender = x
application_id = a
private_key = f.pem
signature_secret = s
"""
NO_CERTIFICATE = "holds no certificate"
NO_PAIR = "must hold a certificate and its private key, as PEM"
NO_KEY = "holds no private key without a passphrase, as PEM"


def files(octets: bytes | None, ini: str) -> Memory:
    """Return an ini, and the file that it names."""
    found = {"g.ini": ini.encode()}
    if octets is not None:
        found["/here/f.pem"] = octets
    return Memory(found)


def said(settings: type[Any], ini: str, octets: bytes | None) -> list[str]:
    """Return the complaints about one section."""
    document = parse("g.ini", files(octets, ini))
    document.sections[0].read(settings)
    return [str(one) for one in document.errors]


class FilesTests(SynchronousTestCase):
    def test_authorities(self) -> None:
        """`check` said good, and the start tried again for ever."""
        for settings, ini, start in (
            (SmppSettings, SMPP, "g.ini:5: [smpp:a] tls_ca:"),
            (AmqpSettings, AMQP.format("ca"), "g.ini:4: [amqp] tls_ca:"),
        ):
            self.assertEqual(said(settings, ini, CERTIFICATE), [])
            self.assertEqual(said(settings, ini, b"# two" + CERTIFICATE * 2), [])
            for octets, why in (
                (None, "cannot read /here/f.pem: No such file or directory"),
                (b"", f"/here/f.pem {NO_CERTIFICATE}"),
                (KEY, f"/here/f.pem {NO_CERTIFICATE}"),
                (BROKEN, "/here/f.pem holds a broken certificate"),
                (CERTIFICATE + BROKEN, "/here/f.pem holds a broken certificate"),
            ):
                self.assertEqual(said(settings, ini, octets), [f"{start} {why}"])

    def test_our_own_certificate(self) -> None:
        """It has its key with it, and it is its own."""
        ini = AMQP.format("certificate")
        self.assertEqual(said(AmqpSettings, ini, CERTIFICATE + KEY), [])
        self.assertEqual(said(AmqpSettings, ini, KEY + CERTIFICATE), [])
        other = certificate("other.example")[1]
        for octets, why in (
            (CERTIFICATE, NO_PAIR),
            (KEY, NO_PAIR),
            (CERTIFICATE + LOCKED, NO_PAIR),
            (CERTIFICATE + other, "holds a private key that is not its certificate's"),
        ):
            self.assertEqual(
                said(AmqpSettings, ini, octets),
                [f"g.ini:4: [amqp] tls_certificate: /here/f.pem {why}"],
            )

    def test_private_keys(self) -> None:
        """Told with the key's own line; nobody is asked for a passphrase."""
        self.assertEqual(said(VonageSettings, VONAGE, KEY), [])
        for octets in (b"", CERTIFICATE, LOCKED):
            self.assertEqual(
                said(VonageSettings, VONAGE, octets),
                [f"g.ini:5: [vonage:a] private_key: /here/f.pem {NO_KEY}"],
            )

    def test_check_start_and_reload_refuse_it(self) -> None:
        """A SIGHUP with such a file took a working channel down."""
        bad = files(None, SMPP)
        configuration, complaints = examine("g.ini", sources=bad)
        self.assertIsNone(configuration)
        self.assertIn("g.ini:5: [smpp:a] tls_ca: cannot", str(complaints[0]))
        self.assertRaises(BadConfiguration, load, "g.ini", sources=bad)
        load("g.ini", sources=files(CERTIFICATE, SMPP))
