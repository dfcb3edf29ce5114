"""Golden PDUs (`vectors/pdu.json`) and strategies that tests of the codec share."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from gdemoi.smpp.pdu import pdus, tlvs, wire
from gdemoi.smpp.pdu.pdus import Pdu

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "pdu.json").read_text("utf-8")
)["pdu"]

BY_COMMAND = {cls.command: cls for cls in pdus.ALL}


def _value(name: str, value: Any) -> Any:
    if name == "short_message":
        return bytes.fromhex(value)
    if name == "dest_address":
        return tuple(
            pdus.DistributionList(**row)
            if "dl_name" in row
            else pdus.DestAddress(**row)
            for row in value
        )
    if name == "unsuccess_sme":
        return tuple(pdus.UnsuccessSme(**row) for row in value)
    return value


def golden(case: dict[str, Any]) -> tuple[bytes, Pdu]:
    """Return the octets of a golden case and the PDU that they are."""
    pdu = BY_COMMAND[case["command"]](
        command_status=case["command_status"],
        sequence_number=case["sequence_number"],
        tlvs=tuple((tag, bytes.fromhex(value)) for tag, value in case["tlvs"]),
        **{name: _value(name, value) for name, value in case["fields"].items()},
    )
    return bytes.fromhex(case["hex"]), pdu


_characters = st.characters(min_codepoint=1, max_codepoint=255)


def _field(kind: wire.FieldType) -> st.SearchStrategy[Any]:
    if isinstance(kind, wire.Integer):
        return st.integers(0, (1 << kind.octets * 8) - 1)
    if isinstance(kind, wire.Time):
        return st.one_of(st.just(""), st.text(_characters, min_size=16, max_size=16))
    if isinstance(kind, wire.CString):
        return st.text(_characters, max_size=kind.size - 1)
    if isinstance(kind, wire.Rows):
        rows = [fields(row).map(lambda f, row=row: row(**f)) for row in kind.rows]
        return st.lists(st.one_of(rows), max_size=6).map(tuple)
    assert isinstance(kind, wire.ShortMessage)
    return st.binary(max_size=kind.most)


def fields(cls: type) -> st.SearchStrategy[dict[str, Any]]:
    """Return whatever the wire table of `cls` allows."""
    return st.fixed_dictionaries(
        {name: _field(kind) for name, kind in wire.table_of(cls).items()}
    )


def _tlv(tag: int) -> st.SearchStrategy[tuple[int, bytes]]:
    shape = tlvs.SHAPES.get(tag, tlvs.Shape(0, 40))
    return st.tuples(
        st.just(tag), st.binary(min_size=shape.least, max_size=min(shape.most, 300))
    )


some_tlvs = st.lists(
    st.one_of(
        st.sampled_from(sorted(set(tlvs.SHAPES) - {tlvs.Tag.message_payload})),
        st.integers(0x1400, 0x3FFF),
    ).flatmap(_tlv),
    max_size=5,
).map(tuple)

numbers = st.integers(0, 0xFFFFFFFF)


def any_pdu(cls: type[Pdu]) -> st.SearchStrategy[Pdu]:
    """Return PDUs of `cls` with legal fields; errors only where none is lost."""
    return st.builds(
        lambda number, found, values: cls(sequence_number=number, tlvs=found, **values),
        numbers,
        some_tlvs,
        fields(cls),
    )


any_pdus = st.sampled_from(pdus.ALL).flatmap(any_pdu)
