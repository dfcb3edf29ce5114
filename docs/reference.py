"""``keys.rst`` made from the declarations: ``make docs`` writes it, a test compares it.

Knows reStructuredText and the settings classes; every word of the reference is the
declaration's own.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from gdemoi.cli.configured import sections
from gdemoi.ini import KeyReference, reference
from gdemoi.sandbox.tap import PEERS
from gdemoi.settings import known_kinds

WIDTH = 88
NAMELESS = ("gateway", "http", "amqp", "trackers")
HEAD = """\
.. Made by "make docs" from the declarations in the code: do not edit.

Sections and keys
=================

Every section of the configuration with its keys, as ``gdemoi-sms keys`` prints them.
How a value is written (durations, rates, lists, secrets) is in `contract.rst
<contract.rst#the-ini-file>`_; ``etc/gdemoi.ini`` is a file with all of them, switched
off.
"""
SANDBOX = """\
Far sides to try it with
------------------------

Sections of the file of ``twistd gdemoi-sandbox`` (``etc/sandbox.ini``).
"""


def written(text: str) -> str:
    """Return plain text as reStructuredText that shows the same."""
    text = re.sub(r"([\\*|])", r"\\\1", text)
    text = re.sub(r"_(?!\w)", r"\\_", text)
    # a letter may follow the word, and none may follow an inline literal
    return re.sub(
        r"`([^`]+)`(\w?)", lambda m: f"``{m[1]}``" + (m[2] and "\\ " + m[2]), text
    )


def filled(text: str, indent: str = "") -> str:
    """Return text in lines of decent length."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def titled(title: str, line: str) -> str:
    """Return a section's title."""
    return f"{title}\n{line * len(title)}\n"


def entry(one: KeyReference) -> str:
    """Return one key: its name and default, then what it means."""
    name = f"{one.name} = {one.default}" if one.default else one.name
    unit = "secret" if one.secret else one.unit
    facts = f"({'required; ' if one.required else ''}{unit})"
    lines = [f"``{name}``", filled(f"{written(one.doc)} *{written(facts)}*", "    ")]
    if one.example:
        example = one.example.removeprefix(f"{one.name} = ")
        shown = one.name if not one.name.endswith("*") else one.name[:-1] + "…"
        if one.example != example:
            shown = one.name
        lines.append(f"\n    Example: ``{shown} = {example}``\n")
    return "\n".join(lines)


def section(label: str, settings: type) -> Iterator[str]:
    """Yield one section: title, what it is, its keys."""
    yield titled(label, "~" if label.startswith("[sandbox-") else "-")
    doc = textwrap.dedent(f"{'':4}{settings.__doc__ or ''}")
    for paragraph in doc.strip().split("\n\n"):
        yield filled(written(" ".join(paragraph.split()))) + "\n"
    yield "\n".join(entry(one) for one in reference(settings)) + "\n"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    words = {kind.name: kind.aliases for kind in known_kinds()}
    for name, settings in sections().items():
        label = f"[{name}]" if name in NAMELESS else f"[{name}:NAME]"
        head, *rest = section(label, settings)
        parts.append(head)
        for alias in words.get(name, ()):
            parts.append(f"``[{alias}:NAME]`` is another word for it.\n")
        parts += rest
    parts.append(SANDBOX)
    for name, (settings, _) in PEERS.items():
        parts += section(f"[{name}:NAME]", settings)
    return "\n".join(parts)


if __name__ == "__main__":
    from docs import errors, families

    pages = {
        "keys.rst": page(),
        "families.rst": families.page(),
        "errors.rst": errors.page(errors.ENGLISH),
        "ru/errors.rst": errors.page(errors.RUSSIAN),
    }
    for name, content in pages.items():
        (Path(__file__).parent / name).write_text(content, encoding="utf-8")
    sys.exit(0)
