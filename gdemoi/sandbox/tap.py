"""``twistd gdemoi-sandbox --config FILE``."""

from __future__ import annotations

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from gdemoi.sandbox.assembly import make_sandbox


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
