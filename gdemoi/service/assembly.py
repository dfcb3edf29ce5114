"""The whole gateway as one Twisted service: made from a configuration.

Order of starting: journal, channels, HTTP and webhooks, AMQP.  Of stopping: the
platform's side takes nothing new, channels finish, the last events go out, and the
journal is closed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from random import SystemRandom
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from gdemoi.accounts.account import Account
from gdemoi.accounts.settings import AccountSettings
from gdemoi.alerts.notices import Teller, webhooks_out
from gdemoi.alerts.service import Alerts, certificate_files, journal_folder
from gdemoi.amqp.service import AmqpService
from gdemoi.cloud.webhooks import MOST_OCTETS
from gdemoi.contract.envelope import Defaults
from gdemoi.doors.service import HttpDoors
from gdemoi.errors import (
    CannotListen,
    ConfigurationError,
    GdemoiError,
    Unavailable,
)
from gdemoi.http.api import Api
from gdemoi.ini import Complaint
from gdemoi.interfaces import ChannelContext, IChannel, IListening
from gdemoi.journal import Journal
from gdemoi.journal.answers import AnsweringRules
from gdemoi.journal.faults import Damaged
from gdemoi.journal.journal import WriteProbe
from gdemoi.journal.leases import CALLBACKS, CLIENT, OUTBOX
from gdemoi.journal.server_clock import ServerClock
from gdemoi.net.bodies import BoundedSite
from gdemoi.net.faults import UNOPENED, of_port
from gdemoi.net.port import server_endpoint
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.routing.trackers import CurrentProfiles, Trackers
from gdemoi.service.gateway import PAUSED, RunningGateway
from gdemoi.service.logs import set_form, set_level, tell_counts
from gdemoi.service.message_log import CdrFileSettings, MessageLog
from gdemoi.service.notify import ServiceManager
from gdemoi.service.ownership import Duty, Ownership
from gdemoi.settings import (
    BadConfiguration,
    ChannelSettings,
    Configuration,
    GatewaySettings,
    load,
)
from gdemoi.settings.difference import differences, shown
from gdemoi.smppserver.service import SmppDoor
from gdemoi.tasks import background

log = Logger()

_SERVED: Final = {"listen": "API and status page", "webhooks": "webhooks"}


class GatewayService(Service):
    """Runs one configuration, and takes a changed one while it runs."""

    name = "gdemoi-sms"

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        load: Callable[[str], Configuration] = load,
        accept_loss: bool = False,
    ) -> None:
        self.configuration = configuration
        self.reactor = reactor
        self._load = load
        # what a restart alone can change is compared with this
        self._begun_with = configuration
        settings = configuration.gateway
        # what time it is, for all that messages carry; timers of I/O are the reactor's
        clock: Any = reactor
        if configuration.journal.startswith("postgresql"):
            clock = ServerClock(reactor)
        self.clock = clock
        try:
            self.journal = Journal(
                configuration.journal,
                clock,
                name=settings.name,
                keep_s=settings.journal_keep_s,
                receipt_ttl_s=settings.receipt_ttl_s,
                keep_for=_readers(configuration),
                accept_loss=accept_loss,
            )
        except ConfigurationError as fault:
            raise _of_journal(configuration, fault) from fault
        self._messages = MessageLog()
        self.journal.on_steps(self._messages.heard)
        self._pulse = WriteProbe(self.journal, clock)
        self.webhooks = Webhooks()
        made = [self._make(one, configuration) for one in configuration.channels]
        self.dispatcher = Dispatcher(
            self.journal,
            clock,
            Router(configuration.rules, [c.name for c in configuration.channels]),
            [one.channel for one in made],
            policy=settings.retry_policy,
            backlog_limit=settings.backlog_limit,
            home_country=settings.home_country,
            shared=self.journal.shared,
        )
        for one in made:
            one.activate()
        self.profiles = CurrentProfiles(configuration.profiles)
        self._look_at_commands(configuration)
        defaults = Defaults(
            settings.home_country, settings.default_ttl_s, self.profiles
        )
        self.gateway = RunningGateway(
            self.dispatcher, self.journal, clock, defaults, settings.name
        )
        self.amqp: AmqpService | None = None
        self.accounts = {
            name: Account(name, one, self.journal, clock)
            for name, one in _accounts(configuration).items()
        }
        self.smpp: SmppDoor | None = None
        self.doors: HttpDoors | None = None
        self._webhooks_out = webhooks_out(reactor)
        self.alerts = Alerts(
            configuration.alerts,
            self.gateway,
            self.journal,
            Teller(self.gateway, self.journal.write_event, reactor, self._webhooks_out),
            reactor,
            folder=journal_folder(configuration.journal),
            places=certificate_files(configuration),
        )
        self.gateway.active_alerts = self.alerts.active
        self.gateway.reload_now = self.reload_now
        self.gateway.shown_configuration = self.shown_configuration
        self._manager = ServiceManager(os.environ, reactor, self.journal.answers)
        self.ownership: Ownership | None = None
        if self.journal.shared:
            self.ownership = Ownership(
                configuration.journal,
                settings,
                self.dispatcher,
                reactor,
                clock,
                remake=self._remade,
                describe=self.gateway.channel,
                is_paused=self._is_paused,
                heard=self.journal.heard,
                duties=self._duties,
            )
            self.gateway.ownership = self.ownership
        self.ready: Deferred[None] = Deferred()
        # it could not start: the process is to end with an error
        self.failed = False
        self._starting: Deferred[None] | None = None
        self._changing: Deferred[None] | None = None
        self._change_again = False
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
        except (GdemoiError, OSError) as met:
            fault: Exception = met
            if isinstance(met, Damaged):
                # met later than by `_open_journal`
                fault = _of_journal(self.configuration, met)
            name = self.configuration.gateway.name
            log.critical("{name} cannot start: {fault}", name=name, fault=fault)
        finally:
            # A gateway that is half there helps nobody.
            if not started and self.running:
                self.failed = True
                self.reactor.callWhenRunning(self.reactor.stop)
        if started:
            self._manager.ready(self._words())
            self.ready.callback(None)

    def _words(self) -> str:
        """Return what systemd shows as the status."""
        channels = ", ".join(self.dispatcher.lanes) or "no channels"
        return f"{self.configuration.gateway.name} with {channels}"

    async def _open(self) -> None:
        settings = self.configuration.gateway
        self._set_up_log(settings)
        for warning in self.configuration.warnings:
            log.warn("{warning}", warning=str(warning), each=True)
        await self._open_journal()
        if self.ownership is not None:
            self.journal.join()
            self.clock.set(await self.journal.ahead_s(self.clock.machine_seconds))
        self._pulse.start()
        for lane in self.dispatcher.lanes.values():
            if await self._is_paused(lane.name):
                lane.pause()
        http = self.configuration.http
        if http is not None:
            self._api = Api(self.gateway, http, self.reactor)
            await self._listen("listen", http.listen, self._api.factory)
            if http.webhooks is not None:
                site = BoundedSite(self.webhooks, MOST_OCTETS, self.reactor)
                await self._listen("webhooks", http.webhooks, site)
        await self.dispatcher.start()
        if self.ownership is None:
            await self._see_that_all_listen()
        self._start_amqp(self.configuration)
        if self.ownership is not None:
            self.ownership.start()
        await self._open_doors()
        await self.alerts.start()
        await self.gateway.watch.start()
        log.info(
            "{name} is running with {channels}",
            name=settings.name,
            channels=", ".join(self.dispatcher.lanes) or "no channels",
        )

    def _start_amqp(self, configuration: Configuration) -> None:
        if configuration.amqp is None:
            return
        self.amqp = AmqpService(
            configuration.amqp,
            configuration.amqp_maps,
            self.gateway,
            self.journal,
            self.reactor,
            defaults=self.gateway.defaults,
            name=configuration.gateway.name,
            leads=self.ownership is None or self.ownership.leads,
            clock=self.clock,
        )
        self.gateway.amqp = self.amqp
        self.amqp.start()

    def _duties(self) -> dict[str, Duty]:
        """Return what one gateway alone may do of those that share the journal."""
        found = {}
        if self.amqp is not None:
            found[OUTBOX] = Duty(self._lead_outbox, self._follow_outbox)
        if self.doors is not None and self.doors.callbacks:
            found[CALLBACKS] = Duty(self.doors.lead, self.doors.follow)
        smpp = self.smpp
        if smpp is not None:
            for name in smpp.wished():
                begin, end = partial(smpp.lead, name), partial(smpp.follow, name)
                found[CLIENT + name] = Duty(begin, end)
        return found

    async def _lead_outbox(self) -> None:
        if self.amqp is not None:
            await self.amqp.lead()

    async def _follow_outbox(self) -> None:
        if self.amqp is not None:
            await self.amqp.follow()

    async def _change_amqp(self, before: Configuration, fresh: Configuration) -> None:
        """Speak to the broker as it is configured now.

        What was taken is finished first; events go on behind the last that a broker
        confirmed, since their bookmark is in the journal.
        """
        if _of_amqp(before) == _of_amqp(fresh):
            return
        if self.amqp is not None:
            gone, self.amqp, self.gateway.amqp = self.amqp, None, None
            await gone.stop_taking()
            await gone.stop()
        self.journal.keep_events_for(_readers(fresh))
        self._start_amqp(fresh)

    async def _open_doors(self) -> None:
        configuration = self.configuration
        for account in self.accounts.values():
            await account.load()
        self.gateway.describe_doors = self._describe_doors
        if configuration.smpp_servers:
            await self._open_smpp()
        if configuration.doors:
            self.doors = HttpDoors(
                configuration.doors,
                self.accounts,
                self.gateway,
                self.journal,
                self.reactor,
                SystemRandom().random,
                leads=self.ownership is None,
            )
            queues = self.doors.callbacks
            self.gateway.callback_queues = lambda: queues
            await self._open_http_doors(self.doors)

    async def _open_http_doors(self, doors: HttpDoors) -> None:
        try:
            await doors.start()
        except CannotListen as fault:
            label, _, key = fault.key.partition(" ")
            raise BadConfiguration(
                [self.configuration.fault(label, key, str(fault))]
            ) from fault

    def _describe_doors(self) -> list[dict[str, Any]]:
        found = []
        if self.smpp is not None:
            found += self.smpp.describe()
        if self.doors is not None:
            found += self.doors.describe()
        if found:
            accounts = self.accounts.values()
            found += [{"kind": "account", **one.describe()} for one in accounts]
        return found

    async def _open_smpp(self) -> None:
        configuration = self.configuration
        self.smpp = SmppDoor(
            configuration.smpp_servers,
            configuration.smpp_clients,
            self.accounts,
            self.gateway,
            self.journal,
            self.reactor,
            SystemRandom().random,
            leads=self.ownership is None,
        )
        try:
            await self.smpp.start()
        except CannotListen as fault:
            name, _, key = fault.key.partition(" ")
            label = f"smpp-server:{name}"
            raise BadConfiguration(
                [configuration.fault(label, key, str(fault))]
            ) from fault

    def _set_up_log(self, settings: GatewaySettings) -> None:
        """Write the log, and what became of messages, as the settings ask for."""
        set_level(settings.log_level, settings.log_levels)
        set_form(settings.log_format, settings.name)
        cdr = None
        if settings.cdr is not None:
            size, files = settings.cdr_size, settings.cdr_files
            cdr = CdrFileSettings(settings.cdr, size, files)
        try:
            self._messages.change(settings.log_facts, settings.log_texts, cdr)
        except OSError as fault:
            what = f"{settings.cdr}: {fault.strerror or fault}"
            raise BadConfiguration(
                [self.configuration.fault("gateway", "cdr", what)]
            ) from fault
        finally:
            self.journal.want_steps(self._messages.wants_steps)

    async def _open_journal(self) -> None:
        try:
            await self.journal.open()
        except (GdemoiError, OSError) as fault:
            raise _of_journal(self.configuration, fault) from fault

    async def _see_that_all_listen(self) -> None:
        """Raise when a channel cannot open its port."""
        for one in self.configuration.channels:
            fault = await self._fault_of_listening(one)
            if fault is not None:
                raise BadConfiguration([fault])

    async def _fault_of_listening(self, one: ChannelSettings) -> Complaint | None:
        """Return why a channel cannot open its port, if it has one and cannot."""
        channel = self.dispatcher.lanes[one.name].channel
        if not IListening.providedBy(channel):
            return None
        why: CannotListen | None = await channel.listening()
        if why is None:
            return None
        return self.configuration.fault(one.label, why.key, str(why))

    async def _listen(self, key: str, description: str, site: Site) -> None:
        try:
            port = await server_endpoint(self.reactor, description).listen(site)
        except UNOPENED as fault:
            why = f"{description}: {of_port(fault)}"
        else:
            self._listens(key, description, port)
            return
        raise BadConfiguration([self.configuration.fault("http", key, why)])

    def _listens(self, key: str, description: str, port: IListeningPort) -> None:
        self._ports.append(port)
        here: Any = port.getHost()
        at = f"{here.host}:{here.port}" if hasattr(here, "port") else description
        log.info("{what} at {at}", what=_SERVED[key], at=at)

    def _make(self, channel: ChannelSettings, whole: Configuration) -> _Made:
        http = whole.http
        made = _Made(self.webhooks)
        context = ChannelContext(
            reactor=self.reactor,
            clock=self.clock,
            random=SystemRandom().random,
            public_url=http.public_url if http is not None else None,
            mount=made.mount,
            cursor=self.journal.cursor,
            set_cursor=self.journal.set_cursor,
        )
        made.channel = whole.make(channel, context)
        return made

    def _remade(self, name: str) -> IChannel:
        """Return a fresh channel in the place of one that was used."""
        one = next(c for c in self.configuration.channels if c.name == name)
        made = self._make(one, self.configuration)
        made.activate()
        return made.channel

    async def _is_paused(self, name: str) -> bool:
        """Tell whether an operator paused a channel, before a restart perhaps."""
        return bool(await self.journal.cursor(PAUSED.format(name)))

    # -- stopping ----------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Stop in order; fires when the journal is closed."""
        super().stopService()
        if self._starting is not None:
            self._starting.cancel()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        self._manager.stopping()
        if self._changing is not None:
            await self._changing
        self._pulse.stop()
        self.alerts.stop()
        self._webhooks_out.close()
        if self.amqp is not None:
            await self.amqp.stop_taking()
        if self.smpp is not None:
            await self.smpp.stop_taking()
        if self.doors is not None:
            await self.doors.stop_taking()
        if self._api is not None:
            self._api.close()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        await self.dispatcher.stop(self.configuration.gateway.shutdown_grace_s)
        self.gateway.watch.stop()
        if self.ownership is not None:
            self.ownership.leave_channels()
        # The last outcomes are written; let the platform have them.
        for told in (self.amqp, self.smpp, self.doors, self.ownership):
            if told is not None:
                await told.stop()
        await self.journal.close()
        self._messages.close()
        tell_counts(self.reactor.seconds())
        log.info("{name} has stopped", name=self.configuration.gateway.name)

    # -- a changed configuration -------------------------------------------

    def reload(self) -> None:
        """Read the file again; keep the running configuration if it is bad.

        One change at a time; a wish that comes meanwhile is granted after it.
        """
        if not self.running or not self.ready.called:
            what = "the gateway is not running yet, or no more: nothing is read"
            log.warn(what, each=True)
        elif self._changing is not None:
            self._change_again = True
        else:
            what = "changing the configuration"
            self._changing = changing = background(self._reload(), log, what)
            changing.addCallback(self._changed)  # type: ignore[unused-awaitable]

    async def reload_now(self, dry_run: bool) -> dict[str, Any]:
        """Read the file again and return what that changed, or would change.

        See `gdemoi.contract.gateway.Gateway.reload`.
        """
        if not self.running or not self.ready.called:
            raise Unavailable("the gateway is not running yet, or no more")
        while self._changing is not None:
            await self._changing
        report: dict[str, Any] = {}
        self._changing = changing = background(
            self._reload(report, dry_run=dry_run), log, "changing the configuration"
        )
        # without anything to wait for it is over now, and forgotten by then
        await changing.addCallback(self._changed)
        if not report:
            raise GdemoiError("the change has failed; see the log")
        return report

    def shown_configuration(self) -> dict[str, Any]:
        """Return the configuration that runs: section, key, value as it is written."""
        return {
            section: dict(keys) for section, keys in shown(self.configuration).items()
        }

    def _changed(self, _: object) -> None:
        self._changing = None
        again, self._change_again = self._change_again, False
        if again:
            self.reload()

    async def _reload(
        self, report: dict[str, Any] | None = None, *, dry_run: bool = False
    ) -> None:
        """Read the file and let it have its effect; `report` says what that was."""
        made: dict[str, _Made] = {}
        report = {} if report is None else report
        report.update(changes=[], complaints=[], warnings=[])
        try:
            fresh = self._load(self.configuration.file)
            for channel in fresh.channels:
                if channel not in self.configuration.channels:
                    made[channel.name] = self._make(channel, fresh)
        except (BadConfiguration, ConfigurationError, OSError) as fault:
            report["status"] = "refused"
            report["complaints"] = str(fault).splitlines()
            if dry_run:
                return
            what = "the configuration is refused and the running one kept:"
            log.error(what, each=True)
            for line in report["complaints"]:
                log.error("{line}", line=line, each=True)
            return
        changes = differences(self.configuration, fresh)
        report["changes"] = [one.described() for one in changes]
        report["warnings"] = [str(warning) for warning in fresh.warnings]
        report["status"] = "changed" if changes else "unchanged"
        if dry_run:
            report["status"] = "would_change" if changes else "unchanged"
            return
        for one in changes:
            log.info("{change}", change=one.words(), each=True)
        self._manager.reloading()
        try:
            await self._change(fresh, made)
        finally:
            self._manager.ready(self._words())

    async def _change(self, fresh: Configuration, made: dict[str, _Made]) -> None:
        before = self.configuration
        old = {channel.name for channel in before.channels}
        new = {channel.name for channel in fresh.channels}
        self.configuration = fresh
        self._take_over(fresh)
        await self._change_doors(fresh)
        for name in sorted(new - old):
            await self._open_channel(made[name])
        # Before channels go: nothing is to find its way to them any more.
        settings = fresh.gateway
        self.dispatcher.reconfigure(
            Router(fresh.rules, [c.name for c in fresh.channels]),
            policy=settings.retry_policy,
            backlog_limit=settings.backlog_limit,
            home_country=settings.home_country,
        )
        for name in sorted(old - new | old & made.keys()):
            await self.dispatcher.close_channel(name, fresh.gateway.shutdown_grace_s)
            self.webhooks.unmount(name)
            if name in new:
                await self._open_channel(made[name])
            else:
                self.dispatcher.forget_channel(name)
        await self.dispatcher.adopt_orphans()
        await self._change_amqp(before, fresh)
        log.info(
            "configuration changed: {changed} changed, {gone} gone, {added} new",
            changed=", ".join(sorted(old & made.keys())) or "none",
            gone=", ".join(sorted(old - new)) or "none",
            added=", ".join(sorted(new - old)) or "none",
            each=True,
        )

    async def _open_channel(self, made: _Made) -> None:
        """Open a lane for a channel while the others run."""
        paused = await self._is_paused(made.channel.name)
        made.activate()
        self.dispatcher.open_channel(made.channel, paused=paused)
        if self.ownership is not None:
            await self.ownership.reopened(made.channel.name)
            return
        for one in self.configuration.channels:
            fault = (
                await self._fault_of_listening(one)
                if one.name == made.channel.name
                else None
            )
            if fault is not None:
                what = "{fault}; it is tried again and again"
                log.error(what, fault=str(fault), each=True)

    async def _change_doors(self, fresh: Configuration) -> None:
        """Let accounts and SMPP clients be those of a configuration."""
        changed = set()
        for name, settings in _accounts(fresh).items():
            known = self.accounts.get(name)
            if known is None:
                known = Account(name, settings, self.journal, self.clock)
                self.accounts[name] = known
                await known.load()
            elif known.settings != settings:
                known.settings = settings
                changed.add(name)
        if self.smpp is not None:
            await self.smpp.change(fresh.smpp_clients, changed)

    def _take_over(self, fresh: Configuration) -> None:
        """Let settings of the gateway itself have their effect."""
        settings = fresh.gateway
        for warning in fresh.warnings:
            log.warn("{warning}", warning=str(warning), each=True)
        self._tell_what_needs_a_restart(fresh)
        try:
            self._set_up_log(settings)
        except BadConfiguration as bad:
            log.error("{bad}; the file before it is kept", bad=str(bad), each=True)
        self._look_at_commands(fresh)
        defaults = Defaults(
            settings.home_country, settings.default_ttl_s, self.profiles
        )
        self.gateway.defaults = defaults
        self.alerts.configure(fresh.alerts, certificate_files(fresh))
        if self.ownership is not None:
            self.ownership.configure(settings)

    def _look_at_commands(self, configuration: Configuration) -> None:
        """Let profiles of trackers be those of a configuration."""
        self.profiles.library = configuration.profiles
        if configuration.trackers:
            configuration.profiles.load()
        trackers = Trackers(
            configuration.profiles, configuration.trackers, self.journal.tracker
        )
        self.journal.read_answers_by(
            AnsweringRules(configuration.profiles, configuration.gateway.home_country)
        )
        self.dispatcher.intake.turn = configuration.gateway.turn
        self.dispatcher.intake.trackers = self._messages.trackers = trackers

    def _tell_what_needs_a_restart(self, fresh: Configuration) -> None:
        begun, now = self._begun_with, fresh.gateway
        before = begun.gateway
        for what, same in (
            ("[http]", begun.http == fresh.http),
            ("[smpp-server:…]", begun.smpp_servers == fresh.smpp_servers),
            ("[webhook:…]", begun.doors.webhooks == fresh.doors.webhooks),
            ("[kannel:…]", begun.doors.kannel == fresh.doors.kannel),
            ("[jasmin:…]", begun.doors.jasmin == fresh.doors.jasmin),
            ("[door-alias:…]", begun.doors.aliases == fresh.doors.aliases),
            ("the journal", begun.journal == fresh.journal),
            ("name", before.name == now.name),
            ("journal_keep", before.journal_keep_s == now.journal_keep_s),
            ("receipt_ttl", before.receipt_ttl_s == now.receipt_ttl_s),
        ):
            if not same:
                log.warn(
                    "{what} has changed; that takes a restart", what=what, each=True
                )


def _of_amqp(configuration: Configuration) -> tuple[Any, ...]:
    """Return all that the broker's side is made of."""
    settings = configuration.gateway
    return (
        configuration.amqp,
        configuration.amqp_maps,
        settings.home_country,
        settings.default_ttl_s,
        settings.name,
    )


def _readers(configuration: Configuration) -> tuple[str, ...]:
    """Return whose bookmarks events are kept for."""
    return ("amqp",) if configuration.amqp is not None else ()


def _accounts(configuration: Configuration) -> dict[str, AccountSettings]:
    """Return all accounts, those that only a client's section names too."""
    found = dict(configuration.accounts)
    for name, client in configuration.smpp_clients.items():
        found.setdefault(client.account or name, AccountSettings())
    for name, door in configuration.doors.clients():
        found.setdefault(door.account or name, AccountSettings())
    return found


def _of_journal(configuration: Configuration, fault: Exception) -> BadConfiguration:
    """Return a fault of the journal with the place that names the journal."""
    what = str(fault).removeprefix("journal: ")
    return BadConfiguration([configuration.fault("gateway", "journal", what)])


class _Made:
    """A channel that is made but does not stand yet, with what it wants to mount.

    Its predecessor may still be there, and its webhooks under the same names.
    """

    channel: IChannel

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._mounts: list[tuple[str, IResource]] = []
        self._active = False

    def mount(self, channel: str, resource: IResource) -> None:
        """Serve `resource` for a channel, now or when it stands."""
        if self._active:
            self._webhooks.mount(channel, resource)
        else:
            self._mounts.append((channel, resource))

    def activate(self) -> None:
        """Take the place of a predecessor."""
        self._active = True
        for channel, resource in self._mounts:
            self._webhooks.mount(channel, resource)


class _Folder(Resource):
    """A folder that answers 404 to what it does not have, without saying more."""

    def getChild(self, path: bytes, request: object) -> IResource:
        """Answer for a name that is not there."""
        return notFound()


class Webhooks(_Folder):
    """The tree of webhook resources: ``/sms/<channel>/…`` → the channel's resource."""

    def __init__(self) -> None:
        super().__init__()
        self._sms = _Folder()
        self.putChild(b"sms", self._sms)

    def mount(self, channel: str, resource: IResource) -> None:
        """Serve `resource` below ``/sms/<channel>/``."""
        self._sms.putChild(channel.encode(), resource)

    def unmount(self, channel: str) -> None:
        """Forget what a channel mounted."""
        if channel.encode() in self._sms.children:
            self._sms.delEntity(channel.encode())
