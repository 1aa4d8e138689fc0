"""What a user can put right is said in one line."""

import importlib

import pytest

from experiments.common.errors import import_extra


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r'^a is not installed; try: pip install "scratchnet\[audio\]"$'):
        import_extra("a.b", "audio")


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        import_extra("halfway")


def test_what_is_there_is_imported():
    assert import_extra("json.decoder") is importlib.import_module("json.decoder")
