"""Locks end with their process."""

import os
import threading
import warnings

import pytest
from locking import another_process

from experiments.common import locks


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / ".lock"
    with another_process(path) as process:
        assert locks.lock(path) is None and locks.lock(path) is None
        assert locks.signature(path).startswith(f"{process.pid} on ")
        process.communicate("\n")
        assert process.returncode == 0 and not path.exists()
    key = locks.lock(path)
    locks.unlock(key)
    assert os.listdir(tmp_path) == []


def test_a_killed_process_has_no_lock(tmp_path):
    path = tmp_path / ".lock"
    with another_process(path) as process:
        process.kill()
        process.wait()
        assert path.exists()
        key = locks.lock(path)
    locks.unlock(key)


def test_waiting(tmp_path):
    path, keys = tmp_path / ".lock", []
    with another_process(path) as process:
        thread = threading.Thread(target=lambda: keys.append(locks.lock(path, wait=True)))
        thread.start()
        thread.join(3 * locks.PAUSE)
        assert keys == []
        process.kill()
        process.wait()
        thread.join(30)
    locks.unlock(keys[0])


def test_a_process_may_lock_again(tmp_path):
    path = tmp_path / ".lock"
    first, second = locks.lock(path), locks.lock(path)
    locks.unlock(first)
    assert path.exists()
    locks.unlock(second)
    assert not path.exists() and not locks._held


def test_all_are_given_back(tmp_path):
    keys = [locks.lock(tmp_path / name) for name in ("a", "b", "a")]
    locks.unlock_all()
    assert os.listdir(tmp_path) == [] and not locks._held
    for key in keys:
        locks.unlock(key)


def test_a_file_that_was_removed_meanwhile_is_no_lock(tmp_path):
    path = tmp_path / ".lock"
    old = locks.lock(path)
    path.unlink()
    new = locks.lock(path)
    assert new != old
    locks.unlock(old)
    assert path.exists()
    locks.unlock(new)
    assert not path.exists()


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="POSIX")

    def unsupported(descriptor, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.warns(RuntimeWarning, match=r"no lock is to be had here \(Operation not supported\)"):
        key = locks.lock(tmp_path / ".lock")
    locks.unlock(key)
    with warnings.catch_warnings(), pytest.raises(RuntimeWarning):
        warnings.simplefilter("error")
        locks.lock(tmp_path / ".lock")
    assert not locks._held


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        locks.lock(tmp_path / "none" / ".lock")
    assert locks.signature(tmp_path / "none") == ""
