"""The parts of the folk experiment."""

import math

import numpy as np
import pytest
from abc_tunes import make_tunes, write_tunes

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from encoders.abc import read_tune
from encoders.abc.transposition import transpose_tune
from encoders.melody import melody
from encoders.tokens.characters import END, Characters
from experiments.common.errors import UserError
from experiments.common.ngram_baseline import best_ngram
from experiments.common.recipe import make_optimizer, make_schedule
from experiments.folk import composing, data, report, runs
from experiments.folk.baselines import baselines
from experiments.folk.networks import make_network
from experiments.folk.settings import Compose, Drawing, Train, complete
from scratchnet.evaluation.ngrams import WittenBell
from scratchnet.training.batches import RandomWindows
from scratchnet.training.optimizers import SGD, Adagrad, Adam, RMSprop

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return data.load([write_tunes(tmp_path_factory.mktemp("data") / "tunes.abc")])


def test_the_corpus(corpus):
    assert [len(corpus.parts[part]) for part in data.PARTS] == [34, 2, 4]
    assert sorted(sum(corpus.parts.values(), [])) == list(range(40))
    letters = corpus.characters
    for k, tokens in zip(corpus.parts["test"], corpus.sequences("test"), strict=True):
        assert letters.decode(tokens) == END + corpus.texts[k] + END
    joined = "".join(letters.decode(tokens)[len(END) :] for tokens in corpus.sequences("test"))
    assert letters.decode(corpus.stream("test")) == joined
    assert "40 tunes" in corpus.describe() and "dropped" not in corpus.describe()


def test_a_tune_in_other_keys(corpus):
    texts = {by: corpus.characters.decode(corpus.moved(0, by)) for by in data.MOVES}
    own = texts[0]
    assert own == corpus.texts[0] + END and len(set(texts.values())) > 1
    first = read_tune(own).score().notes()[0].pitch
    for by, text in texts.items():
        assert text == own or read_tune(text).score().notes()[0].pitch - first == by
        again = corpus.moved(0, by)
        assert again.dtype == np.int32 and corpus.characters.decode(again) == text


def test_tunes_are_moved_when_they_are_drawn(corpus, monkeypatch):
    """Nothing is moved that is not to be learned in this epoch, and nothing twice."""
    calls, real = [], data.transpose_tune
    monkeypatch.setattr(data, "transpose_tune", lambda text, by: calls.append((text, by)) or real(text, by))
    fresh = data.Corpus(corpus.tunes, [], corpus.parts)
    epoch = fresh.epoch(0.5)
    assert not calls
    first = epoch(np.random.default_rng(3))
    assert 0 < len(calls) < len(fresh.parts["train"]) == len(first)
    again = epoch(np.random.default_rng(3))
    assert len(set(calls)) == len(calls)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    rng = np.random.default_rng(3)  # as it has always been drawn
    moves = [rng.integers(12) if draw < 0.5 else 0 for draw in rng.random(len(first))]
    wanted = [fresh.moved(k, data.MOVES[move]) for k, move in zip(fresh.parts["train"], moves, strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(first, wanted, strict=True))


def test_copies_stay_together(tmp_path):
    tunes = make_tunes(30)
    double = [tune.replace("T:Tune", "T:Copy") for tune in tunes]
    (tmp_path / "a.abc").write_text("\n\n".join(tunes + double))
    parts = data.load([tmp_path]).parts
    for part in parts.values():
        assert {k % 30 for k in part} == {k % 30 for k in part if k < 30} == {k % 30 for k in part if k >= 30}


def test_too_few_tunes(tmp_path):
    write_tunes(tmp_path / "two.abc", 2)
    (tmp_path / "bad.abc").write_bytes(b"\0")
    with pytest.raises(
        UserError,
        match=r"at least 3 different tunes .*, got 2 \(1 dropped; the first: .*bad\.abc: not a text file\)",
    ):
        data.load([tmp_path])


def test_what_was_dropped_is_told(tmp_path):
    write_tunes(tmp_path / "a.abc", 12)
    for k in range(30):
        (tmp_path / f"b{k:02}.abc").write_text("no tune")
    text = data.load([tmp_path], quiet=True).describe()
    assert "b00.abc: left out: no tune in it" in text and "b20.abc" not in text and "and 10 more" in text
    assert text.endswith(
        "    12 tunes kept\n    30 tunes or files dropped\n"
        "          30  no tune in it: no line begins with X:, nor with K:"
    )


def test_what_a_corpus_keeps_of_a_tune(tmp_path, corpus):
    (tmp_path / "a.abc").write_text(
        "M:3/4\nL:1/4\n\n" + "\n\n".join(make_tunes(12)).replace("M:C\nL:1/8\n", "")
    )
    own = data.load([tmp_path], quiet=True)
    song = own.tunes[0]
    assert song.header == "M:3/4\nL:1/4" and song.read().score().meters == ((0, 3, 4),)
    assert song.melody == melody(song.read().score(repeats=False, graces=False))
    assert own.texts[0] == song.text and "M:" not in song.text
    again = data.load([tmp_path], quiet=True)  # from the cache
    assert again.tunes == own.tunes and again.parts == own.parts


def test_without_a_network_it_says_what_to_do(monkeypatch):
    asked = []
    monkeypatch.setattr(
        data, "fetch", lambda file, quiet, otherwise: asked.append(otherwise) or "nowhere.abc"
    )
    with pytest.raises(UserError, match="no such file"):
        data.load()
    assert "--data" in asked[0] and "--data builtin" in asked[0]


def test_baselines(corpus):
    train, test, letters = corpus.stream("train"), corpus.stream("test"), corpus.characters
    rows = baselines(train, test, letters)
    assert rows["uniform"] == math.log(len(letters))
    assert rows["3-gram"] == WittenBell(2, len(letters)).fit([train]).nats([test])[2]
    assert best_ngram(rows)[1] == min(nats for name, nats in rows.items() if "gram" in name)
    for name in ("gzip", "bz2", "xz"):
        assert 0 < rows[f"{name}, after the training tunes"] < rows["uniform"]


@pytest.mark.parametrize(
    "name, kind, momentum",
    [
        ("sgd", SGD, 0.0),
        ("momentum", SGD, 0.9),
        ("adagrad", Adagrad, None),
        ("rmsprop", RMSprop, None),
        ("adam", Adam, None),
    ],
)
def test_optimizers(name, kind, momentum, rng):
    network = make_network({"hidden": 4, "layers": 1, "embedding": 0}, 5, rng)
    optimizer = make_optimizer(complete(Train(optimizer=name, lr=0.25)), network)
    assert type(optimizer) is kind and optimizer.lr == 0.25
    assert momentum is None or optimizer.momentum == momentum


def test_the_paper_has_so_many_weights(rng):
    """21,248 + 5,246,976 + 85,075, as Keras counts them, and torch's second bias."""
    config = complete(Train(preset="paper"))
    settings = {name: getattr(config, name) for name in ("hidden", "layers", "embedding")}
    assert make_network(settings, 83, rng).parameter_count == 5_353_299 + 4 * 1024
    assert make_schedule(config) is None and (config.length, config.batch, config.steps) == (400, 32, 2000)


def test_batches_of_both_kinds(corpus, rng):
    windows = runs.make_batches(complete(Train(stateful=False, length=20, batch=2)), corpus, rng)
    assert isinstance(windows, RandomWindows)
    streams = runs.make_batches(complete(Train(transpose=0.0, length=20, batch=2)), corpus, rng)
    total = len(corpus.stream("train"))
    seen = np.concatenate([next(streams).x for _ in range(streams.steps)]).T.ravel()
    assert total - 41 <= len(seen) < total
    lost = np.bincount(corpus.stream("train")) - np.bincount(seen, minlength=len(corpus.characters))
    assert lost.min() >= 0 and lost.sum() == total - len(seen)
    with pytest.raises(UserError, match="too few tunes for --length 5000 and --batch 32"):
        runs.make_batches(complete(Train(length=5000)), corpus, rng)


# ----------------------------------------------------------------------------------------- composing


class Parrot:
    """Stands for a network: says given texts."""

    def __init__(self, texts, monkeypatch):
        self.texts = list(texts)
        monkeypatch.setattr(composing, "generate", self.generate)

    def generate(self, network, primers, length, rng, stop, **choice):
        self.choice = choice
        letters = self.letters
        begin = len(letters.decode(primers[0])) - len(END)
        return [letters.encode(self.texts.pop(0)[begin:]) for _ in primers]


GOOD = "X:1\nT:a\nK:D\nABc|" + END
BAD = "X:1\nT:a\nK:D\nA[Bc|" + END


@pytest.mark.parametrize("raw", [False, True])
def test_bad_tunes_are_drawn_again(raw, monkeypatch, rng):
    parrot = Parrot([GOOD, BAD, BAD[:-2], GOOD, BAD, GOOD], monkeypatch)
    parrot.letters = letters = Characters.of([GOOD, BAD])
    kept, drawn = composing.compose(None, letters, "X:", 3, rng, Drawing(top_k=99), raw)
    assert parrot.choice == {"temperature": 0.8, "top_k": len(letters), "top_p": 1.0}
    if raw:
        assert [tune.text for tune in kept] == [GOOD.strip(), BAD.strip(), BAD[:-2]] and len(drawn) == 3
        assert [tune.reason for tune in kept][2] == "does not end"
    else:
        assert [tune.text for tune in kept] == [GOOD.strip()] * 3 and len(drawn) == 6
        assert all(tune.tune.valid for tune in kept)


def test_a_network_that_writes_nothing_valid(monkeypatch, rng):
    parrot = Parrot([BAD] * 500, monkeypatch)
    parrot.letters = letters = Characters.of([BAD])
    kept, drawn = composing.compose(None, letters, "X:", 2, rng, Drawing())
    assert kept == [] and 100 < len(drawn) < 200  # it gives up
    assert "end of a chord" in drawn[-1].reason


def test_beginnings(tmp_path):
    path = tmp_path / "begin.abc"
    path.write_text("X:9\nT:From a file\n\n")
    for settings, begin in [
        ({}, "X:"),
        ({"prime": "X:1\\nT:a"}, "X:1\nT:a"),
        ({"prime": str(path)}, "X:9\nT:From a file\n"),
        ({"key": "A Dorian"}, "X:1\nT:New\nM:C\nL:1/8\nK:A Dorian\n"),
        ({"meter": "6/8", "title": "Home"}, "X:1\nT:Home\nM:6/8\nL:1/8\n"),
    ]:
        assert composing.primer(Compose(run=tmp_path, **settings)) == begin
    for settings, message in [
        ({"prime": "X", "key": "D"}, "got both"),
        ({"prime": ""}, "at least one character"),
    ]:
        with pytest.raises(UserError, match=message):
            composing.primer(Compose(run=tmp_path, **settings))


# ------------------------------------------------------------------------------------------- judging


def test_copies_are_found_in_any_key(corpus):
    memory = report.Memory(corpus)
    own = corpus.tunes[corpus.parts["train"][5]].read()
    found = memory.look(own)
    assert found.title == own.title and found.share == 1.0 and found.bars == pytest.approx(8 - 1 / 8)
    assert memory.look(read_tune(transpose_tune(own.text, 4)))[:3] == found[:3]
    other = memory.look(read_tune("X:1\nT:a\nM:C\nL:1/8\nK:C\nC4 c''4 | C,,8 | c''6 z2|"))
    assert other.notes == 0 and other.title == "" and other.bars == 0


def test_figures_of_tunes(corpus):
    train = [corpus.tunes[k].read() for k in corpus.parts["train"][:2]]
    drawn = [composing.judge(tune.text.rstrip() + END) for tune in train] + [composing.judge(BAD)] * 2
    figures = report.judge_tunes(corpus, drawn)
    assert figures["valid"] == 0.5 and figures["drawn"] == 4 and "chord" in figures["reasons"][0]
    assert figures["bars filled"] == {"composed": 1.0, "test tunes": 1.0}
    composed, human = figures["copies"]["composed"], figures["copies"]["test tunes"]
    assert composed["share over 4 bars"] == 1 and human["share over 4 bars"] == 0
    assert composed["longest is of"] in {tune.title for tune in train}
    text = report.tunes_text(figures)
    assert "valid ABC: 50% of 4" in text and "over 4 bars 100%" in text
    assert figures["tunes"][0]["copied share of notes"] == 1 and f"({train[0].title})" in text
    assert "nan" not in report.tunes_text(report.judge_tunes(corpus, []))


def test_the_table(corpus, rng):
    network = make_network({"hidden": 4, "layers": 1, "embedding": 0}, len(corpus.characters), rng)
    rows = report.nats_table(corpus, network)
    assert rows["network"] == pytest.approx(rows["uniform"], rel=0.1)
    text = report.as_text(rows)
    assert (
        text.splitlines()[1].split()[-1] in ("uniform", "network", "tunes") and "nats above the best" in text
    )
