"""Texts for node-smpp to read, receipts for it to send, and how its reading is read."""

from __future__ import annotations

from typing import Any

from tests.peers.peer import Seen

GSM = "Ignition on [12:30] at €5, {A}|~ @ $ _ " * 9
CYRILLIC = "Тревога: вскрыт багажник 😀, ул. Ленина, 5. " * 9
THROTTLED = 0x58


def text_in(submit: Seen) -> str:
    """Return the text as node-smpp has read it."""
    read = submit["read"]
    body = read["short_message"]["message"] or read["message_payload"]["message"]
    return str(body)


def header_in(submit: Seen) -> str:
    """Return the information elements as node-smpp has read them, in hex."""
    return "".join(e["hex"] for e in submit["read"]["short_message"].get("udh", ()))


def tag_of(submit: Seen, *tags: str) -> list[Any]:
    """Return TLVs by name, None where there is none."""
    return [submit["read"].get(tag) for tag in tags]


def receipt(message_id: str, stat: str = "DELIVRD", err: str = "000") -> dict[str, Any]:
    """Return the order of a receipt in the words of SMPP 3.4 appendix B."""
    text = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:2611210900"
        f" done date:2611210901 stat:{stat} err:{err} text:Hello"
    )
    return {
        "fields": {
            "source_addr": "79161234567",
            "destination_addr": "GdeMoi",
            "esm_class": 4,
        },
        "text": text,
    }
