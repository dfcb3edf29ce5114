"""The sections of accounts and doors, checked against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gdemoi.accounts.settings import AccountSettings
from gdemoi.doors.client import complaint_of_url
from gdemoi.http.settings import is_local
from gdemoi.ini import Section
from gdemoi.ini.units import likely
from gdemoi.settings.gateway import GatewaySettings
from gdemoi.smppserver.settings import PASSWORD_LIMIT, SYSTEM_ID_LIMIT

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# the kinds of HTTP doors
DOORS: Final = ("kannel", "jasmin", "door-alias")
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
    _check_http_doors(named, gateway, channels)


def _check_http_doors(
    named: Mapping[str, Sections],
    gateway: GatewaySettings,
    channels: Mapping[str, Section],
) -> None:
    """Complain of HTTP doors that nobody can tell apart, or that call nobody."""
    users: dict[tuple[str, str, str], Section] = {}
    for kind in DOORS:
        for name, (section, door) in named[kind].items():
            _check_name(section, name)
            _check_life(section, door, gateway)
            _check_place(section, door)
            accounts = named["account"]
            if door.account is not None:
                _known(section, "account", (door.account,), accounts, "[account:{}]")
            for theirs, ours in door.channel_names.items():
                _known(section, f"smsc.{theirs}", (ours,), channels, "channel {}")
            user = (kind, door.listen, door.username or name)
            first = users.setdefault(user, section)
            if first is not section:
                what = f"{user[2]} is that of [{first.label}] too"
                section.complain("username", what)
            _, account = accounts.get(door.account or name, (None, AccountSettings()))
            for key in ("get_url", "post_url", "dlr_url", "inbound_url"):
                url = getattr(door, key, None)
                why = url and complaint_of_url(
                    url.replace("%", "_"), account.callback_allow
                )
                if why:
                    section.complain(key, why)


def _check_place(section: Section, door: Any) -> None:
    open_to_all = not (is_local(door.listen) or door.allow_ip)
    if open_to_all and not door.listen.startswith("ssl:"):
        section.complain(
            "listen",
            "anyone may ask, in clear text: write allow_ip, an ssl: endpoint, or"
            " interface=127.0.0.1",
            warning=True,
        )


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
