"""The meaning of `err` in a carrier's receipts, as data files.

A table is a TOML file: `name`, and one `[codes.N]` per code with `state`
(delivered, enroute, undelivered, expired, rejected), `retryable`, and the
meaning in any of `en`, `ru`, `es` (and `es_meaning`, the manual's long text).
Those that come with gdemoi lie in ``tables/``; an operator names another file by
its path (``error_table = /etc/gdemoi/carrier.toml``).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from gdemoi.message import Error, MessageState

OURS: Final = Path(__file__).parent / "tables"
LANGUAGES: Final = ("en", "ru", "es")
_STATES: Final = frozenset(
    {
        *(MessageState.DELIVERED, MessageState.ENROUTE, MessageState.UNDELIVERED),
        *(MessageState.EXPIRED, MessageState.REJECTED),
    }
)
_KEYS: Final = frozenset({"state", "retryable", "es_meaning", *LANGUAGES})


@frozen
class CodeMeaning:
    """What one value of `err` means."""

    code: str
    state: MessageState
    retryable: bool
    text: dict[str, str]
    # the manual's own explanation, at length
    es_meaning: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more is to come after this code."""
        return self.state is not MessageState.ENROUTE

    def tell(self, language: str) -> str:
        """Return the meaning in `language`, or in the first one that there is."""
        for word in (language, *LANGUAGES):
            if word in self.text:
                return self.text[word]
        return f"code {self.code}"


@frozen
class ErrorTable:
    """All codes of one carrier; `name` is the namespace of its error codes."""

    name: str
    codes: dict[str, CodeMeaning] = field(factory=dict)

    def find(self, err: str | None) -> CodeMeaning | None:
        """Look a code up as it came; ``053`` is 53."""
        if not err:
            return None
        return self.codes.get(err.strip().lstrip("0") or "0")

    def error(self, err: str, language: str = "en") -> Error:
        """Return the event's error for a code, known or not."""
        meaning = self.find(err)
        if meaning is None:
            return Error(f"{self.name}:{err}", f"code {err}, not in the table")
        return Error(
            f"{self.name}:{meaning.code}", meaning.tell(language), meaning.retryable
        )


# Without a table, codes are told as they came.
NO_TABLE: Final = ErrorTable("receipt")


def load_table(name_or_path: str) -> ErrorTable:
    """Read a table of ours by its name, or any by its path.

    Raises ValueError with what is wrong, for the ini reader to tell.
    """
    if "/" in name_or_path:
        path = Path(name_or_path)
    else:
        path = OURS / f"{name_or_path}.toml"
        if not path.is_file():
            ours = ", ".join(sorted(file.stem for file in OURS.glob("*.toml")))
            raise ValueError(f"no table {name_or_path!r}; there are: {ours}, or a path")
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return read_table(content, path.stem)


def read_table(content: dict[str, Any], stem: str) -> ErrorTable:
    """Make a table of a parsed file; ValueError names the code that is wrong."""
    codes = content.get("codes")
    if not isinstance(codes, dict) or not codes:
        raise ValueError("an error table needs [codes.N] sections")
    name = content.get("name", stem)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"name of an error table must be one word, not {name!r}")
    found = {code: _meaning(code, entry) for code, entry in codes.items()}
    return ErrorTable(
        name, {code.lstrip("0") or "0": meaning for code, meaning in found.items()}
    )


def _meaning(code: str, entry: Any) -> CodeMeaning:
    if not isinstance(entry, dict):
        raise ValueError(f"code {code}: a section is needed")
    unknown = set(entry) - _KEYS
    if unknown:
        raise ValueError(f"code {code}: unknown {', '.join(sorted(unknown))}")
    state = entry.get("state")
    if state not in _STATES:
        known = ", ".join(sorted(_STATES))
        raise ValueError(f"code {code}: state must be one of {known}, not {state!r}")
    retryable = entry.get("retryable", False)
    if not isinstance(retryable, bool):
        raise ValueError(f"code {code}: retryable must be true or false")
    text = {word: entry[word] for word in LANGUAGES if word in entry}
    if not all(isinstance(meaning, str) for meaning in text.values()):
        raise ValueError(f"code {code}: meanings are strings")
    return CodeMeaning(
        code.lstrip("0") or "0",
        MessageState(state),
        retryable,
        text,
        str(entry.get("es_meaning", "")),
    )
