"""From bits to notes, MIDI and sound; what is heard first."""

import itertools
import tracemalloc
import wave
from dataclasses import replace

import mido
import numpy as np
import pytest

from encoders.midi import MidiError, read_midi, write_midi
from encoders.score import Note, Score, Track
from encoders.tokens.blues import BluesFormat, encode_chords, encode_melody
from encoders.tokens.blues import melody as pitches_of
from experiments.blues import composing
from experiments.blues.composing import Player, perform, prime_from_midi, prime_from_piece
from experiments.blues.recipes import RECIPES, blues_wiring, make_network
from experiments.blues.training import make_pieces

MERGED, GAP, ONSET = (BluesFormat(8, endings) for endings in ("merged", "gap", "onset"))
FORMATS = [MERGED, GAP, ONSET, BluesFormat(16), BluesFormat(32, "gap"), BluesFormat(16, "onset")]


def name(form):
    return f"{form.steps_per_bar}-{form.endings}"


def chorus(number, form=MERGED):
    return np.hstack([encode_chords(form), encode_melody(number, form)])


def silence(steps, form=MERGED):
    return np.zeros((steps, form.chord_units + form.melody_units), np.uint8)


def in_steps(notes, form=MERGED):
    """(start, duration, pitch) in time steps."""
    tick = composing.TICKS // form.beat
    return sorted((note.start / tick, note.duration / tick, note.pitch) for note in notes)


def played(bits, form=MERGED):
    """(chords, melody) of bits heard in one go, each as (start, duration, pitch) in time steps."""
    player = Player(form)
    chords, melody, _ = player.feed(bits)
    return in_steps(chords, form), in_steps(melody + player.finish()[0], form)


# -------------------------------------------------------------------------------------- the melody's notes


@pytest.mark.parametrize("form", FORMATS, ids=name)
@pytest.mark.parametrize("number", [0, 2741])
def test_the_notes_of_a_piece(form, number):
    """Bar 12 is 62 62 67 67: two notes, or four."""
    expected = [(float(k * form.beat), float(form.beat), int(p)) for k, p in enumerate(pitches_of(number))]
    if form.endings == "merged":
        runs = [list(group) for _, group in itertools.groupby(expected, key=lambda note: note[2])]
        expected = [(run[0][0], sum(length for _, length, _ in run), run[0][2]) for run in runs]
    assert played(chorus(number, form), form)[1] == expected


def test_a_rest_ends_a_note():
    bits = silence(8)
    bits[1:3, 12 + 4] = bits[5:6, 12 + 4] = 1
    assert played(bits)[1] == [(1, 2, 64), (5, 1, 64)]


def test_a_gap_belongs_to_the_note_before_it_but_another_note_is_no_gap():
    bits = silence(8, GAP)
    bits[0:1, 12 + 4] = bits[2:4, 12 + 4] = bits[4:8, 12 + 7] = 1
    assert played(bits, GAP)[1] == [(0, 2, 64), (2, 2, 64), (4, 4, 67)]


def test_an_onset_strikes_the_same_pitch_again():
    bits = silence(8, ONSET)
    bits[:, 13 + 4] = 1
    bits[[0, 3], 13 + 13] = 1
    assert played(bits, ONSET)[1] == [(0, 3, 64), (3, 5, 64)]


def test_a_note_lasts_across_the_border_of_choruses():
    player, bits = Player(MERGED), silence(96)
    bits[90:, 12 + 5] = 1
    _, melody, until = player.feed(bits)
    assert melody == [] and until == 90 * 240  # the note may still be given later
    bits = silence(96)
    bits[:4, 12 + 5] = 1
    _, melody, until = player.feed(bits)
    assert in_steps(melody) == [(90, 10, 65)] and until == 192 * 240
    assert player.finish() == ([], 192 * 240)


def test_a_note_without_end_is_struck_anew_after_a_chorus():
    bits = silence(96)
    bits[2:, 12] = 1
    player, notes = Player(MERGED), []
    for k in range(3):
        _, melody, until = player.feed(bits)
        notes, bits[:, 12] = notes + melody, 1
        assert until >= (96 * k + 2) * 240
    assert in_steps(notes + player.finish()[0]) == [(2, 96, 60), (98, 96, 60), (194, 94, 60)]


# --------------------------------------------------------------------------------------------------- chords


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_the_chords_of_the_twelve_bars(form):
    """Sixteen chords, each struck once and held: at bar lines and in the middle of bars 4, 8, 11 and 12."""
    chords, _ = played(chorus(0, form), form)
    bar = form.steps_per_bar
    halves = {bar * k for k in (3, 7, 10, 11)}
    starts = [bar * k for k in range(12)] + [start + bar // 2 for start in halves]
    assert sorted({start for start, _, _ in chords}) == sorted(starts)
    for start, length, _ in chords:
        assert length == (bar // 2 if start in halves or start - bar // 2 in halves else bar)
    assert [pitch for start, _, pitch in chords if start == bar] == [48, 51, 53, 57]
    assert len(chords) == 57  # nine of four notes, seven of three


def test_a_chord_is_struck_at_each_bar_line_and_where_it_changes():
    bits = silence(24)
    bits[:, [0, 4]] = 1  # three bars of C and E ...
    bits[18:, 4] = 0
    bits[18:, 5] = 1  # ... but F for E from the third step of the last bar
    assert played(bits)[0] == [
        (0, 8, 48), (0, 8, 52), (8, 8, 48), (8, 8, 52),
        (16, 2, 48), (16, 2, 52), (18, 6, 48), (18, 6, 53),
    ]  # fmt: skip


def test_a_bar_without_a_chord_is_silent():
    bits = silence(16)
    bits[10:12, 3] = 1
    assert played(bits)[0] == [(10, 2, 51)]


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_in_pieces_as_in_one_go(form):
    bits = np.vstack([chorus(number, form) for number in (5, 4095, 1365)])
    player, chords, melody = Player(form), [], []
    at, before = 0, 0
    for bars in (1, 4, 12, 19):
        stop = at + bars * form.steps_per_bar
        more_chords, more, until = player.feed(bits[at:stop])
        assert until >= before and all(note.start < until for note in more)
        chords, melody, at, before = chords + more_chords, melody + more, stop, until
    assert (in_steps(chords, form), in_steps(melody + player.finish()[0], form)) == played(bits, form)


# ------------------------------------------------------------------------------------------------ choruses


@pytest.mark.parametrize("standardise", [False, True])
def test_choruses_are_one_stream_cut_in_pieces(standardise):
    """From a network at rest, whatever it heard before; the primer is the beginning of the first."""
    recipe = RECIPES["icann" if standardise else "default"]
    pieces = make_pieces(recipe, 0)
    network = make_network(replace(recipe, scale=2.0), blues_wiring(recipe), np.random.default_rng(3))
    prime = prime_from_piece(77, 3)
    cut = list(composing.choruses(network, pieces, prime, 3, np.random.default_rng(1), 1.5))
    assert [bits.shape for bits in cut] == [(96, 25)] * 3
    network.reset()
    rule = {"next chord": "threshold", "next note": "one"}
    whole = network.play(prime, 3 * 96 - 6, rule, np.random.default_rng(1), 1.5, pieces.scaling)
    np.testing.assert_array_equal(np.vstack(cut), np.vstack([prime, whole]))
    assert len({bits.tobytes() for bits in cut}) == 3


# -------------------------------------------------------------------------------------------- MIDI and WAV


def test_a_performance_has_two_named_tracks_at_the_right_tempo_and_meter(tmp_path):
    path, wav = tmp_path / "blues.mid", tmp_path / "blues.wav"
    passed_on = list(perform(iter([chorus(0), chorus(9)]), MERGED, 95.0, path, wav))
    assert [(bits == chorus(n)).all() for bits, n in zip(passed_on, (0, 9), strict=True)] == [True, True]
    score = read_midi(path)
    assert [track.name for track in score.tracks] == ["chords", "melody"]
    ((tick, tempo),) = score.tempos
    assert tick == 0 and tempo == pytest.approx(95, rel=1e-5)
    assert score.meters == ((0, 4, 4),)
    expected = played(np.vstack([chorus(0), chorus(9)]))
    assert tuple(in_steps(track.notes) for track in score.tracks) == expected
    assert min(note.velocity for note in score.tracks[1].notes) > max(
        note.velocity for note in score.tracks[0].notes
    )
    assert score.seconds(score.end) == pytest.approx(composing.seconds(2, 95.0), rel=1e-4)


def test_the_sound_lasts_as_long_as_the_music_and_is_neither_silent_nor_clipped(tmp_path):
    path = tmp_path / "blues.wav"
    list(perform([chorus(1234)], MERGED, 240.0, tmp_path / "blues.mid", path))
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 44100)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32768
    seconds = composing.seconds(1, 240.0)
    assert seconds == 12 and seconds < len(sound) / 44100 < seconds + 5
    assert 0.1 < np.abs(sound).max() < 0.95
    loudness = np.sqrt((sound[: 44100 * 12].reshape(48, -1) ** 2).mean(1))  # a quarter note each
    assert loudness.min() > 0.01
    assert np.abs(sound[-2000:]).max() < 0.01  # it has died away
    assert np.abs(np.diff(sound, axis=0)).max() < 0.3  # no clicks
    assert len(sound) * 4 < composing.wav_bytes(1, 240.0, 44100)


def test_nothing_appears_if_the_stream_breaks(tmp_path):
    def breaking():
        yield chorus(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(perform(breaking(), MERGED, 110.0, tmp_path / "a.mid", tmp_path / "a.wav"))
    assert list(tmp_path.iterdir()) == []


def peak_memory(choruses, folder):
    """Bytes, beyond what was there, while so many choruses become MIDI; numbers of pieces repeat after 50."""
    pieces = [chorus(number) for number in range(50)]
    stream = (pieces[k % 50] for k in range(choruses))
    tracemalloc.start()
    try:
        for _ in perform(stream, MERGED, 110.0, folder / f"{choruses}.mid"):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_choruses(tmp_path):
    """The bytes of the file may wait in memory, up to a megabyte a track; nothing else may."""
    peak_memory(2, tmp_path)  # what is kept once
    few, many = peak_memory(20, tmp_path), peak_memory(220, tmp_path)
    size = (tmp_path / "220.mid").stat().st_size
    assert read_midi(tmp_path / "220.mid").end == 220 * 96 * 240
    assert many - few < 2 * size < 500_000  # bits alone would take 480 kB, notes 2 MB


def test_how_much_a_wav_file_holds():
    most, limit = composing.most_choruses(110.0), composing.WAV_LIMIT
    assert composing.wav_bytes(most, 110.0, 16000) <= limit < composing.wav_bytes(most + 1, 110.0, 16000)
    assert limit < 2**32 and 2500 < most < 2600  # 26 seconds a chorus, 16000 frames of 4 bytes


@pytest.mark.parametrize(
    ("count", "rate"), [(1, 44100), (927, 44100), (928, 32000), (1000, 32000), (2560, 16000)]
)
def test_hours_of_music_get_a_lower_sample_rate(count, rate):
    assert composing.wav_rate(count, 110.0) == rate


def test_days_of_music_get_none():
    assert composing.wav_rate(2561, 110.0) is None


# -------------------------------------------------------------------------------------- what is heard first


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_a_piece_as_primer(form):
    bits = prime_from_piece(77, 5, form)
    assert bits.shape == (5 * form.beat, form.chord_units + form.melody_units)
    np.testing.assert_array_equal(bits, chorus(77, form)[: 5 * form.beat])


def melody_file(path, notes, ticks=480):
    """A MIDI file of notes (start, length, pitch), in quarter notes."""
    notes = [Note(round(start * ticks), round(length * ticks), pitch) for start, length, pitch in notes]
    write_midi(Score(ticks, [Track("a", notes)]), path)
    return path


@pytest.mark.parametrize("form", FORMATS, ids=name)
@pytest.mark.parametrize("ticks", [96, 480])
def test_a_midi_file_as_primer(tmp_path, form, ticks):
    """24 quarter notes of a piece: without chords in the file they are those of the twelve bars."""
    notes = [(k, 1, int(pitch)) for k, pitch in enumerate(pitches_of(3333)[:24])]
    bits = prime_from_midi(melody_file(tmp_path / "a.mid", notes, ticks), form)
    np.testing.assert_array_equal(bits, chorus(3333, form)[: 24 * form.beat])


def test_a_composition_can_be_the_primer_of_another(tmp_path):
    bits = chorus(77)[:48]
    list(perform([bits], MERGED, 110.0, tmp_path / "a.mid"))
    np.testing.assert_array_equal(prime_from_midi(tmp_path / "a.mid"), bits)


def test_chords_of_the_file_win(tmp_path):
    path = melody_file(tmp_path / "a.mid", [(0, 2, 60), (0, 2, 48), (0, 1, 55), (5, 3, 50)])
    bits = prime_from_midi(path)
    assert bits.shape == (4, 25)  # as long as the melody
    assert bits[:, 0].tolist() == [1] * 4 and bits[:, 7].tolist() == [1, 1, 0, 0]
    assert bits[:, [k for k in range(25) if k not in (0, 7, 12)]].sum() == 0


def test_a_primer_is_rounded_to_steps_and_filled_up_to_a_quarter_note(tmp_path):
    bits = prime_from_midi(melody_file(tmp_path / "a.mid", [(0.02, 0.97, 60), (1.05, 0.3, 67)]))
    assert bits.shape == (4, 25)
    assert bits[:, 12].tolist() == [1, 1, 0, 0] and bits[:, 12 + 7].tolist() == [0, 0, 1, 0]


def test_twelve_bars_are_not_too_long(tmp_path):
    assert prime_from_midi(melody_file(tmp_path / "a.mid", [(0, 48, 60)])).shape == (96, 25)


REFUSED = {
    "too low": ([(0, 1, 47)], r"expected notes 48\.\.72, got 47"),
    "too high": ([(0, 1, 60), (1, 1, 73)], r"expected notes 48\.\.72, got 73"),
    "too many": ([(k, 1, 60) for k in range(25)], r"expected 1\.\.24 melody notes \(60\.\.72\), got 25"),
    "no melody": ([(0, 1, 50)], r"expected 1\.\.24 melody notes \(60\.\.72\), got 0"),
    "no notes": ([], r"expected 1\.\.24 melody notes \(60\.\.72\), got 0"),
    "two at once": ([(0, 2, 60), (1, 1, 64)], "expected one melody note at a time, got two at step 2"),
    "too long": ([(0, 1, 60), (48, 1, 60)], "expected at most 12 bars, got 12.2"),
    "absurdly late": ([(0, 1, 60), (90_000, 1, 60)], "lasts longer than 10 minutes with 2 notes"),
}


@pytest.mark.parametrize(("notes", "message"), REFUSED.values(), ids=list(REFUSED))
def test_other_files_are_refused(tmp_path, notes, message):
    path = melody_file(tmp_path / "tune.mid", notes)
    with pytest.raises(MidiError, match=message) as refusal:
        prime_from_midi(path)
    assert str(path) in str(refusal.value)


def test_a_file_of_another_program_is_read(tmp_path):
    """Type 0, running notes on several channels, a tempo change: what counts is the notes."""
    file = mido.MidiFile(type=0, ticks_per_beat=96)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=400000))
    for pitch in (60, 63, 67):
        track.append(mido.Message("note_on", note=pitch, velocity=64, channel=2))
        track.append(mido.Message("note_on", note=pitch, velocity=0, time=96, channel=2))
    file.save(tmp_path / "a.mid")
    bits = prime_from_midi(tmp_path / "a.mid")
    assert np.argwhere(bits[:, 12:]).tolist() == [[k, pitch] for k, pitch in enumerate([0, 0, 3, 3, 7, 7])]
