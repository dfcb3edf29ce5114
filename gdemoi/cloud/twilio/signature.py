"""How Twilio signs its webhooks: X-Twilio-Signature.

HMAC over the public URL (query raw, fragment dropped) followed by every form field,
sorted by name; SHA-1 keyed with the auth token, or SHA-256 keyed with a SharedKey
when the settings header says so.  There is no time in it: a replay is stopped by
telling each (sid, status) once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gdemoi.cloud.exchange import Webhook
from gdemoi.cloud.reading import JSON, same
from gdemoi.errors import TheirFault

_SHA1: Final = "sha1"
_ALGORITHMS: Final = {"HMAC_SHA256": "sha256"}


def signature(
    secret: str, url: str, pairs: Sequence[tuple[str, str]], digest: str = _SHA1
) -> str:
    """Return the signature of a URL and form fields, base64."""
    values: dict[str, set[str]] = {}
    for name, value in pairs:
        values.setdefault(name, set()).add(value)
    signed = url + "".join(
        name + value for name in sorted(values) for value in sorted(values[name])
    )
    mac = hmac.new(
        secret.encode("utf-8"), signed.encode("utf-8", "surrogatepass"), digest
    )
    return base64.b64encode(mac.digest()).decode("ascii")


def url_spellings(url: str) -> tuple[str, ...]:
    """Return the URL as it may have been signed: without a port, and with one.

    Twilio is not consistent about the port, and its SDKs accept either.
    """
    url = url.partition("#")[0]
    parts = urlsplit(url)
    head, authority, tail = url.partition(parts.netloc)
    user, at, host = authority.rpartition("@")
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, "443" if parts.scheme == "https" else "80"
    return (
        f"{head}{user}{at}{name}{tail}",
        f"{head}{user}{at}{name}:{port}{tail}",
    )


def is_valid(
    url: str, pairs: Sequence[tuple[str, str]], given: str, secret: str, digest: str
) -> bool:
    """Compare in constant time with each spelling of the URL."""
    right = False
    for spelling in url_spellings(url):
        right |= same(signature(secret, spelling, pairs, digest), given)
    return right


def is_signed(webhook: Webhook, auth_token: str | None, shared_key: str | None) -> bool:
    """Tell whether a webhook is Twilio's own."""
    given = webhook.header("x-twilio-signature")
    if given is None:
        return False
    secret, digest = auth_token, _SHA1
    if any(name == _SETTINGS for name, _ in webhook.headers):
        secret, digest = shared_key, _digest_of(webhook.header(_SETTINGS))
    if not secret or not digest:
        return False
    pairs: list[tuple[str, str]] = []
    if webhook.method == "POST":
        query = dict(parse_qsl(urlsplit(webhook.url).query, keep_blank_values=True))
        if webhook.content_type == JSON:
            digest_of_body = hashlib.sha256(webhook.body).hexdigest()
            if not same(digest_of_body, query.get("bodySHA256", "").lower()):
                return False
        else:
            try:
                pairs = webhook.form()
            except TheirFault:
                return False
    return is_valid(webhook.url, pairs, given, secret, digest)


_SETTINGS: Final = "x-twilio-webhooks-signature-settings"


def _digest_of(settings: str | None) -> str:
    """Return the hash that a settings header names, empty when unknown."""
    for word in (settings or "").split(","):
        name, _, value = word.strip().partition("=")
        if name == "algorithm":
            return _ALGORITHMS.get(value, "")
    return ""
