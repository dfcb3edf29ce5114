"""The ini file: words that remember where they were written.

Modules: `units` (text -> value), `declared` (settings classes and their
reference), `words` (bytes -> sections, with places), `document` (includes,
secrets, `Section.read`, all complaints).  Nothing here opens a file: who parses
hands in a `Sources`.  The form of the file is told in
docs/contract.rst, "The ini file".
"""

from gdemoi.ini.declared import KeyReference, key, reference
from gdemoi.ini.document import Document, Section, Sources, parse
from gdemoi.ini.units import (
    Converter,
    boolean,
    choice,
    decimal,
    duration,
    each,
    integer,
    path,
    rate,
    secret,
    size,
    text,
    web_address,
    words,
)
from gdemoi.ini.words import Complaint, Place

__all__ = [
    "Complaint",
    "Converter",
    "Document",
    "KeyReference",
    "Place",
    "Section",
    "Sources",
    "boolean",
    "choice",
    "decimal",
    "duration",
    "each",
    "integer",
    "key",
    "parse",
    "path",
    "rate",
    "reference",
    "secret",
    "size",
    "text",
    "web_address",
    "words",
]
