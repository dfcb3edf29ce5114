"""How Vonage and we prove who is calling: `sig` fields and JSON web tokens.

SMS API webhooks carry `sig` (a keyed hash over the sorted fields) with `timestamp`
and `nonce`; Messages API webhooks carry a JWT (HS256) that binds the body's hash.
Neither Vonage's SDK nor PyJWT checks age and body, so both are checked here.  Our
own requests to the Messages API may carry a JWT of the application (RS256).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import jwt
from attrs import define, field

from gdemoi.cloud.freshness import stale
from gdemoi.cloud.reading import mapping_of, number_of, read_json, same
from gdemoi.errors import OurFault, TheirFault

TOKEN_LIFE_S: Final = 900  # Vonage takes up to 24 h; its SDK uses 15 min
TOKEN_SKEW_S: Final = 30  # their clock may be behind ours
RENEW_EARLY_S: Final = 60


def sms_signature(fields: Mapping[str, str], secret: str, method: str) -> str:
    """Return the `sig` of the other fields, in lower-case hex."""
    signed = "".join(
        f"&{name}={fields[name].translate(_UNDERSCORED)}"
        for name in sorted(fields)
        if name != "sig"
    ).encode("utf-8", "surrogatepass")
    key = secret.encode("utf-8")
    if method == "md5hash":
        return hashlib.md5(signed + key).hexdigest()
    return hmac.new(key, signed, method).hexdigest()


_UNDERSCORED: Final = str.maketrans("&=", "__")


def is_signed(fields: Mapping[str, str], secret: str, method: str) -> bool:
    """Compare `sig` in constant time; Vonage writes upper case."""
    given = fields.get("sig", "")
    return bool(given) and same(sms_signature(fields, secret, method), given.lower())


def unix_time(timestamp: str | None) -> float | None:
    """Return a Unix timestamp in digits, None for anything else."""
    text = timestamp or ""
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        return None
    return float(text)


def webhook_claims(
    authorization: str, body: bytes, secret: str, now: float, age_s: float
) -> dict[str, Any]:
    """Return the claims of a webhook's token; TheirFault when it is not good.

    It may be `age_s` old.
    """
    scheme, _, token = authorization.partition(" ")
    words = token.strip().split(".")
    if scheme.lower() != "bearer" or len(words) != 3:
        raise TheirFault("no bearer token of three words")
    head, payload, given = words
    if mapping_of(read_json(_unbase64(head))).get("alg") != "HS256":
        raise TheirFault("not signed with HS256")
    signed = f"{head}.{payload}".encode()
    mac = hmac.new(secret.encode("utf-8"), signed, "sha256").digest()
    if not same(base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii"), given):
        raise TheirFault("the signature does not match")
    claims = mapping_of(read_json(_unbase64(payload)))
    _check_times(claims, now, age_s)
    if not same(hashlib.sha256(body).hexdigest(), str(claims.get("payload_hash"))):
        raise TheirFault("the token is about another body")
    return claims


def _check_times(claims: Mapping[str, Any], now: float, age_s: float) -> None:
    issued, expires = number_of(claims.get("iat")), number_of(claims.get("exp"))
    why = stale(issued, now, age_s)
    if why is not None:
        raise TheirFault(why)
    if expires is not None and expires <= now:
        raise TheirFault("the token has expired")


def _unbase64(word: str) -> bytes:
    try:
        return base64.b64decode(
            word.encode("utf-8") + b"=" * (-len(word) % 4), b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise TheirFault("not base64url") from None


@define
class ApplicationTokens:
    """Makes the tokens of one Vonage application, and keeps the last one."""

    application_id: str
    private_key: str = field(repr=False)
    _token: str = field(default="", init=False, repr=False)
    _good_until: float = field(default=0.0, init=False)

    def check(self) -> None:
        """Raise OurFault when the key cannot sign."""
        try:
            jwt.encode({}, self.private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as why:
            raise OurFault(f"not a private key: {type(why).__name__}") from None

    def token(self, now: float) -> str:
        """Return a token that is good for a minute at least."""
        if now >= self._good_until:
            issued = int(now) - TOKEN_SKEW_S
            expires = issued + TOKEN_LIFE_S
            claims = {
                "application_id": self.application_id,
                "iat": issued,
                "exp": expires,
                "jti": str(uuid4()),
            }
            self._token = jwt.encode(claims, self.private_key, algorithm="RS256")
            self._good_until = expires - RENEW_EARLY_S
        return self._token
