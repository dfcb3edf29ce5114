"""The settings of ``[gateway]``: the gateway itself, its journal, its patience."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from gdemoi.ini import (
    Converter,
    Sources,
    choice,
    duration,
    each,
    integer,
    key,
    path,
    secret,
    size,
    words,
)
from gdemoi.ini.units import Wrong, likely
from gdemoi.journal.database import url_of
from gdemoi.message import CommandPace, Sticky, Turn
from gdemoi.routing.retry import RetryPolicy
from gdemoi.routing.settings import region, turn_of

_GATEWAY_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SQLITE: Final = "sqlite:///"
_JOURNALS: Final = ("sqlite:", "postgresql:", "postgresql+psycopg:")


def _gateway_name(value: str) -> str:
    if not _GATEWAY_NAME.fullmatch(value):
        raise ValueError("is up to 64 of letters, digits, _ . and -")
    return value


def _journal(value: str) -> str:
    if not value.startswith(_JOURNALS):
        raise Wrong(
            "is not like sqlite:///journal.sqlite or postgresql://user@host/base",
            _meant(value),
        )
    if value.startswith("sqlite:") and not value.startswith(_SQLITE):
        raise Wrong(
            "sqlite takes three slashes (sqlite:///relative/path)", _meant(value)
        )
    if value == _SQLITE or ":memory:" in value:
        raise ValueError("a journal in memory would lose what was accepted")
    return value


def _meant(value: str) -> str | None:
    """Return what a journal's address was probably meant to be; no password."""
    if value.startswith("postgres:"):
        return "postgresql://…"
    kind, colon, rest = value.partition(":")
    if colon and kind != "sqlite":
        return None
    path = rest if colon else value
    slashes = len(path) - len(path.lstrip("/"))
    # two slashes are of the address, any other number is the path's own
    is_absolute = slashes not in (0, 2)
    return f"{_SQLITE}{'/' if is_absolute else ''}{path.lstrip('/')}"


# Packages of `gdemoi` that write log lines, and the steps of messages.
LOG_PARTS: Final = (
    *("accounts", "alerts", "amqp", "cloud", "doors", "goip", "http", "journal"),
    *("messages", "routing", "service", "smpp", "smppserver", "yeastar"),
)
LOG_LEVELS: Final = ("debug", "info", "warn", "error", "critical")


def _part_level(value: str) -> tuple[str, str]:
    part, equals, level = (word.strip() for word in value.partition("="))
    if not equals:
        raise Wrong(f"{value!r} is not a part and its level", f"{part}=debug")
    if part not in LOG_PARTS:
        meant = likely(part, list(LOG_PARTS))
        hint = f"{meant}={level}" if meant else None
        raise Wrong(f"{part!r} is not one of {' '.join(LOG_PARTS)}", hint)
    if level not in LOG_LEVELS:
        meant = likely(level, list(LOG_LEVELS))
        hint = f"{part}={meant}" if meant else None
        raise Wrong(f"{level!r} is not one of {' '.join(LOG_LEVELS)}", hint)
    return part, level


@frozen(kw_only=True)
class GatewaySettings:
    """The gateway itself: its name, its journal, its patience."""

    name: str = key(
        Converter("name", _gateway_name),
        default="gdemoi",
        doc="this gateway's name, as the far sides and the logs see it",
        example="gdemoi-1",
    )
    home_country: str | None = key(
        Converter("country (ISO 3166)", region),
        default=None,
        doc="how numbers without + are read, also senders of inbound SMS",
        example="RU",
    )
    journal: str = key(
        Converter("sqlite:///… | postgresql://…", _journal),
        default="sqlite:///gdemoi.sqlite",
        doc="where messages are written down; a relative path is relative to this file",
        example="sqlite:////var/lib/gdemoi/journal.sqlite",
        hidden=True,
    )
    journal_password: str | None = key(
        secret,
        default=None,
        doc="password of a PostgreSQL journal, if not in its address",
    )
    journal_keep_s: float = key(
        duration, default=30 * 86400.0, doc="how long finished messages are kept"
    )
    default_ttl_s: float = key(
        duration, default=7200.0, doc="life of messages that name none"
    )
    pace: CommandPace = key(
        choice(CommandPace),
        default=CommandPace.SUBMITTED,
        doc="when the next command to a number may leave: when the one before is"
        " submitted, delivered or answered; none: at once",
    )
    gap_s: float = key(
        duration, default=0.0, doc="what passes between two commands to a number"
    )
    sticky: Sticky = key(
        choice(Sticky),
        default=Sticky.OFF,
        doc="whether a command goes by the channel and sender that its tracker knows:"
        " prefer: unless that one is down; require: it waits for it",
    )
    receipt_ttl_s: float = key(
        duration,
        default=3 * 86400.0,
        doc="how long a receipt is waited for before a message settles without it",
    )
    unsure_hold_s: float = key(
        duration,
        default=120.0,
        doc="how long a message that may have gone out is held before `uncertain`"
        " is told",
    )
    tries: int = key(
        integer(1, 100),
        default=6,
        doc="attempts that temporary errors may cost a message",
    )
    retry_first_s: float = key(
        duration, default=15.0, doc="pause after the first temporary error; it doubles"
    )
    retry_last_s: float = key(duration, default=600.0, doc="the longest such pause")
    resend_tries: int = key(
        integer(0, 20),
        default=2,
        doc="how often a message with on_unsure = resend is sent again because"
        " nobody knew what became of it",
    )
    resend_first_s: float = key(
        duration, default=5.0, doc="pause before the first such resend; it doubles"
    )
    backlog_limit: int = key(
        integer(1),
        default=100_000,
        doc="waiting messages at which no more are taken (AMQP waits, HTTP says 503)",
    )
    shutdown_grace_s: float = key(
        duration, default=20.0, doc="how long unanswered submits may finish at the end"
    )
    owns: tuple[str, ...] = key(
        words,
        default=(),
        doc="channels that this gateway rather has than others of the same PostgreSQL"
        " journal, or (with !) never; globs, and the first that matches decides",
        example="mts-*, !goip-*",
    )
    takes_back_after_s: float = key(
        duration,
        default=60.0,
        doc="how long this gateway is up before it takes channels from one that lives",
    )
    log_level: str = key(
        choice(*LOG_LEVELS),
        default="info",
        doc="the least important lines that are logged",
    )
    log_levels: tuple[tuple[str, str], ...] = key(
        each(Converter("part=level", _part_level, "=".join)),
        default=(),
        doc="other levels for parts of the gateway: " + " ".join(LOG_PARTS),
        example="smpp=debug, http=warn",
    )
    log_format: str = key(
        choice("plain", "json"),
        default="plain",
        doc="how lines are written; plain ones have fields in systemd's journal",
    )
    log_facts: str = key(
        choice("none", "final", "all"),
        default="none",
        doc="a line for each step of each message, for its last one, or none; inbound"
        " SMS too",
    )
    log_texts: str = key(
        choice("no", "mask", "yes"),
        default="no",
        doc="the texts of messages in those lines and in the CDR file: absent, with x"
        " for each letter, or as they are",
    )
    cdr: str | None = key(
        path,
        default=None,
        doc="a file that gets a JSON line for each message that is over, and each"
        " inbound SMS",
        example="/var/log/gdemoi/cdr.jsonl",
    )
    cdr_size: int = key(
        size,
        default=100 * 1024**2,
        doc="at which the CDR file is renamed to .1, and a new one begun",
    )
    cdr_files: int = key(
        integer(0, 10_000), default=20, doc="how many older CDR files are kept; 0: all"
    )
    include: tuple[str, ...] = key(
        words,
        default=(),
        doc="further files, read after this one; globs, relative to this file",
        example="conf.d/*.ini",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if self.journal_password is not None and self.journal.startswith("sqlite:"):
            yield "journal_password", "an SQLite journal has no password"
        if self.default_ttl_s <= 0:
            yield "default_ttl", "nothing could ever be sent"
        if self.retry_first_s > self.retry_last_s:
            yield "retry_first", "is longer than retry_last"
        if self.retry_first_s <= 0:
            yield "retry_first", "would try again without a pause"
        if self.resend_first_s <= 0:
            yield "resend_first", "would send again without a pause"

    @property
    def turn(self) -> Turn | None:
        """Return how commands wait for one another; None: as by itself."""
        pace = None if self.pace is CommandPace.SUBMITTED else self.pace
        sticky = None if self.sticky is Sticky.OFF else self.sticky
        return turn_of(pace, self.gap_s or None, sticky)

    @property
    def retry_policy(self) -> RetryPolicy:
        """Return the numbers of the retry policy."""
        return RetryPolicy(
            tries=self.tries,
            first_s=self.retry_first_s,
            last_s=self.retry_last_s,
            hold_s=self.unsure_hold_s,
            resends=self.resend_tries,
            resend_first_s=self.resend_first_s,
        )


def journal_url(gateway: GatewaySettings, sources: Sources, file: str) -> str:
    """Return the journal's address: its path absolute, its password in it."""
    url = gateway.journal
    if url.startswith(_SQLITE):
        return _SQLITE + sources.resolve(url.removeprefix(_SQLITE), file)
    if gateway.journal_password is None:
        return url
    made = url_of(url).set(password=gateway.journal_password)
    return made.render_as_string(hide_password=False)
