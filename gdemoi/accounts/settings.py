"""What an operator may say of one account: ``[account:NAME]``."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from attrs import frozen

from gdemoi.ini import choice, duration, integer, key, rate, text, words
from gdemoi.ini.networks import Network, networks
from gdemoi.ini.units import time_zone
from gdemoi.kit.budgets import UTC
from gdemoi.message import MessageClass, Report


@frozen(kw_only=True)
class AccountSettings:
    """One customer or program, whichever doors it comes in by."""

    rate: float | None = key(
        rate, default=None, doc="messages that are taken; what is faster is refused"
    )
    daily: int = key(
        integer(0),
        default=0,
        doc="messages that are taken in a day of `timezone`; 0: no limit",
    )
    monthly: int = key(
        integer(0),
        default=0,
        doc="messages that are taken in a month of `timezone`; 0: no limit",
    )
    timezone: ZoneInfo = key(
        time_zone,
        default=UTC,
        doc="the time zone that days and months are of",
        example="Europe/Moscow",
    )
    month_starts: int = key(
        integer(1, 31),
        default=1,
        doc="day on which a month begins; the last one where there is no such day",
    )
    class_: MessageClass = key(
        choice(MessageClass),
        default=MessageClass.COMMAND,
        doc="class of messages whose door has no word for it",
    )
    channels: tuple[str, ...] = key(
        words,
        default=(),
        doc="the channels that its messages may go; absent: by routes",
    )
    ttl_s: float | None = key(
        duration, default=None, doc="life of messages that name none", example="2h"
    )
    allowed_sender: tuple[str, ...] = key(
        words, default=(), doc="senders that it may use; absent: any"
    )
    default_sender: str | None = key(
        text, default=None, doc="sender of messages without one", example="GdeMoi"
    )
    events: Report = key(
        choice(Report),
        default=Report.ALL,
        doc="which events of its messages are published over AMQP and HTTP",
    )
    dedup_window_s: float = key(
        duration,
        default=0.0,
        doc="the same message again within this is the first one; 0: it is another",
    )
    numbers: tuple[str, ...] = key(
        words,
        default=(),
        doc="numbers of ours whose inbound SMS are for this account; * is any",
    )
    inbound_channels: tuple[str, ...] = key(
        words, default=(), doc="channels whose inbound SMS are for this account"
    )

    callback_allow: tuple[Network, ...] = key(
        networks,
        default=(),
        doc="private networks and addresses that its callbacks may lead to",
        example="10.0.0.0/8, 127.0.0.1",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        sender = self.default_sender
        if sender and self.allowed_sender and sender not in self.allowed_sender:
            yield "default_sender", "is not among allowed_sender"
        if self.ttl_s is not None and self.ttl_s <= 0:
            yield "ttl", "nothing could ever be sent"
