"""Every section read, and checked against the others.

Knows which sections there may be and what they say of one another; what a key
means stands in its settings class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import define, field

from gdemoi.accounts.settings import AccountSettings
from gdemoi.alerts.settings import AlertSettings
from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings
from gdemoi.contract.numbers import normalise
from gdemoi.doors.settings import (
    AliasSettings,
    DoorSections,
    JasminSettings,
    KannelSettings,
    WebhookSettings,
)
from gdemoi.errors import InvalidMessage
from gdemoi.http.settings import HttpSettings
from gdemoi.ini import Complaint, Document, Place, Section
from gdemoi.ini.listeners import Listener
from gdemoi.ini.units import likely
from gdemoi.interfaces import ChannelKind
from gdemoi.profiles.format import BadProfile
from gdemoi.profiles.library import Library
from gdemoi.profiles.profile import Profile
from gdemoi.profiles.profile import load as load_profile
from gdemoi.routing.settings import RouteSettings
from gdemoi.routing.trackers import TrackerRule, TrackerSettings, TrackersSettings
from gdemoi.settings.alerting import check_alerts, in_one_form
from gdemoi.settings.configuration import ChannelSettings, Configuration
from gdemoi.settings.doors import DOORS, check_doors
from gdemoi.settings.gateway import GatewaySettings, journal_url
from gdemoi.smppserver.settings import SmppClientSettings, SmppServerSettings

_CHANNEL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMELESS: Final = ("gateway", "http", "amqp", "trackers")
# sections of the platform's side that have names
_NAMED: Final[dict[str, type]] = {
    "amqp-map": AmqpMapSettings,
    "route": RouteSettings,
    "alert": AlertSettings,
    "tracker": TrackerSettings,
    "account": AccountSettings,
    "smpp-server": SmppServerSettings,
    "smpp-client": SmppClientSettings,
    "webhook": WebhookSettings,
    "kannel": KannelSettings,
    "jasmin": JasminSettings,
    "door-alias": AliasSettings,
}
_OWN: Final = (*_NAMELESS, *_NAMED)


def _unknown(section: Section, known: list[str]) -> None:
    if section.kind.startswith("sandbox-"):
        section.complain(
            None,
            "is a far side; it belongs into the file of twistd gdemoi-sandbox",
        )
    else:
        section.complain(
            None, "is an unknown section", hint=likely(section.kind, known)
        )


def _declared_by(settings: Any, verb: str) -> Iterator[Any]:
    """Return what settings tell of themselves, if they have that verb."""
    tell = getattr(settings, verb, None)
    if tell is not None:
        yield from tell()


def _certain(number: str, home_country: str | None) -> str:
    """Return a number in the one form, or as it stands where that is not certain."""
    try:
        return normalise(number, home_country)
    except InvalidMessage:
        return number


@define
class Examination:
    """The state of reading one configuration."""

    file: str
    document: Document
    kinds: Sequence[ChannelKind]
    own: dict[str, Section] = field(factory=dict)
    gateway: GatewaySettings | None = None
    http: HttpSettings | None = None
    amqp: AmqpSettings | None = None
    # kind -> name -> section and settings
    named: dict[str, dict[str, tuple[Section, Any]]] = field(
        factory=lambda: {kind: {} for kind in _NAMED}
    )
    channels: dict[str, tuple[Section, ChannelKind, Any]] = field(factory=dict)
    parts: list[tuple[Section, Any]] = field(factory=list)
    routes: list[tuple[Section, RouteSettings]] = field(factory=list)
    trackers: list[tuple[Section, TrackerSettings]] = field(factory=list)
    profiles: dict[str, Profile] = field(factory=dict)
    # every name that a channel's section claims, also of broken ones
    claimed: dict[str, Section] = field(factory=dict)

    def run(self) -> None:
        """Read all sections, then look at them together."""
        by_word = {
            word: kind for kind in self.kinds for word in (kind.name, *kind.aliases)
        }
        by_part = {part: kind for kind in self.kinds for part in kind.parts}
        for section in self.document.sections:
            if section.kind in by_word:
                self._channel(section, by_word[section.kind])
            elif section.kind in by_part:
                self._part(section, by_part[section.kind])
            elif section.kind in _OWN:
                self._own(section)
            else:
                _unknown(section, [*_OWN, *by_word, *by_part])
        self._check_parts()
        self._check_routes()
        self._check_trackers()
        self._check_webhooks()
        self._check_map()
        self._check_listeners()
        self._check_numbers()
        check_doors(self.named, self.gateway or GatewaySettings(), self.claimed)
        check_alerts(self.named["alert"], self.gateway, self.amqp, self.claimed)
        if not self.claimed:
            self.document.complain(
                Place(self.file, 0),
                "there is no channel, so that nothing can be sent",
                warning=True,
            )

    # -- sections ----------------------------------------------------------

    def _own(self, section: Section) -> None:
        if section.kind in _NAMELESS:
            self._nameless(section)
            return
        name = self._name(section)
        found = section.read(_NAMED[section.kind])
        if found is None:
            return
        self.named[section.kind][name] = (section, found)
        if section.kind == "route":
            self.routes.append((section, found))
        elif section.kind == "tracker":
            self.trackers.append((section, found))

    def _nameless(self, section: Section) -> None:
        if section.name is not None:
            section.complain(None, f"takes no name: write [{section.kind}]")
        self.own[section.kind] = section
        match section.kind:
            case "gateway":
                self.gateway = section.read(GatewaySettings)
            case "http":
                self.http = section.read(HttpSettings)
            case "amqp":
                self.amqp = section.read(AmqpSettings)
            case _:
                self._profiles(section)

    def _profiles(self, section: Section) -> None:
        """Read the operator's profiles; what is wrong with one is told with its key."""
        settings = section.read(TrackersSettings)
        sources, beside = self.document.sources, section.place_of("profiles").file
        for folder in () if settings is None else settings.profiles:
            files = sources.expand(f"{folder}/*.toml", beside)
            if not files:
                what = f"there is no *.toml in {folder}"
                section.complain("profiles", what, warning=True)
            for file in files:
                self._profile(section, file)

    def _profile(self, section: Section, file: str) -> None:
        try:
            one = load_profile(self.document.sources.read(file), file)
        except BadProfile as bad:
            told = Complaint(Place(bad.file, 0), bad.what, None, bad.key or None)
            self.document.complaints.append(told)
        except OSError as error:
            section.complain("profiles", f"cannot read {file}: {error.strerror}")
        else:
            before = self.profiles.setdefault(one.name, one)
            if before is not one:
                what = f"there is a profile {one.name} already: {before.place}"
                self.document.complain(Place(file, 0), what)

    def _check_trackers(self) -> None:
        known = Library(self.profiles)
        everything: Section | None = None
        for section, tracker in self.trackers:
            if tracker.profile not in known:
                section.complain(
                    "profile",
                    f"there is no profile {tracker.profile}",
                    hint=likely(tracker.profile, known.names()),
                )
            if everything is not None:
                what = f"is never reached: [{everything.label}] takes every tracker"
                section.complain(None, what, warning=True)
            elif not tracker.to and not tracker.account:
                everything = section

    def _name(self, section: Section) -> str:
        if section.name is None:
            section.complain(None, f"needs a name: write [{section.kind}:NAME]")
        return section.name or ""

    def _channel(self, section: Section, kind: ChannelKind) -> None:
        name = self._name(section)
        if name and not _CHANNEL_NAME.fullmatch(name):
            section.complain(None, "a channel's name is of letters, digits, _ and -")
        before = self.claimed.setdefault(name, section)
        if before is not section:
            section.complain(
                None,
                f"there is a channel {name} already: [{before.label}] at"
                f" {before.place}",
            )
        settings = section.read(kind.settings)
        if settings is not None and before is section:
            self.channels[name] = (section, kind, settings)

    def _part(self, section: Section, kind: ChannelKind) -> None:
        self._name(section)
        settings = section.read(kind.parts[section.kind])
        if settings is not None:
            self.parts.append((section, settings))

    # -- between sections --------------------------------------------------

    def _check_parts(self) -> None:
        for section, settings in self.parts:
            owner = self.claimed.get(settings.channel)
            kind = self._kind_of_part(section.kind)
            if owner is None:
                section.complain(
                    "channel",
                    f"there is no channel {settings.channel}",
                    hint=likely(settings.channel, list(self.claimed)),
                )
            elif owner.kind not in (kind.name, *kind.aliases):
                section.complain(
                    "channel", f"[{owner.label}] is not of kind {kind.name}"
                )

    def _kind_of_part(self, part: str) -> ChannelKind:
        return next(kind for kind in self.kinds if part in kind.parts)

    def _check_routes(self) -> None:
        everything: Section | None = None
        for section, route in self.routes:
            for name, _ in route.channels:
                if name not in self.claimed:
                    section.complain(
                        "channels",
                        f"there is no channel {name}",
                        hint=likely(name, list(self.claimed)),
                    )
            if everything is not None:
                section.complain(
                    None,
                    f"is never reached: [{everything.label}] takes every message",
                    warning=True,
                )
            elif route.unconditional:
                everything = section

    def _check_webhooks(self) -> None:
        if self.http is not None and self.http.webhooks is not None:
            return
        for section, _, settings in self.channels.values():
            if getattr(settings, "wants_webhooks", False):
                section.complain(
                    "receipts",
                    "webhooks need `webhooks` and `public_url` in [http]; or write"
                    " receipts = poll and inbound = poll",
                    warning=True,
                )

    def _check_map(self) -> None:
        wanted = self.amqp.map if self.amqp is not None else None
        known = [s.name or "" for s in self.document.of_kind("amqp-map")]
        if wanted is not None and wanted not in known:
            self.own["amqp"].complain(
                "map", f"there is no [amqp-map:{wanted}]", hint=likely(wanted, known)
            )

    def _check_listeners(self) -> None:
        """Two of ours cannot have one port."""
        before: list[tuple[Section, Listener]] = []
        for section, settings in self._read():
            for one in _declared_by(settings, "listeners"):
                for other, theirs in before:
                    if one.clashes(theirs):
                        section.complain(
                            one.key,
                            f"{one} is where [{other.label}] {theirs.key} listens"
                            f" ({other.place_of(theirs.key)}); choose another port",
                        )
                        break
                else:
                    before.append((section, one))

    def _check_numbers(self) -> None:
        """A SIM is in one line."""
        home = self.gateway.home_country if self.gateway is not None else None
        before: dict[str, tuple[Section, str]] = {}
        for section, settings in self._read():
            for key, number in _declared_by(settings, "phone_numbers"):
                first, first_key = before.setdefault(
                    _certain(number, home), (section, key)
                )
                if (first, first_key) != (section, key):
                    section.complain(
                        key,
                        f"{number} is the number of [{first.label}] too"
                        f" ({first.place_of(first_key)})",
                        warning=True,
                    )

    def _read(self) -> Iterator[tuple[Section, Any]]:
        """Return the sections that could be read, with their settings."""
        if self.http is not None:
            yield self.own["http"], self.http
        yield from self.named["smpp-server"].values()
        # doors that write the same share a port
        ports: set[str] = set()
        for kind in DOORS:
            for section, door in self.named[kind].values():
                if door.listen not in ports:
                    ports.add(door.listen)
                    yield section, door
        for section, _, settings in self.channels.values():
            yield section, settings
        yield from self.parts

    # -- the result --------------------------------------------------------

    def result(self) -> Configuration:
        """Return the configuration, once there is no error."""
        gateway = self.gateway or GatewaySettings()
        return Configuration(
            # absolute: a daemon may go to another folder before it reads it again
            file=self.document.sources.resolve(self.file, ""),
            gateway=gateway,
            http=self.http,
            amqp=self.amqp,
            amqp_maps=self._named("amqp-map"),
            channels=tuple(
                ChannelSettings(kind, name, settings, self._parts_of(name))
                for name, (_, kind, settings) in self.channels.items()
            ),
            routes=tuple((section.name or "", route) for section, route in self.routes),
            profiles=Library(self.profiles),
            trackers=tuple(
                TrackerRule(section.name or "", one) for section, one in self.trackers
            ),
            journal=journal_url(gateway, self.document.sources, self.file),
            warnings=tuple(one for one in self.document.complaints if one.warning),
            places=self._places(),
            accounts=self._named("account"),
            smpp_servers=self._named("smpp-server"),
            smpp_clients=self._named("smpp-client"),
            doors=DoorSections(
                webhooks=self._named("webhook"),
                kannel=self._named("kannel"),
                jasmin=self._named("jasmin"),
                aliases=self._named("door-alias"),
            ),
            alerts=in_one_form(self._named("alert"), gateway.home_country),
        )

    def _named(self, kind: str) -> dict[str, Any]:
        return {name: found for name, (_, found) in self.named[kind].items()}

    def _places(self) -> dict[tuple[str, str], Place]:
        """Return where every key is set, and under "" where its section begins."""
        found = {}
        for section in self.document.sections:
            kind = self._canonical(section.kind)
            label = kind if section.name is None else f"{kind}:{section.name}"
            found[label, ""] = section.place
            for key in section.block.words:
                found[label, key] = section.place_of(key)
        return found

    def _canonical(self, word: str) -> str:
        for kind in self.kinds:
            if word in kind.aliases:
                return kind.name
        return word

    def _parts_of(self, channel: str) -> tuple[tuple[str, str, Any], ...]:
        return tuple(
            (section.kind, section.name or "", settings)
            for section, settings in self.parts
            if settings.channel == channel
        )
