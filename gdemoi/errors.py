"""The one family of exceptions: what is wrong with a conversation.

What may happen to an SMS is never an exception; it is an `Outcome`, see
`gdemoi.message`.
"""

from __future__ import annotations


class GdemoiError(Exception):
    """The root of everything that gdemoi raises on purpose."""


class OurFault(GdemoiError):
    """We asked for something that the state of the conversation forbids."""


class TheirFault(GdemoiError):
    """The far side sent what contradicts itself or the conversation."""


class ConfigurationError(GdemoiError):
    """The configuration cannot be used; the text names file and line."""


class Unavailable(GdemoiError):
    """The far side cannot be reached, or does not answer, for now."""


class CannotListen(Unavailable):
    """A port of ours cannot be had; `key` is the key in the ini that names it."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class InvalidMessage(GdemoiError):
    """A message that a platform handed in cannot be taken.

    `code` is a word of the `gateway:` namespace (``bad_number``, ``invalid``,
    ``too_long`` …), `field` the name of the JSON field, or None.
    """

    def __init__(self, code: str, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.field = field
