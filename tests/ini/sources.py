"""Files and environment in memory."""

from __future__ import annotations

from fnmatch import fnmatchcase

from attrs import define, field


@define
class Memory:
    """Files by name, all in one folder; names that start with / are absolute."""

    files: dict[str, bytes] = field(factory=dict)
    environment: dict[str, str] = field(factory=dict)
    open_to_all: set[str] = field(factory=set)

    def read(self, path: str) -> bytes:
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def expand(self, pattern: str, beside: str) -> list[str]:
        return sorted(name for name in self.files if fnmatchcase(name, pattern))

    def resolve(self, path: str, beside: str) -> str:
        return path if path.startswith("/") else f"/here/{path}"

    def world_readable(self, path: str) -> bool:
        return path in self.open_to_all

    def variable(self, name: str) -> str | None:
        return self.environment.get(name)
