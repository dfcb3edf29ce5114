"""The settings of the four cloud kinds, as the ini file spells them.

It knows names, defaults and what contradicts itself; addresses of the providers
are defaults here and may be changed by `base_url` (regional hosts, a sandbox).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from attrs import frozen

from gdemoi.cloud.freshness import remembered_s
from gdemoi.ini import (
    boolean,
    choice,
    duration,
    integer,
    key,
    private_path,
    rate,
    secret,
    text,
    words,
)

# Messages that wait for an answer in a lane, beyond what HTTP has in flight.
WINDOW_PER_CONNECTION = 2
# Of webhooks: below it a slow network loses some, beyond it ids are kept in vain.
LEAST_AGE_S = 300.0
MOST_AGE_S = 7 * 86400.0


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(value: str) -> str:
    """Convert a base URL: scheme and host, no slash at the end."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http(s) address such as https://api.example.org")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an address without user, query or fragment")
    return value.rstrip("/")


@frozen(kw_only=True)
class CloudSettings:
    """What every cloud provider's section may hold."""

    base_url: str | None = key(
        _address,
        default=None,
        doc="where the provider answers, if not at its usual address",
        example="https://api.dublin.ie1.example.com",
    )
    insecure_http: bool = key(
        boolean, default=False, doc="allow plain http to another machine"
    )
    allowed_sender: tuple[str, ...] = key(
        words,
        default=(),
        doc="senders a message may ask for; the first is the default, * means any",
        example="+15005550006, GDEMOI",
    )
    sender_policy: str = key(
        choice("allowed", "fixed"),
        default="allowed",
        doc="allowed: the message's sender if it is allowed; fixed: always the default",
    )
    sender_map: dict[str, str] = key(
        text,
        name="sender.*",
        default={},
        doc="what is sent instead of a sender that a message asks for",
    )
    receipts: str = key(
        choice("webhook", "poll", "none"),
        default="webhook",
        doc="how the fate of messages is learnt",
    )
    inbound: str = key(
        choice("webhook", "poll", "none"),
        default="webhook",
        doc="how messages from phones are received",
    )
    webhook_token: str | None = key(
        secret,
        default=None,
        doc="secret last word of the webhook addresses, for providers that do not sign",
    )
    poll_every_s: float = key(
        duration, default=30.0, doc="pause between questions for inbound messages"
    )
    balance_every_s: float = key(
        duration, default=900.0, doc="pause between questions for the balance; 0: never"
    )
    timeout_s: float = key(
        duration, default=30.0, doc="how long a whole request may take"
    )
    in_flight: int = key(
        integer(1, 100), default=5, doc="requests at the same time at most"
    )
    rate: float | None = key(
        rate, default=None, name="throughput", doc="segments per second"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if (
            self.base_url is not None
            and self.base_url.startswith("http:")
            and not self.insecure_http
            and not is_loopback(self.base_url)
        ):
            yield "base_url", "plain http to another machine needs insecure_http = yes"
        if self.sender_policy == "fixed" and self.default_sender is None:
            yield "sender_policy", "fixed needs a sender in allowed_sender"
        token = self.webhook_token
        if token is not None and (
            len(token) < 16 or not token.replace("-", "").replace("_", "").isalnum()
        ):
            yield "webhook_token", "must be 16 or more letters, digits, - and _"

    @property
    def default_sender(self) -> str | None:
        """The first allowed sender that is a name or number."""
        return next((word for word in self.allowed_sender if word != "*"), None)

    @property
    def wants_webhooks(self) -> bool:
        """True when the provider is to call us."""
        return "webhook" in (self.receipts, self.inbound)

    @property
    def window(self) -> int:
        """How many messages may wait for an answer."""
        return self.in_flight * WINDOW_PER_CONNECTION


@frozen(kw_only=True)
class AgedSettings(CloudSettings):
    """A provider whose signed webhooks say when they were signed."""

    # Vonage repeats an unanswered webhook for 24 h, with its first time
    webhook_age_s: float = key(
        duration,
        default=25 * 3600.0,
        doc="how old a signed webhook may be; longer than the provider repeats it",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from CloudSettings.complaints(self)
        if not LEAST_AGE_S <= self.webhook_age_s <= MOST_AGE_S:
            yield "webhook_age", "must be 5m to 7d"

    @property
    def remembered_s(self) -> float:
        """How long the ids of webhooks are remembered."""
        return remembered_s(self.webhook_age_s)


@frozen(kw_only=True)
class TwilioSettings(CloudSettings):
    """Twilio Programmable Messaging, API 2010-04-01."""

    account_sid: str = key(
        text, doc="AC and 32 hexadecimal digits", example="AC0123456789abcdef…"
    )
    auth_token: str | None = key(
        secret, default=None, doc="the account's primary token; signs webhooks"
    )
    api_key: str | None = key(
        text, default=None, doc="SK…: send with an API key instead of the token"
    )
    api_secret: str | None = key(secret, default=None, doc="the API key's secret")
    messaging_service_sid: str | None = key(
        text, default=None, doc="MG…: a messaging service chooses the sender"
    )
    webhook_shared_key: str | None = key(
        secret, default=None, doc="SharedKey of HMAC_SHA256 webhook signatures"
    )
    inbound_numbers: tuple[str, ...] = key(
        words, default=(), doc="our numbers to poll; else those of allowed_sender"
    )
    trims_text: bool = key(
        boolean,
        default=True,
        doc="refuse text that begins or ends with spaces, since it would lose them",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from CloudSettings.complaints(self)
        if not _is_sid(self.account_sid, "AC"):
            yield "account_sid", "must be AC and 32 hexadecimal digits"
        service = self.messaging_service_sid
        if service is not None and not _is_sid(service, "MG"):
            yield "messaging_service_sid", "must be MG and 32 hexadecimal digits"
        if service is None and self.default_sender is None:
            yield "allowed_sender", "needs a sender, or set messaging_service_sid"
        if (self.api_key is None) != (self.api_secret is None):
            yield "api_key", "api_key and api_secret belong together"
        if self.auth_token is None and self.api_key is None:
            yield "auth_token", "is missing (or set api_key and api_secret)"
        if self.wants_webhooks and self.auth_token is None:
            yield "auth_token", "is needed to check webhooks, even with an API key"
        if self.inbound == "poll" and not self.polled_numbers:
            yield "inbound_numbers", "inbound = poll needs our numbers"

    def phone_numbers(self) -> Iterator[tuple[str, str]]:
        """Tell the numbers that are polled: two who do would tell each SMS twice."""
        if self.inbound == "poll":
            key = "inbound_numbers" if self.inbound_numbers else "allowed_sender"
            for number in self.polled_numbers:
                yield key, number

    @property
    def polled_numbers(self) -> tuple[str, ...]:
        """Our numbers whose inbound messages are asked for."""
        return self.inbound_numbers or tuple(
            word for word in self.allowed_sender if word.startswith("+")
        )


@frozen(kw_only=True)
class VonageSettings(AgedSettings):
    """Vonage, formerly Nexmo: the Messages API, or the older SMS API."""

    api: str = key(
        choice("messages", "sms"),
        default="messages",
        doc="messages: Messages API v1; sms: the SMS API of existing customers",
    )
    api_key: str = key(text, doc="the account's key", example="abcd1234")
    api_secret: str | None = key(secret, default=None, doc="the account's secret")
    application_id: str | None = key(
        text, default=None, doc="Messages API: application that signs with a key"
    )
    # 30 requests a second is what an account may do unless agreed otherwise
    rate: float | None = key(
        rate, default=30.0, name="throughput", doc="segments per second"
    )
    private_key: str | None = key(
        private_path,
        default=None,
        doc="path of the application's private key (PEM)",
    )
    signature_secret: str | None = key(
        secret, default=None, doc="signature secret; checks webhooks"
    )
    signature_method: str = key(
        choice("md5hash", "md5", "sha1", "sha256", "sha512"),
        default="md5hash",
        doc="SMS API: how the account signs webhooks",
    )
    reports: bool = key(
        boolean,
        default=False,
        doc="allow questions to the Reports API, which Vonage charges for",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from AgedSettings.complaints(self)
        if self.default_sender is None:
            yield "allowed_sender", "needs a sender: Vonage has no default one"
        if (self.application_id is None) != (self.private_key is None):
            yield "application_id", "application_id and private_key belong together"
        if self.application_id is not None and self.api == "sms":
            yield "application_id", "belongs to api = messages"
        if self.api_secret is None and (self.application_id is None or self.reports):
            yield "api_secret", "is missing"
        if "poll" in (self.receipts, self.inbound) and not self.reports:
            yield "reports", "polling uses the paid Reports API: set reports = yes"
        if self.wants_webhooks and self.signature_secret is None:
            if self.api == "messages":
                yield "signature_secret", "is needed to check webhooks"
            elif self.webhook_token is None:
                yield "signature_secret", "or webhook_token is needed for webhooks"


@frozen(kw_only=True)
class TextlocalSettings(CloudSettings):
    """Textlocal of the United Kingdom or India."""

    api_key: str = key(secret, doc="an API key of the account")
    # Textlocal publishes no limits; these have been borne
    in_flight: int = key(
        integer(1, 100), default=2, doc="requests at the same time at most"
    )
    rate: float | None = key(
        rate, default=5.0, name="throughput", doc="segments per second"
    )
    host: str = key(choice("uk", "in"), default="uk", doc="which Textlocal")
    inboxes: tuple[str, ...] = key(
        words, default=(), doc="ids of inboxes to poll; absent: all"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from CloudSettings.complaints(self)
        if self.wants_webhooks and self.webhook_token is None:
            yield "webhook_token", "is needed: Textlocal does not sign its webhooks"


@frozen(kw_only=True)
class TyntecSettings(AgedSettings):
    """Tyntec SMS API v1."""

    # Tyntec repeats an inbound SMS for 48 h
    webhook_age_s: float = key(
        duration,
        default=49 * 3600.0,
        doc="how old a signed webhook may be; longer than the provider repeats it",
    )

    api_key: str = key(secret, doc="the API key")
    gsm_encoding: str = key(
        choice("AUTO", "GSM7", "GDM7"),
        default="AUTO",
        doc="the word for text of the GSM alphabet that asks for it",
    )
    part_limit: int = key(
        integer(1, 255), default=10, doc="segments that one message may take"
    )
    signature_secret: str | None = key(
        secret, default=None, doc="checks x-signature of Conversations webhooks"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from AgedSettings.complaints(self)
        if self.default_sender is None:
            yield "allowed_sender", "needs a sender: Tyntec has no default one"
        if self.inbound == "poll":
            yield "inbound", "Tyntec cannot be asked for inbound messages"
        if self.wants_webhooks and self.webhook_token is None:
            yield "webhook_token", "is needed: this API does not sign its webhooks"


def _is_sid(value: str, prefix: str) -> bool:
    digits = value.removeprefix(prefix)
    return (
        len(value) == 34
        and len(digits) == 32
        and all(character in "0123456789abcdefABCDEF" for character in digits)
    )
