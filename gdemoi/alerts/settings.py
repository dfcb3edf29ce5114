"""The settings of ``[alert:NAME]``: what is watched, and who is told."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from attrs import frozen

from gdemoi.alerts.conditions import AlertScope, When, when
from gdemoi.doors.signature import signing_key
from gdemoi.ini import (
    Converter,
    boolean,
    duration,
    integer,
    key,
    secret,
    text,
    words,
)


def _webhook(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{value!r} is not an address like https://ops.example.org/sms"
        )
    if "@" in parts.netloc:
        raise ValueError("must be an address without user and password")
    return value


def _command(value: str) -> tuple[str, ...]:
    try:
        found = tuple(shlex.split(value))
    except ValueError as fault:
        raise ValueError(f"cannot be split into words: {fault}") from None
    if not found or not os.path.isabs(found[0]):
        raise ValueError("begins with the full path of a program: /usr/local/bin/tell")
    return found


@frozen(kw_only=True)
class AlertSettings:
    """Something that is watched, and who is told when it goes wrong and is well again.

    Each alert is a line in `gdemoi-sms status`, a line in the log and an event; the
    other ways to tell it are switched on here.
    """

    when: When = key(
        when,
        doc="what is wrong: channel_down, line_down, broker_down,"
        " callbacks_down, unready > TIME;"
        " signal, balance < NUMBER; queue_age, events_lag > TIME;"
        " delivered_ratio < PERCENT over TIME; disk_free < SIZE;"
        " certificate_expires < TIME",
        example="channel_down > 2m",
    )
    channels: tuple[str, ...] = key(
        words,
        default=(),
        doc="globs of the channels that it is about; none: all",
        example="mensatek, office",
    )
    at_least: int = key(
        integer(1),
        default=20,
        doc="how many messages must have ended for a delivered_ratio to count",
    )
    damping_s: float = key(
        duration,
        default=60.0,
        doc="how long a value must be beyond its limit before it is told, and how long"
        " all must be well before that is told",
    )
    repeat_s: float = key(
        duration,
        default=0.0,
        doc="tell it again so often while it lasts; 0: once",
        example="6h",
    )
    event: bool = key(
        boolean,
        default=True,
        doc="an event alert.NAME, on AMQP and GET /v1/events",
    )
    webhook: str | None = key(
        Converter("address", _webhook),
        default=None,
        doc="POST it there as JSON, signed as Standard Webhooks says",
        example="https://ops.example.org/sms",
    )
    webhook_secret: str | None = key(
        secret,
        default=None,
        doc="the key of the signature: whsec_ and base64, or 16 characters and more",
        example="env:GDEMOI_ALERT_SECRET",
    )
    command: tuple[str, ...] = key(
        Converter("words of a command", _command, shlex.join),
        default=(),
        doc="a program that is run; GDEMOI_ALERT_TEXT and others tell it, its input is"
        " the JSON",
        example="/usr/local/bin/tell-ops --sms",
    )
    sms: tuple[str, ...] = key(
        words,
        default=(),
        doc="numbers that get an SMS, by another channel than the one it is about",
        example="+79161234567",
    )
    sms_channels: tuple[str, ...] = key(
        words,
        default=(),
        doc="which channels may carry that SMS; none: all but the one it is about",
        example="office",
    )
    sms_from: str | None = key(
        text, default=None, doc="sender of that SMS", example="GdeMoi"
    )

    @property
    def scope(self) -> AlertScope:
        """Return which subjects it is about."""
        return AlertScope(self.channels, self.at_least)

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if self.channels and not self.when.kind.about_channels:
            yield "channels", f"{self.when.word} is not about channels"
        if self.webhook is not None and self.webhook_secret is None:
            yield "webhook_secret", "is required: a webhook is signed"
        if self.webhook is None and self.webhook_secret is not None:
            yield "webhook_secret", "signs a webhook, and there is none"
        if self.webhook_secret is not None:
            try:
                signing_key(self.webhook_secret)
            except ValueError as fault:
                yield "webhook_secret", f"is no key: {fault}"
        if not self.sms:
            for name in ("sms_channels", "sms_from"):
                if getattr(self, name):
                    yield name, "is only for `sms`"
