"""Golden vectors (`vectors/text.json`) and strategies that tests of text share."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from gdemoi.text import gsm7

VECTORS: dict[str, list[Any]] = json.loads(
    Path(__file__).with_name("vectors").joinpath("text.json").read_text("utf-8")
)

GSM_CHARACTERS = gsm7.BASIC.replace("\x1b", "") + "".join(gsm7.EXTENSION.values())

gsm_texts = st.text(st.sampled_from(GSM_CHARACTERS), max_size=700)
# what UTF-16 and JSON can hold
any_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
# much of what is hard to cut
hard_texts = st.lists(
    st.sampled_from(
        ["a", "я", "{", "€", "🚗", "e\u0301", "👨‍👩‍👧", "🇷🇺", "👍🏽", "\r\n", "  ", "ñ"]
    ),
    max_size=250,
).map("".join)
