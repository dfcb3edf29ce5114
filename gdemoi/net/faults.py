"""Faults of connections and ports in words: what is wrong, and what to do.

OpenSSL tells its errors as a list of tuples and the system by a number; people
read neither.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Final

from OpenSSL.crypto import Error as CryptoError
from OpenSSL.SSL import Error as SslError
from service_identity import CertificateError
from twisted.internet.error import CannotListenError, ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.ssl import VerificationError

ANSWERS_TLS: Final = "the far side speaks TLS at this port"
_PLAIN: Final = "the far side does not speak TLS at this port"
# How to do without TLS, for those who need not have it.
_WITHOUT: Final = "without: tls = no, amqp://"
# What OpenSSL calls it, and what it mostly is.
_TLS: Final = (
    ("wrong version number", _PLAIN),
    ("http request", "the far side speaks plain HTTP, not TLS, at this port"),
    ("record layer failure", _PLAIN),
    ("packet length too long", _PLAIN),
    ("unexpected eof", "the far side hung up while TLS was agreed upon"),
    (
        "certificate verify failed",
        "its certificate is not signed by an authority that is trusted here",
    ),
    ("certificate required", "the far side wants a certificate of ours"),
    ("unknown ca", "the far side does not trust our certificate"),
    ("protocol version", "no common version of TLS"),
    ("handshake failure", "the far side refuses our TLS"),
)
NOT_AGREED: Final = f"TLS was not agreed upon: does this port speak it? ({_WITHOUT})"
_PORTS: Final = {
    errno.EADDRINUSE: "another program has this port, or another gateway runs; see"
    " `ss -lnp`, or choose another port",
    errno.EACCES: "this user may not open it: ports below 1024 take a privilege"
    " (CAP_NET_BIND_SERVICE); choose a higher one",
    errno.EADDRNOTAVAIL: "this machine does not have that address; see `ip address`",
}
# What opening a port raises, by a description that may name files.
UNOPENED: Final = (
    CannotListenError,
    SslError,
    CryptoError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
)
# A TLS record (RFC 8446 §5.1): alert or handshake, version 3.x
_RECORDS: Final = (b"\x15\x03", b"\x16\x03")


def in_words(fault: BaseException | None, without_tls: str = _WITHOUT) -> str:
    """Return what is wrong with a connection, in one line for people.

    `without_tls` is what to do at a port that does not speak TLS.
    """
    if isinstance(fault, SslError):
        return _tls(fault, without_tls)
    if isinstance(fault, CryptoError):
        return "TLS: the file must hold a certificate and its private key, as PEM"
    if isinstance(fault, CertificateError):
        return (
            "TLS: the certificate bears no name (subjectAltName); name that very"
            " certificate in tls_ca, if it is the right one"
        )
    if isinstance(fault, VerificationError):
        return "TLS: the certificate is for another name than this host's"
    text = str(fault) or type(fault).__name__
    return " ".join(text.split())


def _tls(fault: SslError, without_tls: str) -> str:
    reasons = [str(one[-1]) for one in _tuples(fault) if one[-1]]
    for sign, words in _TLS:
        if any(sign in reason for reason in reasons):
            if words == _PLAIN:
                words = f"{words}; {without_tls}"
            return f"TLS: {words} ({reasons[0]})"
    return f"TLS: {', '.join(reasons) or 'it failed'}"


def _tuples(fault: SslError) -> list[Any]:
    found = fault.args[0] if fault.args else []
    return (
        [one for one in found if isinstance(one, tuple) and one]
        if (isinstance(found, list))
        else [(found,)]
    )


def of_port(fault: BaseException) -> str:
    """Return why a port cannot be listened at, and what to do."""
    cause = fault.socketError if isinstance(fault, CannotListenError) else fault
    if not isinstance(cause, OSError):
        return in_words(cause) if isinstance(cause, BaseException) else str(cause)
    number = cause.errno or 0
    text = os.strerror(number) if number > 0 else cause.strerror or str(cause)
    if cause.filename:
        text = f"{cause.filename}: {text}"
    advice = _PORTS.get(number)
    return f"{text}: {advice}" if advice else text


def of_loss(
    reason: BaseException | None, transport: object, agreed: bool
) -> str | None:
    """Return why a connection ended; None: it was closed in order.

    `agreed` tells whether TLS was (a connection without it needs none).
    """
    in_vain = ISSLTransport.providedBy(transport) and not agreed
    if isinstance(reason, SslError | VerificationError | CertificateError):
        return in_words(reason)
    if in_vain and isinstance(reason, ConnectionClosed):
        return NOT_AGREED
    return None if isinstance(reason, ConnectionDone) else in_words(reason)


def speaks_tls(first: bytes) -> bool:
    """Tell whether the first octets from a far side are of TLS."""
    return first[:2] in _RECORDS
