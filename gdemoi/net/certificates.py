"""TLS as a client: certificates in PEM files, and whether the far side's is for it.

Files are read anew for each connection, since certificates age and are replaced.
What is wrong with a file by then is `Unavailable`, with the key that names it: the
file may be right at the next try.  `gdemoi.ini.pem` looks at it beforehand.

Twisted's own check of the name lets a certificate pass that bears no name at all: it
only logs that it could not be read.  `Named` asks for one, unless the very
certificate is in the file of authorities.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from attrs import frozen
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, dump_certificate
from OpenSSL.crypto import Error as SslError
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.ini.pem import CERTIFICATE


def _certificates(path: str, key: str) -> list[Certificate]:
    octets = _read(path, key)
    try:
        found = [Certificate.loadPEM(block) for block in CERTIFICATE.findall(octets)]
    except SslError as fault:
        raise Unavailable(f"{key} {path} holds a broken certificate") from fault
    if not found:
        raise Unavailable(f"{key} {path} holds no certificate")
    return found


def authorities_of(path: str, key: str = "tls_ca") -> list[Certificate]:
    """Return the certificates that a file holds; raises `Unavailable`."""
    return _certificates(path, key)


def our_own(path: str, key: str = "tls_certificate") -> PrivateCertificate:
    """Return the certificate and the private key that a file holds."""
    octets = _read(path, key)
    try:
        own: PrivateCertificate = PrivateCertificate.loadPEM(octets)
    except (SslError, ValueError) as fault:
        raise Unavailable(
            f"{key} {path} must hold a certificate and its private key, as PEM"
        ) from fault
    return own


def _read(path: str, key: str) -> bytes:
    try:
        return bytes(FilePath(path).getContent())
    except OSError as fault:
        raise Unavailable(f"{key} {path}: {fault.strerror}") from fault


def client_options(
    name: str, ca: str | None = None, own: str | None = None
) -> IOpenSSLClientConnectionCreator:
    """Return how a far side of that name is checked, and our certificate shown.

    `ca` and `own` are files; without `ca` the system's authorities are asked.
    """
    known = _certificates(ca, "tls_ca") if ca else []
    options = optionsForClientTLS(
        name,
        trustRoot=trustRootFromCertificates(known) if known else None,
        clientCertificate=our_own(own) if own else None,
    )
    return Named(options, name, frozenset(one.dumpPEM() for one in known))


@implementer(IOpenSSLClientConnectionCreator)
@frozen
class Named:
    """Makes connections by `options`, and checks the name as Twisted should.

    `pinned` are certificates (PEM) that need no name: who put one into the file of
    authorities meant just that one.
    """

    options: Any
    name: str
    pinned: frozenset[bytes] = frozenset()

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """Return the connection of a client (called by Twisted)."""
        connection = self.options.clientConnectionForTLS(tlsProtocol)
        tls = ref(tlsProtocol)

        def verify(_: Any, leaf: Any, error: int, depth: int, ok: int) -> bool:
            if depth or not ok:
                return bool(ok)
            fault = self._fault(leaf)
            protocol = tls()
            if fault is not None and protocol is not None:
                protocol.failVerification(Failure(fault))
            return fault is None

        must = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        connection.set_verify(must, verify)
        return connection

    def _fault(self, leaf: Any) -> Exception | None:
        is_ip = isIPAddress(self.name) or isIPv6Address(self.name)
        wanted = IPAddress_ID(self.name) if is_ip else DNS_ID(self.name)
        try:
            verify_service_identity(extract_patterns(leaf), [wanted], [])
        except CertificateError as nameless:
            pem = dump_certificate(FILETYPE_PEM, leaf)
            return None if pem in self.pinned else nameless
        except (VerificationError, ValueError) as fault:
            return fault
        return None
