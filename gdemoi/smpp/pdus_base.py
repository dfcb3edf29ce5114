"""What all PDUs have in common, and the value for what is none (SMPP 3.4 §3.2)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gdemoi.smpp.tlvs import Tlv
from gdemoi.smpp.wire import table_of


class Pdu(msgspec.Struct, gc=False):
    """Any PDU: the fields of the header, and the optional parameters.

    `rest` are octets at the end of a received PDU that are no TLVs; they are
    written again as they came, so that nothing of it is lost.
    """

    command_id: ClassVar[int]
    # what answers it; None for responses, outbind, alert_notification
    response: ClassVar[type[Pdu] | None] = None
    # the command as the specification writes it: submit_sm
    command: ClassVar[str] = ""
    # SMPP 3.3 has it too
    in_33: ClassVar[bool] = True

    command_status: int = 0
    sequence_number: int = 0
    tlvs: tuple[Tlv, ...] = ()
    rest: bytes = b""

    def tlv(self, tag: int) -> bytes | None:
        """Return the value of the first TLV of that tag."""
        for known, value in self.tlvs:
            if known == tag:
                return value
        return None

    def tlv_int(self, tag: int) -> int | None:
        """Return a TLV's value as a number, whatever its width."""
        value = self.tlv(tag)
        return int.from_bytes(value, "big") if value else None

    def tlv_text(self, tag: int) -> str | None:
        """Return a TLV's value as a string, up to its NUL if it has one."""
        value = self.tlv(tag)
        return None if value is None else value.split(b"\0", 1)[0].decode("latin-1")

    def __repr__(self) -> str:
        """Name the fields that differ from the default; never a password."""
        said = [f"command_status=0x{self.command_status:02X}"] * bool(
            self.command_status
        )
        said.append(f"sequence_number={self.sequence_number}")
        for name in (*table_of(type(self)), "tlvs", "rest"):
            value = getattr(self, name)
            if value:
                said.append(f"{name}={'…' if name == 'password' else repr(value)}")
        return f"{type(self).__name__}({', '.join(said)})"


class UnparsedPdu(msgspec.Struct, frozen=True, gc=False):
    """A whole frame whose body cannot be read, or whose command nobody knows.

    `status` is the command_status that answers it (see `answer`), `field` and
    `offset` (from the frame's first octet) say where reading ended.
    """

    command_id: int
    command_status: int
    sequence_number: int
    # without the header
    body: bytes
    field: str
    offset: int
    why: str
    status: int

    def __repr__(self) -> str:
        """Leave out the body: an outbind's holds a password."""
        return (
            f"Unparsed(command_id=0x{self.command_id:08X},"
            f" sequence_number={self.sequence_number}, field={self.field!r},"
            f" offset={self.offset}, why={self.why!r}, status=0x{self.status:02X},"
            f" {len(self.body)} octets)"
        )
