"""Certificates in PEM files, read anew for each connection: they age and are replaced.

What is wrong with a file is `Unavailable`, with the key that names it: the file may
be right at the next try.
"""

from __future__ import annotations

import re
from typing import Any, Final

from OpenSSL.crypto import Error as SslError
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    trustRootFromCertificates,
)
from twisted.python.filepath import FilePath

from gdemoi.errors import Unavailable

_PEM: Final = re.compile(
    b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)


def authorities(path: str, key: str = "tls_ca") -> Any:
    """Return the authorities that a file names, as a trust root."""
    octets = _read(path, key)
    try:
        found = [Certificate.loadPEM(block) for block in _PEM.findall(octets)]
    except SslError as fault:
        raise Unavailable(f"{key} {path} holds a broken certificate") from fault
    if not found:
        raise Unavailable(f"{key} {path} holds no certificate")
    return trustRootFromCertificates(found)


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
