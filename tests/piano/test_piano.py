"""The parts of the piano experiment."""

import math

import numpy as np
import pytest
from piano_files import SIXTEENTH, make_piece, write_pieces

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("pooch", reason="needs the extra 'data'")
from encoders.score import Note, Score, Track
from encoders.tokens.note_duration import NoteDuration
from experiments.common import recipe
from experiments.common.errors import UserError
from experiments.common.ngram_baseline import best_ngram, ranking
from experiments.piano import composing, data, measured, report, runs
from experiments.piano.networks import make_network
from experiments.piano.settings import Compose, Run, Train, complete
from scratchnet.evaluation import held_out
from scratchnet.layers.attention import Attention
from scratchnet.training.losses import softmax_cross_entropy

ENCODER = NoteDuration()
pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = write_pieces(tmp_path_factory.mktemp("data"))
    return data.load(Train(data=(folder,), quiet=True), stretch=0.5)


def network(kind="lstm", H=8):
    settings = {"model": kind, "hidden": H, "layers": 1, "embedding": 0}
    net = make_network(settings, len(ENCODER), np.random.default_rng(0))
    net.eval()
    return net


@pytest.mark.parametrize("kind", ["attention", "vector-attention"])
def test_attention_begins_as_the_network_without_and_learns_from_its_first_step(kind, rng):
    tokens = rng.integers(0, len(ENCODER), (7, 2))
    net, plain = network(kind), network("lstm")
    plain.layers[0].load_state_dict(net.layers[0].state_dict())
    plain.layers[1].params["weight"][:] = net.layers[2].params["weight"][:, :8]
    plain.layers[1].params["bias"][:] = net.layers[2].params["bias"]
    a = net.forward(tokens)
    np.testing.assert_allclose(a, plain.forward(tokens), rtol=1e-5, atol=1e-6)
    net.backward(np.ones_like(a))
    assert (net.layers[2].grads["weight"][:, 8:] != 0).all()


def test_the_corpus(corpus):
    assert [len(corpus.parts[part]) for part in data.PARTS] == [10, 1, 1]
    assert sorted(sum(corpus.parts.values(), [])) == list(range(12))
    for k, piece in enumerate(corpus.pieces):
        assert piece.tokens.tolist() == ENCODER.encode(make_piece(k), end=True).tolist()
        assert piece.title == f"piece{k:02}" and piece.error == 0
    assert "12 performances" in corpus.describe() and "0 ms off" in corpus.describe()


def test_stretched_pieces_last_longer(corpus):
    piece = corpus.pieces[0]
    assert len(piece.versions) == len(data.STRETCHES)
    lengths = [composing.steps_of(ENCODER, tokens) for tokens in piece.versions]
    for length, factor in zip(lengths, data.STRETCHES, strict=True):
        assert length == pytest.approx(lengths[0] * factor, abs=1)


def test_an_epoch_moves_and_stretches_only_as_often_as_asked(corpus):
    plain = [corpus.pieces[k].tokens.tolist() for k in corpus.parts["train"]]
    rng = np.random.default_rng(0)
    assert [tokens.tolist() for tokens in corpus.epoch(0.0, 0.0)(rng)] == plain
    moved = sum((corpus.epoch(1.0, 0.0)(rng) for _ in range(20)), [])
    steps = []
    for tokens, own in zip(moved, plain * 20, strict=True):
        first = [int(tokens[2]) - own[2]]
        assert ENCODER.transpose(np.array(own), first[0]).tolist() == tokens.tolist()
        steps += first
    assert set(steps) == set(data.SEMITONES)
    longer = corpus.epoch(0.0, 1.0)(rng)
    assert all(tokens.tolist() != own for tokens, own in zip(longer, plain, strict=True))


def test_a_piece_is_not_moved_off_the_keyboard():
    score = Score(480, [Track("", [Note(k, 1, pitch) for k, pitch in enumerate((2, 126))])])
    piece = data.Piece("x", "x", [ENCODER.encode(score)], 0.0)
    assert data.Corpus(ENCODER, [piece], [], {"train": [0]}).ranges == [(-2, 1)]


def test_performances_of_one_title_stay_together():
    pieces = [data.Piece(k, f"title {k % 10}", [], 0.0) for k in range(40)]
    parts = data.share_out(pieces, "piece", [])
    assert [len(parts[part]) for part in data.PARTS] == [32, 4, 4]
    titles = [{pieces[k].title for k in parts[part]} for part in data.PARTS]
    assert len(set.union(*titles)) == sum(map(len, titles)) == 10


def test_maestros_own_split(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "cache"))
    write_pieces(tmp_path / "maestro" / "2004", 6)
    rows = ["canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"]
    kinds = ["train", "train", "validation", "test", "test", "train"]
    rows += [f'Bach,"Fugue, {k // 2}",{kind},2004,2004/piece{k:02}.mid,x,1' for k, kind in enumerate(kinds)]
    (tmp_path / "maestro" / "maestro-v3.0.0.csv").write_text("\n".join(rows))
    config = Train(data=(tmp_path / "maestro",), split="maestro", quiet=True)
    found = data.load(config)
    assert found.parts == {"train": [0, 1, 5], "valid": [2], "test": [3, 4]}
    assert found.pieces[3].title == "Bach: Fugue, 1"
    (tmp_path / "maestro" / "maestro-v3.0.0.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="cannot be read as MAESTRO's table"):
        data.load(config)
    (tmp_path / "maestro" / "maestro-v3.0.0.csv").unlink()
    with pytest.raises(UserError, match="no table of MAESTRO"):
        data.load(config)


def test_too_little_music(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "cache"))
    folder = write_pieces(tmp_path / "two", 2)
    (folder / "bad.mid").write_bytes(b"MThd")
    with pytest.raises(UserError, match=r"at least 3 different pieces.*got 2 .* \(1 dropped; .*bad.mid"):
        data.load(Train(data=(folder,), quiet=True))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"got 0 .*no file \*.mid"):
        data.load(Train(data=(tmp_path / "none",), quiet=True))


def test_a_limit_takes_the_same_files_every_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "cache"))
    folder = write_pieces(tmp_path / "many", 9)
    config = Train(data=(folder,), limit=5, quiet=True)
    first, second = (data.load(config) for _ in range(2))
    assert len(first.pieces) == 5
    assert [p.path for p in first.pieces] == [p.path for p in second.pieces]


# ------------------------------------------------------------------------------------------ composing


def test_the_first_bars_and_a_step_to_the_bar_line():
    score = Score(480, [Track("", [Note(480 * k, 480, 60 + k) for k in range(9)])])
    tokens = composing.first_bars(ENCODER, score, 2)
    assert ENCODER.text(tokens).endswith("xxsep d4 n67 d4 xxsep d4")
    assert composing.steps_of(ENCODER, tokens) == 32
    with pytest.raises(ValueError, match="no notes in its first 1 bars"):
        composing.first_bars(ENCODER, Score(480, [Track("", [Note(5000, 1, 60)])]), 1)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "attention", "vector-attention"])
def test_what_is_composed_can_be_played_and_is_as_long_as_asked(kind):
    begin = composing.first_bars(ENCODER, make_piece(0), 2)
    settings = Compose(run=".", bars=3, temperature=1.5, duration_temperature=0.7)
    net = network(kind)
    net.layers[-1].params["bias"][ENCODER.sep] = 5  # time goes on now and then
    for tokens in composing.draw(net, ENCODER, begin, 2, np.random.default_rng(1), settings):
        assert tokens[: len(begin)].tolist() == begin.tolist()
        assert composing.steps_of(ENCODER, tokens) >= 5 * 16
        score = composing.as_score(ENCODER, tokens, len(begin))
        given, composed = score.tracks
        assert [track.name for track in score.tracks] == ["given", "composed"]
        assert given.notes == ENCODER.decode(begin).tracks[0].notes
        assert sorted(n.start for n in score.notes()) == [n.start for n in ENCODER.decode(tokens).notes()]
        assert all(note.start >= 2 * 16 * SIXTEENTH for note in composed.notes)


def test_a_key_that_is_struck_again_ends_the_note_before():
    tokens = ENCODER.parse("xxbos xxpad n60 d8 n55 d8 xxsep d2 n60 d8 xxsep d8 n60 d1")
    notes = composing.as_score(ENCODER, tokens).notes()
    assert [(n.start // 120, n.duration // 120, n.pitch) for n in notes] == [
        (0, 8, 55), (0, 2, 60), (2, 8, 60), (10, 1, 60),
    ]  # fmt: skip


def test_temperatures_of_notes_and_durations():
    settings = Compose(run=".", temperature=0.5, duration_temperature=2.0)
    after = dict(zip(ENCODER.vocabulary, composing.temperatures(ENCODER, settings), strict=True))
    assert after["n60"] == after["xxsep"] == after["n127"] == 2.0
    assert after["xxpad"] == after["d1"] == after["d160"] == 0.5
    assert set(composing.temperatures(ENCODER, Compose(run=".", temperature=0.5))) == {0.5}


def test_a_primer_that_cannot_be(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        composing.primer(ENCODER, tmp_path / "none.mid", 4)
    folder = write_pieces(tmp_path, 1)
    with pytest.raises(UserError, match=r"--prime .*expected pitches in 60\.\.108, got"):
        composing.primer(NoteDuration(lowest=60, highest=108), folder / "piece00.mid", 4)


def test_excerpts_are_stretches_of_a_piece():
    piece = make_piece(0, bars=13)
    found = measured.excerpts(piece, 2)
    assert len(found) == 5
    assert [(n.start, n.pitch) for n in found[0].notes()] == [
        (n.start, n.pitch) for n in piece.notes() if n.start < 32 * SIXTEENTH
    ]
    assert all(n.start < 32 * SIXTEENTH for score in found for n in score.notes())
    assert measured.excerpts(piece, 14) == []


# ---------------------------------------------------------------------------------------------- judging


@pytest.mark.parametrize("kind", ["lstm", "attention"])
def test_figures_of_a_network(corpus, kind):
    net = network(kind)
    figures = report.judge(net, corpus, "train")
    total, right, count, notes = 0.0, 0, 0, 0
    for tokens in corpus.sequences("train"):
        tokens = tokens.astype(np.int64)
        a = net.forward(tokens[:-1, None])[1:]
        loss, _ = softmax_cross_entropy(a, tokens[2:, None])
        total += float(loss) * len(a)
        right += int((a[:, :, 0].argmax(axis=1) == tokens[2:]).sum())
        count += len(a)
        notes += sum(ENCODER.vocabulary[k][0] == "n" for k in tokens)
    assert figures["nats"] == pytest.approx(total / count, rel=1e-5)
    assert figures["accuracy"] == pytest.approx(right / count)
    assert figures["note_perplexity"] == pytest.approx(math.exp(total / notes), rel=1e-4)


def test_figures_by_a_sample(corpus, monkeypatch):
    """On training pieces as many tokens as on test pieces, of validation pieces all windows."""
    monkeypatch.setattr(recipe, "LEAST_SAMPLE", 1)
    monkeypatch.setattr(held_out, "LENGTH", 16)
    monkeypatch.setattr(held_out, "WARM_UP", 8)
    monkeypatch.setattr(held_out, "FEW", 1)
    every = sum(len(tokens) - 2 for tokens in corpus.sequences("train"))
    found = {part: report.judge(network(), corpus, part) for part in data.PARTS}
    size = sum(map(len, corpus.sequences("test")))
    assert size / 2 < found["train"]["tokens"] <= size and found["train"]["of_tokens"] == every
    assert found["train"]["windows"] < found["train"]["of_windows"] and found["train"]["error"] > 0
    assert "error" not in found["valid"] and "error" not in found["test"]
    nats, error = runs.held_out(corpus, "train", size)(network())
    assert (nats, error) == pytest.approx((found["train"]["nats"], found["train"]["error"]), rel=1e-6)
    for part in ("valid", "test"):
        nats, _ = runs.held_out(corpus, part, windows=part == "valid")(network())
        assert nats == pytest.approx(found[part]["nats"], rel=1e-5)


def test_the_table():
    rows = {"uniform": 5.7, "unigram": 4.0, "2-gram": 3.0, "3-gram": 3.5}
    one = dict.fromkeys(("nats", "accuracy", "precision", "recall", "f1"), 0.25) | {"note_perplexity": 9}
    judged = {"rnn": [{"train": one, "test": one | {"nats": 3.25}}] * 2,
              "lstm": [{"train": one, "test": one | {"nats": 2.5}}]}  # fmt: skip
    text = report.table(judged, rows)
    assert "| rnn | test | 3.250 ± 0.000 | 0.250 ± 0.000 |" in text and "| 2-gram | test | 3.000 |" in text
    said = ranking(judged, rows)
    assert "lstm 2.500 < rnn 3.250" in said and "Not better than the best n-gram (2-gram, 3.000): rnn" in said
    assert "All are better" in ranking({"lstm": judged["lstm"]}, rows)


def test_baselines(corpus):
    rows = report.baselines(corpus)
    assert rows["uniform"] == pytest.approx(math.log(312))
    assert best_ngram(rows)[1] < rows["unigram"] < rows["uniform"]


# --------------------------------------------------------------------------------------------- networks


def test_the_papers_networks_have_as_many_weights_as_it_needs():
    """Counts by hand; recurrent layers have two biases, as PyTorch's."""
    V, H = len(ENCODER), 512
    expected = {
        "rnn": V * H + H * H + 2 * H + H * V + V,
        "lstm": 4 * (V * H + H * H + 2 * H) + H * V + V,
        "attention": 4 * (V * H + H * H + 2 * H) + H + 1 + 2 * H * V + V,
        "vector-attention": 4 * (V * H + H * H + 2 * H) + H * H + H + 2 * H * V + V,
    }
    for kind, count in expected.items():
        assert network(kind, H).parameter_count == count
    assert [layer.tanh for layer in network("vector-attention").layers if isinstance(layer, Attention)] == [
        False
    ]


def test_the_networks_of_a_run():
    config = complete(Run(models=("rnn", "lstm"), seeds=2, seed=3, hidden=7, data=("a.mid",)))
    found = runs.networks_of(config)
    assert list(found) == ["rnn-3", "rnn-4", "lstm-3", "lstm-4"]
    assert found["lstm-4"].hidden == 7 and found["lstm-4"].seed == 4 and found["rnn-3"].steps == config.steps


def test_presets_and_own_settings():
    assert complete(Train()).hidden == 512 and complete(Train(hidden=9)).hidden == 9
    assert complete(Train(preset="paper")).lr == 1e-3 and complete(Train(preset="paper")).stretch == 0


def test_how_much_is_evaluated_on_the_way():
    """Three tenths of what is learned between two evaluations, by a forward pass: a tenth of the time."""
    assert complete(Train()).eval_size == 0.3 * 50 * 64 * 128
    assert complete(Train(eval_every=100)).eval_size == 0.3 * 100 * 64 * 128
    assert complete(Train(batch=2)).eval_size == 2**14 and complete(Train(eval_size=7)).eval_size == 7
    assert complete(complete(Train(eval_every=100))) == complete(Train(eval_every=100))
