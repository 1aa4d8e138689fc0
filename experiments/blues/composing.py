"""From a trained network to MIDI and sound, chorus by chorus, in memory that does not grow."""

import contextlib
from dataclasses import dataclass, field

import numpy as np

from encoders.audio.rendering import WavWriter
from encoders.midi import MidiError, MidiWriter, read_midi
from encoders.score import Note
from encoders.tokens.blues import (
    BARS,
    BEATS,
    CHORD_LOW,
    CHORD_UNITS,
    MELODY_LOW,
    MELODY_UNITS,
    BluesFormat,
    encode,
    encode_chords,
    encode_melody,
)
from experiments.blues.recipes import rules

TICKS = 480  # a quarter note
PRIME_NOTES = 24  # at most, as in the report
TRACKS = (("chords", 0), ("melody", 0))
VELOCITIES = 68, 104  # of chords and melody
PANS = -0.25, 0.2
RATES = 44100, 32000, 22050, 16000  # Hertz: hours of music get a lower one
WAV_LIMIT = 2**32 - 2**16  # bytes; what a WAV file's header can count
RINGING = 60  # seconds that are kept free for the sound of the last note


def prime_from_piece(number, notes, form=BluesFormat()):
    """The first quarter notes of a piece, with their chords: bits (steps, D)."""
    steps = notes * form.beat
    return np.hstack([encode_chords(form)[:steps], encode_melody(number, form)[:steps]])


def prime_from_midi(path, form=BluesFormat()):
    """A MIDI file of up to 24 melody notes as bits (steps, D).

    Notes 60..72 are melody, one at a time; notes 48..59 are chords. Without any, the chords are those of the
    twelve bars.

    Raises MidiError if the file cannot be read, holds no melody or more than 24 notes of it, notes outside
        48..72, or two melody notes at one time.
    """
    score = read_midi(path)
    tick = score.ticks_per_beat / form.beat  # ticks a time step
    melody, chords = [], []
    for note in score.notes():
        start, stop = round(note.start / tick), round(note.end / tick)
        if not CHORD_LOW <= note.pitch < MELODY_LOW + MELODY_UNITS:
            raise MidiError(
                f"{path}: expected notes {CHORD_LOW}..{MELODY_LOW + MELODY_UNITS - 1}, got {note.pitch}"
            )
        (melody if note.pitch >= MELODY_LOW else chords).append((start, max(stop - start, 1), (note.pitch,)))
    if not 1 <= len(melody) <= PRIME_NOTES:
        raise MidiError(f"{path}: expected 1..{PRIME_NOTES} melody notes (60..72), got {len(melody)}")
    for (start, length, _), (following, _, _) in zip(melody, melody[1:], strict=False):
        if start + length > following:
            raise MidiError(f"{path}: expected one melody note at a time, got two at step {following}")
    steps = -(-max(start + length for start, length, _ in melody) // form.beat) * form.beat
    if steps > form.steps:
        raise MidiError(f"{path}: expected at most {BARS} bars, got {steps / form.steps_per_bar:.3g}")
    chord_bits = encode_chords(form)[:steps]
    if chords:
        chord_bits = encode(
            [(s, d, p) for s, d, p in chords if s < steps], CHORD_LOW, CHORD_UNITS, form, steps
        )
    return np.hstack([chord_bits, encode(melody, MELODY_LOW, MELODY_UNITS, form, steps)])


def choruses(network, pieces, prime, count, rng, temperature=1.0):
    """Yield `count` choruses of bits (steps, D); the first begins with `prime`, (T, D).

    A fresh start: the network is reset first, and hears `pieces.warm_up` training choruses.
    """
    form, network_rules = pieces.form, rules(network, pieces.form)
    network.reset()
    if pieces.warm_up:
        network.listen(pieces.scaled(pieces.stream(pieces.training[: pieces.warm_up, None]))[:, :, 0])
    heard = prime
    for _ in range(count):
        first = prime if heard is prime else heard[:0]
        new = network.play(heard, form.steps - len(first), network_rules, rng, temperature, pieces.scaling)
        chorus = np.vstack([first, new])
        yield chorus
        heard = chorus[-1:]


@dataclass
class Player:
    """Turns bits into notes as they come. A chord is struck at each bar line and wherever it changes; a
    melody note lasts until another pitch (or a rest, or an onset) comes, as the network hears it, but is
    struck anew after a whole chorus.

    `feed` returns (chord notes, melody notes, until): all notes that begin before `until`, in ticks.
    """

    form: BluesFormat
    step: int = 0
    held: dict = field(default_factory=dict)  # pitch -> start, of sounding melody notes

    def feed(self, bits):
        """Notes of a stretch of bits (T, D), T a number of whole bars."""
        form, width = self.form, self.form.chord_units
        ticks = TICKS // form.beat
        chords, melody = [], []
        for bar in range(0, len(bits), form.steps_per_bar):
            chords += self.chords(bits[bar : bar + form.steps_per_bar, :width], self.step + bar, ticks)
        for at, row in enumerate(bits[:, width:]):
            sounding = {MELODY_LOW + int(k) for k in np.flatnonzero(row[:MELODY_UNITS])}
            onset, now = form.endings == "onset" and row[MELODY_UNITS], self.step + at
            for pitch, start in list(self.held.items()):
                if onset or pitch not in sounding or now - start == form.steps:
                    melody.append(self.end(pitch, now, ticks, rest=not sounding))
            for pitch in sounding - self.held.keys():
                self.held[pitch] = now
        self.step += len(bits)
        until = min([self.step, *self.held.values()]) * ticks
        return chords, sorted(melody, key=lambda note: note.start), until

    def finish(self):
        """The melody notes that still sound."""
        ticks = TICKS // self.form.beat
        return [self.end(pitch, self.step, ticks) for pitch in list(self.held)], self.step * ticks

    def end(self, pitch, step, ticks, rest=False):
        start = self.held.pop(pitch)
        step += rest and self.form.endings == "gap"  # the zero at the end belongs to the note
        return Note(start * ticks, (step - start) * ticks, pitch, VELOCITIES[1])

    def chords(self, bar, start, ticks):
        pitches, onset = bar[:, :CHORD_UNITS], bar[:, CHORD_UNITS:].any(1)
        notes, begun = [], 0
        for at in range(1, len(bar) + 1):
            if at < len(bar) and not onset[at] and (pitches[at] == pitches[begun]).all():
                continue
            rest = (
                self.form.endings == "gap" and at < len(bar) and not pitches[at].any()
            )  # it belongs to the chord
            for unit in np.flatnonzero(pitches[begun]):
                notes.append(
                    Note(
                        (start + begun) * ticks,
                        (at + rest - begun) * ticks,
                        CHORD_LOW + int(unit),
                        VELOCITIES[0],
                    )
                )
            begun = at
        return notes


def seconds(choruses, bpm):
    """How long the music lasts."""
    return choruses * BARS * BEATS * 60 / bpm


def wav_bytes(choruses, bpm, rate):
    """The size of its WAV file: 16 bit, stereo."""
    return (seconds(choruses, bpm) + RINGING) * rate * 4


def wav_rate(choruses, bpm):
    """The sample rate for so much music, in Hertz: the first of RATES that fits into a WAV file, or None."""
    fitting = (rate for rate in RATES if wav_bytes(choruses, bpm, rate) <= WAV_LIMIT)
    return next(fitting, None)


def most_choruses(bpm):
    """How many choruses a WAV file holds, at the lowest rate."""
    return int((WAV_LIMIT / (RATES[-1] * 4) - RINGING) / seconds(1, bpm))


def perform(stream, form, bpm, midi_path, wav_path=None, rate=44100):
    """Write a stream of choruses as MIDI and, with the built-in instrument, as WAV; passes the choruses on,
    one at a time.

    Both files appear when the stream is used up, or not at all.
    """
    second = 60 / bpm / TICKS
    with contextlib.ExitStack() as stack:
        midi = stack.enter_context(MidiWriter(midi_path, TICKS, bpm, (BEATS, 4), TRACKS))
        wav = stack.enter_context(WavWriter(wav_path, rate)) if wav_path else None
        player, waiting = Player(form), ([], [])

        def write(until, *parts):
            timed = []
            for track, notes in enumerate(parts):
                ready = [n for n in waiting[track] + notes if n.start < until]
                waiting[track][:] = [n for n in waiting[track] + notes if n.start >= until]
                midi.add(track, ready, until)
                timed += [
                    (n.start * second, n.duration * second, n.pitch, n.velocity, PANS[track]) for n in ready
                ]
            if wav:
                wav.add(timed, until * second)

        for bits in stream:
            chords, melody, until = player.feed(bits)
            write(until, chords, melody)
            yield bits
        melody, until = player.finish()
        write(until, [], melody)
