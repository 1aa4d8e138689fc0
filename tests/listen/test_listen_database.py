"""The database of a listening test: writes of many threads together, files that are damaged or hostile."""

import contextlib
import sqlite3
import threading
import time

import numpy as np
import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from experiments.common.errors import UserError
from experiments.listen.__main__ import program
from experiments.listen.database import Database, Job, transaction
from experiments.listen.storage import Study, new_token

KINDS = {("lstm", False): [1, 2], ("human", False): [3]}


@pytest.fixture
def study(tmp_path):
    """Three listeners, nine answers."""
    study = Study(tmp_path / "study.sqlite", create=True)
    study.add_samples([(f"{k:064x}", source, primed, f"piece {k}", None, 1.0)
                       for (source, primed), ids in KINDS.items() for k in ids])  # fmt: skip
    for seed in range(3):
        token = new_token()
        study.begin(token, "some", KINDS, 3, seed)
        listener = study.listener(token).id
        for stamp, row in enumerate(study.playlist(listener)):
            study.rate(listener, row.piece, stamp, stamp, 4.0)
    return study


# Writing ------------------------------------------------------------------------------------------


def test_writes_that_come_while_the_disk_is_busy_are_stored_together(study, monkeypatch):
    batches, busy, writing = [], threading.Event(), Database._write

    def write(database, jobs):
        batches.append(len(jobs))
        busy.wait(30)
        writing(database, jobs)

    monkeypatch.setattr(Database, "_write", write)
    pieces = [row.piece for row in study.playlist(1)]
    threads = [
        threading.Thread(target=study.rate, args=(1, pieces[k % 3], k % 6, 100 + k, 1.0)) for k in range(20)
    ]
    threads[0].start()
    wait_for(lambda: batches)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: len(study.waiting) == 19)
    busy.set()
    for thread in threads:
        thread.join()
    assert batches == [1, 19] and study.counts() == (3, 0, 9)
    assert sorted(row.stamp for row in study.playlist(1)) == [117, 118, 119]


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_one_that_fails_takes_nobody_along(study):
    def spoil(db):
        db.execute("UPDATE ratings SET score = 0")
        raise KeyError("mine")

    def bad(db):
        db.execute("INSERT INTO nowhere VALUES (1)")

    good, late = storing(5), storing(3)
    rows = [Job(good), Job(spoil), Job(bad), Job(late)]
    study._write(rows)
    errors = [type(row.error) for row in rows]
    assert errors == [type(None), KeyError, sqlite3.OperationalError, type(None)]
    assert [row.result for row in rows] == [5, None, None, 3] and all(row.done for row in rows)
    with study.connection() as db:
        assert {row[0] for row in db.execute("SELECT heard FROM ratings")} == {5.0, 3.0, 4.0}
        assert db.execute("SELECT count(*) FROM ratings WHERE score > 0").fetchone()[0] > 0


def storing(number):
    def work(db):
        db.execute("UPDATE ratings SET heard = ? WHERE listener = ?", (float(number), number % 3 + 1))
        return number

    return work


def test_a_disk_that_refuses_is_told_to_all(study, monkeypatch):
    @contextlib.contextmanager
    def refuse(db):
        with transaction(db):
            yield
            raise sqlite3.OperationalError("database or disk is full")

    before = study.ratings()
    monkeypatch.setattr("experiments.listen.database.transaction", refuse)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        study.rate(1, study.playlist(1)[0].piece, 5, 99, 1.0)
    monkeypatch.undo()
    assert study.ratings() == before
    assert study.rate(1, study.playlist(1)[0].piece, 5, 99, 1.0) == (5, 99)


# Files --------------------------------------------------------------------------------------------


def report(path, monkeypatch, tmp_path):
    """The exit status of `report`, which draws nothing."""
    monkeypatch.setattr("experiments.listen.figures.draw_means", lambda *given: None)
    return program.main(["report", str(path), "--out", str(tmp_path / "report")])


def flipped(content, rng):
    for place in rng.integers(len(content), size=rng.integers(1, 40)):
        content[place] = rng.integers(256)
    return content


def cut(content, rng):
    return content[: rng.integers(len(content))]


def swapped(content, rng):
    a, b = rng.integers(len(content) // 4096, size=2) * 4096
    content[a : a + 4096], content[b : b + 4096] = content[b : b + 4096], content[a : a + 4096]
    return content


@pytest.mark.parametrize("spoil", [flipped, cut, swapped])
def test_damaged_files_are_one_line(study, spoil, monkeypatch, tmp_path, capsys):
    study.close()
    whole, seen = study.path.read_bytes(), set()
    for seed in range(40):
        study.path.write_bytes(spoil(bytearray(whole), np.random.default_rng(seed)))
        for beside in ("-wal", "-shm"):
            study.path.with_name(f"study.sqlite{beside}").unlink(missing_ok=True)
        status = report(study.path, monkeypatch, tmp_path)
        told = capsys.readouterr()
        assert status in (0, 2) and told.err.count("\n") == (status == 2)
        assert told.err.startswith("listen report: error: ") or not told.err
        assert (told.out + told.err).replace("\n", "").isprintable()
        seen.add(status)
    assert 2 in seen


def test_a_listener_may_have_said_anything(study, monkeypatch, tmp_path, capsys):
    with sqlite3.connect(study.path) as db:
        db.execute("UPDATE samples SET source = '\x1b[31mred\x07\n=1' || id, title = '\t=1'")
        db.execute("UPDATE listeners SET experience = '\x1b]0;title\x07'")
    db.close()
    assert report(study.path, monkeypatch, tmp_path) == 0
    assert capsys.readouterr().out.replace("\n", "").isprintable()
    table = (tmp_path / "report" / "answers.csv").read_text()
    assert "\x1b" not in table and "?[31mred??=1" in table


@pytest.mark.parametrize(
    "change",
    ["samples SET source = x'00'", "samples SET title = 7", "listeners SET experience = NULL",
     "ratings SET heard = 1e300", "ratings SET heard = 'a'", "ratings SET given = x'ff'",
     "samples SET source = CAST(x'ff' AS TEXT)", "ratings SET score = 9", "ratings SET score = 'a'",
     "samples SET primed = 'a'", "playlist SET position = 'a' WHERE listener = 1 AND position = 0"],
)  # fmt: skip
def test_answers_that_are_none(study, change, monkeypatch, tmp_path, capsys):
    with sqlite3.connect(study.path) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '        ')")
    db.close()
    with sqlite3.connect(study.path) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(f"UPDATE {change}")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, '        ', 'NOT NULL')")
    db.close()
    assert report(study.path, monkeypatch, tmp_path) == 2
    told = capsys.readouterr().err
    assert told.startswith("listen report: error: ") and told.count("\n") == 1 and len(told) < 400


ENDLESS = """
ALTER TABLE ratings RENAME TO before;
CREATE VIEW ratings AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
    SELECT n AS listener, n AS sample, 1 AS score, 1 AS stamp, 1.0 AS heard, '' AS given FROM c;
"""


@pytest.mark.parametrize(
    "statement",
    ["CREATE VIEW more AS SELECT 1", "CREATE TABLE mine (id)", "CREATE INDEX i ON ratings (score)",
     "DROP TABLE ratings", ENDLESS, "CREATE TRIGGER t AFTER INSERT ON ratings BEGIN SELECT 1; END"],
    ids=lambda text: text[:20],
)  # fmt: skip
@pytest.mark.parametrize("create", [True, False])
def test_tables_that_are_not_ours(study, statement, create):
    with sqlite3.connect(study.path) as db:
        db.executescript(statement)
    db.close()
    with pytest.raises(UserError, match="not a listening test's database"):
        Study(study.path, create)
