"""From the text of one value to the value: numbers, durations, rates, lists.

A converter is any ``Callable[[str], T]`` that raises `ValueError` saying what is
wrong.  `Converter` adds how the unit is called in the reference and how a
default is written there.  Nothing here knows of files or sections.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from attrs import frozen

T = TypeVar("T")
Number = TypeVar("Number", int, float)

_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_INTEGER: Final = re.compile(r"-?[0-9]+|0[xX][0-9a-fA-F]+")
_DURATIONS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_RATES: Final = {
    "s": 1.0,
    "sec": 1.0,
    "min": 60.0,
    "m": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_SIZES: Final = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
# Beyond this a measure is a slip of the finger, and floats lose whole numbers.
_LARGEST: Final = 1e15
# A bare number of seconds this large was most likely meant as milliseconds.
SUSPICIOUS_SECONDS: Final = 1000


class Wrong(ValueError):
    """A bad value together with what was probably meant."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.hint = hint


@frozen
class Converter(Generic[T]):
    """A unit: how text becomes a value, and how both are shown.

    `listed` converters see the text with its quotes; all others see what is
    between them.
    """

    shown: str
    convert: Callable[[str], T]
    render: Callable[[Any], str] = str
    listed: bool = False

    def __call__(self, value: str) -> T:
        """Return the value of the text `value`."""
        return self.convert(value)


def _beside(value: str, resolve: Callable[[str], str]) -> str:
    return resolve(value)


@frozen
class FileConverter(Converter[T]):
    """A unit whose value names a file, which lies beside the one that names it.

    `place` makes the names within the value absolute.  `check` is given the file's
    octets, and raises `ValueError` when they are of no use.  A `private` file holds a
    secret: who may read it is looked at.
    """

    place: Callable[[str, Callable[[str], str]], str] = _beside
    check: Callable[[bytes], object] | None = None
    private: bool = False


def likely(word: str, known: list[str]) -> str | None:
    """Return the known word that `word` is probably a slip of."""
    folded = {one.casefold(): one for one in known}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def unquoted(value: str) -> str:
    """Return what is between the quotes, or `value` when there are none."""
    if not value.startswith('"'):
        return value
    if len(value) < 2 or not value.endswith('"'):
        raise ValueError("a quote is opened and not closed")
    return value[1:-1]


def _split(value: str) -> list[str]:
    """Cut at the commas outside quotes; items unquoted, outer spaces gone."""
    items: list[str] = []
    start, inside = 0, False
    for at, char in enumerate(value):
        if char == '"':
            inside = not inside
        elif char == "," and not inside:
            items.append(value[start:at])
            start = at + 1
    if inside:
        raise ValueError("a quote is opened and not closed")
    items.append(value[start:])
    stripped = [item.strip(" \t") for item in items]
    if len(stripped) > 1 and not stripped[-1]:
        stripped.pop()
    if not all(stripped):
        raise ValueError("there is nothing between two commas")
    return [unquoted(item) for item in stripped]


def each(converter: Callable[[str], T]) -> Converter[tuple[T, ...]]:
    """Return the converter of a comma separated list of `converter`'s values."""

    def convert(value: str) -> tuple[T, ...]:
        return tuple(converter(item) for item in _split(value))

    def render(values: Any) -> str:
        return ", ".join(rendered(converter, value) for value in values)

    unit = named(converter)
    shown = "list" if unit == "text" else f"list of {unit}"
    return Converter(shown, convert, render, listed=True)


def named(converter: Callable[[str], Any]) -> str:
    """Return how a unit is called in the reference."""
    if isinstance(converter, Converter):
        return converter.shown
    name = getattr(converter, "__name__", type(converter).__name__)
    return name.strip("_").replace("_", " ")


def rendered(converter: Callable[[str], Any], value: Any) -> str:
    """Return `value` as one would write it in the ini file, "" when one cannot."""
    if value is None:
        return ""
    if isinstance(converter, Converter):
        return converter.render(value)
    if isinstance(value, tuple | list | frozenset):
        return ", ".join(rendered(converter, one) for one in value)
    if isinstance(value, bool):
        return boolean.render(value)
    if isinstance(value, Enum):
        return str(value.value)
    return str(value) if isinstance(value, str | int | float) else ""


def _numeric(
    kind: str,
    read: Callable[[str], Number],
    minimum: Number | None,
    maximum: Number | None,
) -> Converter[Number]:
    lower, upper = minimum is not None, maximum is not None
    span = (f" {minimum}" if lower else "") + (".." if lower or upper else "")
    shown = f"{kind} {span.strip()}{maximum if upper else ''}".strip()

    def convert(value: str) -> Number:
        number = read(value)
        if minimum is not None and number < minimum:
            raise ValueError(f"{value} is less than {minimum}")
        if maximum is not None and number > maximum:
            raise ValueError(f"{value} is more than {maximum}")
        return number

    return Converter(shown, convert)


def _int(value: str) -> int:
    if not _INTEGER.fullmatch(value):
        raise ValueError(f"{value!r} is not a whole number")
    return int(value, 0) if value[:2] in ("0x", "0X") else int(value)


def _float(value: str) -> float:
    if not _NUMBER.fullmatch(value.removeprefix("-")):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def integer(minimum: int | None = None, maximum: int | None = None) -> Converter[int]:
    """Return the converter of whole numbers, decimal or ``0x…``, in a range."""
    return _numeric("integer", _int, minimum, maximum)


def decimal(
    minimum: float | None = None, maximum: float | None = None
) -> Converter[float]:
    """Return the converter of decimal numbers in a range."""
    return _numeric("number", _float, minimum, maximum)


def choice(*allowed: str | type[Enum]) -> Converter[Any]:
    """Return the converter that takes the given words, or one enum's values.

    An enum gives its member, words give themselves.
    """
    values: dict[str, Any] = {}
    for one in allowed:
        if isinstance(one, str):
            values[one] = one
        else:
            values |= {str(member.value): member for member in one}

    def convert(value: str) -> Any:
        if value not in values:
            wanted = ", ".join(values)
            raise Wrong(
                f"{value!r} is not one of {wanted}", likely(value, list(values))
            )
        return values[value]

    def render(value: Any) -> str:
        return str(value.value if isinstance(value, Enum) else value)

    return Converter(" | ".join(values), convert, render)


def _measure(
    value: str, units: dict[str, float], what: str, forms: str
) -> tuple[float, str]:
    match = _NUMBER.match(value)
    unit = value[match.end() :].strip(" \t").removeprefix("/").strip() if match else ""
    if match is None:
        raise ValueError(f"{value!r} is not {what} ({forms})")
    if unit and unit not in units:
        hint = likely(unit, list(units))
        raise Wrong(
            f"{value!r} is not {what} ({forms})",
            value.replace(unit, hint) if hint else None,
        )
    number = float(match[0])
    if number > _LARGEST:
        raise ValueError(f"is too large for {what}")
    return number, unit


def _duration(value: str) -> float:
    if "/" in value:
        raise ValueError(f"{value!r} is not a duration (500ms 30s 5m 2h 1d)")
    number, unit = _measure(value, _DURATIONS, "a duration", "500ms 30s 5m 2h 1d")
    return number * _DURATIONS[unit or "s"]


def _plain(number: float) -> str:
    """Return a number without an exponent and without idle zeros."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _render_duration(seconds: Any) -> str:
    if seconds and seconds < 1:
        return f"{_plain(seconds * 1000)}ms"
    for unit in ("d", "h", "m"):
        if seconds and seconds % _DURATIONS[unit] == 0:
            return f"{_plain(seconds / _DURATIONS[unit])}{unit}"
    return f"{_plain(seconds)}s"


def _rate(value: str) -> float | None:
    number, unit = _measure(value, _RATES, "a rate", "20/s 30/min 300/day")
    if unit and "/" not in value:
        raise Wrong(
            f"{value!r} is not a rate (20/s 30/min 300/day)", f"{_plain(number)}/{unit}"
        )
    return number / _RATES[unit or "s"] or None


def _render_rate(per_second: Any) -> str:
    for unit in ("s", "min", "h", "day"):
        amount = round(per_second * _RATES[unit], 6)
        if amount == int(amount):
            return f"{_plain(amount)}/{unit}"
    return f"{_plain(per_second)}/s"


def _size(value: str) -> int:
    units = {unit: float(octets) for unit, octets in _SIZES.items()}
    number, unit = _measure(value, units, "a size", "512 64KiB 1MiB")
    if "/" in value:
        raise ValueError(f"{value!r} is not a size (512 64KiB 1MiB)")
    return int(number * _SIZES[unit])


def _render_size(octets: Any) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if octets and octets % _SIZES[unit] == 0:
            return f"{octets // _SIZES[unit]}{unit}"
    return str(octets)


def _boolean(value: str) -> bool:
    word = value.casefold()
    if word in ("yes", "true", "on"):
        return True
    if word in ("no", "false", "off"):
        return False
    raise ValueError(f"{value!r} is not yes or no")


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not an address like https://sms.example.org")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an address without user, query or fragment")
    return value.rstrip("/")


def _same(value: str) -> str:
    return value


def time_zone(value: str) -> ZoneInfo:
    """Read a zone's name such as Europe/Madrid."""
    try:
        return ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{value!r} is no time zone such as Europe/Madrid") from None


text: Final = Converter("text", _same)
words: Final = each(text)
boolean: Final = Converter("yes | no", _boolean, lambda value: "yes" if value else "no")
# seconds, as a float
duration: Final = Converter("duration", _duration, _render_duration)
# per second, as a float; 0 is None: no limit
rate: Final = Converter("rate", _rate, _render_rate)
# octets
size: Final = Converter("size", _size, _render_size)
# http or https, and no slash at the end
web_address: Final = Converter("address", _web_address)
# `env:NAME`, `file:/path` or the text itself; `Section.read` looks it up
secret: Final = Converter("secret", _same)
# a file; `Section.read` makes it relative to the file that names it
path: Final = FileConverter("path", _same)


def uncommented(value: str) -> str | None:
    """Return a value without what looks like a comment behind it; None: nothing does.

    A comment is a line of its own, so what looks like one belongs to the value.
    """
    inside = False
    for at, char in enumerate(value):
        if char == '"':
            inside = not inside
        elif char in "#;" and not inside and value[at - 1 : at] in (" ", "\t"):
            return value[:at].rstrip(" \t") or None
    return None


def suspicious(converter: Callable[[str], Any], value: str) -> str | None:
    """Return what was probably meant by a value that is valid but odd."""
    if converter is duration and value.isdigit() and int(value) >= SUSPICIOUS_SECONDS:
        return f"{value}ms"
    return None
