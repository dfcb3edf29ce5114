"""Standard Webhooks 1.0.0: the headers that prove who posted a body, and when."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

# Standard Webhooks, "Signature scheme": the prefix of a key in base64.
KEY_PREFIX: Final = "whsec_"
# Shorter ones are guessed.
SHORTEST_SECRET: Final = 16
# What the specification asks for, in octets.
_SHORTEST_KEY: Final = 24
_LONGEST_KEY: Final = 64


def signing_key(value: str) -> bytes:
    """Return the key of a secret, also of one that is plain text.

    Raises `ValueError` for one that is none.
    """
    if value.startswith(KEY_PREFIX):
        found = b64decode(value.removeprefix(KEY_PREFIX), validate=True)
    else:
        found = value.encode()
    if len(found) < SHORTEST_SECRET:
        raise ValueError(f"is shorter than {SHORTEST_SECRET} octets")
    return found


def standard_key(value: str) -> bytes:
    """Return the key of a secret as the specification has it; raise `ValueError`."""
    if not value.startswith(KEY_PREFIX):
        raise ValueError(f"does not begin with {KEY_PREFIX}")
    try:
        found = b64decode(value.removeprefix(KEY_PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"is not base64 behind {KEY_PREFIX}") from None
    if not _SHORTEST_KEY <= len(found) <= _LONGEST_KEY:
        octets = f"{_SHORTEST_KEY} to {_LONGEST_KEY} octets"
        raise ValueError(f"is base64 of {len(found)} octets, not of {octets}")
    return found


def signed(
    keys: Sequence[bytes],
    webhook_id: str,
    body: bytes,
    now: float,
    content_type: str = "application/json",
) -> dict[str, str]:
    """Return the headers of a signed webhook, one signature for each key.

    Each is of ``id.timestamp.body``, so that none of them can be exchanged; `body` is
    UTF-8.
    """
    at = datetime.fromtimestamp(int(now), UTC)
    text = body.decode()
    signatures = [Webhook(key).sign(webhook_id, at, text) for key in keys]
    return {
        "content-type": content_type,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }
