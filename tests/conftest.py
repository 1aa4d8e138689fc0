"""What several test modules share, and the profiles of hypothesis.

A test says the same in every run, on every machine: `fixed` draws the same examples each time. `search` draws
new ones (`--hypothesis-profile=search`); what it finds becomes an `@example` of its test.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, derandomize=False, database=None, print_blob=True)
settings.load_profile("fixed")


def pytest_configure(config):
    """Let `fixed` examples not depend on which modules other tests have imported before.

    Hypothesis draws constants from the source of the modules that it finds imported.
    """
    if config.getoption("--hypothesis-profile") != "search":
        nothing = providers.Constants()
        providers._get_local_constants = lambda: nothing


@pytest.fixture
def rng():
    """A random generator that is the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of development corpora; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SCRATCHNET_DATA", Path(__file__).parents[1].parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no development corpora in {folder} (set SCRATCHNET_DATA)")
    return folder
