"""``[webhook:NAME]``: an event becomes a signed POST (Standard Webhooks 1.0.0).

The id is the event's in every try, the timestamp is that of the try: a receiver may
refuse one that is five minutes old.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from gdemoi.accounts.account import Account
from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.doors.callbacks import CallbackPolicy
from gdemoi.doors.client import target_of, without_userinfo
from gdemoi.doors.settings import WebhookSettings
from gdemoi.doors.signature import signed, standard_key
from gdemoi.facts import OutboxEvent

FORM: Final = "application/x-www-form-urlencoded"
# How long both keys sign after a change.
ROTATION_S: Final = 86400.0


class _Whose(msgspec.Struct):
    """Whose event it is: of status and inbound events."""

    account: str | None = None
    channel: str | None = None
    to: str | None = None


_read_whose: Final = msgspec.json.Decoder(_Whose).decode


class WebhookCalls:
    """Makes the requests of one section (`gdemoi.doors.callbacks.CallbackMaker`).

    `both_until`: until when the old secret signs too, epoch seconds.
    """

    def __init__(
        self, settings: WebhookSettings, accounts: Mapping[str, Account]
    ) -> None:
        self.policy = CallbackPolicy(
            gone_disables=True,
            event_ttl_s=settings.event_ttl_s,
            in_flight=settings.in_flight,
        )
        self.both_until = 0.0
        self._settings = settings
        self._accounts = [accounts[name] for name in settings.accounts]
        self._names = frozenset(settings.accounts)
        self._types = frozenset(settings.types)
        self._states = frozenset(one.value for one in settings.states)
        self._url, basic = without_userinfo(settings.url)
        self._target = target_of(settings.url)
        self._new = standard_key(settings.secret_)
        old = settings.old_secret
        self._old = None if old is None else standard_key(old)
        agent = ("User-Agent", f"gdemoi/{version('gdemoi')}")
        self._headers = (agent, *basic, *settings.headers.items())

    def wants(self, event: OutboxEvent) -> bool:
        """Tell whether an event is of the types, states and accounts asked for."""
        kind, _, rest = event.routing_key.partition(".")
        if kind not in self._types:
            return False
        state = rest.partition(".")[0]
        if self._states and kind == "status" and state not in self._states:
            return False
        if not self._names:
            return True
        whose = _read_whose(event.body)
        if kind == "inbound":
            return any(
                one.takes_inbound(whose.channel, whose.to) for one in self._accounts
            )
        return whose.account in self._names if kind in _OF_MESSAGES else True

    def target(self, event: OutboxEvent) -> str:
        """Return the host and port of the section's address."""
        return self._target

    def request(self, event: OutboxEvent, now: float) -> HttpRequest:
        """Return the signed POST of an event."""
        body, content_type = event.body, "application/json"
        if self._settings.format == "form":
            body, content_type = form_of(body), FORM
        keys = [self._new]
        if self._old is not None and now < self.both_until:
            keys.append(self._old)
        headers = signed(keys, event.event_id, body, now, content_type)
        return HttpRequest(
            method="POST",
            url=self._url,
            headers=(*headers.items(), *self._headers),
            body=body,
        )

    def is_taken(self, event: OutboxEvent, answer: HttpAnswer) -> bool:
        """Tell whether the far side has it: any 2xx."""
        return 200 <= answer.status < 300


# events of a message, which has an account
_OF_MESSAGES: Final = frozenset({"status", "answer"})


def form_of(body: bytes) -> bytes:
    """Return an event's JSON as a form: flat names, nothing for null.

    Objects become ``error_code``, lists are comma separated; `correlation` stays JSON.
    """
    fields = msgspec.json.decode(body)
    return urlencode(list(_flat("", fields))).encode("ascii")


def _flat(prefix: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if value is None:
            continue
        if name == "correlation" and not prefix:
            yield name, msgspec.json.encode(value).decode()
        elif isinstance(value, dict):
            yield from _flat(f"{prefix}{name}_", value)
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        if any(isinstance(one, dict) for one in value):
            return msgspec.json.encode(value).decode()
        return ",".join(_plain(one) for one in value)
    return str(value)
