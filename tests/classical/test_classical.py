"""The parts of the classical experiment."""

import numpy as np
import pytest
from classical_files import write_corpus
from piano_files import make_piece, write_pieces

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("pooch", reason="needs the extra 'data'")
from encoders.midi import write_midi
from encoders.score import Note, Score, Track
from encoders.tokens.note_chords import NoteChords
from encoders.tokens.vocabulary import SymbolVocabulary
from experiments.classical import composing, data, figures, report, runs, transfer
from experiments.classical.builds import BUILDS
from experiments.classical.networks import NETWORK, features, make_network, pitch_features
from experiments.classical.repetition import in_words, repetition, summary
from experiments.classical.settings import BUILDS as NAMED
from experiments.classical.settings import Compose, Train, complete, counted
from experiments.common.errors import UserError
from experiments.common.ngram_baseline import best_ngram
from experiments.common.run_folder import RunFolder
from scratchnet.layers.lstm import LSTM
from scratchnet.training.batches import IGNORED

ENCODER = NoteChords()
VOCABULARY = SymbolVocabulary([f"{n}{o}_eighth" for n in "CDEFG" for o in (3, 4)] + ["0.4.7_half"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRATCHNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def corpus(folder):
    return data.load(settings(folder))


def settings(folder, **options):
    options = {"window": 12, "width": 0.03, "batch": 4, "steps": 4, "quiet": True} | options
    return complete(Train(data=(folder,), **options))


def network(build="baseline", rng=None, **options):
    described = {"architecture": build, "width": 1.0, "head": "last", "conv": None, "kernel": None,
                 "input": "one-hot", "embedding": 5, "window": 100} | options  # fmt: skip
    return make_network(described, ENCODER, VOCABULARY, rng or np.random.default_rng(0))


# ------------------------------------------------------------------------------------------- builds


def lstm_weights(D, H):
    return 4 * H * (D + H + 2)


def gru_weights(D, H):
    return 3 * H * (D + H + 2)


V = len(VOCABULARY)
CONV128, CONV256 = 3 * V * 128 + 128, 3 * V * 256 + 256
WEIGHTS = {
    "baseline": lstm_weights(V, 256) + 3 * lstm_weights(256, 256),
    "model1": CONV256 + 2 * lstm_weights(256, 256),
    "model2": lstm_weights(V, 256),
    "model3": CONV128 + gru_weights(128, 256) + gru_weights(256, 256),
    "model4": CONV256 + lstm_weights(256, 128) + 2 * lstm_weights(128, 128),
    "model5": CONV128 + 2 * 128 + lstm_weights(128, 256) + lstm_weights(256, 256) + 4 * 256,
    "model6": CONV128 + 128 * 256 + 256 + lstm_weights(256, 256),
    "model7": 5 * V * 128 + 128 + lstm_weights(128, 256) + 5 * 256 * 128 + 128 + 128 * 256 + 256
    + lstm_weights(256, 256),
}  # fmt: skip


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_has_the_weights_of_its_table(build):
    last = 128 if build == "model4" else 256
    steps = {"baseline": 100, "model2": 100, "model7": 92}.get(build, 98)
    assert network(build).parameter_count == WEIGHTS[build] + last * V + V
    assert network(build, head="flatten").parameter_count == WEIGHTS[build] + last * steps * V + V


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("head", ["last", "flatten"])
def test_every_build_learns_and_judges(build, head, rng):
    model = network(build, head=head, width=0.02, window=10)
    x = rng.integers(0, V, (10, 3))
    a = model.forward(x)
    assert a.shape == (1, V, 3)
    model.backward(rng.standard_normal(a.shape).astype(np.float32), need_dx=False)
    assert all(np.abs(grad).max() > 0 for name, grad in model.grads.items() if "weight" in name)
    model.eval()
    np.testing.assert_array_equal(model.forward(x), model.forward(x))


def test_the_names_of_the_builds_are_known_before_the_builds_are_loaded():
    assert tuple(BUILDS) == NAMED
    with pytest.raises(UserError, match="no architecture 'model8'; expected one of baseline, .*, model7"):
        runs.expect_architectures(["model1", "model8"])


def test_the_switches_of_what_paper_and_code_disagree_about():
    kernels = [layer.params["weight"].shape for layer in network("model1", conv=128, kernel=5).layers[:1]]
    assert kernels == [(128, V, 5)]
    with pytest.raises(ValueError, match="too short for model7"):
        network("model7", window=8)
    lstm = next(layer for layer in network("baseline").layers if isinstance(layer, LSTM))
    H = lstm.hidden_size
    forget = sum(lstm.params[f"bias_{side}_l0"][H : 2 * H] for side in ("ih", "hh"))
    np.testing.assert_allclose(forget, 1.0, atol=0.2)


@pytest.mark.parametrize("kind, size", [("number", 1), ("embedding", 5), ("chroma", V + 7), ("one-hot", V)])
def test_how_a_symbol_enters(kind, size, rng):
    model = network("model2", input=kind, width=0.02)
    below = model.layers[1 if kind != "one-hot" else 0]
    assert below.params["weight_ih_l0"].shape[1] == size
    a = model.forward(rng.integers(0, V, (10, 3)))
    model.backward(np.ones_like(a), need_dx=False)


def test_features():
    np.testing.assert_allclose(features("number", ENCODER, VOCABULARY)[:, 0], np.arange(V) / V)
    table = features("chroma", ENCODER, VOCABULARY)
    np.testing.assert_array_equal(table[:, :V], np.eye(V))
    assert table[0, -1] == 1 and not table[1:, -1].any()  # token 0 stands for no pitch
    c4, c5, g4, cis4 = (pitch_features((p,)) for p in (60, 72, 67, 61))
    np.testing.assert_allclose(c4[:4], c5[:4], atol=1e-12)  # octaves differ in height alone
    assert c5[4] - c4[4] == 1
    fifths = [np.linalg.norm(c4[2:4] - other[2:4]) for other in (g4, cis4)]
    chroma = [np.linalg.norm(c4[:2] - other[:2]) for other in (g4, cis4)]
    assert fifths[0] < fifths[1] and chroma[0] > chroma[1]


# ------------------------------------------------------------------------------------------- data


def test_the_three_folders(corpus):
    assert [len(corpus.parts[part]) for part in data.PARTS] == [5, 2, 2]
    for k, piece in enumerate(corpus.pieces):
        seed = int(piece.title.split()[1])
        assert piece.symbols == ENCODER.symbols(make_piece(seed))
        assert {"Train": "train", "Dev": "valid", "Test": "test"}[piece.path.parent.name] == piece.part
        assert k in corpus.parts[piece.part]
    train = {name for k in corpus.parts["train"] for name in corpus.pieces[k].symbols}
    assert set(corpus.vocabulary.names[1:]) == train
    missing = [
        name not in train for k in corpus.parts["test"] for name in corpus.pieces[k].symbols[corpus.window :]
    ]
    assert corpus.unknown("test") == np.mean(missing)
    assert "9 pieces" in corpus.describe() and "come back at their pitch" in corpus.describe()


def test_an_automatic_split_by_piece(tmp_path):
    found = data.load(settings(write_pieces(tmp_path / "pieces", 10)))
    assert [len(found.parts[part]) for part in data.PARTS] == [8, 1, 1]
    assert len(data.load(settings(tmp_path / "pieces", limit=5)).pieces) == 5


def test_other_keys_and_their_vocabulary(folder, corpus):
    moved = data.load(settings(folder, transpose=1.0))
    assert set(corpus.vocabulary.names) < set(moved.vocabulary.names)
    rng, seen = np.random.default_rng(0), set()
    own = moved.sequences("train")
    for _ in range(30):
        for tokens, plain, k in zip(moved.epoch(1.0)(rng), own, moved.parts["train"], strict=True):
            names = moved.vocabulary.decode(tokens)
            symbols = moved.pieces[k].symbols
            moves = {b: [ENCODER.transpose(name, b) for name in symbols] for b in data.SEMITONES}
            seen.add(next(b for b, wanted in moves.items() if names == wanted))
            assert moved.vocabulary.unknown not in tokens and len(tokens) == len(plain)
    assert seen == set(data.SEMITONES)
    kept = moved.epoch(1e-12)(rng)
    assert all(np.array_equal(a, b) for a, b in zip(kept, own, strict=True))


def one_note(pitch, count=40):
    return Score(480, [Track("", [Note(480 * k, 480, pitch) for k in range(count)])])


def alternating(a, b, count=40):
    return Score(480, [Track("", [Note(480 * k, 480, (a, b)[k % 2]) for k in range(count)])])


@pytest.mark.parametrize(
    "pieces, message",
    [
        ({}, r"no file \*\.mid"),
        ({"a.mid": one_note(60)}, "at least 3 different pieces"),
        ({f"{k}.mid": make_piece(k, 1) for k in range(4)}, "symbols, no more than the window of 12"),
        ({f"{k}.mid": one_note(60, 30 + k) for k in range(4)}, "one symbol only, C4_quarter"),
        (
            {"train/a.mid": alternating(60, 62), "dev/b.mid": alternating(60, 62, 50),
             "test/c.mid": one_note(71)},
            "no symbol of the test pieces occurs in the training pieces",
        ),
        (
            {"train/a.mid": alternating(60, 62), "dev/b.mid": one_note(60), "test/c.mid": make_piece(0, 1)},
            "none in test",
        ),
        (
            {"train/a.mid": make_piece(1), "dev/b.mid": make_piece(1), "test/c.mid": make_piece(2)},
            "same file",
        ),
    ],
)  # fmt: skip
def test_music_from_which_nothing_can_be_learned(tmp_path, pieces, message):
    (tmp_path / "x").mkdir()
    for name, score in pieces.items():
        path = tmp_path / "x" / name
        path.parent.mkdir(exist_ok=True)
        write_midi(score, path)
    with pytest.raises(UserError, match=message) as caught:
        data.load(settings(tmp_path / "x"))
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------- figures


def test_judging_is_what_it_says(corpus, folder):
    model = runs.network_of(settings(folder, architecture="model5"), corpus)
    model.eval()
    found = report.judge(model, corpus, "test")
    nats, formula, right, known, count = 0, 0, 0, 0, 0
    for batch in runs.held_out(corpus, "test").batches:
        for x, t in zip(batch.x.T, batch.y[0], strict=True):
            a = model.forward(x[:, None])[0, :, 0].astype(float)
            p = np.exp(a) / np.exp(a).sum()
            count += 1
            if t == IGNORED:
                continue
            y = np.arange(len(p)) == t
            nats -= np.log(p[t])
            formula -= (y * np.log(p) + (1 - y) * np.log(1 - p)).sum()
            right += a.argmax() == t
            known += 1
    assert found["windows"] == count == corpus.windows("test")
    assert found["nats"] == pytest.approx(nats / known, rel=1e-4)
    assert found["formula"] == pytest.approx(formula / known, rel=1e-4)
    assert found["accuracy"] == pytest.approx(right / count)
    assert found["unknown"] == pytest.approx(1 - known / count) == pytest.approx(corpus.unknown("test"))


def test_the_baselines_are_of_the_same_targets(corpus):
    rows = report.baselines(corpus)
    counts = np.zeros(len(corpus.vocabulary))
    for tokens in corpus.sequences("train"):
        counts += np.bincount(tokens, minlength=len(counts))
    targets = np.concatenate([tokens[corpus.window :] for tokens in corpus.sequences("test")])
    targets = targets[targets != 0]
    total, types = counts.sum(), (counts > 0).sum()
    p = (counts[targets] + types / len(counts)) / (total + types)
    assert rows["unigram"] == pytest.approx(-np.log(p).mean())
    assert best_ngram(rows)[1] < rows["uniform"]


def test_steps_from_epochs(folder):
    config = complete(Train(preset="paper", architecture="model2"))
    found = counted(config, 1050)
    assert (found.steps, found.eval_every) == (200 * 10, 10)
    assert counted(settings(folder, steps=7), 10**6).steps == 7
    assert counted(settings(folder, steps=None, epochs=0.5, batch=10), 1000).eval_every == 3


def test_a_note_that_repeats_for_ever_is_found():
    moving = [f"{name}{octave}_16th" for octave in range(2, 7) for name in "CDEFGAB"]
    held = moving[:10] + ["C4_quarter", "C4_eighth"] * 25
    assert not repetition(ENCODER, moving)["stuck"] and repetition(ENCODER, moving)["longest_run"] == 1
    found = repetition(ENCODER, held)
    assert found["stuck"] and found["longest_run"] == 50 and found["different"] == 12 / 60
    assert in_words(found).endswith("STUCK")
    both = summary([found, repetition(ENCODER, moving)])
    assert both["stuck"] == 0.5 and both["longest run"] == 50 and both["pieces"] == 2
    assert repetition(ENCODER, moving[:3] * 20)["stuck"]


# ------------------------------------------------------------------------------------------- composing


def test_windows_of_test_pieces_and_scores(corpus, rng):
    test = [tokens.tolist() for tokens in corpus.sequences("test")]
    for window in composing.test_windows(corpus, 5, rng):
        assert any(window.tolist() == t[k : k + 12] for t in test for k in range(len(t) - 12))
    given, composed = ["C4_quarter", "E4_quarter"], ["0.4.7_half", "C5_eighth"]
    score, seconds = composing.as_score(ENCODER, given, composed, 60.0)
    assert seconds == 2.0 and [track.name for track in score.tracks] == ["given", "composed"]
    assert [note.pitch for note in score.tracks[1].notes] == [60, 64, 67, 72]
    assert [track.name for track in composing.as_score(ENCODER, [], composed, 60.0)[0].tracks] == ["composed"]


def test_nothing_unknown_is_composed(corpus, folder, rng):
    model = runs.network_of(settings(folder, architecture="model2"), corpus)
    model.params[f"{len(model.layers) - 1}.bias"][0] = 100  # most likely of all
    drawing = Compose(run="x", length=5)
    drawn = composing.draw(model, corpus.vocabulary, composing.test_windows(corpus, 3, rng), rng, drawing)
    assert drawn.shape == (5, 3) and (drawn > 0).all()


# ------------------------------------------------------------------------------------------- transfer


@pytest.mark.parametrize(
    "build, kind", [("model2", "one-hot"), ("model5", "embedding"), ("model1", "chroma")]
)
def test_what_both_know_goes_over(tmp_path, build, kind):
    shared = {"width": 0.02, "input": kind, "window": 10, "embedding": 5}
    config = settings("x", architecture=build, **shared)
    described = {name: getattr(config, name) for name in NETWORK}
    rng = np.random.default_rng(0)
    old = make_network(described, ENCODER, VOCABULARY, rng)
    names = [*VOCABULARY.names[3:], "A5_whole", "B6_whole", "A0_whole"]
    new = data.Corpus(ENCODER, SymbolVocabulary(names), [], [], {}, 10)
    fresh = make_network(described, ENCODER, new.vocabulary, np.random.default_rng(1))
    found = transfer.carried_over(old, VOCABULARY, {"config": described}, fresh, new, config)
    both = VOCABULARY.names[3:]
    x = rng.integers(0, len(both), (10, 6))
    here, there = (
        np.array([vocabulary.tokens[name] for name in both])[x] for vocabulary in (VOCABULARY, new.vocabulary)
    )
    old.eval()
    found.eval()
    a, b = old.forward(here)[0], found.forward(there)[0]
    for name in both:  # the same opinion of each symbol
        np.testing.assert_allclose(
            a[VOCABULARY.tokens[name]], b[new.vocabulary.tokens[name]], rtol=1e-4, atol=1e-5
        )
    with pytest.raises(UserError, match="same build"):
        transfer.carried_over(
            old, VOCABULARY, {"config": described | {"architecture": "model3"}}, fresh, new, config
        )


def test_frozen_layers_stay(corpus, folder, tmp_path):
    config = settings(folder, architecture="model1", weight_decay=0.1)
    model = runs.network_of(config, corpus)
    frozen = transfer.frozen_names(model, 2)
    assert {name.partition(".")[0] for name in frozen} == {"0", "3"}
    before = model.state_dict()
    session = runs.make_session(config, corpus, network=model, frozen=frozen).within(RunFolder(tmp_path))
    session.learn(quiet=True)
    for name, array in model.state_dict().items():
        assert np.array_equal(array, before[name]) == (name in frozen)
    with pytest.raises(UserError, match="leave one to learn"):
        transfer.frozen_names(model, 4)


def test_similarity_of_notes():
    angle = 2 * np.pi * np.arange(36) / 12
    alike = figures.similarity_by_interval(np.arange(36), np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert alike[12] == pytest.approx(1) and alike[6] == pytest.approx(-1) and max(alike) == 24
