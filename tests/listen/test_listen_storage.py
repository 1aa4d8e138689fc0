"""The database of a listening test, and who hears what."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import experiments.listen.storage as storage
from experiments.common.errors import UserError
from experiments.listen.dealing import deal, default_number, listener_rng
from experiments.listen.storage import Finished, Full, Study, hashed, new_token

KINDS = {("lstm", False): [1, 2], ("lstm", True): [3], ("human", False): [4, 5, 6]}


def samples():
    return [(f"{i:064x}", source, primed, f"piece {i}", None, 1.0)
            for (source, primed), ids in KINDS.items() for i in ids]  # fmt: skip


@pytest.fixture
def study(tmp_path):
    study = Study(tmp_path / "study.sqlite", create=True)
    assert study.add_samples(samples()) == [1, 2, 3, 4, 5, 6]
    return study


def begin(study, number=6, seed=0):
    token = new_token()
    study.begin(token, "some", KINDS, number, seed)
    return study.listener(token).id


# Dealing ------------------------------------------------------------------------------------------

kinds_of_pieces = st.lists(st.integers(1, 5), min_size=1, max_size=6).map(
    lambda sizes: {k: [10 * k + i for i in range(size)] for k, size in enumerate(sizes)}
)


@settings(max_examples=60)
@given(kinds_of_pieces, st.integers(1, 30), st.integers(0, 9), st.integers(1, 12))
def test_what_is_dealt_is_balanced(kinds, number, seed, listeners):
    times, orders = Counter(), []
    for listener in range(1, listeners + 1):
        dealt = deal(kinds, times, number, listener_rng(seed, listener))
        assert dealt == deal(kinds, dict(times), number, listener_rng(seed, listener))
        pieces = sum(kinds.values(), [])
        assert len(dealt) == min(number, len(pieces)) == len(set(dealt)) and set(dealt) <= set(pieces)
        kind_of = [piece // 10 for piece in dealt]
        left = {kind: len(pieces) for kind, pieces in kinds.items()}
        while kind_of:  # rounds: every kind once, while it has pieces
            round_of = {kind for kind, count in left.items() if count}
            now, kind_of = kind_of[: len(round_of)], kind_of[len(round_of) :]
            assert len(set(now)) == len(now) and set(now) <= round_of
            for kind in now:
                left[kind] -= 1
        times.update(dealt)
        orders.append(dealt)
    for pieces in kinds.values():
        counts = [times[piece] for piece in pieces]
        assert max(counts) - min(counts) <= 1


def test_short_rounds_go_round(rng):
    kinds, times = {k: [k] for k in range(6)}, Counter()
    for listener in range(1, 7):
        times.update(deal(kinds, times, 4, listener_rng(0, listener)))
    assert set(times.values()) == {4}


def test_orders_differ_and_every_kind_comes_first_as_often():
    kinds = {k: list(range(10 * k, 10 * k + 3)) for k in range(3)}
    orders = [deal(kinds, {}, 9, listener_rng(5, listener)) for listener in range(300)]
    assert len(set(map(tuple, orders))) > 290
    first = Counter(order[0] // 10 for order in orders)
    assert min(first.values()) > 70


def test_how_many_by_default():
    assert default_number({k: list(range(10)) for k in range(7)}) == 21
    assert default_number({k: list(range(10)) for k in range(30)}) == 30
    assert default_number({0: [1, 2, 3]}) == 3
    assert default_number({0: list(range(100)), 1: [100]}) == 24


# Storage ------------------------------------------------------------------------------------------


def test_a_seed_repeats_who_hears_what(tmp_path):
    def playlists(name, seed):
        study = Study(tmp_path / name, create=True)
        study.add_samples(samples())
        order = "SELECT sample FROM playlist WHERE listener = ? ORDER BY position"
        with study.connection() as db:
            return [[row[0] for row in db.execute(order, (begin(study, 4, seed),))] for _ in range(5)]

    assert playlists("a", 3) == playlists("b", 3) != playlists("c", 4)


def test_a_listener_begins_once(study):
    token = new_token()
    assert study.listener(token) is None
    for experience in ("some", "much"):
        study.begin(token, experience, KINDS, 6, 0)
    listener = study.listener(token)
    assert listener.id == 1 and not listener.finished and len(study.playlist(1)) == 6
    assert study.counts() == (1, 0, 0)


def test_tokens_are_kept_as_hashes(study):
    token = new_token()
    study.begin(token, "", KINDS, 2, 0)
    everything = b"".join(path.read_bytes() for path in study.path.parent.iterdir())
    assert token.encode() not in everything and hashed(token) in everything
    for wrong in (None, "", token[:-1], token + "A", "' OR 1=1 --", token[:-1] + "é"):
        assert study.listener(wrong) is None


def test_answers_may_come_twice_late_and_out_of_order(study):
    listener = begin(study)
    piece = study.playlist(listener)[0].piece
    assert study.rate(listener, piece, 3, 10, 1.0) == (3, 10)
    assert study.rate(listener, piece, 3, 10, 1.0) == (3, 10)  # again
    assert study.rate(listener, piece, 5, 12, 9.0) == (5, 12)  # changed
    assert study.rate(listener, piece, 1, 11, 2.0) == (5, 12)  # late
    assert study.rate(listener, piece, 0, 13, 0.5) == (0, 13)
    (row,) = study.ratings()
    assert (row.listener, row.score, row.heard, row.experience) == (1, 0, 9.0, "some")
    assert study.playlist(listener)[0] == (piece, 0, 13) and study.counts() == (1, 0, 1)


def test_nobody_reaches_another_ones_pieces(study):
    mine, other = begin(study), begin(study)
    piece = study.playlist(mine)[0].piece
    assert study.digest(mine, piece) and study.digest(other, piece) is None
    assert study.rate(other, piece, 5, 1, 0.0) is None and study.ratings() == []


def test_finished_answers_are_final(study):
    listener = begin(study, 2)
    first, second = (row.piece for row in study.playlist(listener))
    study.rate(listener, first, 3, 1, 0.0)
    assert study.finish(listener) == 1 and study.counts() == (1, 0, 1)
    study.rate(listener, second, 4, 2, 0.0)
    assert study.finish(listener) == 0 == study.finish(listener) and study.counts() == (1, 1, 2)
    assert study.rate(listener, first, 3, 1, 0.0) == (3, 1)  # a repeated answer is no change
    with pytest.raises(Finished):
        study.rate(listener, first, 5, 9, 0.0)
    assert [row.score for row in study.ratings()] == [3, 4]


@pytest.mark.parametrize("score", [-1, 6, None])
def test_the_database_itself_refuses_other_scores(study, score):
    listener = begin(study)
    with pytest.raises(sqlite3.IntegrityError):
        study.rate(listener, study.playlist(listener)[0].piece, score, 1, 0.0)
    assert study.ratings() == []


def test_pieces_are_added_once(study):
    assert study.add_samples(samples()[2:4]) == [3, 4]
    same_sound = samples()[0]
    assert study.add_samples([same_sound, same_sound, (same_sound[0], "rnn", False, "", None, 1.0)]) == [1, 7]


def test_there_is_an_end(study, monkeypatch):
    monkeypatch.setattr(storage, "MOST_LISTENERS", 2)
    begin(study), begin(study)
    with pytest.raises(Full):
        begin(study)
    assert study.counts()[0] == 2


def test_many_threads(study):
    def take_part(seed):
        listener = begin(study, 6, seed)
        for stamp, row in enumerate(study.playlist(listener)):
            study.rate(listener, row.piece, stamp % 6, stamp, 1.0)
        return study.finish(listener)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take_part, range(16))) == [0] * 16
    assert study.counts() == (16, 16, 96)


ANSWER_FOR_EVER = """
import sys
from experiments.listen.storage import Study, new_token
study = Study(sys.argv[1], create=True)
token = new_token()
study.begin(token, "", {0: [1, 2], 1: [3]}, 3, 0)
listener = study.listener(token).id
pieces = [row.piece for row in study.playlist(listener)]
for stamp in range(10**9):
    study.rate(listener, pieces[stamp % 3], stamp % 6, stamp, 0.0)
    print(stamp, flush=True)
"""


def test_what_was_stored_outlives_a_kill(study):
    command = [sys.executable, "-c", ANSWER_FOR_EVER, str(study.path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        for line in process.stdout:
            if int(line) >= 20:
                os.kill(process.pid, signal.SIGKILL)
                break
        told = int(([line] + process.stdout.read().split())[-1])
    stamps = sorted(row.stamp for row in study.playlist(1))
    assert stamps[-1] in (told, told + 1) and [s - stamps[0] for s in stamps] == [0, 1, 2]
    with study.connection() as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_opened_study_reads_only(study):
    begin(study)
    again = Study(study.path)
    assert again.counts() == (1, 0, 0)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        begin(again)


def spoil_version(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()


def foreign(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (id)")
    db.close()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)), "not a listening test's"),
        (foreign, "not a listening test's"),
        (spoil_version, "another version"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_other_files_are_refused(spoil, message, create, tmp_path):
    path = tmp_path / "a #?%20.sqlite"
    Study(path, create=True)
    spoil(path)
    with pytest.raises(UserError, match=message):
        Study(path, create)


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        Study(tmp_path / "study.sqlite")
    with pytest.raises(UserError, match="unable to open"):
        Study(tmp_path / "nowhere" / "study.sqlite", create=True)
