"""From a trained network to music: beginnings, drawing, bars."""

from dataclasses import replace

import numpy as np

from encoders.midi import read_midi
from encoders.score import Score, Track
from experiments.common.errors import UserError
from scratchnet.generation.generate import generate

BEATS_PER_BAR = 4  # decoded scores are in 4/4 time
TOKENS_PER_BAR = 120  # more than any bar of the corpora has
PIANO = 0  # General MIDI


def beginning(encoder):
    """The tokens with which every piece begins: what an empty score has."""
    return np.array([encoder.bos, encoder.pad])


def primer(encoder, path, bars):
    """Tokens of the first bars of a MIDI file, up to the bar line.

    Raises UserError if the file has no notes there, or notes that the network does not know; MidiError if it
        cannot be read.
    """
    try:
        score = read_midi(path)
        if not score.notes():
            raise ValueError("it has no notes")
        return first_bars(encoder, score, bars)
    except OSError as error:
        raise UserError(f"--prime {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise UserError(f"--prime {path}: {error}") from None


def first_bars(encoder, score, bars):
    """Tokens of the first bars of a Score and a step to the next bar line; ValueError if there is no note."""
    heard = encoder.quantise(score)
    limit = bars * BEATS_PER_BAR * heard.ticks_per_beat
    notes = [note for note in heard.notes() if note.start < limit]
    if not notes:
        raise ValueError(f"it has no notes in its first {bars} bars")
    tokens = encoder.encode(Score(heard.ticks_per_beat, [Track("piano", notes)]))
    step = (limit - notes[-1].start) * encoder.steps_per_beat // heard.ticks_per_beat
    return np.concatenate([tokens, encoder.parse(f"xxsep d{step}")])


def steps_of(encoder, tokens):
    """How many steps of the grid tokens take, up to the last xxsep and with it."""
    return int(encoder.positions(np.append(tokens, encoder.end))[-1])


def seconds_of(encoder, tokens, score):
    """When the tokens at its beginning are over in a decoded score."""
    return score.seconds(steps_of(encoder, tokens) * score.ticks_per_beat / encoder.steps_per_beat)


def temperatures(encoder, settings):
    """The temperature after each token: of a duration after a note or xxsep, else of a note."""
    of_notes, of_durations = settings.temperature, settings.duration_temperature
    after = np.full(len(encoder), of_notes, float)
    if of_durations is not None:
        names = encoder.vocabulary
        notes = [n[0] == "n" and n[1:].isdigit() or k == encoder.sep for k, n in enumerate(names)]
        after[notes] = of_durations
    return after


def draw(network, encoder, begin, count, rng, settings):
    """Compose pieces that begin so: arrays of tokens, the beginning included.

    network : Sequential
    encoder : NoteDuration
    begin : array of tokens
    count : how many
    rng : numpy Generator
    settings : Drawing
    """
    allowed = encoder.allowed.copy()
    allowed[:, encoder.end] = False  # as long as was asked for
    wanted = steps_of(encoder, begin) + settings.bars * BEATS_PER_BAR * encoder.steps_per_beat
    pieces = generate(
        network, [begin] * count, settings.bars * TOKENS_PER_BAR, rng,
        stop=lambda tokens: steps_of(encoder, tokens) >= wanted, mask=allowed,
        temperature=temperatures(encoder, settings), top_p=settings.top_p,
        top_k=settings.top_k and min(settings.top_k, len(encoder)),
    )  # fmt: skip
    return [np.concatenate([begin, piece]) for piece in pieces]


def cut_at_restrikes(score):
    """A score in which a note ends where its key is struck again: MIDI cannot say anything else."""
    ends, notes = {}, []
    for note in reversed(score.notes()):
        until = min(note.end, ends.get(note.pitch, note.end))
        ends[note.pitch] = note.start
        notes.append(replace(note, duration=until - note.start))
    return replace(score, tracks=[replace(score.tracks[0], notes=notes)])


def as_score(encoder, tokens, given=0, bpm=None):
    """A Score of composed tokens: a track with what was given, if anything, and one with what was composed.

    given : how many tokens at the beginning were given
    """
    whole = cut_at_restrikes(encoder.decode(tokens, bpm))
    opening = {(note.start, note.pitch) for note in encoder.decode(tokens[:given], bpm).notes()}
    before, rest = [], []
    for note in whole.notes():
        (before if (note.start, note.pitch) in opening else rest).append(note)
    tracks = [Track("given", before, PIANO)] if before else []
    return Score(whole.ticks_per_beat, [*tracks, Track("composed", rest, PIANO)], whole.tempos)
