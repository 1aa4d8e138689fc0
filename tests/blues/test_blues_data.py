"""The pieces as the network hears them."""

import numpy as np
import pytest

from encoders.tokens.blues import PIECES, BluesFormat, encode_chords, encode_melody
from experiments.blues.data import DEVELOPMENT, FRESH, Pieces

FORMATS = [BluesFormat(8), BluesFormat(8, "gap"), BluesFormat(16, "onset", literal_bar_6=True)]


def name(form):
    return f"{form.steps_per_bar}-{form.endings}"


@pytest.fixture(scope="module", params=FORMATS, ids=name)
def pieces(request):
    return Pieces(request.param, rng=np.random.default_rng(0))


def test_a_stream_is_chords_above_melodies_piece_after_piece(pieces):
    form, numbers = pieces.form, np.array([[3, 4095], [1024, 3], [0, 77]])
    bits = pieces.stream(numbers)
    assert bits.shape == (3 * form.steps, form.chord_units + form.melody_units, 2) and bits.dtype == np.uint8
    for chorus in range(3):
        for stream in range(2):
            part = bits[chorus * form.steps : (chorus + 1) * form.steps, :, stream]
            np.testing.assert_array_equal(part[:, : form.chord_units], encode_chords(form))
            np.testing.assert_array_equal(
                part[:, form.chord_units :], encode_melody(numbers[chorus, stream], form)
            )


def test_a_stream_of_chords_alone():
    pieces = Pieces(with_melody=False)
    bits = pieces.stream(np.array([[5, 6, 7], [8, 9, 10]]))
    assert bits.shape == (192, 12, 3)
    np.testing.assert_array_equal(bits, np.tile(encode_chords(), (2, 1))[:, :, None].repeat(3, 2))


def test_targets_are_the_bits_of_the_next_step_across_the_borders_of_pieces(pieces, rng):
    x, t = pieces.draw(rng, 2, 3)
    steps = pieces.form.steps
    assert x.shape == t.shape == (2 * steps, pieces.chords.shape[1] + pieces.melodies.shape[2], 3)
    np.testing.assert_array_equal(x[1:], t[:-1])
    # the last targets are the first step of some piece: the chords say which step it is
    np.testing.assert_array_equal(t[-1, : pieces.form.chord_units, 0], pieces.chords[0])
    np.testing.assert_array_equal(x[steps, : pieces.form.chord_units, 2], pieces.chords[0])


def test_only_training_pieces_are_drawn(rng):
    pieces = Pieces(rng=np.random.default_rng(0))
    training = {pieces.melodies[number].tobytes() for number in pieces.training}
    x, _ = pieces.draw(rng, 1, 300)
    drawn = {np.ascontiguousarray(x[:, 12:, k]).astype(np.uint8).tobytes() for k in range(300)}
    assert drawn <= training and len(drawn) > 270


def test_held_out_pieces_are_disjoint_and_all_pieces_are_somewhere():
    pieces = Pieces(rng=np.random.default_rng(3))
    groups = pieces.training, pieces.development, pieces.fresh
    assert [len(group) for group in groups] == [PIECES - DEVELOPMENT - FRESH, DEVELOPMENT, FRESH]
    assert sorted(np.concatenate(groups)) == list(range(PIECES))


def test_the_seed_decides_the_split():
    first, again, other = (Pieces(rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.fresh, again.fresh)
    np.testing.assert_array_equal(first.training, again.training)
    assert set(first.fresh) != set(other.fresh)


@pytest.mark.parametrize("form", FORMATS, ids=name)
def test_standardised_inputs_have_mean_0_and_deviation_1(form):
    pieces = Pieces(form, standardise=True, rng=np.random.default_rng(0))
    chords, melodies = encode_chords(form), pieces.melodies
    rate = np.concatenate([chords.mean(0), melodies.mean((0, 1))])
    deviation = np.concatenate([chords.std(0), melodies.reshape(-1, melodies.shape[2]).std(0)])
    shift, gain = pieces.scaling
    np.testing.assert_allclose(rate - shift, 0, atol=1e-12)
    moving = deviation > 0
    np.testing.assert_allclose(deviation[moving] * gain[moving], 1, rtol=1e-9)
    assert (gain[~moving] == 1).all() and 0 < (~moving).sum() < 8  # units that no piece ever turns on
    assert np.isfinite(gain).all()


def test_scaling_is_applied_to_inputs_and_not_to_targets(rng):
    pieces = Pieces(standardise=True, rng=np.random.default_rng(0))
    bits = pieces.stream(np.array([[7]]))
    shift, gain = pieces.scaling
    for unit in (0, 3, 12, 17):
        np.testing.assert_allclose(
            pieces.scaled(bits)[:, unit, 0], (bits[:, unit, 0] - shift[unit]) * gain[unit]
        )
    x, t = pieces.draw(rng, 2, 1)
    assert set(t.ravel()) == {0, 1} and x.min() < -0.1 and x.max() > 1.1


def test_without_standardising_inputs_are_the_bits(rng):
    x, _ = Pieces(rng=rng).draw(rng, 1, 2)
    assert set(x.ravel()) == {0, 1}


def test_chords_alone_are_standardised_too():
    pieces = Pieces(with_melody=False, standardise=True)
    x = pieces.scaled(pieces.stream(np.zeros((1, 1), int)))[:, :, 0]
    silent = encode_chords().max(0) == 0
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(x.std(0)[~silent], 1)
    assert (x[:, silent] == 0).all()
