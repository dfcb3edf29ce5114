"""All HTTP doors and webhooks of a gateway: their queues, and their end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.accounts.account import Account
from gdemoi.contract.gateway import Gateway
from gdemoi.doors.alias_door import AliasClient, AliasDoor
from gdemoi.doors.callbacks import Callbacks, OutboxFeed
from gdemoi.doors.client import Networks, callback_client, shown
from gdemoi.doors.intake import DoorIntake
from gdemoi.doors.jasmin_calls import JasminCalls
from gdemoi.doors.jasmin_door import JasminClient, JasminDoor
from gdemoi.doors.kannel_calls import KannelCalls
from gdemoi.doors.kannel_door import KannelClient, KannelDoor
from gdemoi.doors.settings import DoorSections, HttpDoorSettings, WebhookSettings
from gdemoi.doors.site import DoorSite
from gdemoi.doors.webhook import ROTATION_S, WebhookCalls
from gdemoi.errors import CannotListen
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
        leads: bool = True,
    ) -> None:
        # of gateways that share the journal one calls, all take requests
        self._leads = leads
        self._has_led = False
        # what callbacks are made of, for when they begin anew
        self._made_of: list[tuple[str, Any, Any, float]] = []
        self.sections = sections
        self.callbacks: dict[str, Callbacks] = {}
        self._accounts = accounts
        self._gateway = gateway
        self._journal = journal
        self._reactor = reactor
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
                lambda settings=settings: settings.callback_allow,
                settings.timeout_s,
            )
        self._make_doors(sections)
        self._feed = OutboxFeed(journal, reactor, list(self.callbacks.values()))

    def _make_doors(self, sections: DoorSections) -> None:
        """Make the clients of doors, and let ports answer for them."""
        self.sites: dict[str, DoorSite] = {}
        self.intakes: dict[str, DoorIntake] = {}
        kannel: dict[tuple[str, str], list[KannelClient]] = {}
        for name, settings in sections.kannel.items():
            account = self._accounts[settings.account or name]
            intake = self._intake(f"kannel:{name}", account)
            client = KannelClient(name, settings, intake)
            for path in settings.paths:
                place = settings.listen, path
                kannel.setdefault(place, []).append(client)
            self._add(
                f"kannel:{name}",
                KannelCalls(f"kannel:{name}", settings, account),
                _allowed_by(account),
                settings.timeout_s,
            )
        self._make_jasmin(sections)
        self._make_aliases(sections)
        doors: dict[tuple[str, ...], KannelDoor] = {}
        for (listen, path), clients in kannel.items():
            names = (listen, *(one.name for one in clients))
            door = doors.setdefault(names, KannelDoor(clients, self._gateway))
            self._site(listen).handlers[path.encode()] = door.handle

    def _make_aliases(self, sections: DoorSections) -> None:
        clients: dict[tuple[str, str], list[AliasClient]] = {}
        for name, settings in sections.aliases.items():
            account = self._accounts[settings.account or name]
            label = f"door-alias:{name}"
            client = AliasClient(name, settings, self._intake(label, account))
            for path in settings.paths:
                clients.setdefault((settings.listen, path), []).append(client)
            self._add(
                label,
                KannelCalls(label, settings, account),
                _allowed_by(account),
                settings.timeout_s,
            )
        for (listen, path), some in clients.items():
            door = AliasDoor(some, self._gateway)
            self._site(listen).handlers[path.encode()] = door.handle

    def _make_jasmin(self, sections: DoorSections) -> None:
        clients: dict[str, list[JasminClient]] = {}
        for name, settings in sections.jasmin.items():
            account = self._accounts[settings.account or name]
            intake = self._intake(f"jasmin:{name}", account)
            client = JasminClient(name, settings, intake)
            clients.setdefault(settings.listen, []).append(client)
            self._add(
                f"jasmin:{name}",
                JasminCalls(name, settings, account),
                _allowed_by(account),
                settings.timeout_s,
            )
        for listen, some in clients.items():
            door = JasminDoor(some, self._gateway)
            self._site(listen).handlers.update(door.handlers())

    def _site(self, listen: str) -> DoorSite:
        return self.sites.setdefault(listen, DoorSite(listen, self._clock))

    def _intake(self, label: str, account: Account) -> DoorIntake:
        self.intakes[label] = intake = DoorIntake(label, account, self._gateway)
        return intake

    def _add(self, label: str, maker: Any, networks: Any, timeout_s: float) -> None:
        self._made_of.append((label, maker, networks, timeout_s))
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

    async def lead(self) -> None:
        """Call from now on, from where another stood; raises `Unavailable`."""
        if self._has_led:
            made_of, self._made_of = self._made_of, []
            self._clients.clear()
            for one in made_of:
                self._add(*one)
            self._feed = OutboxFeed(
                self._journal, self._clock, list(self.callbacks.values())
            )
        self._leads = True
        await self.load()

    async def follow(self) -> None:
        """Call no more; returns when the bookmarks say what is done."""
        self._leads = False
        await self._end_calls()

    async def load(self) -> None:
        """Read what was told already, and begin to call; raises `Unavailable`."""
        if not self._leads:
            return
        self._has_led = True
        newest = await self._gateway.newest_event()
        for name, settings in self.sections.webhooks.items():
            await self._see_secrets(name, settings)
        for one in self.callbacks.values():
            await one.load(newest)
        self._feed.start(newest)
        for one in self.callbacks.values():
            one.pump()

    async def start(self) -> None:
        """Begin to call, and open the ports that doors listen at.

        Raises `Unavailable`; `CannotListen`, whose key is ``SECTION key``.
        """
        await self.load()
        for site in self.sites.values():
            try:
                await site.listen(self._reactor)
            except CannotListen as fault:
                label = self._label_at(site.description)
                raise CannotListen(f"{label} {fault.key}", str(fault)) from fault

    def _label_at(self, listen: str) -> str:
        """Return the first section that listens at a place."""
        for label, settings in self._doors():
            if settings.listen == listen:
                return label
        return ""

    def _doors(self) -> Iterator[tuple[str, HttpDoorSettings]]:
        """Return the sections of doors, with their labels."""
        for name, settings in self.sections.kannel.items():
            yield f"kannel:{name}", settings
        for name, jasmin in self.sections.jasmin.items():
            yield f"jasmin:{name}", jasmin
        for name, alias in self.sections.aliases.items():
            yield f"door-alias:{name}", alias

    async def stop_taking(self) -> None:
        """Take no more requests; finish the commits under way."""
        for site in self.sites.values():
            site.closing = True
            if site.port is not None:
                await maybeDeferred(site.port.stopListening)
                site.port = None
        await self._until(lambda: not any(one.at_work for one in self.sites.values()))

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
        if self._leads:
            await self._end_calls()

    async def _end_calls(self) -> None:
        self._feed.stop()
        for one in self.callbacks.values():
            one.stop()
        await self._until(lambda: not self._flying())
        for one in self.callbacks.values():
            await one.close()
        for http in self._clients:
            http.close()

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for something, but not longer than `FINISH_S`."""
        until = self._clock.seconds() + FINISH_S
        while not done() and self._clock.seconds() < until:
            await deferLater(self._clock, _STEP_S)

    def _flying(self) -> bool:
        return any(one.flying for one in self.callbacks.values())

    # -- what people see

    def describe(self) -> list[dict[str, Any]]:
        """Return the doors as an operator wants to see them."""
        return [*self._describe_webhooks(), *self._describe_doors()]

    def _describe_doors(self) -> list[dict[str, Any]]:
        found = []
        for label, settings in self._doors():
            kind, _, name = label.partition(":")
            door = {
                "name": name,
                "kind": kind,
                "listen": self.sites[settings.listen].where,
                **self.intakes[label].describe(),
            }
            if label in self.callbacks:
                door |= self.callbacks[label].describe()
            found.append(door)
        return found

    def _describe_webhooks(self) -> list[dict[str, Any]]:
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


def _allowed_by(account: Account) -> Callable[[], Networks]:
    """Return what tells the networks that an account's callbacks may lead to."""
    return lambda: account.settings.callback_allow
