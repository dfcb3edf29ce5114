"""What another configuration would change, key by key and in words.

A configuration is shown as its sections, each key as one would write it in the ini
file, defaults left out.  Secrets are never shown: they are only said to be another,
and where one side is known by its shown form alone, they cannot be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from gdemoi.ini.declared import Key, keys_of
from gdemoi.ini.units import rendered
from gdemoi.settings.configuration import Configuration

HIDDEN: Final = "(secret)"
# a value that has no short form, such as a rule
UNWRITTEN: Final = "(set)"
# What takes effect when the gateway starts only: whole sections, and keys of [gateway].
_AT_START: Final = ("http", "smpp-server")
_AT_START_KEYS: Final = frozenset({"name", "journal", "journal_keep", "receipt_ttl"})

_LONGEST: Final = 200

# section -> key -> value as it is written
Shown = Mapping[str, Mapping[str, str | None]]
# key -> (value as it is written, None: not set; the value itself)
_Keys = dict[str, tuple[str | None, Any]]
_DEFAULT: Final[tuple[str | None, Any]] = (None, None)


@frozen
class Change:
    """One difference; `key` None: the whole section came or went.

    `before` and `after` are as they are written in the ini; None: not set (its
    default holds), or no such section.
    """

    section: str
    key: str | None
    before: str | None
    after: str | None

    @property
    def needs_restart(self) -> bool:
        """Whether it takes effect when the gateway starts, and not before."""
        kind = self.section.partition(":")[0]
        if kind == "gateway":
            return self.key in _AT_START_KEYS
        return kind in _AT_START

    def words(self) -> str:
        """Return it as one line."""
        where = f"[{self.section}]"
        if self.key is None:
            text = f"{where} is {'new' if self.before is None else 'gone'}"
        elif self.before == self.after:
            text = f"{where} {self.key} is another"
        elif self.before is None:
            text = f"{where} {self.key} = {self.after} (was the default)"
        elif self.after is None:
            text = f"{where} {self.key}: the default (was {self.before})"
        else:
            text = f"{where} {self.key} = {self.after} (was {self.before})"
        return f"{text}; takes a restart" if self.needs_restart else text

    def described(self) -> dict[str, Any]:
        """Return it JSON-ready, as docs/http.rst, "The gateway itself", has it."""
        return {
            "section": self.section,
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "needs_restart": self.needs_restart,
            "text": self.words(),
        }


def shown(configuration: Configuration) -> Shown:
    """Return a configuration as its sections, without what is left to defaults."""
    return {
        section: {name: text for name, (text, _) in _set_keys(settings).items()}
        for section, settings in _sections(configuration)
    }


def differences(old: Configuration, new: Configuration) -> list[Change]:
    """Return what `new` changes, in the order of the sections of both.

    All values are compared, secrets too; what cannot be shown is said to be another.
    """
    return _changes(
        {section: _set_keys(settings) for section, settings in _sections(old)},
        {section: _set_keys(settings) for section, settings in _sections(new)},
    )


def shown_differences(old: Shown, new: Shown) -> list[Change]:
    """Return the differences of two configurations that are known as they are shown."""
    return _changes(_texts(old), _texts(new))


def _texts(one: Shown) -> dict[str, _Keys]:
    return {
        section: {name: (text, text) for name, text in keys.items()}
        for section, keys in one.items()
    }


def _changes(old: dict[str, _Keys], new: dict[str, _Keys]) -> list[Change]:
    found: list[Change] = []
    for section in dict.fromkeys((*old, *new)):
        before, after = old.get(section), new.get(section)
        if before is None or after is None:
            gone = section if after is None else None
            found.append(Change(section, None, gone, None if gone else section))
            continue
        for name in dict.fromkeys((*before, *after)):
            was, now = before.get(name, _DEFAULT), after.get(name, _DEFAULT)
            if was[1] != now[1] or (was[0] is None) is not (now[0] is None):
                found.append(Change(section, name, was[0], now[0]))
    return found


def secrets_in(one: Shown) -> list[str]:
    """Return the keys whose values are hidden, as ``[section] key``."""
    return [
        f"[{section}] {key}"
        for section, keys in one.items()
        for key, value in keys.items()
        if value == HIDDEN
    ]


def _sections(configuration: Configuration) -> Iterator[tuple[str, Any]]:
    """Yield each section's label and settings, in about the order of a file."""
    yield "gateway", configuration.gateway
    if configuration.http is not None:
        yield "http", configuration.http
    if configuration.amqp is not None:
        yield "amqp", configuration.amqp
    groups: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("amqp-map", configuration.amqp_maps),
        ("account", configuration.accounts),
        ("smpp-server", configuration.smpp_servers),
        ("smpp-client", configuration.smpp_clients),
    )
    for kind, named in groups:
        for name, one in named.items():
            yield f"{kind}:{name}", one
    for channel in configuration.channels:
        yield channel.label, channel.settings
        for kind, name, part in channel.parts:
            yield f"{kind}:{name}", part
    for name, route in configuration.routes:
        yield f"route:{name}", route
    for name, alert in configuration.alerts.items():
        yield f"alert:{name}", alert
    for rule in configuration.trackers:
        yield f"tracker:{rule.name}", rule.settings


def _set_keys(settings: Any) -> _Keys:
    """Return the keys that are not left to their defaults: as shown, and the value."""
    found: _Keys = {}
    for key in keys_of(type(settings)):
        value = getattr(settings, key.field)
        if key.pattern is not None:
            for rest, one in value.items():
                found[f"{key.pattern}{rest}"] = (_shown(key, one), one)
        elif key.required or value != key.default:
            found[key.name] = (_shown(key, value), value)
    return found


def _shown(key: Key, value: Any) -> str:
    if key.hidden:
        return HIDDEN
    text = rendered(key.converter, value) or str(getattr(value, "name", UNWRITTEN))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
