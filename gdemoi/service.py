"""The whole gateway as one Twisted service: made from a configuration.

Order of starting: journal, channels, HTTP and webhooks, AMQP.  Of stopping: the
platform's side takes nothing new, channels finish, the last events go out, and the
journal is closed.
"""

from __future__ import annotations

from random import SystemRandom
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import IResource
from twisted.web.server import Site

from gdemoi.amqp.envelope import Defaults
from gdemoi.amqp.service import AmqpService
from gdemoi.cloud.webhooks import WebhookSite
from gdemoi.errors import ConfigurationError, GdemoiError
from gdemoi.gateway import PAUSED, AmqpDoor, Gateway
from gdemoi.http.api import Api
from gdemoi.interfaces import IChannel, Surroundings
from gdemoi.journal import Journal
from gdemoi.logs import set_level
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.settings import BadConfiguration, ChannelSettings, Configuration, load
from gdemoi.tasks import background, spawn
from gdemoi.webhooks import Webhooks

log = Logger()

_SERVED: Final = {"listen": "API and status page", "webhooks": "webhooks"}


class GatewayService(Service):
    """Runs one configuration, and takes a changed one while it runs."""

    name = "gdemoi-sms"

    def __init__(self, configuration: Configuration, reactor: Any) -> None:
        self.configuration = configuration
        self.reactor = reactor
        settings = configuration.gateway
        self.journal = Journal(
            configuration.journal,
            reactor,
            name=settings.name,
            keep_s=settings.journal_keep_s,
            receipt_ttl_s=settings.receipt_ttl_s,
            keep_for=("amqp",) if configuration.amqp is not None else (),
        )
        self.webhooks = Webhooks()
        self.dispatcher = Dispatcher(
            self.journal,
            reactor,
            Router(configuration.rules, [c.name for c in configuration.channels]),
            [self._make(channel) for channel in configuration.channels],
            policy=settings.retry_policy,
            backlog_limit=settings.backlog_limit,
        )
        defaults = Defaults(settings.home_country, settings.default_ttl_s)
        self.gateway = Gateway(
            self.dispatcher, self.journal, reactor, defaults, settings.name
        )
        self.amqp: AmqpService | None = None
        self.ready: Deferred[None] = Deferred()
        # it could not start: the process is to end with an error
        self.failed = False
        self._starting: Deferred[None] | None = None
        self._api: Api | None = None
        self._ports: list[IListeningPort] = []

    # -- starting ----------------------------------------------------------

    def startService(self) -> None:
        """Start everything; stop the reactor if that cannot be done."""
        super().startService()
        self._starting = background(self._start(), log, "starting the gateway")

    async def _start(self) -> None:
        started = False
        try:
            await self._open()
            started = True
        except GdemoiError as fault:
            name = self.configuration.gateway.name
            log.critical("{name} cannot start: {fault}", name=name, fault=fault)
        finally:
            # A gateway that is half there helps nobody.
            if not started and self.running:
                self.failed = True
                self.reactor.callWhenRunning(self.reactor.stop)
        if started:
            self.ready.callback(None)

    async def _open(self) -> None:
        settings = self.configuration.gateway
        set_level(settings.log_level)
        for warning in self.configuration.warnings:
            log.warn("{warning}", warning=str(warning))
        await self.journal.open()
        for lane in self.dispatcher.lanes.values():
            if await self.journal.cursor(PAUSED.format(lane.name)):
                lane.pause()
        http = self.configuration.http
        if http is not None:
            self._api = Api(self.gateway, http, self.reactor)
            await self._listen("listen", http.listen, self._api.factory)
            if http.webhooks is not None:
                site = WebhookSite(self.webhooks, self.reactor)
                await self._listen("webhooks", http.webhooks, site)
        await self.dispatcher.start()
        if self.configuration.amqp is not None:
            self.amqp = AmqpService(
                self.configuration.amqp,
                self.configuration.amqp_maps,
                AmqpDoor(self.gateway),
                self.journal,
                self.reactor,
                defaults=self.gateway.defaults,
                name=settings.name,
            )
            self.amqp.start()
        log.info(
            "{name} is running with {channels}",
            name=settings.name,
            channels=", ".join(self.dispatcher.lanes) or "no channels",
        )

    async def _listen(self, key: str, description: str, site: Site) -> None:
        try:
            port = await serverFromString(self.reactor, description).listen(site)
        except CannotListenError as fault:
            why = getattr(fault.socketError, "strerror", None) or fault.socketError
            raise ConfigurationError(f"[http] {key} = {description}: {why}") from fault
        self._ports.append(port)
        log.info("{what} at {address}", what=_SERVED[key], address=port.getHost())

    def _make(self, channel: ChannelSettings) -> IChannel:
        http = self.configuration.http
        surroundings = Surroundings(
            reactor=self.reactor,
            clock=self.reactor,
            random=SystemRandom().random,
            gateway_name=self.configuration.gateway.name,
            public_url=http.public_url if http is not None else None,
            mount=self._mount,
            cursor=self.journal.cursor,
            set_cursor=self.journal.set_cursor,
        )
        made = channel.kind.make(
            channel.name, channel.settings, list(channel.parts), surroundings
        )
        assert isinstance(made.name, str)
        return made  # type: ignore[no-any-return]

    def _mount(self, channel: str, resource: IResource) -> None:
        self.webhooks.mount(channel, resource)

    # -- stopping ----------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Stop in order; fires when the journal is closed."""
        super().stopService()
        if self._starting is not None:
            self._starting.cancel()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self.amqp is not None:
            await self.amqp.stop_taking()
        if self._api is not None:
            self._api.close()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        await self.dispatcher.stop(self.configuration.gateway.shutdown_grace_s)
        if self.amqp is not None:
            # The last outcomes are written; let the broker have them.
            await self.amqp.stop()
        await self.journal.close()
        log.info("{name} has stopped", name=self.configuration.gateway.name)

    # -- a changed configuration -------------------------------------------

    def reload(self) -> None:
        """Read the file again; keep the running configuration if it is bad."""
        try:
            fresh = load(self.configuration.file)
        except (BadConfiguration, OSError) as fault:
            log.error("the configuration is refused and the running one kept:")
            for line in str(fault).splitlines():
                log.error("{line}", line=line)
            return
        spawn(self._change(fresh), log, "changing the configuration")

    async def _change(self, fresh: Configuration) -> None:
        old = {channel.name: channel for channel in self.configuration.channels}
        new = {channel.name: channel for channel in fresh.channels}
        self._tell_what_needs_a_restart(fresh)
        grace_s = fresh.gateway.shutdown_grace_s
        self.configuration = fresh
        changed = [name for name in old if name in new and old[name] != new[name]]
        gone = [name for name in old if name not in new]
        for name in new:
            if name not in old:
                self.dispatcher.open_channel(self._make(new[name]))
        self.dispatcher.router = Router(fresh.rules, list(new))
        self.dispatcher.intake.router = self.dispatcher.router
        for name in [*gone, *changed]:
            await self.dispatcher.close_channel(name, grace_s)
            self.webhooks.unmount(name)
            if name in new:
                self.dispatcher.open_channel(self._make(new[name]))
            else:
                self.dispatcher.forget_channel(name)
        await self.dispatcher.adopt_orphans()
        self.dispatcher.policy = fresh.gateway.retry_policy
        self.dispatcher.intake.backlog_limit = fresh.gateway.backlog_limit
        self.gateway.defaults = Defaults(
            fresh.gateway.home_country, fresh.gateway.default_ttl_s
        )
        log.info(
            "configuration changed: {changed} changed, {gone} gone, {added} new",
            changed=", ".join(changed) or "none",
            gone=", ".join(gone) or "none",
            added=", ".join(set(new) - set(old)) or "none",
        )

    def _tell_what_needs_a_restart(self, fresh: Configuration) -> None:
        now = self.configuration
        for what, before, after in (
            ("[http]", now.http, fresh.http),
            ("[amqp]", now.amqp, fresh.amqp),
            ("the journal", now.journal, fresh.journal),
            ("the gateway's name", now.gateway.name, fresh.gateway.name),
        ):
            if before != after:
                log.warn("{what} has changed; that takes a restart", what=what)
