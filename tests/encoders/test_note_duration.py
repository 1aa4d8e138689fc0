"""Notes and durations as tokens: the paper's bar, round trips, the grammar."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.midi import read_midi
from encoders.score import Note, Score, Track
from encoders.tokens.note_duration import NoteDuration
from encoders.tokens.time_grid import TimingError

BAR = """0 1 81 139 61 153 57 153 54 153 8 139 80 139 8 139 80 139 8 139 78 139 8 139 78 139 8 139
    76 141 8 141 73 138 8 138 71 138"""
SIMPLE = Score(480, [Track("", [Note(0, 240, 72), Note(0, 1920, 52), Note(240, 240, 74)])])


def score(*notes, ticks=4):
    """Notes of (start, duration, pitch) in steps."""
    return Score(ticks, [Track("piano", [Note(*note) for note in notes])])


def listed(music):
    step = music.ticks_per_beat // 4
    return [(note.start // step, note.duration // step, note.pitch) for note in music.notes()]


@st.composite
def scores(draw, most_steps=2000):
    ticks = draw(st.sampled_from([1, 3, 4, 96, 480, 1001, 32767]))
    note = st.builds(
        Note,
        st.integers(0, most_steps * ticks // 4),
        st.integers(1, 50 * ticks),
        st.integers(0, 127),
        st.integers(1, 127),
    )
    tracks = st.lists(
        st.builds(Track, st.just("a"), st.lists(note, max_size=12), channel=st.sampled_from([None, 0, 9])),
        max_size=3,
    )
    tempos = [(0, draw(st.floats(20, 300))), (draw(st.integers(1, 5000)), draw(st.floats(20, 300)))]
    return Score(ticks, draw(tracks), tempos)


encoders = st.builds(
    NoteDuration,
    longest=st.integers(1, 160),
    steps_per_beat=st.integers(1, 48),
    bpm=st.none() | st.floats(1, 1000),
)


def slowly(encoder, music):
    """What `encode` should give, note by note."""
    cells = {}
    for track in music.tracks:
        for note in () if track.is_drums else track.notes:
            if encoder.bpm is None:
                onset = note.start * encoder.steps_per_beat / music.ticks_per_beat
                length = note.duration * encoder.steps_per_beat / music.ticks_per_beat
            else:
                per_second = encoder.bpm * encoder.steps_per_beat / 60
                onset = music.seconds(note.start) * per_second
                length = music.seconds(note.end) * per_second - onset
            cell = cells.setdefault(round(onset), {})
            length = min(max(round(length), 1), encoder.longest)
            cell[note.pitch] = max(length, cell.get(note.pitch, 0))
    words, now = ["xxbos", "xxpad"], 0
    for step in sorted(cells):
        while now < step:
            rest = min(step - now, 160)
            words += ["xxsep", f"d{rest}"]
            now += rest
        for pitch in sorted(cells[step], reverse=True):
            words += [f"n{pitch}", f"d{cells[step][pitch]}"]
    return " ".join(words)


def test_the_bar_that_the_paper_prints(data_folder):
    encoder = NoteDuration()
    tokens = encoder.encode(read_midi(data_folder / "golden" / "single_bar_example.mid"))
    assert tokens.tolist() == [int(token) for token in BAR.split()]
    assert tokens.dtype == np.int64
    assert encoder.text(tokens).startswith(
        "xxbos xxpad n72 d2 n52 d16 n48 d16 n45 d16 xxsep d2 n71 d2 xxsep d2"
    )


def test_the_vocabulary():
    names = NoteDuration().vocabulary
    assert len(names) == len(set(names)) == len(NoteDuration()) == 312
    assert names[:10] == tuple("xxbos xxpad xxeos xxs2scls3 xxmask xxcseq xxmseq xxnscls xxsep n0".split())
    assert (names[136], names[137], names[297], names[298]) == ("n127", "d0", "d160", "mt0")
    encoder = NoteDuration()
    special = [names[token] for token in (encoder.bos, encoder.pad, encoder.end, encoder.sep)]
    assert special == ["xxbos", "xxpad", "xxeos", "xxsep"]


@settings(max_examples=150)
@given(scores(), encoders)
def test_any_score_comes_back_as_quantised(music, encoder):
    tokens, grid = encoder.encode(music), encoder.quantise(music)
    assert encoder.text(tokens) == slowly(encoder, music)
    assert encoder.decode(tokens) == grid
    assert encoder.decode(encoder.encode(music, end=True)) == grid
    assert encoder.quantise(grid) == grid
    assert encoder.encode(music, end=True).tolist() == [*tokens, encoder.end]
    assert encoder.allowed[tokens[:-1], tokens[1:]].all()
    assert encoder.parse(encoder.text(tokens)).tolist() == tokens.tolist()
    error = encoder.timing_error(grid)
    assert np.abs(error.onsets).max(initial=0) < 1e-6 and np.abs(error.durations).max(initial=0) < 1e-6


@st.composite
def sentences(draw):
    """Tokens as a network may draw them under the mask, broken off anywhere."""
    encoder = NoteDuration(lowest=21, highest=108, longest=100)
    tokens = [encoder.bos]
    for choice in draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=60)):
        following = np.flatnonzero(encoder.allowed[tokens[-1]])
        tokens.append(int(following[int(choice * len(following))]))
    return tokens


@settings(max_examples=200)
@given(sentences())
def test_every_sample_under_the_mask_decodes(tokens):
    encoder = NoteDuration(lowest=21, highest=108, longest=100)
    music = encoder.decode(tokens)
    again = encoder.encode(music)
    assert encoder.decode(again) == music
    assert encoder.decode(tokens[2:]) == music  # without the opening
    assert all(21 <= note.pitch <= 108 and note.duration <= 12_000 for note in music.notes())
    positions = encoder.positions(tokens)
    assert positions.shape == (len(tokens),) and (np.diff(positions) >= 0).all()
    end = tokens.index(encoder.end) if encoder.end in tokens else len(tokens)
    expected = [positions[k] * 120 for k in range(end - 1) if 9 <= tokens[k] < 137]
    assert sorted({note.start for note in music.notes()}) == sorted(set(expected))


def test_the_mask_by_the_words_of_the_format():
    encoder = NoteDuration(lowest=21, highest=108, longest=128)

    def after(word):
        return {encoder.vocabulary[k] for k in np.flatnonzero(encoder.allowed[encoder.parse(word)[0]])}

    notes, lengths = {f"n{k}" for k in range(21, 109)}, {f"d{k}" for k in range(1, 129)}
    assert encoder.allowed.shape == (312, 312) and encoder.allowed.dtype == bool
    assert after("n21") == after("n108") == lengths
    assert after("xxsep") == lengths | {f"d{k}" for k in range(129, 161)}
    assert after("xxpad") == after("d1") == after("d160") == notes | {"xxsep", "xxeos"}
    assert after("xxbos") == after("xxeos") == {"xxpad"}
    assert not any(map(after, ["n20", "n109", "d0", "mt0", "xxmask", "dummy3"]))
    with pytest.raises(ValueError):
        encoder.allowed[0, 0] = True


@pytest.mark.parametrize(
    "words, message",
    [
        ("xxbos xxpad d4", "token d4 at place 2 cannot stand after xxpad"),
        ("xxbos n60 d4", "token n60 at place 1 cannot stand after xxbos"),
        ("xxbos xxpad n60 xxsep", "token xxsep at place 3 cannot stand after n60"),
        ("xxbos xxpad n60 d0", "d0 at place 3"),
        ("xxbos xxpad n60 d129", "d129 at place 3"),
        ("xxbos xxpad xxsep n60", "n60 at place 3"),
        ("xxbos xxpad n60 d4 xxbos", "xxbos at place 4"),
        ("d4", "token d4 at place 0 cannot stand at the beginning"),
        ("xxmask", "xxmask at place 0"),
    ],
)
def test_what_cannot_be_decoded_says_where(words, message):
    encoder = NoteDuration()
    with pytest.raises(ValueError, match=message):
        encoder.decode(encoder.parse(words))


@pytest.mark.parametrize("tokens", [[0, 1, 312], [-1], [[0, 1]], [0.5, 1.0], "n60"])
def test_what_are_no_tokens(tokens):
    with pytest.raises(ValueError, match="expected (tokens|whole numbers)"):
        NoteDuration().decode(tokens)


def test_what_follows_the_end_and_half_a_pair_are_left_out():
    encoder = NoteDuration()
    one = encoder.decode(encoder.parse("xxbos xxpad n60 d4"))
    for words in (
        "n60 d4 xxeos xxpad xxpad",
        "n60 d4 xxeos d0",
        "n60 d4 xxsep d4",
        "n60 d4 xxsep",
        "n60 d4 n50",
    ):
        assert encoder.decode(encoder.parse(words)) == one
        assert encoder.decode(encoder.parse("xxbos xxpad " + words)) == one
    for nothing in ("", "xxbos", "xxbos xxpad", "xxeos", "n60", "xxbos xxpad n60"):
        assert encoder.decode(encoder.parse(nothing)).notes() == []


def test_what_the_grid_does():
    encoder = NoteDuration(longest=128)

    def on_grid(*notes):
        return listed(encoder.quantise(score(*notes, ticks=16)))  # four ticks to a step

    assert on_grid((0, 1, 60), (6, 1, 61), (10, 6, 62)) == [(0, 1, 60), (2, 1, 61), (2, 2, 62)]
    assert on_grid((0, 600, 60)) == [(0, 128, 60)]  # cut
    assert on_grid((0, 4, 60), (1, 40, 60), (1, 8, 60)) == [(0, 10, 60)]  # the longest of one cell
    assert on_grid((0, 40, 60), (4, 4, 60)) == [(0, 10, 60), (1, 1, 60)]  # struck again while it sounds
    assert on_grid((4 * 500, 4, 108)) == [(500, 1, 108)]
    drums = Track("drums", [Note(0, 4, 36)], channel=9)
    assert encoder.quantise(Score(4, [drums])).notes() == []


def test_long_rests_are_several_separators():
    encoder = NoteDuration()
    for rest, words in (
        (160, "xxsep d160 n60 d1"),
        (161, "xxsep d160 xxsep d1 n60 d1"),
        (480, "xxsep d160 xxsep d160 xxsep d160 n60 d1"),
    ):
        tokens = encoder.encode(score((rest, 1, 60)))
        assert encoder.text(tokens) == "xxbos xxpad " + words
        assert listed(encoder.decode(tokens)) == [(rest, 1, 60)]


def test_a_grid_in_time_ignores_the_tempos():
    # at 60 and then 30 quarter notes a minute: onsets at 0, 1 and 3 seconds
    notes = [Note(0, 480, 60), Note(480, 480, 62), Note(960, 480, 64)]
    music = Score(480, [Track("", notes)], ((0, 60.0), (480, 30.0)))
    assert listed(NoteDuration().quantise(music)) == [(0, 4, 60), (4, 4, 62), (8, 4, 64)]
    timed = NoteDuration(bpm=120)
    assert listed(timed.quantise(music)) == [(0, 8, 60), (8, 16, 62), (24, 16, 64)]
    assert timed.quantise(music).tempos == ((0, 120.0),)
    assert timed.decode(timed.encode(music), bpm=90, program=4).tempos == ((0, 90.0),)
    for k, second in enumerate((0, 1, 3)):
        assert timed.quantise(music).seconds(timed.quantise(music).notes()[k].start) == second


def test_the_timing_error_is_in_milliseconds():
    # a step is 125 ms: the second note begins 25 ms late and is 50 ms too long; the third is cut by 125 ms
    music = Score(1000, [Track("", [Note(0, 250, 60), Note(300, 350, 62), Note(500, 1250, 64)])])
    error = NoteDuration(longest=4).timing_error(music)
    assert np.allclose(error.onsets, [0, -25, 0]) and np.allclose(error.durations, [0, -50, -125])
    timed = NoteDuration(longest=4, bpm=120).timing_error(music)
    assert np.allclose(timed.onsets, error.onsets) and np.allclose(timed.durations, error.durations)
    assert str(error) == ("onsets moved by 8 ms on average and 25 at most, durations changed by 58 and 125")
    assert str(TimingError(np.zeros(0), np.zeros(0))) == "no notes"
    slower = replace(music, tempos=((0, 60.0),))
    assert np.allclose(NoteDuration(longest=4).timing_error(slower).onsets, [0, -50, 0])


def test_real_performances(data_folder):
    paths = sorted((data_folder / "maestro_v2_sample").rglob("*.midi"), key=lambda path: path.stat().st_size)
    for path in paths[:4]:
        music = read_midi(path, pedal=True)
        for encoder in (NoteDuration(21, 108), NoteDuration(21, 108, bpm=240)):
            tokens = encoder.encode(music, end=True)
            assert encoder.decode(tokens) == encoder.quantise(music)
            half_a_step = 1000 * 60 / (encoder.bpm or 120) / 4 / 2
            error = np.abs(encoder.timing_error(music).onsets)
            assert half_a_step / 3 < error.mean() < error.max() <= half_a_step + 1e-6


def test_pitches_out_of_range_are_named():
    encoder = NoteDuration(21, 107)
    with pytest.raises(ValueError, match=r"pitches in 21..107, got 108 \(2 of 3 notes"):
        encoder.encode(score((0, 1, 60), (0, 1, 108), (1, 1, 20)))
    assert NoteDuration(21, 108).encode(score((0, 1, 108))).tolist() == [0, 1, 9 + 108, 138]


def test_transposition():
    encoder = NoteDuration(21, 108)
    tokens = encoder.encode(SIMPLE, end=True)
    for semitones in (-31, 0, 34):
        moved = encoder.transpose(tokens, semitones)
        assert encoder.decode(moved) == encoder.quantise(SIMPLE.transpose(semitones))
    assert encoder.transpose(np.stack([tokens, tokens]), 1).shape == (2, len(tokens))
    for semitones, message in ((-32, "pitch 52 moved by -32"), (35, "pitch 74 moved by 35"), (300, "pitch")):
        with pytest.raises(ValueError, match=message + ".*range 21..108"):
            encoder.transpose(tokens, semitones)
    assert encoder.text(tokens) == "xxbos xxpad n72 d2 n52 d16 xxsep d2 n74 d2 xxeos"  # left as they were


def test_words():
    encoder = NoteDuration()
    assert encoder.parse(" n60\n d4\t").tolist() == [69, 141]
    for text, message in (
        ("n60 d4 n128", "'n128' as word 3"),
        ("N60", "'N60' as word 1"),
        ("n60 " + "x" * 99, "as word 2"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            encoder.parse(text)
        assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    "bad",
    [
        {"lowest": -1},
        {"highest": 128},
        {"lowest": 61, "highest": 60},
        {"longest": 0},
        {"longest": 161},
        {"steps_per_beat": 0},
        {"steps_per_beat": 49},
        {"bpm": 0},
        {"bpm": float("nan")},
        {"bpm": 1001},
    ],
)
def test_settings_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        NoteDuration(**bad)


def test_a_long_rest_costs_little():
    music = Score(1, [Track("", [Note(100_000, 1, 60)])])  # as long as a MIDI file may be
    assert len(NoteDuration(steps_per_beat=48).encode(music)) < 2 * 48 * 100_000 / 160 + 10
