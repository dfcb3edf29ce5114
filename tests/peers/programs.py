"""Programs of others: there, or skipped with one clear line.

With ``GDEMOI_REQUIRE_SERVICES=1`` (continuous integration) a missing program is a
failure, so that nothing is skipped unseen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from unittest import SkipTest

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"


def _missing(line: str) -> None:
    if os.environ.get("GDEMOI_REQUIRE_SERVICES") == "1":
        raise AssertionError(line)
    raise SkipTest(line)


def require_program(name: str) -> str:
    """Return the path of a program; skip the test (or fail it) without it."""
    found = shutil.which(name)
    if found is None:
        _missing(f"the program {name} is not here")
    return str(found)


def require_node_package(name: str) -> str:
    """Return the path of node; skip (or fail) without it and an npm package."""
    node = require_program("node")
    if not (NODE_MODULES / name).is_dir():
        _missing(f"npm {name} is not here: run npm install in tests/peers")
    return node


def require_perl_module(name: str) -> str:
    """Return the path of perl; skip (or fail) without it and a module."""
    perl = require_program("perl")
    if not _perl_has(perl, name):
        _missing(f"the Perl module {name} is not here")
    return perl


def require_python_package(name: str) -> None:
    """Skip (or fail) without a Python package."""
    if find_spec(name) is None:
        _missing(f"the Python package {name} is not here")


@cache
def _perl_has(perl: str, name: str) -> bool:
    tried = subprocess.run([perl, f"-M{name}", "-e1"], capture_output=True, check=False)
    return tried.returncode == 0
