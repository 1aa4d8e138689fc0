"""Sets against a reference: comparison, tables, picture, and `python -m experiments.measures`."""

import json
import subprocess
import sys

import numpy as np
import pytest
from measured_music import BEAT, piece, tune

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
from encoders.abc import write_tune
from encoders.midi import write_midi
from experiments.common.errors import UserError
from experiments.measures import collection
from experiments.measures.__main__ import program
from experiments.measures.collection import read_pieces
from experiments.measures.features import NAMES
from experiments.measures.figures import draw_overlap
from experiments.measures.report import REFERENCE, compare, measure, spread
from experiments.measures.tables import as_text, markdown, shown


def melodies(rng, count, low=60, widest=4):
    """Random walks with chords and several lengths: 40 notes each."""
    pieces = []
    for _ in range(count):
        pitches = low + np.cumsum(rng.integers(-widest, widest + 1, 40)) % 24
        lengths = rng.choice([6, 12, 24], 40)
        starts = np.cumsum(lengths) - lengths
        notes = [(int(a), int(b), int(c)) for a, b, c in zip(starts, lengths, pitches, strict=True)]
        pieces.append(piece(*notes, *((a, b, c + 7) for a, b, c in notes[::5])))
    return pieces


@pytest.fixture(scope="module")
def human():
    return melodies(np.random.default_rng(1), 24)


@pytest.fixture(scope="module")
def comparison(human):
    rng = np.random.default_rng(2)
    sets = {
        "alike": melodies(rng, 14),
        "one piece, many times": [human[0]] * 14,
        "one note": [tune(*[60] * 40), tune(*[62] * 30), piece()],
        "other": melodies(rng, 14, low=30, widest=11),
        "a single piece": human[:1],
    }
    return compare(sets, human, np.random.default_rng(3), splits=4)


def row(comparison, name):
    return next(row for row in comparison["rows"] if row["name"] == name)


def test_what_is_counted(comparison):
    assert [r["name"] for r in comparison["rows"]][0] == REFERENCE and len(comparison["rows"]) == 6
    assert (comparison["splits"], comparison["half"]) == (4, 12)
    counts = {r["name"]: (r["pieces"], r["left_out"], r["compared"]) for r in comparison["rows"]}
    assert counts[REFERENCE] == (24, 0, 12) and counts["alike"] == (14, 0, 12)
    assert counts["one note"] == (2, 1, 2) and counts["a single piece"] == (1, 0, 1)


def test_the_nearer_the_music_the_smaller_the_distance(comparison):
    far = {r["name"]: r["frechet"]["mean"] for r in comparison["rows"]}
    assert max(far[REFERENCE], far["alike"]) < far["other"] / 1.5 < far["one note"]
    assert np.isnan(far["a single piece"]) and far[REFERENCE] > 0.5  # the other half, not the same again
    overlap = {r["name"]: np.mean([s["mean"] for s in r["overlap"].values()]) for r in comparison["rows"]}
    assert min(overlap[REFERENCE], overlap["alike"]) > overlap["other"] > 0.5 > overlap["one note"]


def test_one_piece_again_and_again_is_seen_by_its_own_distances(comparison):
    same = row(comparison, "one piece, many times")
    assert np.mean([same["overlap"][name]["mean"] for name in NAMES]) > 0.5
    assert all(same["own_overlap"][name]["mean"] == 0 for name in NAMES if name != "total_used_note")
    assert same["own_overlap"]["total_used_note"]["mean"] == 1  # all the human pieces have 48, too
    assert same["own_kl"]["avg_IOI"]["mean"] == np.inf


def test_a_set_of_one_has_no_distances_of_its_own(comparison):
    single = row(comparison, "a single piece")
    assert np.isnan(single["own_overlap"]["avg_IOI"]["mean"])
    assert 0 <= single["overlap"]["avg_IOI"]["mean"] <= 1


def test_metrics_are_of_all_pieces(comparison, human):
    pitches = [len({note.pitch for note in score.notes()}) for score in human]
    found = row(comparison, REFERENCE)["metrics"]["n_pitches_used"]
    assert found == {"mean": pytest.approx(np.mean(pitches)), "sd": pytest.approx(np.std(pitches, ddof=1))}
    assert row(comparison, "one note")["metrics"]["stuck"]["mean"] == 1
    assert row(comparison, REFERENCE)["metrics"]["stuck"]["mean"] == 0


def test_the_same_seed_gives_the_same_table(comparison, human):
    again = [compare({"s": human[:5]}, human, np.random.default_rng(seed), 3) for seed in (3, 3, 4)]
    assert markdown(again[0]) == markdown(again[1]) != markdown(again[2])
    alone = compare({}, human, np.random.default_rng(3), 3)
    assert markdown({**again[0], "rows": again[0]["rows"][:1]}) == markdown(alone)


def test_bars_and_grid_are_of_all_sets(human):
    cut = measure(human, bars=1)
    assert (cut.vectors["total_used_note"] < measure(human).vectors["total_used_note"]).all()
    fine = piece((1, 20, 60), (23, 20, 64), (26, 20, 67))
    assert measure([fine]).metrics["polyphony"] != measure([fine], steps_per_beat=4).metrics["polyphony"]
    assert measure([fine], steps_per_beat=1).left_out == 0


def test_a_small_reference_is_refused(human):
    with pytest.raises(UserError, match="expected 4 pieces with two onsets or more, got 3"):
        compare({}, [*human[:3], piece((0, BEAT, 60))], np.random.default_rng(0))


def test_spreads():
    assert spread([1, 2, np.nan, 3]) == {"mean": 2, "sd": 1}
    assert shown(spread([2.5])) == "2.50" and shown(spread([])) == "" and shown(None) == ""
    assert shown(spread([1, 3])) == "2.00 ± 1.41" and shown(spread([900, 1100])) == "1000 ± 141"
    assert shown(spread([1, np.inf])) == "inf"


def test_what_is_equal_but_for_rounding_is_no_scale(rng):
    """The mean of twelve eight-ninths is not that number: what differed was 1e30 away."""
    assert np.full((12, 1), 8 / 9).var() > 0
    lengths = [24, *[12] * 8]
    starts = np.cumsum(lengths) - lengths
    same = [
        piece(
            *((int(a), b, int(c)) for a, b, c in zip(starts, lengths, rng.integers(40, 80, 9), strict=True))
        )
        for _ in range(12)
    ]
    (_, row) = compare({"other": [tune(60, 62, 64, 60), tune(60, 64, 67)]}, same, rng, 3)["rows"]
    assert 0 < row["frechet"]["mean"] < 1e6


def test_tables(comparison):
    tables = markdown(comparison).strip().split("\n\n")
    grids = [text.split("\n") for text in tables if text.startswith("|")]
    assert [len(grid) for grid in grids[:4]] == [2 + 6, *[2 + len(NAMES)] * 3]
    assert all({line.count("|") for line in grid} == {2 + 6} for grid in grids)
    assert all(grid[0].startswith(f"|  | {REFERENCE} | alike |") for grid in grids)
    assert grids[1][-3].startswith("| avg IOI | ") and grids[4][-3].startswith("| H1 | ")
    assert "nan" not in markdown(comparison)


def test_text_fits_a_terminal(comparison):
    def lines_of(text):
        return [line for block in text.split("\n\n") for line in block.split("\n")]

    text, rows = as_text(comparison, 80), comparison["rows"]
    assert max(map(len, lines_of(text))) <= 80 and "nan" not in text
    blocks = text.split("\n\n")
    assert len(blocks) == 10  # a title and a table, five times
    (line,) = (line for line in lines_of(blocks[3]) if line.startswith("avg IOI "))
    assert line.split()[2:] == [shown(row["overlap"]["avg_IOI"], short=True) for row in rows]
    of_pitches, of_lengths = (line for line in lines_of(blocks[3]) if line.startswith(" transition matrix"))
    wanted = [shown(row["overlap"]["note_length_transition_matrix"], short=True) for row in rows]
    assert of_lengths.split()[2:] == wanted and of_pitches != of_lengths
    narrow = as_text(comparison, 50)  # three sources at a time
    assert max(map(len, lines_of(narrow))) <= 50 and len(narrow.split("\n\n")) == 5 + 5 * 2
    numbers = [line.split()[1:] for line in lines_of(narrow) if line.startswith("pieces ")]
    assert sum(numbers, []) == [str(row["pieces"]) for row in rows]


def test_long_names_are_a_heading_of_several_lines(comparison):
    rows = [comparison["rows"][0], {**comparison["rows"][1], "name": "piano-20260101-120000: lstm primed"}]
    heading = as_text({**comparison, "rows": rows}, 80).split("\n\n")[1].split("\n---")[0].split("\n")
    assert "".join(line[31:].replace(" ", "") for line in heading) == "piano-20260101-120000:lstmprimed"


def test_numbers_of_any_size():
    spreads = ([0.5, 1.5], [20, 30], [900, 1100], [1, np.inf], [2.5], [])
    assert [shown(spread(values), short=True) for values in spreads] == [
        "1.00±0.71", "25.0±7.1", "1000±141", "inf", "2.50", "",
    ]  # fmt: skip
    assert (
        shown(spread([6.64e30]), short=True) == "6.6e+30" and shown(spread([2e5, 4e5])) == "3.0e+05 ± 1.4e+05"
    )
    assert shown("7") == "7" and shown(None, short=True) == ""


@pytest.mark.parametrize("sets", [0, 1, 5])
def test_the_picture(comparison, tmp_path, sets):
    shown_rows = {**comparison, "rows": comparison["rows"][: 1 + sets]}
    draw_overlap(tmp_path / "a.svg", shown_rows)
    text = (tmp_path / "a.svg").read_text()
    for words in ("pitch class transition matrix", "with distances within the set", *("alike",) * (sets > 0)):
        assert f"<!-- {words} -->" in text
    draw_overlap(tmp_path / "a.png", shown_rows)
    assert (tmp_path / "a.png").stat().st_size > 20_000


# Folders -------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path, human):
    """Six MIDI files, one of them in a folder below; three tunes; a folder of rubbish."""
    for name in ("held_out/more", "tunes", "rubbish"):
        (tmp_path / name).mkdir(parents=True)
    for number, score in enumerate(human[:6]):
        folder = tmp_path / "held_out" / ("more" if number == 5 else "")
        write_midi(score, folder / f"{number}.{'MID' if number == 0 else 'midi'}")
    texts = [write_tune(tune(60, 62, 64, 65, 67, length=12 * k), title="T") for k in (1, 2, 3)]
    (tmp_path / "tunes" / "tunes.abc").write_text("\n\n".join([*texts, "X:9\nT:broken\n"]))
    (tmp_path / "rubbish" / "a.mid").write_bytes(b"MThd")
    (tmp_path / "rubbish" / "b.mid").mkdir()
    (tmp_path / "rubbish" / "notes.txt").touch()
    return tmp_path


def measures(*arguments):
    return program.main([str(argument) for argument in arguments])


def test_reading(folders):
    found = read_pieces(folders / "held_out", quiet=True)
    assert len(found.scores) == 6 and found.dropped == []
    assert len(read_pieces(folders / "held_out" / "1.midi", quiet=True).scores) == 1
    found = read_pieces(folders / "tunes", quiet=True)
    assert len(found.scores) == 3
    ((where, why),) = found.dropped
    assert where.startswith(str(folders / "tunes" / "tunes.abc")) and ", line " in where and "key" in why


def test_equal_files_are_several_pieces(folders):
    for name in ("again.mid", "and again.mid"):
        (folders / "held_out" / name).write_bytes((folders / "held_out" / "1.midi").read_bytes())
    assert len(read_pieces(folders / "held_out", quiet=True).scores) == 8


def test_pieces_beyond_measure_are_left_out(folders, monkeypatch):
    monkeypatch.setattr(collection, "MOST_NOTES", 20)
    write_midi(tune(60, 62), folders / "held_out" / "short.mid")
    write_midi(tune(), folders / "held_out" / "silent.mid")
    found = read_pieces(folders / "held_out", quiet=True)
    assert len(found.scores) == 1 and len(found.dropped) == 7
    reasons = {why for _, why in found.dropped}
    assert "no notes in it" in reasons and "48 notes, more than 20" in reasons
    monkeypatch.setattr(collection, "MOST_BARS", 0)
    with pytest.raises(UserError, match="none that can be read; 8 left out"):
        read_pieces(folders / "held_out", quiet=True)


def test_everything(folders, capsys):
    (folders / "held_out" / "broken.mid").write_bytes(b"MThd")
    (folders / "held_out" / "1.midi").rename(folders / "held_out" / "1.Kar")
    content = (folders / "held_out" / "2.midi").read_bytes()
    (folders / "held_out" / "2.midi").write_bytes(
        content.replace(b"MThd\0\0\0\6\0\1\0\2", b"MThd\0\0\0\6\0\1\0\3")
    )
    out = folders / "out"
    arguments = ["--reference", folders / "held_out", folders / "tunes", folders / "held_out" / "1.Kar"]
    assert measures(*arguments, "--out", out, "--splits", 3, "--quiet") == 0
    said = capsys.readouterr().out
    assert f"left out: 2\n  {folders / 'held_out' / 'broken.mid'}: " in said and "  tunes  " in said
    what = [str(folders / "held_out" / "2.midi"), "it has 2 tracks where its header promises 3"]
    assert f"mended: 1\n  {': '.join(what)}\n" in said
    assert {path.name for path in out.iterdir()} == {
        "config.yaml", "environment.json", "metrics.json", "overlap.png", "tables.md",
    }  # fmt: skip
    assert "| avg IOI |" in (out / "tables.md").read_text() and "| tunes |" in (out / "tables.md").read_text()
    metrics = json.loads((out / "metrics.json").read_text())
    assert [r["name"] for r in metrics["rows"]] == [REFERENCE, "tunes", "1.Kar"]
    assert metrics["mended"] == [what]
    assert len(metrics["dropped"]) == 2 and metrics["rows"][1]["frechet"]["mean"] > 0
    assert metrics["rows"][2]["frechet"]["mean"] is None  # NaN: a set of one
    assert measures(*arguments, "--out", out, "--quiet") == 2
    assert "not empty" in capsys.readouterr().err
    again = [*arguments, "--bars", 2, "--steps-per-beat", 4, "--line", "notes", "--out", out, "--overwrite"]
    assert measures(*again, "--quiet") == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--reference", "held_out"], "SETS"),
        (["compare", "tunes"], "--reference: expected a folder"),
        (["--reference", "held_out", "nothing"], "nothing: no such file or folder"),
        (["--reference", "rubbish", "tunes"], "none that can be read; 1 left out"),
        (["--reference", "held_out", "rubbish/notes.txt"], "rubbish/notes.txt: expected music"),
        (["--reference", "tunes", "held_out"], "expected 4 pieces with two onsets or more, got 3"),
        (["--reference", "held_out", "tunes", "--splits", "0"], "--splits: expected"),
        (["--reference", "held_out", "tunes", "--line", "lowest"], "--line: expected"),
        (["tunes"], "--reference: expected a folder"),
    ],
)
def test_wrong_use_is_one_line(arguments, message, folders, capsys, monkeypatch):
    monkeypatch.chdir(folders)
    assert measures(*arguments, "--out", "out", *["--quiet"] * (len(arguments) > 1)) == 2
    told = capsys.readouterr().err
    assert message.lower() in told.lower() and told.count("\n") == 1 and told.startswith("measures")
    assert not (folders / "out").exists()


def test_help_answers_at_once():
    code = "import sys; from experiments.measures.__main__ import program; program.main(['--help']); "
    code += "sys.exit('scipy' in sys.modules or 'encoders.midi.files' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and "--reference held_out/" in result.stdout


@pytest.mark.slow
def test_real_music(data_folder):
    classical = read_pieces(data_folder / "classical_44_c_major", quiet=True).scores[:8]
    tunes = read_pieces(data_folder / "irish_mit", quiet=True).scores[:8]
    found = compare({"tunes": tunes}, classical, np.random.default_rng(0), splits=2, bars=16)
    itself, other = found["rows"]
    assert itself["frechet"]["mean"] < other["frechet"]["mean"]
    assert other["metrics"]["polyphony"]["mean"] == 1 < itself["metrics"]["polyphony"]["mean"]
