"""What all tests share: one hypothesis profile, and a folder for their files."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run: a failure is about the change, not about luck.
settings.register_profile(
    "gdemoi",
    derandomize=True,
    deadline=None,
    # for a mutant fewer will do: it must fall by what the examples are made for
    max_examples=25 if "MUTANT_UNDER_TEST" in os.environ else 100,
    database=None,
    # `differing_executors` is about replays from a database, which there is none
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("gdemoi")


@pytest.fixture(autouse=True, scope="session")
def folder_for_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder that goes away: trial's `mktemp` makes files where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield
