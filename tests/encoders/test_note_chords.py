"""Symbols of notes and chords: names, the normal order, round trips, what gets lost."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.midi import read_midi
from encoders.score import Note, Score, Track
from encoders.tokens.note_chords import (
    TYPES,
    NoteChords,
    duration_type,
    normal_order,
)
from encoders.tokens.vocabulary import UNKNOWN, SymbolVocabulary

KINDS = [(chords, durations) for chords in ("normal", "exact") for durations in ("length", "onset", "none")]


def score(*notes, ticks=480):
    """Notes of (start, length, pitch), times in quarter notes."""
    return Score(
        ticks, [Track("", [Note(round(s * ticks), round(n * ticks), pitch) for s, n, pitch in notes])]
    )


def slow_normal_order(classes):
    """The rule in words: the tightest rotation, compared from the outside in."""
    best = None
    for first in sorted(classes):
        order = sorted(classes, key=lambda c, first=first: (c - first) % 12)
        spans = [(c - first) % 12 for c in order]
        if best is None or spans[::-1] < best[0]:
            best = spans[::-1], order
    return ".".join(map(str, best[1]))


def test_the_papers_symbols():
    music = score((0, 1, 60), (0, 1, 64), (0, 1, 67), (1, 0.5, 76), (1.5, 0.25, 58), (2, 4, 66))
    assert NoteChords().symbols(music) == ["0.4.7_quarter", "E5_eighth", "Bb3_16th", "F#4_whole"]
    assert NoteChords("exact").symbols(music)[0] == "C4.E4.G4_quarter"
    assert NoteChords(durations="none").symbols(music) == ["0.4.7", "E5", "Bb3", "F#4"]
    by_onset = NoteChords(durations="onset").symbols(music)
    assert by_onset == ["0.4.7_quarter", "E5_eighth", "Bb3_eighth", "F#4_whole"]


# The last: two rotations of one span, of which the one counts that is packed to the left from the end.
@pytest.mark.parametrize("name", "0.4.7 4.7.10.0 9.0.4 0 11.0 0.3.6.9 2.5.8.11 0.4.8 0.6 8.9.0.1.4".split())
def test_the_normal_order(name):
    assert normal_order(set(map(int, name.split(".")))) == name


def test_the_normal_order_of_every_chord():
    for size in range(1, 13):
        for classes in combinations(range(12), size):
            name = normal_order(set(classes))
            assert name == slow_normal_order(set(classes))
            assert sorted(map(int, name.split("."))) == list(classes)


def test_duration_types():
    for name, quarters in TYPES.items():
        for factor in (0.72, 0.95, 1, 1.4):
            assert duration_type(factor * quarters) == name
    found = [duration_type(quarters) for quarters in (0.001, 1 / 3, 0.75, 1.5, 100)]
    assert found == ["32nd", "16th", "quarter", "half", "breve"]


def test_names_are_unambiguous():
    encoder = NoteChords("exact", "none")
    for pitch in range(128):
        (name,) = encoder.symbols(score((0, 1, pitch)))
        assert encoder.parse(name)[0] == (pitch,)


@st.composite
def symbols(draw, encoder):
    """Symbols of an encoder, from random chords."""
    chords = draw(st.lists(st.sets(st.integers(0, 127), min_size=1, max_size=5), max_size=12))
    kinds = st.sampled_from(list(TYPES))
    found = []
    for pitches in chords:
        (name,) = encoder.symbols(score(*((0, 1, pitch) for pitch in pitches)))
        sound = name.partition("_")[0]
        found.append(sound if encoder.durations == "none" else f"{sound}_{draw(kinds)}")
    return found


@pytest.mark.parametrize("chords, durations", KINDS)
def test_symbols_come_back(chords, durations):
    encoder = NoteChords(chords, durations)

    @settings(max_examples=60)
    @given(symbols(encoder))
    def check(names):
        music = encoder.score(names)
        assert encoder.symbols(music) == names
        assert encoder.score(encoder.symbols(music)) == music
        vocabulary = SymbolVocabulary([*names, "C4"])
        assert vocabulary.decode(vocabulary.encode(names)) == names

    check()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 900), st.integers(0, 127)), min_size=1, max_size=30
    ),
    st.sampled_from(KINDS),
)
def test_losses_are_what_decoding_loses(rows, kind):
    encoder = NoteChords(*kind, together=0)
    music = Score(96, [Track("", [Note(10 * s, n, p) for s, n, p in rows])])
    names, found = encoder.symbols(music), encoder.losses(music)
    onsets = sorted({note.start for note in music.notes()})
    assert found.symbols == len(names) == len(onsets) and found.notes == len(rows)
    decoded = encoder.score(names)
    starts = sorted({note.start for note in decoded.notes()})
    off = np.abs(np.diff(onsets) / 96 - np.diff(starts) / 480)
    assert found.onsets == pytest.approx(off.mean() if len(off) else 0)
    back = sum(
        len(
            {n.pitch for n in music.notes() if n.start == a}
            & {n.pitch for n in decoded.notes() if n.start == b}
        )
        for a, b in zip(onsets, starts, strict=True)
    )
    assert found.pitches == pytest.approx(back / len(rows))
    if kind[0] == "exact" and len({(10 * s, p) for s, _, p in rows}) == len(rows):
        assert found.pitches == 1


def test_onsets_keep_a_rhythm_that_lengths_lose():
    music = score((0, 0.2, 60), (1, 0.2, 62), (1.5, 4, 64), (2, 1, 65))
    by_length, by_onset = (NoteChords(durations=d).losses(music) for d in ("length", "onset"))
    assert by_onset.onsets == 0 and by_onset.exact == 1
    assert by_length.onsets > 0.5 and by_length.exact == 0


def test_what_starts_nearly_together_is_one_symbol():
    music = score((0, 1, 60), (0.05, 1, 64), (0.1, 1, 67))
    assert NoteChords().symbols(music) == ["0.4_quarter", "G4_quarter"]  # from the first, not from each other
    assert NoteChords(together=0.2).symbols(music) == ["0.4.7_quarter"]
    assert len(NoteChords(together=0).symbols(music)) == 3


def test_the_shortest_note_and_no_drums():
    drums = Track("", [Note(0, 10, 36)], channel=9)
    assert NoteChords().symbols(Score(480, [drums])) == []
    assert NoteChords().symbols(score((0, 4, 48), (0, 0.5, 72))) == ["0_eighth"]
    assert [n.pitch for n in NoteChords().score(["0_eighth"]).notes()] == [60, 72]
    with pytest.raises(ValueError, match="no notes"):
        NoteChords().losses(Score(480, [drums]))


@settings(max_examples=60)
@given(st.sets(st.integers(0, 127), min_size=1, max_size=5), st.integers(-40, 40), st.sampled_from(KINDS))
def test_transposition(pitches, by, kind):
    encoder = NoteChords(*kind)
    (name,) = encoder.symbols(score(*((0, 1, p) for p in pitches)))
    moved = encoder.transpose(name, by)
    if all(0 <= p + by <= 127 for p in pitches):
        assert [moved] == encoder.symbols(score(*((0, 1, p + by) for p in pitches)))
    elif kind[0] == "exact" or len(pitches) == 1:
        assert moved is None
    assert encoder.transpose(UNKNOWN, by) == UNKNOWN


@pytest.mark.parametrize(
    "kind, name",
    [
        (("normal", "length"), "C4"),
        (("normal", "length"), "C4_"),
        (("normal", "length"), "C4_dotted"),
        (("normal", "none"), "C4_half"),
        (("normal", "none"), "7.0.4"),
        (("normal", "none"), "C4.E4"),
        (("normal", "none"), "0.12"),
        (("normal", "none"), ""),
        (("normal", "none"), "H4"),
        (("exact", "none"), "0.4.7"),
        (("exact", "none"), "E4.C4"),
        (("exact", "none"), "C4.C4"),
        (("exact", "none"), "C10"),
        (("normal", "none"), "0.0.4"),
        (("normal", "none"), "00"),
    ],
)
def test_what_is_no_symbol(kind, name):
    with pytest.raises(ValueError, match="expected a symbol like"):
        NoteChords(*kind).parse(name)


def test_unknown_symbols():
    vocabulary = SymbolVocabulary(["E5", "C4", "C4"])
    assert vocabulary.names == (UNKNOWN, "C4", "E5") and len(vocabulary) == 3
    assert vocabulary.encode(["E5", "D4", "C4"]).tolist() == [2, 0, 1]
    music = NoteChords(durations="none").score(["C4", UNKNOWN, "E5"])
    assert [note.start for note in music.notes()] == [0, 480]  # an eighth of silence
    for tokens in ([3], [-1], [0.5]):
        with pytest.raises(ValueError, match=r"expected tokens in 0\.\.2"):
            vocabulary.decode(tokens)
    for names in ([], [UNKNOWN], [1]):
        with pytest.raises(ValueError, match="expected"):
            SymbolVocabulary(names)


def test_real_pieces(data_folder):
    paths = sorted((data_folder / "classical_44_c_major" / "Train").glob("*.mid"))[:3]
    for path in paths:
        music = read_midi(path)
        for kind in KINDS:
            encoder = NoteChords(*kind)
            names = encoder.symbols(music)
            assert encoder.symbols(encoder.score(names)) == names
            assert (encoder.losses(music).pitches > 0.99) == (kind[0] == "exact")
