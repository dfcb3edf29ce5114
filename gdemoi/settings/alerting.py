"""``[alert:NAME]`` against the other sections: channels, numbers, what can happen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from attrs import evolve

from gdemoi.alerts.settings import AlertSettings
from gdemoi.amqp.settings import AmqpSettings
from gdemoi.contract.numbers import normalise
from gdemoi.errors import InvalidMessage
from gdemoi.ini import Section
from gdemoi.ini.units import likely
from gdemoi.settings.gateway import GatewaySettings

# A part of a routing key.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_alerts(
    alerts: Mapping[str, tuple[Section, AlertSettings]],
    gateway: GatewaySettings | None,
    amqp: AmqpSettings | None,
    channels: Mapping[str, object],
) -> None:
    """Complain about alerts that name what is not there, or can never be told."""
    names = list(channels)
    home = gateway.home_country if gateway is not None else None
    for name, (section, alert) in alerts.items():
        if name and not _NAME.fullmatch(name):
            section.complain(None, "an alert's name is of letters, digits, _ and -")
        _check_names(section, alert, names)
        for number in alert.sms:
            try:
                normalise(number, home)
            except InvalidMessage as fault:
                section.complain("sms", f"{number}: {fault.text}")
        missing = _nothing_to_watch(alert, gateway, amqp)
        if missing is not None:
            section.complain("when", f"{alert.when.word}: {missing}", warning=True)


def in_one_form(
    alerts: Mapping[str, Any], home_country: str | None
) -> dict[str, AlertSettings]:
    """Return the alerts with their numbers as E.164."""
    return {
        name: evolve(alert, sms=tuple([normalise(n, home_country) for n in alert.sms]))
        for name, alert in alerts.items()
    }


def _check_names(section: Section, alert: AlertSettings, names: list[str]) -> None:
    for glob in alert.channels:
        if not any(fnmatchcase(name, glob) for name in names):
            hint = likely(glob, names)
            section.complain("channels", f"there is no channel {glob}", hint=hint)
    for name in alert.sms_channels:
        if name not in names:
            hint = likely(name, names)
            section.complain("sms_channels", f"there is no channel {name}", hint=hint)


def _nothing_to_watch(
    alert: AlertSettings, gateway: GatewaySettings | None, amqp: AmqpSettings | None
) -> str | None:
    """Return why a condition can never hold here."""
    word = alert.when.word
    if word in ("events_lag", "broker_down") and amqp is None:
        return "there is no [amqp]"
    journal = gateway.journal if gateway is not None else ""
    if word == "disk_free" and journal.startswith("postgresql"):
        return "the journal is a database, whose disk is not looked at"
    return None
