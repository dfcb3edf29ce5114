"""Faults of connections and ports in words."""

from __future__ import annotations

import errno
import os
import socket

from OpenSSL import SSL
from twisted.internet.error import (
    CannotListenError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.ssl import VerificationError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gdemoi.net.faults import NOT_AGREED, in_words, of_loss, of_port, speaks_tls


@implementer(ISSLTransport)
class Secured:
    """A transport of TLS."""


class WordsTests(SynchronousTestCase):
    def test_no_list_of_tuples(self) -> None:
        """TLS against a plain port and its like: words, no Python."""
        for reason, words in (
            ("wrong version number", "the far side does not speak TLS at this port"),
            ("http request", "speaks plain HTTP"),
            ("certificate verify failed", "not signed by an authority"),
            ("tlsv1 alert unknown ca", "does not trust our certificate"),
            ("unexpected eof while reading", "hung up"),
            ("something new", "TLS: something new"),
        ):
            said = in_words(SSL.Error([("SSL routines", "", reason)]))
            self.assertIn(words, said)
            self.assertIn(reason, said)
            self.assertFalse(set("[]'") & set(said), said)

    def test_odd_errors_of_openssl(self) -> None:
        """Empty ones, and a subclass that carries no list."""
        self.assertEqual(in_words(SSL.Error()), "TLS: it failed")
        self.assertEqual(in_words(SSL.SysCallError(-1, "Unexpected EOF")), "TLS: -1")

    def test_openssl_itself(self) -> None:
        """What it says of plain text in place of a handshake."""
        ours = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        ours.set_connect_state()
        with self.assertRaises(SSL.WantReadError):
            ours.do_handshake()
        ours.bio_write(
            b"\x00\x00\x00\x10\x80\x00\x00\x00\x00\x00\x00\x0d\x00\x00\x00\x01"
        )
        with self.assertRaises(SSL.Error) as caught:
            ours.do_handshake()
        self.assertIn("does not speak TLS", in_words(caught.exception))

    def test_other_faults(self) -> None:
        """Their own text on one line, their name when they have none."""
        self.assertIn("another name", in_words(VerificationError([])))
        self.assertEqual(in_words(OSError("a\n b")), "a b")
        self.assertEqual(in_words(ValueError()), "ValueError")


class PortTests(SynchronousTestCase):
    def test_what_to_do(self) -> None:
        """Of a port in use, of a low one, of another machine's address."""
        for number, words in (
            (errno.EADDRINUSE, "Address already in use: another program"),
            (errno.EACCES, "Permission denied: this user may not open it"),
            (errno.EADDRNOTAVAIL, "this machine does not have that address"),
            (errno.ENOBUFS, "No buffer space available"),
        ):
            cause = OSError(number, os.strerror(number))
            for fault in (cause, CannotListenError("127.0.0.1", 1, cause)):
                said = of_port(fault)
                self.assertIn(words, said)
                self.assertNotIn("Errno", said)

    def test_a_file_of_a_description(self) -> None:
        """A key that is not there is named."""
        missing = FileNotFoundError(errno.ENOENT, "No such file", "/k.pem")
        self.assertEqual(of_port(missing), "/k.pem: No such file or directory")

    def test_names_that_do_not_resolve(self) -> None:
        """Their number is none of the system's."""
        fault = socket.gaierror(-2, "Name or service not known")
        self.assertNotIn("Unknown error", of_port(fault))


class LossTests(SynchronousTestCase):
    def test_in_order(self) -> None:
        """Nothing is wrong with a plain connection that is closed."""
        self.assertIsNone(of_loss(ConnectionDone(), object(), agreed=False))
        self.assertIsNone(of_loss(ConnectionDone(), Secured(), agreed=True))

    def test_tls_in_vain(self) -> None:
        """A far side that hung up instead of a handshake, in whatever way."""
        for fault in (ConnectionDone(), ConnectionLost()):
            self.assertEqual(of_loss(fault, Secured(), agreed=False), NOT_AGREED)

    def test_otherwise(self) -> None:
        """Words of the fault itself."""
        refused = of_loss(ConnectionRefusedError("x"), Secured(), agreed=False)
        self.assertIn("refused", refused or "")
        broken = SSL.Error([("", "", "wrong version number")])
        self.assertIn("does not", of_loss(broken, Secured(), agreed=False) or "")


class TlsTests(SynchronousTestCase):
    def test_an_answer_in_tls(self) -> None:
        """An alert, as TLS servers give to a login in clear."""
        self.assertTrue(speaks_tls(bytes.fromhex("15030100020246")))
        self.assertTrue(speaks_tls(bytes.fromhex("160303")))
        for other in (b"", b"\x15", b"AMQP", bytes(16), b"\x00\x00\x00\x15\x03"):
            self.assertFalse(speaks_tls(other))
