"""All profiles: those of this folder, and the operator's, which go before.

Those of this folder are read when they are first asked for; the operator's at once,
since what is wrong with them must be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from attrs import field, frozen

from gdemoi.profiles.format import BadProfile
from gdemoi.profiles.profile import Profile, load

BUILT_IN: Final = "built in"
_SUFFIX: Final = ".toml"


@cache
def built_in_names() -> frozenset[str]:
    """Return the names of the profiles of this folder."""
    names = (one.name for one in files("gdemoi.profiles").iterdir())
    return frozenset(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX))


def built_in_octets(name: str) -> bytes:
    """Return the file of a profile of this folder."""
    return files("gdemoi.profiles").joinpath(name + _SUFFIX).read_bytes()


@cache
def _built_in(name: str) -> Profile:
    profile = load(built_in_octets(name), f"{BUILT_IN}: {name}{_SUFFIX}")
    if profile.name != name:
        raise BadProfile(profile.place, "name", f"the file is {name}{_SUFFIX}")
    return profile


@frozen
class Library:
    """The profiles by their names."""

    own: Mapping[str, Profile] = field(factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in built_in_names()

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(built_in_names() | set(self.own))

    def load(self) -> None:
        """Read all of them now: a tenth of a second that no command has to wait."""
        for name in self.names():
            self.get(name)

    def get(self, name: str) -> Profile | None:
        """Return a profile, None when there is none of that name."""
        own = self.own.get(name)
        if own is not None or name not in built_in_names():
            return own
        return _built_in(name)

    def __iter__(self) -> Iterator[Profile]:
        for name in self.names():
            profile = self.get(name)
            assert profile is not None
            yield profile
