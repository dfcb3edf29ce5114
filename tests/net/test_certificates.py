"""Certificates in PEM files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from twisted.internet.ssl import PrivateCertificate
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.net.certificates import client_options, our_own
from tests.smpp.test_tls import CERTIFICATE, KEY

BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()

    def test_good_ones(self) -> None:
        """Several authorities in one file; ours with its key in any order."""
        self.path.write_bytes(b"Comment\n" + CERTIFICATE + CERTIFICATE)
        self.assertIsNotNone(client_options("a", str(self.path)))
        self.path.write_bytes(KEY + CERTIFICATE)
        self.assertIsInstance(our_own(str(self.path)), PrivateCertificate)

    def test_authorities_that_cannot_be_used(self) -> None:
        """Key and file are named, and what is wrong; never a Python list."""
        for content, why in (
            (None, "No such file"),
            (b"", "holds no certificate"),
            (KEY, "holds no certificate"),
            (BROKEN, "holds a broken certificate"),
        ):
            self.refused(partial(client_options, "a"), "tls_ca", content, why)

    def test_our_own_that_cannot_be_used(self) -> None:
        """The certificate or its key is missing, or broken."""
        for content, why in (
            (None, "No such file"),
            (b"", "must hold a certificate and its private key"),
            (CERTIFICATE, "must hold a certificate and its private key"),
            (KEY, "must hold a certificate and its private key"),
            (BROKEN + KEY, "must hold a certificate and its private key"),
        ):
            self.refused(our_own, "tls_certificate", content, why)

    def refused(self, read: object, key: str, content: bytes | None, why: str) -> None:
        assert callable(read)
        if content is not None:
            self.path.write_bytes(content)
        with self.assertRaises(Unavailable) as caught:
            read(str(self.path))
        said = str(caught.exception)
        self.assertTrue(said.startswith(f"{key} {self.path}"), said)
        self.assertIn(why, said)
        self.assertNotIn("[(", said)
