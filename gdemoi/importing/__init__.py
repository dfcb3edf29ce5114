"""Other programs' settings become sections of ours: ``gdemoi-sms import``.

Pure: text in, text out.  Files that a Kannel configuration includes come in through
`gdemoi.ini.Sources`.  Modules: `drafts` (a section to be), `kannel`, `jasmin`,
`navixy` (one form each).
"""

from __future__ import annotations

from typing import Final

from gdemoi.importing import jasmin, kannel, navixy
from gdemoi.importing.drafts import BadImport, bad
from gdemoi.ini import Place, Sources

__all__ = ["FORMS", "BadImport", "imported", "recognised"]

FORMS: Final = ("navixy", "kannel", "jasmin")


def recognised(text: str) -> str | None:
    """Return which of `FORMS` a text has; None: none of them."""
    if text.lstrip().startswith(("[{", "{", "[]")) or navixy.looks_like(text):
        return "navixy"
    if jasmin.looks_like(text):
        return "jasmin"
    return "kannel" if kannel.looks_like(text) else None


def imported(file: str, octets: bytes, sources: Sources, form: str | None) -> str:
    """Return an ini file for what a file of another program says.

    `form` is one of `FORMS`, or None: it is recognised.  Raises `BadImport`, with the
    lines that are wrong and what was expected there.
    """
    text = kannel.decoded(file, octets)
    form = form or recognised(text)
    if form is None:
        raise bad(
            Place(file, 0),
            "expected sms_gates rows in JSON, a kannel.conf, or what Jasmin's"
            " smppccm prints; say which by --from",
        )
    if form == "navixy":
        return navixy.imported(file, text)
    if form == "jasmin":
        return jasmin.imported(file, text)
    return kannel.imported(file, text, sources)
