"""The blues of Eck & Schmidhuber (2002) as their report prints it; the loss floor by counting."""

import numpy as np
import pytest

from encoders.tokens import blues
from encoders.tokens.blues import BluesFormat

# The six choruses of section 8.1, bar by bar, a number a quarter note.
PRINTED = {
    "001000000000": """
        67 70 65 60 | 67 70 65 60 | 60 70 67 63 | 60 70 67 70 | 65 66 67 70 | 65 66 67 70
        67 70 65 60 | 60 70 67 63 | 67 60 63 66 | 65 60 65 63 | 60 63 70 66 | 62 62 67 67""",
    "011001110001": """
        67 70 65 60 | 60 70 67 63 | 60 70 67 63 | 60 70 67 70 | 65 72 70 63 | 65 72 70 63
        60 70 67 63 | 60 70 67 63 | 67 60 63 66 | 65 70 65 63 | 60 63 70 66 | 62 62 67 67""",
    "100111111101": """
        60 70 67 63 | 67 70 65 60 | 67 70 65 60 | 67 70 70 63 | 65 72 70 63 | 65 72 70 63
        60 70 67 63 | 67 70 65 60 | 67 60 63 66 | 65 70 65 63 | 60 63 70 66 | 62 62 67 67""",
    "000000110110": """
        67 70 65 60 | 67 70 65 60 | 67 70 65 60 | 60 70 67 70 | 65 66 67 70 | 65 72 70 63
        60 70 67 63 | 60 70 65 60 | 67 72 67 66 | 65 60 65 63 | 60 63 70 66 | 62 62 67 67""",
    "000011100110": """
        67 70 65 60 | 67 70 65 60 | 67 70 65 60 | 60 70 70 63 | 65 72 70 63 | 65 72 70 63
        67 70 65 60 | 60 70 65 60 | 67 72 67 66 | 65 60 65 63 | 60 63 70 66 | 62 62 67 67""",
    "101010101010": """
        60 70 67 63 | 67 70 65 60 | 60 70 67 63 | 60 70 70 63 | 65 66 67 70 | 65 72 70 63
        67 70 65 60 | 67 70 67 63 | 67 72 67 66 | 65 60 65 63 | 60 63 70 66 | 62 62 67 67""",
}
# Figure 2, an eighth of a bar a step: (first step, steps, MIDI pitches).
CHORDS = [
    (0, 8, {48, 52, 55}),  # C
    (8, 8, {48, 51, 53, 57}),  # F7
    (16, 8, {48, 52, 55}),  # C
    (24, 4, {50, 53, 55, 58}),  # Gm7
    (28, 4, {48, 52, 55}),  # C
    (32, 8, {48, 51, 53, 57}),  # F7
    (40, 8, {48, 51, 54, 57}),  # F#dim
    (48, 8, {48, 52, 55}),  # C
    (56, 4, {52, 55, 59}),  # Em
    (60, 4, {49, 52, 55, 57}),  # A7
    (64, 8, {48, 50, 53, 57}),  # Dm7
    (72, 8, {50, 53, 55, 59}),  # G7
    (80, 4, {48, 52, 55}),  # C
    (84, 4, {49, 52, 55, 57}),  # A7
    (88, 4, {50, 53, 57}),  # Dm
    (92, 4, {50, 53, 55, 59}),  # G7
]
FORMATS = [BluesFormat(steps, endings) for steps in (8, 16, 32) for endings in ("merged", "gap", "onset")]


def name(form):
    return f"{form.steps_per_bar}-{form.endings}"


def quarters(printed):
    return [int(number) for number in printed.replace("|", " ").split()]


# ------------------------------------------------------------------------------------------------ melodies


@pytest.mark.parametrize(("bits", "printed"), PRINTED.items(), ids=list(PRINTED))
def test_the_six_printed_choruses(bits, printed):
    number = int(bits, 2)
    assert blues.piece_bits(number) == tuple(int(bit) for bit in bits)
    assert blues.melody(number).tolist() == quarters(printed)


def test_bits_of_a_printed_chorus_are_its_notes_two_steps_each():
    rows = blues.encode_melody(0b001000000000)
    expected = np.zeros((96, 13), int)
    for k, pitch in enumerate(quarters(PRINTED["001000000000"])):
        expected[2 * k : 2 * k + 2, pitch - 60] = 1
    assert rows.dtype == np.uint8
    np.testing.assert_array_equal(rows, expected)


def test_there_are_4096_pieces_and_no_two_are_alike():
    melodies = blues.all_melodies()
    assert melodies.shape == (4096, 96, 13)
    assert len(np.unique(melodies.reshape(4096, -1), axis=0)) == 4096
    assert (melodies.sum(2) == 1).all()  # one note at a time, no rests


def test_melodies_stay_in_the_scale_but_for_the_d_of_the_last_bar():
    notes = np.array([blues.melody(number) for number in range(0, 4096, 5)])
    assert set(notes[:, :44].ravel()) == {60, 63, 65, 66, 67, 70, 72}
    assert set(blues.SCALE) == {60, 63, 65, 66, 67, 70, 72}
    assert {tuple(bar) for bar in notes[:, 44:]} == {(62, 62, 67, 67)}


@pytest.mark.parametrize("number", [-1, 4096])
def test_other_pieces_are_refused(number):
    with pytest.raises(ValueError, match=r"expected a piece number 0\.\.4095"):
        blues.melody(number)


# -------------------------------------------------------------------------------------------------- chords


@pytest.mark.parametrize("steps_per_bar", [8, 16, 32])
def test_chords_step_by_step(steps_per_bar):
    rows = blues.encode_chords(BluesFormat(steps_per_bar))
    assert rows.shape == (12 * steps_per_bar, 12) and rows.dtype == np.uint8
    finer = steps_per_bar // 8
    sounding = [{48 + int(unit) for unit in np.flatnonzero(row)} for row in rows]
    assert sounding == [pitches for _, length, pitches in CHORDS for _ in range(length * finer)]


def test_there_are_16_chord_events_and_9_chords():
    events = blues.chord_events()
    assert [(4 * start, 4 * length, set(chord)) for start, length, chord in events] == CHORDS
    assert len(events) == 16
    assert len({chord for _, _, chord in events}) == 9
    names = {blues.CHORD_NAMES[chord] for _, _, chord in events}
    assert names == set("C F7 Gm7 F#dim Em A7 Dm7 G7 Dm".split())


@pytest.mark.parametrize("literal", [False, True])
def test_eleven_of_twelve_chord_units_are_ever_on(literal):
    ever = blues.encode_chords(BluesFormat(literal_bar_6=literal)).any(0)
    assert ever.sum() == 11
    assert not ever[56 - 48]


def test_bar_6_as_printed_differs_in_one_note():
    usual, printed = blues.encode_chords(), blues.encode_chords(BluesFormat(literal_bar_6=True))
    changed = np.argwhere(usual != printed)
    assert set(changed[:, 0]) == set(range(40, 48)) and set(changed[:, 1]) == {50 - 48, 51 - 48}
    assert {48 + int(unit) for unit in np.flatnonzero(printed[40])} == {48, 50, 54, 57}


# --------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_shapes(form):
    onset = form.endings == "onset"
    assert (form.steps, form.beat) == (12 * form.steps_per_bar, form.steps_per_bar // 4)
    assert (form.chord_units, form.melody_units) == (12 + onset, 13 + onset)
    assert blues.encode_chords(form).shape == (form.steps, form.chord_units)
    assert blues.encode_melody(7, form).shape == (form.steps, form.melody_units)


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_endings(form):
    """Bar 12 is 62 62 67 67: one sound, or two."""
    beat = form.beat
    bar = blues.encode_melody(0, form)[-4 * beat :]
    sounding = bar[:, 62 - 60].tolist()
    if form.endings == "gap":
        assert sounding == ([1] * (beat - 1) + [0]) * 2 + [0] * 2 * beat
    else:
        assert sounding == [1] * 2 * beat + [0] * 2 * beat
    if form.endings == "onset":
        assert bar[:, 13].tolist() == ([1] + [0] * (beat - 1)) * 4


@pytest.mark.parametrize("form", FORMATS, ids=name)
@pytest.mark.parametrize("number", [0, 4095, 0b100111111101])
def test_melodies_come_back(form, number):
    notes = blues.decode(blues.encode_melody(number, form), 60, 13, form)
    expected = [(k * form.beat, form.beat, pitch) for k, pitch in enumerate(blues.melody(number).tolist())]
    if form.endings == "merged":
        expected = merged(expected)
    assert notes == expected


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_chords_come_back(form):
    step = form.steps_per_bar // 8
    notes = blues.decode(blues.encode_chords(form), 48, 12, form)
    expected = sorted(
        (start * step, length * step, pitch) for start, length, chord in CHORDS for pitch in chord
    )
    assert notes == (merged(expected) if form.endings == "merged" else expected)


def merged(notes):
    """Notes of one pitch that follow each other without a gap, as one."""
    done = {}
    for start, length, pitch in sorted(notes):
        for old, old_length in list(done.get(pitch, ())):
            if old + old_length == start:
                done[pitch].remove((old, old_length))
                start, length = old, old_length + length
        done.setdefault(pitch, []).append((start, length))
    return sorted((start, length, pitch) for pitch, pairs in done.items() for start, length in pairs)


def test_a_note_that_still_sounds_at_the_end_ends_there():
    for form in FORMATS:
        bits = np.zeros((10, form.melody_units), np.uint8)
        bits[6:, 4] = 1
        ((start, length, pitch),) = blues.decode(bits, 60, 13, form)
        assert (start, length, pitch) == (6, 4, 64), form


def test_silence_has_no_notes():
    for form in FORMATS:
        assert blues.decode(np.zeros((5, form.melody_units), np.uint8), 60, 13, form) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [({"steps_per_bar": 12}, "8, 16 or 32"), ({"endings": "tied"}, "merged, gap or onset")],
)
def test_other_forms_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BluesFormat(**options)


# ---------------------------------------------------------------------------------------------- loss floor


def floor_by_counting(melodies):
    """Mean over pieces and steps of the sum over units of H(unit | all steps before), in nats."""
    pieces, steps, units = melodies.shape
    same_past = np.zeros(pieces, int)  # pieces with one number have been alike so far
    nats = 0.0
    for step in range(steps):
        members = np.bincount(same_past)
        for unit in range(units):
            on = np.bincount(same_past, melodies[:, step, unit])
            undecided = (on > 0) & (on < members)
            p = on[undecided] / members[undecided]
            entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
            nats += (members[undecided] / pieces * entropy).sum()
        code = melodies[:, step].astype(int) @ (1 << np.arange(units))
        same_past = np.unique(same_past * (1 << units) + code, return_inverse=True)[1].ravel()
    assert same_past.max() + 1 == pieces  # at the end all differ
    return nats / steps


@pytest.mark.parametrize("form", FORMATS[:4], ids=name)
def test_the_loss_floor_is_what_counting_over_all_pieces_gives(form):
    assert blues.loss_floor(form) == pytest.approx(floor_by_counting(blues.all_melodies(form)), rel=1e-12)


def test_the_loss_floor_in_numbers():
    assert blues.loss_floor() == pytest.approx(0.17329, abs=5e-6)
    assert blues.loss_floor() * 96 == pytest.approx(16.636, abs=5e-4)
    assert blues.FORKS == 12
