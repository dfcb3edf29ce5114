"""All HTTP doors and webhooks of a gateway: their queues, and their end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.accounts.account import Account
from gdemoi.contract.gateway import Gateway
from gdemoi.doors.callbacks import Callbacks, OutboxFeed
from gdemoi.doors.client import callback_client, shown
from gdemoi.doors.settings import DoorSections, WebhookSettings
from gdemoi.doors.webhook import ROTATION_S, WebhookCalls
from gdemoi.interfaces import IJournal

# How long requests without an answer may finish at the end.
FINISH_S: Final = 5.0
_STEP_S: Final = 0.05
_SECRET: Final = "webhook:{}:secret"

log = Logger()


class HttpDoors:
    """The doors of a gateway.  `start()`; `stop()` when the last events are written.

    `client(networks, timeout_s)` makes what callbacks go out by.
    """

    def __init__(
        self,
        sections: DoorSections,
        accounts: Mapping[str, Account],
        gateway: Gateway,
        journal: IJournal,
        reactor: Any,
        random: Callable[[], float],
        client: Callable[..., Any] | None = None,
    ) -> None:
        self.sections = sections
        self.callbacks: dict[str, Callbacks] = {}
        self._accounts = accounts
        self._gateway = gateway
        self._journal = journal
        self._clock: IReactorTime = reactor
        self._random = random
        self._clients: list[Any] = []
        self._client = client or (
            lambda networks, timeout_s: callback_client(reactor, networks, timeout_s)
        )
        self._webhooks = {
            name: WebhookCalls(settings, accounts)
            for name, settings in sections.webhooks.items()
        }
        for name, settings in sections.webhooks.items():
            self._add(
                f"webhook:{name}",
                self._webhooks[name],
                settings.callback_allow,
                settings.timeout_s,
            )
        self._feed = OutboxFeed(journal, reactor, list(self.callbacks.values()))

    def _add(self, label: str, maker: Any, networks: Any, timeout_s: float) -> None:
        http = self._client(networks, timeout_s)
        self._clients.append(http)
        self.callbacks[label] = Callbacks(
            label,
            maker,
            http,
            self._journal,
            self._clock,
            self._random,
            hungry=lambda: self._feed.pump(),
        )

    # -- from the beginning to the end

    async def load(self) -> None:
        """Read what was told already; raises `Unavailable`."""
        newest = await self._gateway.newest_event()
        for name, settings in self.sections.webhooks.items():
            await self._see_secrets(name, settings)
        for one in self.callbacks.values():
            await one.load(newest)
        self._feed.start(newest)

    async def start(self) -> None:
        """Begin to call; raises `Unavailable`."""
        await self.load()
        for one in self.callbacks.values():
            one.pump()

    async def _see_secrets(self, name: str, settings: WebhookSettings) -> None:
        """Find out since when a webhook has the two secrets that it has."""
        if settings.old_secret is None:
            return
        both = f"{settings.old_secret} {settings.secret_}".encode()
        mark = hashlib.sha256(both).hexdigest()[:16]
        known, _, since = (
            await self._journal.cursor(_SECRET.format(name)) or ""
        ).partition(" ")
        if known != mark:
            since = str(self._clock.seconds())
            await self._journal.set_cursor(_SECRET.format(name), f"{mark} {since}")
        self._webhooks[name].both_until = float(since) + ROTATION_S

    async def stop(self) -> None:
        """Let requests finish that have left, and write the bookmarks."""
        self._feed.stop()
        for one in self.callbacks.values():
            one.stop()
        until = self._clock.seconds() + FINISH_S
        while self._flying() and self._clock.seconds() < until:
            await deferLater(self._clock, _STEP_S)
        for one in self.callbacks.values():
            await one.close()
        for http in self._clients:
            http.close()

    def _flying(self) -> bool:
        return any(one.flying for one in self.callbacks.values())

    # -- what people see

    def describe(self) -> list[dict[str, Any]]:
        """Return the doors as an operator wants to see them."""
        return [
            {
                "name": name,
                "kind": "webhook",
                "url": shown(settings.url),
                "account": ", ".join(settings.accounts) or None,
                **self.callbacks[f"webhook:{name}"].describe(),
            }
            for name, settings in self.sections.webhooks.items()
        ]
