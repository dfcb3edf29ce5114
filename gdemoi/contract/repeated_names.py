"""Names that one JSON object has twice.

RFC 8259 §4 leaves open what such an object means, and msgspec takes the last value
without a word: ``{"text": "lock", "text": "unlock"}`` would unlock.  Here it is an
error.  Which objects are looked into is said by a tree of names; the value of a name
that is not in the tree may be anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gdemoi.contract.fields import invalid

# name -> what to look into below it
Tree = Mapping[str, "Tree"]

_outermost: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# An object is a tuple of (name, value), an array is a list.
_pairs: Final = json.JSONDecoder(object_pairs_hook=tuple, strict=False).decode


def check_names(body: bytes, tree: Tree) -> None:
    """Raise `InvalidMessage` with the path of a name that an object has twice.

    `body` is an object that msgspec has read.  Each member costs one colon, so that as
    many colons as names show, at a tenth of the price of reading the message, that no
    name comes twice.  A colon elsewhere (in a text, an object within) has the pairs
    read, which costs three times as much.
    """
    if body.count(b":") == len(_outermost(body)):
        return
    # A faulty octet stands only in what is kept as it is, and is complained of there.
    try:
        found = _pairs(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as fault:
        raise invalid(f"not JSON in UTF-8: {fault}", None) from None
    twice = _repeated(found, tree)
    if twice is not None:
        raise invalid(f"{twice} is given twice", twice)


def _repeated(pairs: tuple[tuple[str, Any], ...], tree: Tree) -> str | None:
    known = set()
    for name, value in pairs:
        if name in known:
            return name
        known.add(name)
        if name in tree and isinstance(value, tuple):
            within = _repeated(value, tree[name])
            if within is not None:
                return f"{name}.{within}"
    return None
