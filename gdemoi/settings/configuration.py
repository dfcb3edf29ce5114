"""A whole configuration as a value, and what is raised when there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from gdemoi.accounts.settings import AccountSettings
from gdemoi.alerts.settings import AlertSettings
from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings
from gdemoi.doors.settings import DoorSections
from gdemoi.errors import ConfigurationError
from gdemoi.http.settings import HttpSettings
from gdemoi.ini import Complaint, Place
from gdemoi.interfaces import ChannelContext, ChannelKind
from gdemoi.profiles.library import Library
from gdemoi.routing.rules import Rule
from gdemoi.routing.settings import RouteSettings
from gdemoi.routing.trackers import TrackerRule
from gdemoi.settings.gateway import GatewaySettings
from gdemoi.smppserver.settings import SmppClientSettings, SmppServerSettings


@frozen
class ChannelSettings:
    """One configured channel: what its kind's `make` is called with."""

    kind: ChannelKind
    name: str
    settings: Any
    parts: tuple[tuple[str, str, Any], ...] = ()

    @property
    def label(self) -> str:
        """Return what stands between the brackets, an alias in the kind's own word."""
        return f"{self.kind.name}:{self.name}"


@frozen
class Configuration:
    """A whole configuration, complete and consistent."""

    file: str
    gateway: GatewaySettings
    http: HttpSettings | None
    amqp: AmqpSettings | None
    amqp_maps: dict[str, AmqpMapSettings]
    channels: tuple[ChannelSettings, ...]
    routes: tuple[tuple[str, RouteSettings], ...]
    # the journal's address, absolute and with its password
    journal: str = field(repr=False)
    warnings: tuple[Complaint, ...] = ()
    accounts: Mapping[str, AccountSettings] = field(factory=dict)
    smpp_servers: Mapping[str, SmppServerSettings] = field(factory=dict)
    smpp_clients: Mapping[str, SmppClientSettings] = field(factory=dict)
    doors: DoorSections = field(factory=DoorSections)
    alerts: Mapping[str, AlertSettings] = field(factory=dict)
    profiles: Library = field(factory=Library, repr=False, eq=False)
    trackers: tuple[TrackerRule, ...] = ()
    # where what is set: (section, key), the key "" for the section itself
    places: Mapping[tuple[str, str], Place] = field(factory=dict, repr=False, eq=False)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the routes as the router's rules, in file order."""
        return tuple(route.rule(name) for name, route in self.routes)

    def make(self, channel: ChannelSettings, surroundings: ChannelContext) -> Any:
        """Make a channel; raise `BadConfiguration`, with its place."""
        parts = list(channel.parts)
        try:
            return channel.kind.make(
                channel.name, channel.settings, parts, surroundings
            )
        except ConfigurationError as fault:
            complaint = Complaint(self.place(channel.label), str(fault))
            raise BadConfiguration([complaint]) from fault

    def place(self, section: str, key: str = "") -> Place:
        """Return where a key is set; else its section, or the file as a whole."""
        places = self.places
        found = places.get((section, key)) or places.get((section, ""))
        return found or Place(self.file, 0)

    def fault(self, section: str, key: str, what: str) -> Complaint:
        """Return a complaint about a value that came out while it was used."""
        return Complaint(self.place(section, key), what, section, key or None)

    def warning(self, section: str, key: str, what: str) -> Complaint:
        """Return a complaint about what may hinder the gateway, or may not."""
        return evolve(self.fault(section, key, what), warning=True)


class BadConfiguration(ConfigurationError):
    """A configuration that cannot be used; its text is every complaint."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(str(one) for one in complaints))
        self.complaints = tuple(complaints)
