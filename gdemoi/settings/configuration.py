"""A whole configuration as a value, and what is raised when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings
from gdemoi.errors import ConfigurationError
from gdemoi.http.settings import HttpSettings
from gdemoi.ini import Complaint
from gdemoi.interfaces import Kind
from gdemoi.routing.rules import Rule
from gdemoi.routing.settings import RouteSettings
from gdemoi.settings.gateway import GatewaySettings


@frozen
class ChannelSettings:
    """One configured channel: what its kind's `make` is called with."""

    kind: Kind
    name: str
    settings: Any
    parts: tuple[tuple[str, str, Any], ...] = ()


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

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the routes as the router's rules, in file order."""
        return tuple(route.rule(name) for name, route in self.routes)


class BadConfiguration(ConfigurationError):
    """A configuration that cannot be used; its text is every complaint."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(str(one) for one in complaints))
        self.complaints = tuple(complaints)
