"""The sections of accounts and doors, checked against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gdemoi.ini import Section
from gdemoi.ini.units import likely
from gdemoi.settings.gateway import GatewaySettings
from gdemoi.smppserver.settings import PASSWORD_LIMIT, SYSTEM_ID_LIMIT

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
Sections = Mapping[str, tuple[Section, Any]]


def check_doors(
    named: Mapping[str, Sections],
    gateway: GatewaySettings,
    channels: Mapping[str, Section],
) -> None:
    """Complain of clients and accounts that do not go together."""
    accounts, servers = named["account"], named["smpp-server"]
    clients = named["smpp-client"]
    for section, account in accounts.values():
        for key in ("channels", "inbound_channels"):
            _known(section, key, getattr(account, key), channels, "channel {}")
    for section, server in servers.values():
        if not (server.is_local or server.allow_ip or server.tls_certificate):
            section.complain(
                "listen",
                "anyone may connect, in clear text: write allow_ip, tls_certificate, or"
                " interface=127.0.0.1",
                warning=True,
            )
        if not clients:
            section.complain(None, "has no [smpp-client:NAME] to bind", warning=True)
    _check_clients(clients, accounts, servers, gateway)
    for name, (section, webhook) in named["webhook"].items():
        _check_name(section, name)
        _known(section, "accounts", webhook.accounts, accounts, "[account:{}]")
        _check_life(section, webhook, gateway)


def _check_name(section: Section, name: str) -> None:
    if name and not _NAME.fullmatch(name):
        section.complain(None, "a door's name is of letters, digits, _ . and -")


def _check_life(section: Section, settings: Any, gateway: GatewaySettings) -> None:
    if settings.event_ttl_s > gateway.journal_keep_s:
        section.complain("event_ttl", "is longer than journal_keep of [gateway]")


def _check_clients(
    clients: Sections, accounts: Sections, servers: Sections, gateway: GatewaySettings
) -> None:
    before: dict[str, Section] = {}
    for name, (section, client) in clients.items():
        _known(section, "servers", client.servers, servers, "[smpp-server:{}]")
        if client.account is not None:
            _known(section, "account", (client.account,), accounts, "[account:{}]")
        system_id = client.system_id or name
        first = before.setdefault(system_id, section)
        if first is not section:
            section.complain("system_id", f"{system_id} is that of [{first.label}] too")
        if len(system_id) > SYSTEM_ID_LIMIT:
            section.complain(
                "system_id",
                f"is longer than {SYSTEM_ID_LIMIT} characters, which many clients cut",
                warning=True,
            )
        if len(client.password) > PASSWORD_LIMIT:
            section.complain(
                "password",
                f"is longer than {PASSWORD_LIMIT} characters, which many clients cut",
                warning=True,
            )
        _check_life(section, client, gateway)
    if clients and not servers:
        section, _ = next(iter(clients.values()))
        section.complain(None, "there is no [smpp-server:NAME]", warning=True)


def _known(
    section: Section,
    key: str,
    names: tuple[str, ...],
    known: Mapping[str, Any],
    what: str,
) -> None:
    for name in names:
        if name not in known:
            section.complain(
                key, f"there is no {what.format(name)}", hint=likely(name, list(known))
            )
