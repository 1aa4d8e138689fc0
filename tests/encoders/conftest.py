"""What the tests of encoders share."""

import pytest


@pytest.fixture(scope="session")
def irish(data_folder):
    """The text of the Irish set, 804 tunes."""
    path = data_folder / "irish_mit" / "irish.abc"
    if not path.exists():
        pytest.skip(f"no irish_mit/irish.abc among the corpora in {data_folder}")
    return path.read_text(encoding="utf-8")
