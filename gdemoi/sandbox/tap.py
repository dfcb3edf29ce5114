"""``twistd gdemoi-sandbox --config FILE``: all far sides of one ini file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import IService, MultiService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from gdemoi.ini import Complaint, parse
from gdemoi.sandbox import clouds, goip, smsc, tg
from gdemoi.settings import Disk

Make = Callable[[Any, Any], IService]

# section kind -> (settings class, maker)
PEERS: Final[dict[str, tuple[type, Make]]] = {
    "sandbox-smsc": (smsc.SandboxSmscSettings, smsc.make_service),
    "sandbox-goip": (goip.SandboxGoipSettings, goip.make_service),
    "sandbox-tg": (tg.SandboxTgSettings, tg.make_service),
    "sandbox-clouds": (clouds.SandboxCloudsSettings, clouds.make_service),
}


def read(file: str) -> tuple[list[tuple[str, Any]], list[Complaint]]:
    """Return (section kind, settings) of each far side, and all complaints."""
    document = parse(file, Disk())
    found: list[tuple[str, Any]] = []
    for section in document.sections:
        peer = PEERS.get(section.kind)
        if peer is None:
            section.complain(None, f"is not one of {', '.join(PEERS)}")
            continue
        settings = section.read(peer[0])
        if settings is not None:
            found.append((section.kind, settings))
    return found, document.errors


def make_sandbox(file: str, reactor: Any) -> IService:
    """Make all far sides of a file; raises `ValueError` with every complaint."""
    found, complaints = read(file)
    if complaints:
        raise ValueError("\n".join(str(one) for one in complaints))
    all_of_them = MultiService()
    for kind, settings in found:
        PEERS[kind][1](settings, reactor).setServiceParent(all_of_them)
    return all_of_them


class SandboxOptions(UsageOptions):
    """The options of the sandbox."""

    optParameters = [  # noqa: RUF012
        ["config", "c", None, "the ini file with the sandbox-* sections"]
    ]

    def postOptions(self) -> None:
        """See that there is a file."""
        if not self["config"]:
            raise UsageError("--config FILE is missing")


# the name that twistd looks for (`twisted.application.service.ServiceMaker`)
Options = SandboxOptions


def makeService(options: SandboxOptions) -> IService:
    """Make the far sides."""
    from twisted.internet import reactor

    try:
        return make_sandbox(options["config"], reactor)
    except OSError as fault:
        raise UsageError(f"{options['config']}: {fault.strerror}") from fault
    except ValueError as complaints:
        raise UsageError(str(complaints)) from complaints
