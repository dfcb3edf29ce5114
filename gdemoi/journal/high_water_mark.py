"""How far the journal had come: a small file beside it, the high-water mark.

SQLite forgets silently what stood in a write-ahead log that was deleted or
damaged.  Nothing brings it back, but the mark says that it was there.

What it promises: the numbers in it were on disk in the journal when it was
written, since it is written after the commit; so a mark beyond the journal means
that something is missing, after a kill -9 and after a power cut alike.  It may
stay behind: by nothing after a kill -9, by about `SYNC_S` of commits after a power
cut.  So it finds what is missing, but not always all of it.

It is read before the journal is opened.  ``.mark.accepted`` is a mark whose loss
somebody has acknowledged, by renaming it.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import Final

from attrs import frozen
from twisted.logger import Logger

# How long a written mark may be in the kernel's memory only.
SYNC_S: Final = 1.0
_LINE: Final = re.compile(rb"gdemoi journal mark 1 n=(\d{20}) seq=(\d{20}) ")


@frozen
class HighWaterMark:
    """`n`: the last row number of messages, `seq`: the last event's."""

    n: int
    seq: int

    def encode(self) -> bytes:
        """Return the one line of the file: always of one length, with a checksum."""
        line = b"gdemoi journal mark 1 n=%020d seq=%020d " % (self.n, self.seq)
        return line + b"crc=%08x\n" % zlib.crc32(line)

    def beyond(self, other: HighWaterMark) -> bool:
        """Tell whether this mark has a higher number than another."""
        return self.n > other.n or self.seq > other.seq


def decode(octets: bytes) -> HighWaterMark | None:
    """Return the mark that a file holds; None: it cannot be read."""
    found = _LINE.match(octets)
    if found is None:
        return None
    mark = HighWaterMark(int(found[1]), int(found[2]))
    return mark if octets == mark.encode() else None


class HighWaterMarkFile:
    """The file.  `put` and `close` belong to the thread that commits.

    An error while it is written is logged, and does not keep anybody from committing.
    """

    log = Logger()

    def __init__(self, journal: str) -> None:
        self.path = journal + ".mark"
        self.accepted = self.path + ".accepted"
        self.last: HighWaterMark | None = None
        self._file: int | None = None
        self._synced_at = 0.0
        self._troubled = False

    def read(self) -> tuple[HighWaterMark | None, bool]:
        """Return the mark, and whether somebody has acknowledged its loss.

        Raises `OSError` when there is one that may not be read.
        """
        for path, is_accepted in ((self.path, False), (self.accepted, True)):
            try:
                with open(path, "rb") as file:
                    octets = file.read()
            except FileNotFoundError:
                continue
            mark = decode(octets)
            if mark is None:
                self.log.warn(
                    "{path} cannot be read: whether messages are missing is not"
                    " known; it is begun anew",
                    path=path,
                )
            return mark, is_accepted
        return None, False

    def begin(self) -> None:
        """Forget an acknowledged mark: the journal has taken its numbers over."""
        try:
            os.unlink(self.accepted)
        except FileNotFoundError:
            return

    def put(self, n: int, seq: int, now: float) -> None:
        """Write how far the journal is; call it after the commit."""
        mark = HighWaterMark(n, seq)
        if mark == self.last and now - self._synced_at < SYNC_S:
            return
        self.last = mark
        try:
            self._write(now)
        except OSError as fault:
            self._tell(fault)
        else:
            self._troubled = False

    def restore(self) -> None:
        """See that the file is there, when those of the journal have gone."""
        try:
            self._reopen_if_gone()
            self._write(0.0)
        except OSError as fault:
            self._tell(fault)

    def close(self) -> None:
        """Leave the last mark on disk."""
        if self._file is not None:
            self.restore()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, now: float) -> None:
        is_due = not 0 <= now - self._synced_at < SYNC_S
        if self._file is None or is_due:
            self._reopen_if_gone()
        assert self._file is not None and self.last is not None
        os.pwrite(self._file, self.last.encode(), 0)
        if is_due:
            os.fdatasync(self._file)
            self._synced_at = now

    def _reopen_if_gone(self) -> None:
        if self._file is not None:
            try:
                if os.path.samestat(os.stat(self.path), os.fstat(self._file)):
                    return
            except FileNotFoundError:
                self.log.warn("{path} was gone and is written anew", path=self.path)
            os.close(self._file)
            self._file = None
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)

    def _tell(self, fault: OSError) -> None:
        if not self._troubled:
            self._troubled = True
            self.log.error("{path}: {why}", path=self.path, why=fault.strerror)
