"""What an operator may do with one SIM line: verbs made into commands; pure.

Verbs: ``ussd CODE``, ``at COMMAND``, ``on``, ``off``, ``reboot``, ``show``.  An
argument that could become another command, or another action, is `OurFault`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gdemoi.errors import OurFault

_is_ussd: Final = re.compile(r"[0-9*#+]{1,64}").fullmatch
_is_at: Final = re.compile(r"AT[ -!#-\[\]-~]{0,100}", re.IGNORECASE).fullmatch
VERBS: Final = ("ussd", "at", "on", "off", "reboot", "show")


def commands_of(
    span: int, verb: str, arguments: Sequence[str], ussd_wait_s: float
) -> list[str]:
    """Return the commands that a verb needs, in order; raise `OurFault`."""
    wanted = 1 if verb in ("ussd", "at") else 0
    if verb not in VERBS:
        raise OurFault(f"a TG line knows {', '.join(VERBS)}, not {verb!r}")
    if len(arguments) != wanted:
        raise OurFault(f"{verb} takes {wanted} argument(s), not {len(arguments)}")
    match verb:
        case "ussd":
            if not _is_ussd(arguments[0]):
                raise OurFault(f"{arguments[0]!r} is not a USSD code")
            return [f'gsm send ussd {span} "{arguments[0]}" {ussd_wait_s:g}']
        case "at":
            if not _is_at(arguments[0]):
                raise OurFault(f"{arguments[0]!r} is not an AT command")
            return [f"gsm send at {span} {arguments[0]}"]
        case "on" | "off":
            return [f"gsm power {verb} {span}"]
        case "reboot":
            return [f"gsm power off {span}", f"gsm power on {span}"]
    return [f"gsm show span {span}"]
