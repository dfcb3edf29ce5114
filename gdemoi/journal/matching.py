"""Which message a receipt is about, chosen among the look-alikes: a value.

This file knows the rule: the exact spelling wins; another spelling of the same
id counts only when exactly one outstanding message fits it, and the phone that
the receipt speaks of is that message's.  It knows no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gdemoi.contract.numbers import is_spelling_of
from gdemoi.message import Receipt, provider_key

# A carrier that repeats its receipts does so soon; an id that comes up again
# long after its message was over belongs to another one (ids are recycled).
REPEAT_WINDOW_S: Final = 86_400.0


class Candidate(msgspec.Struct, frozen=True):
    """A stored provider id and the message that it belongs to."""

    key: str
    provider_id: str
    message_id: str
    to: str
    outstanding: bool
    at: float


def witnesses(receipt: Receipt) -> list[Receipt]:
    """Return the receipt once for each id that it names, the most trusted first."""
    return [receipt] + [
        msgspec.structs.replace(receipt, provider_id=one.id, keys=one.keys)
        for one in receipt.also
    ]


def all_keys_of(receipt: Receipt) -> tuple[str, ...]:
    """Return the stored forms of all ids that a receipt names."""
    if not receipt.also:
        return keys_of(receipt)
    return tuple(key for one in witnesses(receipt) for key in keys_of(one))


def keys_of(receipt: Receipt) -> tuple[str, ...]:
    """Return the stored forms of its first id, best guess first."""
    if not receipt.provider_id:
        return receipt.keys
    own = provider_key(receipt.provider_id)
    return receipt.keys if own in receipt.keys else (*receipt.keys, own)


def speaks_of(about: str | None, to: str) -> bool:
    """Tell whether the phone in a receipt can be the message's."""
    if not about or (about.isdigit() and to.endswith(about)):
        return True
    digits = "".join(filter(str.isdigit, about)).lstrip("0")
    if not digits or "".join(filter(str.isdigit, to)).endswith(digits):
        return True
    # with a trunk prefix: 8 916 123-45-67
    return is_spelling_of(about, to)


def choose(
    receipt: Receipt, candidates: Sequence[Candidate], now: float
) -> Candidate | None:
    """Return the message that the receipt is about, or None when in doubt."""
    fitting = [c for c in candidates if speaks_of(receipt.about, c.to)]
    if receipt.keys and provider_key(receipt.provider_id) not in receipt.keys:
        # the channel knows for sure that this account spells its ids otherwise
        translated = [c for c in fitting if c.key in receipt.keys]
        return _one(translated) or _exact(receipt, candidates, fitting, now)
    return _exact(receipt, candidates, fitting, now) or _one(fitting)


def _exact(
    receipt: Receipt,
    candidates: Sequence[Candidate],
    fitting: Sequence[Candidate],
    now: float,
) -> Candidate | None:
    """Return the message whose id is spelled the same; an open one first."""
    exact = [c for c in candidates if c.provider_id == receipt.provider_id]
    exact = [c for c in exact if c in fitting] or exact
    # the same id twice outstanding: the carrier means the newest
    named = [c for c in exact if c.outstanding] or [
        c for c in exact if c in fitting and now - c.at < REPEAT_WINDOW_S
    ]
    return max(named, key=lambda c: c.at, default=None)


def _one(fitting: Sequence[Candidate]) -> Candidate | None:
    """Return the only outstanding message that fits."""
    found = [c for c in fitting if c.outstanding]
    return found[0] if len({c.message_id for c in found}) == 1 else None
