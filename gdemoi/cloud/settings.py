"""The settings that every cloud kind has, as the ini file spells them.

It knows names, defaults and what contradicts itself; each provider adds its own to
them, and may change a default.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from attrs import frozen

from gdemoi.cloud.freshness import remembered_s
from gdemoi.ini import (
    boolean,
    choice,
    duration,
    integer,
    key,
    rate,
    secret,
    text,
    web_address,
    words,
)
from gdemoi.ini.listeners import is_loopback

# Messages that wait for an answer in a lane, beyond what HTTP has in flight.
WINDOW_PER_CONNECTION = 2
# Of webhooks: below it a slow network loses some, beyond it ids are kept in vain.
LEAST_AGE_S = 300.0
MOST_AGE_S = 7 * 86400.0


def is_private(url: str) -> bool:
    """Tell whether what is sent to this address cannot be read on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


@frozen(kw_only=True)
class CloudSettings:
    """What every cloud provider's section may hold."""

    base_url: str | None = key(
        web_address,
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
        doc="how the outcome of messages is learnt",
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
            and not self.insecure_http
            and not is_private(self.base_url)
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
    def provider_chooses_sender(self) -> bool:
        """True when the provider has its own rule for a message without a sender."""
        return False

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

    # an unanswered webhook is repeated for 24 h, with its first time
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
