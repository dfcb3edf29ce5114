"""One message in memory, and the row that it is written to.

This file knows the columns of `messages` and the form of its two blobs: JSON for
what the platform gave (its `correlation` is JSON), msgpack for the record.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gdemoi.journal.stored_form import MessageRecord
from gdemoi.message import MessageState, Outbound

# plain strings: what drivers take without asking, and `.value` is slow
WORDS: Final[dict[MessageState, str]] = {state: state.value for state in MessageState}

encode_message = msgspec.json.Encoder().encode
decode_message = msgspec.json.Decoder(Outbound).decode
encode_record = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(MessageRecord).decode
# The sqlite3 module takes a bytearray as it is; for `bytes` it looks for an
# adapter first, which costs more than all the rest of a value.
blob = bytearray


class CachedMessage:
    """One message in memory, with what its row says at present."""

    __slots__ = (
        "channel",
        "deadline",
        "due",
        "fingerprint",
        "fresh",
        "id",
        "lane",
        "message",
        "n",
        "owner",
        "record",
        "state",
    )

    def __init__(
        self,
        n: int,
        owner: str,
        message: Outbound,
        record: MessageRecord,
        fingerprint: bytes,
        fresh: bool = False,
    ) -> None:
        self.n = n
        self.id = message.id
        self.owner = owner
        self.message = message
        self.record = record
        self.fingerprint = fingerprint
        self.fresh = fresh
        # as the row says at present
        self.lane = None if fresh else record.lane
        self.state: MessageState | None = None if fresh else record.state
        self.channel = record.channel
        self.due = record.due
        self.deadline: float | None = None

    def moved(self) -> bool:
        """Tell whether the message stands elsewhere than its row says."""
        record = self.record
        return (
            self.lane != record.lane
            or self.channel != record.channel
            or (self.due != record.due and record.lane is not None)
        )

    def waits(self) -> float:
        """Return from when on it may be taken, 0 for at once."""
        record = self.record
        return record.due if record.due > record.at else 0.0

    def row(self) -> tuple[Any, ...]:
        """Return the whole row of a new message, in the order of the table."""
        message, record = self.message, self.record
        self.fresh = False
        return (
            self.n,
            message.id,
            self.owner,
            blob(self.fingerprint),
            WORDS[record.state],
            record.channel,
            message.from_,
            message.to,
            message.accepted_at,
            record.lane,
            self.waits(),
            # one ascending index gives the order of a lane
            9 - message.priority,
            self.deadline,
            blob(encode_message(message)),
            blob(encode_record(record)),
        )
