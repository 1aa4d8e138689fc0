"""`python -m experiments.listen` as its users meet it: the server, the report, refusals."""

import csv
import http.cookiejar
import json
import os
import re
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest
from commands import Command
from listening import Server, write_run, write_tone

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("flask", reason="needs the extra 'listen'")
pytest.importorskip("waitress", reason="needs the extra 'listen'")
from experiments.listen import server as serving
from experiments.listen.storage import Study

listen = Command("listen")


class Visitor:
    """A browser without pictures."""

    def __init__(self, url):
        self.url, jar = url, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.get("/")

    def get(self, path, data=None, **headers):
        request = urllib.request.Request(self.url + path, data, {"Origin": self.url, **headers})
        with self.opener.open(request, timeout=10) as response:
            return response.read()

    def pieces(self):
        page = self.get("/listen").decode()
        return json.loads(re.search(r'id="content">(.*?)</script>', page, re.S)[1])["pieces"]

    def rate(self, piece, score, stamp):
        body = json.dumps({"piece": piece, "score": score, "stamp": stamp, "heard": 5})
        return json.loads(self.get("/rate", body.encode(), **{"Content-Type": "application/json"}))


def test_a_test_from_the_first_visit_to_the_report(tmp_path, capsys):
    runs = [
        write_run(tmp_path / name, name, pieces=1, pitch=300 + 50 * i)
        for i, name in enumerate(("lstm", "rnn"))
    ]
    write_tone(tmp_path / "people" / "a.wav", 2.0)
    out = tmp_path / "out"
    arguments = [*runs, "--human", tmp_path / "people", "--out", out, "--seed", 3]
    with Server(*arguments) as server:
        assert re.search(r"lstm, primed +1  1.0 to 1.0", server.said) and "5 pieces for each" in server.said
        for k in range(3):
            visitor = Visitor(server.url)
            visitor.get("/begin", b"consent=yes&experience=some")
            pieces = visitor.pieces()
            assert visitor.get(pieces[0]["audio"], Range="bytes=0-3") == b"RIFF"
            for stamp, piece in enumerate(pieces[: 5 - k]):
                assert visitor.rate(piece["id"], stamp, stamp)["score"] == stamp
        server.stop(signal.SIGKILL)
    with Server(*arguments) as server:  # the test goes on, for the same visitor, too
        visitor.url = server.url
        assert [piece["score"] for piece in visitor.pieces()] == [0, 1, 2, None, None]
        status, said = server.stop()
        assert status == 0 and "3 listeners, 0 finished, 12 answers" in said
    assert listen("report", out) == 0
    said = capsys.readouterr().out
    assert "3 listeners began" in said and "human" in said and "Holm" in said
    names = {path.name for path in out.iterdir()}
    assert names >= {"ratings.png", "answers.csv", "means.csv", "comparisons.csv", "study.sqlite", "audio"}
    with open(out / "answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and {row["source"] for row in rows} == {"lstm", "rnn", "human"}
    assert {row["title"] for row in rows} <= {"a", "lstm 0", "lstm 1", "rnn 0", "rnn 1"}
    assert listen("report", out / "study.sqlite", "--out", tmp_path / "elsewhere") == 0
    assert (tmp_path / "elsewhere" / "ratings.png").read_bytes() == (out / "ratings.png").read_bytes()


def test_the_pieces_are_registered_with_what_the_list_says(tmp_path, monkeypatch, capsys):
    served = []
    monkeypatch.setattr(
        serving, "make_server", lambda app, host, port: (served.append((host, port)) or Stub(), 1)
    )
    run = write_run(tmp_path / "run", "lstm")
    assert listen("serve", run, "--out", tmp_path / "out", "--per-listener", 1) == 0
    said = capsys.readouterr().out
    assert "note: each listener hears 1 pieces of 2 kinds" in said and served == [("127.0.0.1", 8000)]
    with Study(tmp_path / "out/study.sqlite").connection() as db:
        rows = db.execute("SELECT source, primed, title, seconds FROM samples ORDER BY title").fetchall()
    assert rows == [("lstm", i % 2, f"lstm {i}", 1.0) for i in range(4)]
    assert listen(run, "--out", tmp_path / "out") == 0  # once more adds nothing
    assert len(list((tmp_path / "out/audio").iterdir())) == 4


class Stub:
    def run(self):
        pass

    close = run


def serve_nobody(monkeypatch, *arguments):
    """The exit status of `serve`, which ends at once."""
    monkeypatch.setattr(serving, "make_server", lambda app, host, port: (Stub(), 1))
    return listen("serve", *arguments)


def test_each_study_has_a_folder_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate(("lstm", "rnn", "a" * 100)):
        write_run(tmp_path / name, name, pieces=1, pitch=300 + 50 * k)
    write_tone(tmp_path / "people" / "a.wav")
    for runs in (
        ["lstm"],
        ["rnn"],
        ["lstm", "rnn"],
        ["rnn", "lstm/"],
        ["lstm", "--human", "people"],
        ["a" * 100],
    ):
        assert serve_nobody(monkeypatch, *runs) == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names[1:] == ["listen-lstm", "listen-lstm-people", "listen-lstm-rnn", "listen-rnn"]
    assert names[0].startswith("listen-aaa") and len(names[0]) < 100
    assert f"report {Path('runs/listen-rnn')}" in capsys.readouterr().out


def test_a_study_does_not_go_on_with_other_pieces(tmp_path, monkeypatch, capsys):
    lstm, rnn = (write_run(tmp_path / name, name, pieces=1) for name in ("lstm", "rnn"))
    again = write_run(tmp_path / "again" / "lstm", "lstm", pieces=1, pitch=700)
    out = ["--out", tmp_path / "out"]
    assert serve_nobody(monkeypatch, lstm, *out) == 0
    before = sorted(path.name for path in (tmp_path / "out/audio").iterdir())
    capsys.readouterr()
    for others, word in (
        ([rnn], "plays lstm, and the runs given have rnn"),
        ([lstm, rnn], "plays lstm, and the runs given have lstm, rnn"),
        ([again], "plays other pieces of lstm: 0 of the 2 given now are among its 2"),
        ([lstm, "--no-level"], "plays other pieces of lstm"),
    ):
        assert serve_nobody(monkeypatch, *others, *out) == 2
        told = capsys.readouterr()
        assert told.err.count("\n") == 1 and word in told.err and "--change-runs" in told.err and not told.out
    assert sorted(path.name for path in (tmp_path / "out/audio").iterdir()) == before  # nothing was copied
    assert serve_nobody(monkeypatch, lstm, *out) == 0  # the same goes on
    assert serve_nobody(monkeypatch, rnn, *out, "--change-runs") == 0
    assert len(Study(tmp_path / "out/study.sqlite").samples()) == 4


def test_a_run_folder_is_not_taken_for_people(tmp_path, monkeypatch, capsys):
    run = write_run(tmp_path / "run", "lstm", pieces=1)
    assert serve_nobody(monkeypatch, run, "--human", run, "--out", tmp_path / "out") == 2
    assert "expected pieces by people" in capsys.readouterr().err
    assert serve_nobody(monkeypatch, tmp_path, "--out", tmp_path / "out") == 2
    assert "name the run folders one by one" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_given_are_answered(tmp_path, monkeypatch, capsys):
    apps = []
    monkeypatch.setattr("experiments.listen.jobs.lan_address", lambda: "192.0.2.7")
    monkeypatch.setattr(serving, "make_server", lambda app, host, port: (apps.append(app) or Stub(), 1))
    run = write_run(tmp_path / "run", "lstm", pieces=1)
    names = ["--name", "a.example", "b.example", "--host", "0.0.0.0"]
    assert listen("serve", run, "--out", tmp_path / "out", *names) == 0
    assert "From other machines: http://192.0.2.7:1/" in capsys.readouterr().out
    client = apps[0].test_client()
    hosts = ("a.example", "b.example:8000", "localhost", "0.0.0.0:8000", "c.example")
    assert [client.get("/", base_url=f"http://{host}").status_code for host in hosts] == [200] * 4 + [400]


def test_nothing_rated_yet(tmp_path, capsys):
    Study(tmp_path / "study.sqlite", create=True)
    assert listen("report", tmp_path) == 0
    assert "Nothing has been rated yet." in capsys.readouterr().out
    assert not (tmp_path / "ratings.png").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "expected runs"),
        (["no_such_run"], "no_such_run: no such folder"),
        (["EMPTY"], "nothing to hear"),
        (["BAD"], "sample 1: expected a path inside the run folder"),
        (["NOISE"], "expected a WAV file"),
        (["RUN", "--human", "no_such_folder"], "no_such_folder: no such folder"),
        (["RUN", "--per-listener", "0"], "--per-listener: expected"),
        (["RUN", "--port", "70000"], "--port: expected"),
        (["RUN", "--host", "no such host"], "cannot listen on no such host, port 8000"),
        (["RUN", "--out", "RUN/samples.json"], "cannot make this folder"),
        (["RUN", "--out", "OTHER"], "not a listening test's database"),
        (["report", "no_such_study"], "no such file"),
        (["report", "RUN"], "no such file; expected the study.sqlite"),
        (["report", "RUN/samples.json"], "not a listening test's database"),
    ],
)
def test_wrong_use_is_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "RUN", "lstm", pieces=1)
    for name in ("EMPTY", "BAD", "NOISE", "OTHER"):
        (tmp_path / name).mkdir()
    bad = {"file": "../RUN/composed/0.wav", "source": "lstm", "primed": False}
    (tmp_path / "BAD/samples.json").write_text(json.dumps([bad]))
    (tmp_path / "NOISE/a.wav").write_bytes(os.urandom(999))
    (tmp_path / "OTHER/study.sqlite").write_bytes(b"something else" * 99)
    assert listen(*arguments) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and told.startswith("listen")


def test_a_full_disk_is_one_line_and_leaves_nothing_half(tmp_path, capsys, monkeypatch):
    def write(wav, data):
        raise OSError(28, "No space left on device")

    run = write_run(tmp_path / "run", "lstm", pieces=1)
    monkeypatch.setattr("wave.Wave_write.writeframes", write)
    assert listen(run, "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "No space left" in told and told.count("\n") == 1
    assert (
        list((tmp_path / "out/audio").iterdir()) == []
        and Study(tmp_path / "out/study.sqlite").samples() == set()
    )


def test_a_port_in_use_is_one_line(tmp_path, capsys):
    run = write_run(tmp_path / "run", "lstm", pieces=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert listen(run, "--out", tmp_path / "out", "--port", port) == 2
    told = capsys.readouterr().err
    assert f"port {port}" in told and "in use" in told and told.count("\n") == 1


@pytest.mark.parametrize("package", ["flask", "waitress"])
def test_a_missing_package_is_named_before_anything_is_written(package, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    run = write_run(tmp_path / "run", "lstm", pieces=1)
    assert listen(run, "--out", tmp_path / "out") == 3
    assert f'{package} is not installed; try: pip install "scratchnet[listen]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert listen("load") == 3 and "is not installed" in capsys.readouterr().err
