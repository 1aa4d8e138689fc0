"""Whose pieces a folder holds: runs with lists, folders in them, what was composed later, plain folders."""

import json

import pytest
from measured_music import tune

from encoders.abc import write_tune
from encoders.midi import write_midi
from experiments.common.errors import UserError
from experiments.measures.sources import read_reference, read_sets


def write_run(folder, *rows):
    """A run folder with rows of (name, source, primed): MIDI files, of which samples.json tells."""
    (folder / "samples").mkdir(parents=True)
    (folder / "environment.json").write_text('{"scratchnet run": 1}')
    entries = []
    for pitch, (name, source, primed) in enumerate(rows, 60):
        write_midi(tune(*range(pitch, pitch + 8)), folder / "samples" / f"{name}.mid")
        entries.append({"file": f"samples/{name}.wav", "source": source, "primed": primed})
    (folder / "samples.json").write_text(json.dumps(entries))
    return folder


ROWS = [
    ("free-1", "lstm", False),
    ("free-2", "lstm", False),
    ("primed-1", "lstm", True),
    ("human-1", "human", False),
]


def counts(*paths):
    return {name: len(pieces.scores) for name, pieces in read_sets(list(paths), quiet=True).items()}


def first_pitches(pieces):
    return [score.notes()[0].pitch for score in pieces.scores]


def test_a_run_is_told_apart(tmp_path):
    run = write_run(tmp_path / "run", *ROWS)
    for path in (run, run / "samples"):
        assert counts(path) == {"lstm": 2, "lstm primed": 1, "human": 1}
    found = read_sets([run], quiet=True)
    assert [first_pitches(found[name]) for name in ("lstm", "lstm primed", "human")] == [[60, 61], [62], [63]]
    assert (
        first_pitches(read_reference(run, quiet=True))
        == [63]
        == first_pitches(read_reference(run / "samples", True))
    )


def test_two_runs(tmp_path):
    one, two = (
        write_run(tmp_path / "one", *ROWS),
        write_run(tmp_path / "two", ROWS[0], ("free", "rnn", False)),
    )
    plain = tmp_path / "plain"
    plain.mkdir()
    write_midi(tune(60, 62), plain / "a.mid")
    assert counts(one, two, plain) == {
        "one: lstm": 2, "lstm primed": 1, "human": 1, "two: lstm": 1, "rnn": 1, "plain": 1,
    }  # fmt: skip
    assert counts(one / "samples", two / "samples")["two/samples: lstm"] == 1
    with pytest.raises(UserError, match="named twice"):
        counts(one, tmp_path / "two" / ".." / "one")
    with pytest.raises(UserError, match="expected pieces by people, and its samples.json lists none"):
        read_reference(two, quiet=True)
    with pytest.raises(UserError, match="one in it has a samples.json; name the run folders one by one"):
        counts(tmp_path)


def test_what_was_composed_later_is_a_source_of_its_own(tmp_path):
    run = write_run(tmp_path / "run", *ROWS)
    told = {"experiment": "piano", "options": {"prime": None}}
    lines = [
        told,
        {**told, "options": {"prime": "a.mid"}},
        {**told, "experiment": "classical"},
        None,
        "[" * 99999,
        7,
        {},
    ]
    for number, line in enumerate(lines, 1):
        folder = run / f"composed-{number}"
        folder.mkdir()
        write_midi(tune(60, 62), folder / "01.mid")
        if line is not None:
            (folder / "composed.json").write_text(line if isinstance(line, str) else json.dumps(line))
    (run / "composed-99").mkdir()  # nothing in it yet
    (run / "rnn-0" / "composed-1").mkdir(parents=True)
    write_midi(tune(60, 62), run / "rnn-0" / "composed-1" / "01.mid")
    names = ["composed-1", "composed-2 primed", "composed-3 primed", *(f"composed-{k}" for k in (4, 5, 6, 7))]
    names.append("rnn-0/composed-1")
    assert list(counts(run)) == ["lstm", "lstm primed", "human", *names]
    assert counts(run / "composed-2", run / "composed-1") == {"composed-2 primed": 1, "composed-1": 1}
    assert counts(run / "rnn-0") == {"composed-1": 1}
    (run / "samples.json").unlink()  # a run of one network
    assert counts(run) == {"run": 4, **dict.fromkeys(names, 1)}


def test_a_piece_that_is_gone_is_listed(tmp_path):
    run = write_run(tmp_path / "run", *ROWS)
    (run / "samples/free-2.mid").unlink()
    found = read_sets([run], quiet=True)
    assert {name: len(pieces.scores) for name, pieces in found.items()} == {
        "lstm": 1,
        "lstm primed": 1,
        "human": 1,
    }
    (dropped,) = [row for pieces in found.values() for row in pieces.dropped]
    assert dropped[0].endswith("samples.json, sample 2") and dropped[1].startswith(
        "no .mid or .midi or .kar or .rmi or .smf or .abc beside"
    )
    for path in (run / "samples").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="found none that can be read; 4 left out"):
        counts(run)


def test_a_tune_and_the_midi_file_made_of_it_are_one_piece(tmp_path):
    folder = tmp_path / "folk" / "tunes"
    folder.mkdir(parents=True)
    tunes = [tune(60, 62, 64, 65, 67, length=12 * k) for k in (1, 2, 2)]
    (folder / "tunes.abc").write_text("\n\n".join(write_tune(one, title="T") for one in tunes))
    for number, one in enumerate(tunes, 1):
        write_midi(one, folder / f"{number:02}.mid")
    assert counts(tmp_path / "folk") == {"folk": 3}
    write_midi(tunes[0], folder / "again.mid")  # composed twice is two pieces
    write_midi(tunes[0], tmp_path / "folk" / "elsewhere.mid")
    assert counts(tmp_path / "folk") == {"folk": 5}
