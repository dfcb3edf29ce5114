"""Settings classes: one declaration gives parsing, reference and sample check.

A settings class is a frozen attrs record whose fields are made by `key`.  This
file knows how a field and its key in the ini belong together; it reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
from attrs import NOTHING, frozen

from gdemoi.ini.units import choice, decimal, integer, named, rendered, secret

_DECLARED: Final = "gdemoi.ini"
_FACTORIES: Final = (integer, decimal, choice)


@frozen
class Declared:
    """What `key` said about one field."""

    converter: Callable[[str], Any]
    doc: str
    name: str | None
    example: str
    hidden: bool = False


@frozen
class Key:
    """One key of a settings class: its name in the ini and its field.

    A `pattern` key (``tlv.*``) stands for all keys with that beginning; its
    field is a dict from the rest of the key to the value.
    """

    name: str
    field: str
    converter: Callable[[str], Any]
    doc: str
    example: str
    default: Any
    required: bool
    # it is a secret, or holds one
    hidden: bool = False

    @property
    def pattern(self) -> str | None:
        """Return the common beginning of the keys this stands for."""
        return self.name[:-1] if self.name.endswith("*") else None


@frozen
class KeyReference:
    """One line of the reference, as `gdemoi-sms keys` shows it."""

    name: str
    unit: str
    default: str
    required: bool
    secret: bool
    doc: str
    example: str


def key(
    converter: Callable[[str], Any],
    *,
    default: Any = NOTHING,
    doc: str,
    name: str | None = None,
    example: str = "",
    hidden: bool = False,
) -> Any:
    """Declare a field that is read from the ini; required without `default`.

    Its key is the field's name without the unit (``_s``) or a trailing
    underscore, unless `name` says otherwise.  Secrets, and what is `hidden`, stay
    out of the record's repr.
    """
    if not callable(converter) or converter in _FACTORIES:
        raise TypeError(f"{converter!r} is not a converter (write integer(), …)")
    metadata = {_DECLARED: Declared(converter, doc, name, example, hidden)}
    if isinstance(default, dict):
        values = default
        return attrs.field(factory=lambda: dict(values), metadata=metadata)
    return attrs.field(
        default=default,
        repr=not hidden and converter is not secret,
        metadata=metadata,
    )


def keys_of(settings: type) -> list[Key]:
    """Return the keys of a settings class, in the order they are declared."""
    found = []
    for field in attrs.fields(settings):
        declared: Declared | None = field.metadata.get(_DECLARED)
        if declared is None:
            continue
        default = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = default.factory()
        found.append(
            Key(
                name=declared.name or field.name.removesuffix("_s").rstrip("_"),
                field=field.name,
                converter=declared.converter,
                doc=declared.doc,
                example=declared.example,
                default=default,
                required=default is NOTHING,
                hidden=declared.hidden or declared.converter is secret,
            )
        )
    return found


def reference(settings: type) -> list[KeyReference]:
    """Return the reference of a settings class, from its declarations."""
    return [
        KeyReference(
            name=one.name,
            unit=named(one.converter),
            default=_default(one),
            required=one.required,
            secret=one.converter is secret,
            doc=one.doc,
            example=one.example,
        )
        for one in keys_of(settings)
    ]


def _default(one: Key) -> str:
    if one.required or isinstance(one.default, dict):
        return ""
    return rendered(one.converter, one.default)
