"""``twistd gdemoi-sms --config FILE``: options, signals, the service."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import Any

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from gdemoi.errors import ConfigurationError
from gdemoi.service.assembly import GatewayService
from gdemoi.service.logs import reopen_logs
from gdemoi.settings import BadConfiguration, load


class Options(UsageOptions):
    """The options of the gateway."""

    optParameters = [  # noqa: RUF012
        ["config", "c", None, "the ini file (see: gdemoi-sms keys)"]
    ]

    optFlags = [  # noqa: RUF012
        ["accept-loss", None, "start although the journal says that messages are lost"]
    ]

    def postOptions(self) -> None:
        """Read the file now, so that a bad one is told before the daemon forks."""
        if not self["config"]:
            raise UsageError("--config FILE is missing")
        try:
            self["configuration"] = load(self["config"])
        except BadConfiguration as bad:
            # not a fault in the options: nobody needs to read about them
            raise SystemExit(f"the configuration cannot be used:\n{bad}") from bad
        except OSError as fault:
            raise SystemExit(f"{self['config']}: {fault.strerror}") from fault


def makeService(options: Options) -> IService:
    """Make the gateway of a configuration that was found good."""
    from twisted.internet import reactor

    try:
        service = GatewayService(
            options["configuration"], reactor, accept_loss=bool(options["accept-loss"])
        )
    except ConfigurationError as fault:
        raise SystemExit(f"the configuration cannot be used:\n{fault}") from fault
    _on_signal(reactor, signal.SIGHUP, service.reload)
    _on_signal(reactor, signal.SIGUSR2, reopen_logs)
    # After Twisted has set its own: that one would end us by the signal's status.
    reactor.callWhenRunning(_end_well_on_sigterm, reactor)
    reactor.callWhenRunning(_calm_the_collector)
    reactor.addSystemEventTrigger("after", "shutdown", _end_badly_if_failed, service)
    return service


def _calm_the_collector() -> None:
    """Look for cyclic garbage seldom: there is little, and much that lives.

    With Python's defaults a backlog in memory is walked over and over: a quarter
    of the whole path's CPU (270 against 205 µs per message, `make bench ONLY=batches`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _end_well_on_sigterm(reactor: Any) -> None:
    """Stop orderly, with exit status 0, on SIGTERM; at once on a second one."""

    def caught(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        reactor.callFromThread(reactor.stop)

    signal.signal(signal.SIGTERM, caught)


def _end_badly_if_failed(service: GatewayService) -> None:
    """End with exit status 1 when the gateway could not start.

    `twistd` has no word for that; its own tidying (the pid file) comes first.
    """
    if service.failed:
        atexit.register(_end_badly)


def _end_badly() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _on_signal(reactor: Any, number: signal.Signals, action: Any) -> None:
    def caught(*_: object) -> None:
        reactor.callFromThread(action)

    signal.signal(number, caught)
