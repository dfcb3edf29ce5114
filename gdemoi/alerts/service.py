"""Alerts of a running gateway: a look every few seconds, and what follows from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gdemoi.alerts.conditions import Observation
from gdemoi.alerts.notices import Teller
from gdemoi.alerts.settings import AlertSettings
from gdemoi.alerts.watch import Notice, Watch, told
from gdemoi.contract.gateway import Gateway
from gdemoi.errors import Unavailable
from gdemoi.ini.declared import keys_of
from gdemoi.ini.listeners import parts_of
from gdemoi.ini.pem import CERTIFICATE, own_certificate
from gdemoi.settings.configuration import Configuration

log = Logger()

LOOK_EVERY_S: Final = 10.0
# Certificates are files that are replaced once in months.
CERTIFICATES_EVERY_S: Final = 600.0
# The cursor that says what is on.
CURSOR: Final = "alerts"


class Bookmarks(Protocol):
    """What alerts ask of the journal: to remember what is on."""

    def cursor(self, name: str) -> Deferred[str | None]:
        """Read a named cursor."""

    def set_cursor(self, name: str, value: str) -> Deferred[None]:
        """Write a named cursor."""


class Alerts:
    """Looks, watches and tells.

    `places`: what each certificate file is for, and its path; `folder`: where the
    journal is, None when it is on another machine.
    """

    def __init__(
        self,
        alerts: Mapping[str, AlertSettings],
        gateway: Gateway,
        cursors: Bookmarks,
        teller: Teller,
        clock: Any,
        *,
        folder: str | None,
        places: Mapping[str, str],
        free: Callable[[str], int] | None = None,
    ) -> None:
        self.watch = Watch(dict(alerts))
        self._gateway = gateway
        self._bookmarks = cursors
        self._teller = teller
        self._clock = clock
        self._folder = folder
        self._free = free or _free
        self._places = dict(places)
        self._certificates: tuple[tuple[str, float], ...] = ()
        self._certificates_at = float("-inf")
        self._saved = ""
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    async def start(self) -> None:
        """Go on with what was on, and begin to look."""
        try:
            self._saved = await self._bookmarks.cursor(CURSOR) or ""
        except Unavailable as fault:
            log.warn("alerts that were on are not known: {fault}", fault=fault)
        self.watch.restore(self._saved)
        # It runs until `stop`; what fails is logged, and tried again.
        self._loop.start(LOOK_EVERY_S, now=False)  # type: ignore[unused-awaitable]

    def stop(self) -> None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()
        self._teller.stop()

    def configure(
        self, alerts: Mapping[str, AlertSettings], places: Mapping[str, str]
    ) -> None:
        """Take a changed configuration."""
        self.watch.configure(dict(alerts))
        self._places = dict(places)
        self._certificates_at = float("-inf")

    def active(self) -> list[dict[str, Any]]:
        """Return what is on, JSON-ready."""
        return [told(one) for one in self.watch.active()]

    def _look(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.look())

    async def look(self) -> None:
        """Look once, and tell what is to be told."""
        alerts = dict(self.watch.alerts)
        if not alerts and not self.watch.active():
            return
        try:
            notices = self.watch.look(await self._observe())
        except Exception:  # noqa: BLE001 - the next look is not to be lost by this one
            log.failure("alerts could not be looked at")
            return
        for notice in notices:
            self._tell(notice, alerts)
        await self._save()

    def _tell(self, notice: Notice, alerts: Mapping[str, AlertSettings]) -> None:
        alert = alerts.get(notice.name)
        if alert is None:
            log.info("alert {name} is not configured any more", name=notice.name)
            return
        self._teller.tell(notice, alert)

    async def _save(self) -> None:
        """Remember what is on; the texts change with each look and do not count."""
        saved = self.watch.saved()
        if _told_only(saved) == _told_only(self._saved):
            return
        try:
            await self._bookmarks.set_cursor(CURSOR, saved)
        except Unavailable as fault:
            # the next look tries again
            log.warn("what alerts are on is not written: {fault}", fault=fault)
        else:
            self._saved = saved

    # -- what is looked at -------------------------------------------------

    async def _observe(self) -> Observation:
        figures = await self._gateway.figures()
        words = {alert.when.word for alert in self.watch.alerts.values()}
        disk = self._disk() if "disk_free" in words else None
        if "certificate_expires" in words:
            self._read_certificates(figures.at)
        return Observation(figures, disk, self._certificates)

    def _disk(self) -> tuple[str, int] | None:
        if self._folder is None:
            return None
        try:
            return self._folder, self._free(self._folder)
        except OSError as fault:
            log.warn("{folder}: {fault}", folder=self._folder, fault=fault)
            return None

    def _read_certificates(self, now: float) -> None:
        if 0 <= now - self._certificates_at < CERTIFICATES_EVERY_S:
            return
        self._certificates_at = now
        self._certificates = tuple(
            (what, expires_at)
            for what, path in sorted(self._places.items())
            if (expires_at := expiry(path)) is not None
        )


def _free(folder: str) -> int:
    return shutil.disk_usage(folder).free


def _told_only(saved: str) -> list[tuple[Any, ...]]:
    watch = Watch({})
    watch.restore(saved)
    return [(one.name, one.subject, one.told_at) for one in watch.active()]


def expiry(path: str) -> float | None:
    """Return when the first certificate of a PEM file expires; None: none is there."""
    try:
        with open(path, "rb") as file:
            octets = file.read()
        found = [
            x509.load_pem_x509_certificate(block).not_valid_after_utc.timestamp()
            for block in CERTIFICATE.findall(octets)
        ]
    except (OSError, ValueError) as fault:
        log.warn("certificate {path}: {fault}", path=path, fault=fault)
        return None
    return min(found, default=None)


def journal_folder(url: str) -> str | None:
    """Return the folder of an SQLite journal's address, None for another."""
    if not url.startswith("sqlite:///"):
        return None
    return os.path.dirname(url.removeprefix("sqlite:///")) or os.curdir


def certificate_files(configuration: Configuration) -> dict[str, str]:
    """Return the certificates that we show: whose they are, and the files."""
    sections: list[tuple[str, Any]] = [
        ("http", configuration.http),
        ("amqp", configuration.amqp),
        *[(one.label, one.settings) for one in configuration.channels],
        *[(f"smpp-server:{n}", one) for n, one in configuration.smpp_servers.items()],
    ]
    return {
        f"[{label}] {name}": path
        for label, settings in sections
        if settings is not None
        for name, path in _certificates_of(settings)
    }


def _certificates_of(settings: Any) -> Iterator[tuple[str, str]]:
    for one in keys_of(type(settings)):
        value = getattr(settings, one.field)
        if one.converter is own_certificate and value:
            yield one.name, value
        elif isinstance(value, str) and value.startswith("ssl:"):
            _, named = parts_of(value)
            path = named.get("certKey") or named.get("privateKey")
            if path:
                yield one.name, path
