"""The tunes that come with the project: written rightly, each its own, enough to learn from."""

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from encoders.abc.collection import read_collection
from encoders.melody import groups, melody
from experiments.folk import data
from experiments.folk.__main__ import program
from experiments.folk.settings import BUILTIN, Train, complete


@pytest.fixture(scope="module")
def tunes():
    collection = read_collection([data.TUNES])
    assert not collection.dropped
    return [kept.tune for kept in collection.kept]


@pytest.fixture
def offline(monkeypatch):
    def fetch(file, quiet=False, otherwise=""):
        raise data.UserError(f"cannot be downloaded; {otherwise}")

    monkeypatch.setattr(data, "fetch", fetch)


def test_each_is_written_without_a_fault(tunes):
    for tune in tunes:
        assert not tune.problems, tune.title
        assert all(bar.fills for bar in tune.bars), tune.title
        assert not set(tune.fields) ^ set("XTROSMLK"), tune.title
    assert [tune.number for tune in tunes] == list(range(1, len(tunes) + 1))


def test_each_says_where_it_comes_from(tunes):
    for tune in tunes:
        source = tune.fields["S"][0]
        ours = source == "made for this project"
        assert ours or source.startswith(("traditional, ", "S. C. Foster")), tune.title
        assert ours == (tune.fields["O"][0] == "scratchnet"), tune.title
    assert "CC0" in data.TUNES.read_text(encoding="utf-8").partition("X:")[0]


def test_there_are_enough_and_none_is_another_in_disguise(tunes):
    assert len(tunes) >= 48
    assert len(groups([melody(tune.score(repeats=False)) for tune in tunes])) == len(tunes)
    assert {tune.fields["R"][0] for tune in tunes} >= {"reel", "jig", "hornpipe", "polka", "waltz", "air"}


def test_each_spans_two_octaves_at_most(tunes):
    for tune in tunes:
        pitches = [note.pitch for note in tune.score().notes()]
        assert 59 <= min(pitches) and max(pitches) <= 84 and max(pitches) - min(pitches) <= 24, tune.title


def test_they_are_learned_from_without_a_network(offline, tunes):
    corpus = data.load((BUILTIN,))
    assert len(corpus.tunes) == len(tunes) and all(corpus.parts[part] for part in data.PARTS)
    assert (
        set("A Dorian6/89D Major") <= corpus.characters.numbers.keys()
    )  # the beginnings that the README gives
    keys = [{tuple(corpus.moved(k, move)) for move in data.MOVES} for k in corpus.parts["train"]]
    assert any(len(moved) > 3 for moved in keys)


def test_they_go_with_other_tunes(tmp_path, tunes):
    more = tmp_path / "more.abc"
    more.write_text("X:1\nT:Scale\nM:4/4\nL:1/8\nK:C\nCDEF GABc|cdef gabc'|\n", encoding="utf-8")
    assert len(data.load((BUILTIN, more)).tunes) == len(tunes) + 1


def test_a_network_of_their_size_is_the_preset():
    assert complete(Train(data=(BUILTIN,))).preset == "few"
    assert complete(Train(data=(BUILTIN,), preset="quick")).hidden == complete(Train()).hidden
    assert complete(Train()).preset == "quick"
    assert complete(complete(Train(data=(BUILTIN,)))) == complete(Train(data=(BUILTIN,)))


def test_without_a_network_the_line_offers_them(offline, tmp_path, capsys):
    assert program.main(["--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "--data builtin" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_everything_runs_on_them(offline, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
    from experiments.folk import jobs

    monkeypatch.setattr(jobs, "JUDGED", 2)
    out = tmp_path / "run"
    small = "--hidden 12 --embedding 4 --length 24 --steps 2 --eval-every 1 --quiet --raw --n 1".split()
    assert program.main(["--data", "builtin", *small, "--out", str(out)]) == 0
    assert "best n-gram" in capsys.readouterr().out
    assert "builtin" in (out / "config.yaml").read_text()
    assert program.main(["train", "--resume", str(out)]) == 0
