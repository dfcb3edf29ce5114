from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.protocols import tls as tls_file
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted
from gdemoi.sandbox.smsc import SmscFactory
from gdemoi.smpp.settings import SmppSettings
from tests.smpp.rig import ChannelRig


def certificate(
    name: str, *, names: bool = True, by: tuple[bytes, bytes] | None = None
) -> tuple[bytes, bytes]:
    """Return a certificate and its key, as PEM; self-signed, or by that authority.

    Without `names` its name stands where nobody may look for it any more.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    issuer, signer = subject, key
    if by is not None:
        issuer = x509.load_pem_x509_certificate(by[0]).subject
        loaded = serialization.load_pem_private_key(by[1], None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), True)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(alternative, False)
    made = builder.sign(signer, hashes.SHA256())
    return (
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


CERTIFICATE, KEY = certificate("smsc.example")


def authority(case: SynchronousTestCase, pem: bytes = CERTIFICATE) -> str:
    """Return the path of a file with the authority's certificate."""
    path = Path(case.mktemp()).absolute()
    path.write_bytes(pem)
    return str(path)


class _Odd(Protocol):
    """Answers the first octets with `says`, or hangs up when that is nothing."""

    def __init__(self, says: bytes) -> None:
        self._says = says

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        if self._says:
            self.transport.write(self._says)
        else:
            self.transport.loseConnection()


class TlsTests(SynchronousTestCase):
    def rig(self, pem: bytes = CERTIFICATE + KEY, **settings: Any) -> ChannelRig:
        """Return a rig whose SMSC speaks TLS."""
        rig = ChannelRig(tls=True, start=False, **settings)
        # Twisted's client side asks nobody which clock to gather small writes by
        self.patch(tls_file, "_get_default_clock", lambda: rig.clock)
        chosen = PrivateCertificate.loadPEM(pem).options()
        factory = TLSMemoryBIOFactory(chosen, False, SmscFactory(rig.smsc), rig.clock)
        rig.net.listen("smsc.example", 2775, lambda: factory.buildProtocol(None))
        rig.channel.start(rig.recorder)
        rig.turn(30)
        return rig

    def test_a_certificate_of_our_authority(self) -> None:
        """Name and authority are as they should be: bound, and messages go."""
        rig = self.rig(tls_ca=authority(self))
        self.assertIsNone(rig.channel.unable())
        outcomes = rig.submit(rig.message())
        rig.turn(20)
        self.assertIsInstance(outcomes[0], Accepted)
        rig.stop()

    def test_a_stranger_is_refused(self) -> None:
        """Signed by nobody we know: no bind, and no password, leaves."""
        rig = self.rig()
        self.assertIsNotNone(rig.channel.unable())
        self.assertEqual(rig.smsc.binds, 0)
        self.assertNotIn(b"secret", bytes(rig.net.wires[0][0].written))
        rig.stop()

    def test_another_name_is_refused_unless_pinned(self) -> None:
        """The certificate must be for the name that we expect."""
        rig = self.rig(tls_ca=authority(self), tls_name="other.example")
        self.assertIsNotNone(rig.channel.unable())
        self.assertEqual(rig.smsc.binds, 0)
        rig.stop()

    def test_an_authority_that_cannot_be_read(self) -> None:
        """Missing, empty, broken: said, and tried again; never without it."""
        broken = Path(self.mktemp()).absolute()
        broken.write_text(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        )
        for path, why in (
            ("/nowhere", "No such file"),
            (__file__, "holds"),
            (str(broken), "broken"),
        ):
            rig = self.rig(tls_ca=path)
            self.assertIn(why, rig.channel.unable() or "")
            self.assertEqual(rig.net.wires, [])
            rig.stop()

    def test_a_certificate_without_a_name(self) -> None:
        """By an authority that is trusted, for nobody: no bind, and no traceback."""
        other = certificate("nobody", names=False, by=(CERTIFICATE, KEY))
        rig = self.rig(b"".join(other), tls_ca=authority(self))
        self.assertIn("the certificate bears no name", rig.channel.unable() or "")
        self.assertEqual(rig.smsc.binds, 0)
        rig.stop()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_certificate_without_a_name_that_is_the_very_one(self) -> None:
        """Who puts a carrier's own certificate into tls_ca means just that one."""
        own = certificate("smsc", names=False)
        rig = self.rig(b"".join(own), tls_ca=authority(self, own[0]))
        self.assertIsNone(rig.channel.unable())
        rig.stop()
        another = certificate("nobody", names=False, by=own)
        rig = self.rig(b"".join(another), tls_ca=authority(self, own[0]))
        self.assertIsNotNone(rig.channel.unable())
        rig.stop()

    def test_the_name_is_in_the_reason(self) -> None:
        """A certificate for another is told as one, not as a connection lost."""
        rig = self.rig(tls_ca=authority(self), tls_name="other.example")
        why = rig.channel.unable() or ""
        self.assertIn("the certificate is for another name", why)
        rig.stop()

    def meet(self, tls: bool, says: bytes, **settings: Any) -> str:
        """Meet a far side that says something of its own; return why not."""
        rig = ChannelRig(tls=tls, start=False, **settings)
        self.patch(tls_file, "_get_default_clock", lambda: rig.clock)
        rig.net.listen("smsc.example", 2775, lambda: _Odd(says))
        rig.channel.start(rig.recorder)
        rig.advance(12)
        why = rig.channel.unable() or ""
        rig.stop()
        return why

    def test_tls_against_a_plain_port(self) -> None:
        """It answers in clear, hangs up, or waits: said in words each time."""
        why = self.meet(True, b"220 mail.example ESMTP\r\n")
        self.assertIn("the far side does not speak TLS at this port", why)
        self.assertNotIn("[(", why)
        self.assertIn("TLS was not agreed upon", self.meet(True, b""))
        why = self.meet(True, b"", bind_timeout_s=5.0, link_timeout_s=5.0)
        self.assertIn("TLS was not agreed upon", why)

    def test_a_plain_bind_at_a_port_of_tls(self) -> None:
        """Its alert is no nonsense of SMPP: what it is and what to set."""
        why = self.meet(False, bytes.fromhex("15030100020246"))
        self.assertIn("the far side speaks TLS at this port (tls = yes)", why)

    def test_tls_settings_without_tls(self) -> None:
        """A name to check without TLS is a mistake."""
        settings = SmppSettings(host=("a",), system_id="x", tls_name="x")
        self.assertEqual([name for name, _ in settings.complaints()], ["tls"])
