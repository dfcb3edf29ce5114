"""How Tyntec signs its Conversations webhooks: `x-signature`.

An HMAC over the time, a line end and the body as it came, in base64 of the URL
alphabet.  The description leaves SHA-256 or SHA-512 and the padding open: either
is taken.
"""

from __future__ import annotations

import base64
import hmac

from gdemoi.cloud.provider import Webhook
from gdemoi.cloud.reading import iso_time, number_of, same


def conversation_signature(
    secret: str, timestamp: str, body: bytes, digest: str
) -> str:
    """Return x-signature of a Conversations webhook, without padding."""
    signed = timestamp.encode("utf-8") + b"\n" + body
    mac = hmac.new(secret.encode("utf-8"), signed, digest).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def is_signed(webhook: Webhook, secret: str) -> bool:
    """Check x-signature (SHA-256 or SHA-512, padded or not)."""
    given = (webhook.header("x-signature") or "").rstrip("=")
    timestamp = webhook.header("x-request-timestamp") or ""
    if not given:
        return False
    right = False
    for digest in ("sha256", "sha512"):
        expected = conversation_signature(secret, timestamp, webhook.body, digest)
        right |= same(expected, given)
    return right


def signed_at(webhook: Webhook) -> float | None:
    """Return when it was signed, as epoch seconds; None when that is not readable."""
    timestamp = webhook.header("x-request-timestamp") or ""
    at = number_of(timestamp)
    if at is None:
        return iso_time(timestamp)
    return at / 1000 if at > 1e11 else at  # milliseconds
