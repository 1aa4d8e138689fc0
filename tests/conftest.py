"""What several test modules share."""

import os
from pathlib import Path

import numpy as np
import pytest


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
