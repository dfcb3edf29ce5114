"""Profiles for tests: gdemoi's own by short names, and small ones of a test."""

from __future__ import annotations

from typing import Any

from gdemoi.profiles.answers import Answer, OutstandingCommand, find
from gdemoi.profiles.findings import Finding, findings
from gdemoi.profiles.library import Library
from gdemoi.profiles.profile import Profile, load

LIBRARY = Library()
HEAD = """\
format = 1
name = "mine"
title = "Mine"
sure = "B"
sources = ["a drawer"]
"""
FORM = "[command]\nform = '''(?P<verb>[A-Z]+) (?P<args>.*)'''\n"


def profile(name: str) -> Profile:
    """Return a profile that gdemoi brings."""
    found = LIBRARY.get(name)
    assert found is not None, name
    return found


def mine(rest: str = "", head: str = HEAD, form: str = FORM) -> Profile:
    """Return a profile with these lines at its end."""
    return load((head + form + rest).encode(), "mine.toml")


def found(name: str, text: str) -> tuple[Finding, ...]:
    """Return what is found in a command of a profile that gdemoi brings."""
    return findings(profile(name), text, LIBRARY)


def codes(name: str, text: str) -> list[str]:
    """Return the codes of the same."""
    return [one.code for one in found(name, text)]


def sent(
    name: str | None, text: str, id_: str = "cmd", **more: Any
) -> OutstandingCommand:
    """Return a command that left at 0 and waits for its answer for 60 s."""
    command = None if name is None else profile(name).read(text)
    times = {"left_at": 0.0, "deadline": 60.0}
    return OutstandingCommand(id=id_, command=command, **{**times, **more})


def answer(
    text: str, *candidates: OutstandingCommand, now: float = 1.0
) -> Answer | None:
    """Return what a text answers a second later."""
    return find(text, candidates, now)
