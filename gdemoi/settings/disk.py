"""The real files and environment behind `gdemoi.ini.Sources`."""

from __future__ import annotations

import glob
import os
import stat


class Disk:
    """The real files and environment of this machine."""

    def read(self, path: str) -> bytes:
        """Return a file's octets."""
        with open(path, "rb") as file:
            return file.read()

    def expand(self, pattern: str, beside: str) -> list[str]:
        """Return the files that match, sorted."""
        folder = os.path.dirname(beside)
        return sorted(
            os.path.normpath(found)
            for found in glob.glob(os.path.join(folder, pattern))
        )

    def resolve(self, path: str, beside: str) -> str:
        """Return `path`, relative to the folder of the file `beside`, absolute.

        Absolute, because a daemon goes to another folder.
        """
        return os.path.abspath(os.path.join(os.path.dirname(beside), path))

    def world_readable(self, path: str) -> bool:
        """Tell whether everybody on this machine may read the file."""
        try:
            return bool(os.stat(path).st_mode & stat.S_IROTH)
        except OSError:
            return False

    def variable(self, name: str) -> str | None:
        """Return an environment variable."""
        return os.environ.get(name)
