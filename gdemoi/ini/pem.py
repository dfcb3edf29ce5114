"""Keys whose file holds certificates or a private key, as PEM (RFC 7468).

The file is looked at when the configuration is read, so that a missing or a wrong one
is told with its line, and a running gateway goes on with what it has.  It is read
again when it is used.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gdemoi.ini.units import FileConverter, Wrong

CERTIFICATE: Final = re.compile(
    b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)


def _path(value: str) -> str:
    return value


def _no_passphrase(*_: Any) -> bytes:
    # without this OpenSSL asks at the terminal
    return b""


def _authorities(octets: bytes) -> None:
    from OpenSSL import crypto

    found = CERTIFICATE.findall(octets)
    if not found:
        raise Wrong("holds no certificate")
    try:
        for block in found:
            crypto.load_certificate(crypto.FILETYPE_PEM, block)
    except crypto.Error:
        raise Wrong("holds a broken certificate") from None


def _own(octets: bytes) -> None:
    from OpenSSL import crypto

    pem = crypto.FILETYPE_PEM
    try:
        shown = crypto.load_certificate(pem, octets).get_pubkey()
        belongs = _loaded(octets)
    except (crypto.Error, Wrong):
        raise Wrong("must hold a certificate and its private key, as PEM") from None
    if crypto.dump_publickey(pem, shown) != crypto.dump_publickey(pem, belongs):
        raise Wrong("holds a private key that is not its certificate's")


def _private_key(octets: bytes) -> None:
    _loaded(octets)


def _loaded(octets: bytes) -> Any:
    from OpenSSL import crypto

    try:
        return crypto.load_privatekey(crypto.FILETYPE_PEM, octets, _no_passphrase)
    except (crypto.Error, ValueError, TypeError):
        raise Wrong("holds no private key without a passphrase, as PEM") from None


authorities: Final = FileConverter("path", _path, check=_authorities)
own_certificate: Final = FileConverter("path", _path, check=_own, private=True)
private_key: Final = FileConverter("path", _path, check=_private_key, private=True)
