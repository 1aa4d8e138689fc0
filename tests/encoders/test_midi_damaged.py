"""Damaged MIDI files: what is whole is read, what is not is told, and what came before a damage stays."""

import re
import struct
import tracemalloc
import warnings

import pytest
from midi_bytes import END, chunk, control, events, midi_bytes, off, on, read_bytes, times_and_pitches

from encoders.midi import MidiError, MidiWarning
from encoders.midi.reader import parse
from encoders.midi.track import MAX_REPAIRS

FOUR = events(*[(ticks, message(60 + k)) for k in range(4) for ticks, message in ((0, on), (96, off))])
NOTES = [(96 * k, 96 * k + 96, 60 + k) for k in range(4)]
TEMPO = bytes([0, 0xFF, 0x51, 3, 7, 0xA1, 0x20])
SECOND = events((0, on(48, 1)), (96, off(48, 1)))
BOTH = [(0, 96, 48), *NOTES]
OPEN = FOUR[: -len(END)]  # a track without its end
LONG = b"\x80\x80\x80\x80"  # what makes a number too long
SYSEX = b"\0\xf0%c\x7e\x7f\x09\x01\xf7"  # a system exclusive message
LATE = bytes([127, *on(72), 96, *off(72)]) + END
RUNNING = bytes([0, 0x90, 61, 80, 0, 0xFF, 1, 1, 65, 96, 61, 0])
LACKING = [*NOTES, (384 + 255, 384 + 351, 72)]


def riff(content, before=b"", length=None, behind=b""):
    length = len(content) if length is None else length
    whole = b"RMID" + before + b"data" + struct.pack("<L", length) + content + behind
    return b"RIFF" + struct.pack("<L", len(whole)) + whole


def header(kind=1, count=1, division=96, length=6, name=b"MThd", extra=b""):
    return name + struct.pack(">LHHH", length, kind, count, division) + extra


def smf(*tracks):
    return midi_bytes(*tracks, division=96)


def two(first=FOUR, length=None, padding=0, name=b"MTrk"):
    """Two tracks, something wrong with the first's length or between them."""
    return header(count=2) + chunk(first, length=length) + bytes(padding) + chunk(SECOND, name)


MTRK, SMF = chunk(FOUR), smf(FOUR)
LIST = b"LIST" + struct.pack("<L", 6) + b"INFOab"

WHOLE = {
    "a RIFF wrapper": (riff(SMF), NOTES),
    "a RIFF wrapper with other chunks": (riff(SMF, LIST, behind=LIST), NOTES),
    "a RIFF wrapper whose length is wrong": (riff(SMF, length=7), NOTES),
    "a stray byte at the end": (SMF + b"\n", NOTES),
    "a thousand bytes at the end": (SMF + bytes(range(250)) * 4, NOTES),
    "zeros after the end of a track": (smf(FOUR + bytes(9), SECOND), BOTH),
    "no end of track": (smf(OPEN, SECOND), BOTH),
    "a longer header": (header(length=8, extra=b"ab") + MTRK, NOTES),
    "a chunk of another kind": (header() + chunk(b"abc", b"XYZW") + MTRK + chunk(b"d", b"XYZW"), NOTES),
    "chunks of other kinds": (header() + chunk(b"abc", b"XYZW") + chunk(b"d", b"XYZ2") + MTRK, NOTES),
    "an end of track hours later": (smf(OPEN + b"\xff\xff\xff\x7f" + END[1:]), NOTES),
    "a message in two parts": (
        smf(b"\0\xf0\2\x7e\x7f\x05\xf7\3\x09\x01\xf7" + b"\0\xf0\0" + FOUR),
        [(5 + a, 5 + b, c) for a, b, c in NOTES],
    ),
    "real-time messages": (smf(bytes([0, 0xF8, 0, 0xFE, 0, 0xF6]) + FOUR), NOTES),
}

MENDED = {
    "bytes before the header": (b"\r\n" * 64 + SMF, NOTES, "128 bytes stand before its header"),
    "a header of another name": (header(name=b"MTxd") + MTRK, NOTES, "its header is named 'MTxd'"),
    "a header's length, too long": (header(length=70) + MTRK, NOTES, "its header promises 70 bytes"),
    "a header's length, too short": (header(length=5) + MTRK, NOTES, "its header promises 5 bytes"),
    "a header's length, absurd": (header(length=2**32 - 1) + MTRK, NOTES, "its header promises 4294967295"),
    "an unknown type": (header(kind=9) + MTRK, NOTES, "its type is 9, expected 0, 1 or 2"),
    "fewer tracks": (header(count=2) + MTRK, NOTES, "it has 1 tracks where its header promises 2"),
    "no track promised": (header(count=0) + MTRK, NOTES, "it has 1 tracks where its header promises 0"),
    "more tracks": (header() + MTRK + chunk(SECOND), BOTH, "it has 2 tracks where its header promises 1"),
    "another file behind": (SMF + midi_bytes(SECOND), NOTES, "another file follows"),
    "a length beyond the file": (header() + chunk(FOUR, length=147), NOTES, "promises 147 bytes, 36 follow"),
    "a length beyond the next track": (two(length=56), BOTH, "promises 56 bytes, its events take 36"),
    "a length to the end of the file": (two(length=56), BOTH, "its events take 36"),
    "a length of nothing": (two(length=0), BOTH, "promises 0 bytes, its events take 36"),
    "a length in the middle of an event": (two(length=13), BOTH, "promises 13 bytes"),
    "a length at the end of an event": (two(length=16), BOTH, "promises 16 bytes"),
    "a length just before the end": (header() + chunk(FOUR, length=31), NOTES, "its events take 36"),
    "a length without an end of track": (two(OPEN, length=99), BOTH, "promises 99 bytes"),
    "padding between chunks": (two(padding=1), BOTH, "1 bytes between chunks belong to none"),
    "padding after the header": (header() + b"\r" + MTRK, NOTES, "1 bytes between chunks"),
    "much padding": (two(padding=500), BOTH, "500 bytes between chunks"),
    "a track of another name": (header() + chunk(FOUR, b"MTrj"), NOTES, "chunk 'MTrj' is read as a track"),
    "the second of another name": (two(name=bytes(4)), BOTH, "is read as a track"),
    "events after the end of a track": (smf(FOUR + SECOND), NOTES, "12 bytes after the end of a track"),
    "a tempo of two bytes": (smf(b"\0\xff\x51\2\7\xa1" + FOUR), NOTES, "0x51 has 2 bytes, expected 3"),
    "a tempo that says two bytes": (smf(b"\0\xff\x51\2\7\xa1\x20" + FOUR), NOTES, "0x51 has 2 bytes"),
    "a tempo that says four bytes": (smf(b"\0\xff\x51\4\7\xa1\x20" + FOUR), NOTES, "0x51 has 4 bytes"),
    "a tempo of five bytes": (smf(b"\0\xff\x51\5\7\xa1\x20ab" + FOUR), NOTES, "0x51 has 5 bytes"),
    "a tempo beyond its track": (smf(b"\0\xff\x51\x7e\7\xa1\x20" + FOUR), NOTES, "event 0xff is longer than"),
    "a message that says too much": (
        smf(SYSEX % 20 + FOUR),
        NOTES,
        "event 0xf0 promises 20 bytes, it takes 5",
    ),
    "a message that says too little": (smf(SYSEX % 2 + FOUR), NOTES, "event 0xf0 promises 2 bytes"),
    "a message beyond its track": (smf(SYSEX % 127 + FOUR), NOTES, "event 0xf0 is longer than its track"),
    "a meter of two bytes": (smf(b"\0\xff\x58\2\3\2" + FOUR), NOTES, "0x58 has 2 bytes, expected 4"),
    "a key of one byte": (smf(b"\0\xff\x59\1\0" + FOUR), NOTES, "0x59 has 1 bytes, expected 2"),
    "an end of track of one byte": (
        smf(OPEN + b"\0\xff\x2f\1\0", SECOND),
        BOTH,
        "0x2f has 1 bytes, expected 0",
    ),
    "a long number in front": (smf(LONG + b"\0" + FOUR[1:]), NOTES, "a number takes more than four bytes"),
    "a long number in the middle": (smf(FOUR[:4] + LONG + FOUR[4:]), NOTES, "more than four bytes"),
    "a long length of a text": (smf(b"\0\xff\1" + LONG + b"\2hi" + FOUR), NOTES, "more than four bytes"),
    "a number that is absurd": (smf(OPEN + b"\xff" * 6 + LATE), NOTES, "a number takes more than four bytes"),
    "a note beyond all music": (smf(OPEN + b"\xff\xff\xff" + LATE)[:-1], NOTES, "100000 quarter notes"),
    "a note an hour later": (smf(OPEN + b"\xa1\xca" + LATE)[:-1], NOTES, "than 10 minutes with 5 notes"),
    "a last event cut off": (smf(FOUR)[:-5], NOTES[:3], "ends in the middle of an event"),
    "a track cut off": (smf(FOUR[:-5], SECOND), [*BOTH[:-1]], "ends in the middle of an event"),
    "a text cut off": (smf(OPEN + b"\0\xff\1\x60abc"), NOTES, "in the middle of an event"),
    "a status missing": (smf(b"\0\x30\x40" + FOUR), NOTES, "data byte 0x30 .* begin; 3 bytes are left out"),
    "a track without any status": (smf(b"\0\x30\x40" * 9, FOUR), NOTES, "data byte 0x30 where an event"),
    "a data byte missing": (
        smf(OPEN + b"\0\x90\x46\x81" + LATE),
        LACKING,
        "byte 0x81 where a data byte should be",
    ),
    "a velocity above 127": (smf(bytes([0, 0x90, 60, 200, 96, 0x80, 60, 0]) + END), NOTES[:1], "above 127"),
    "running status after a meta event": (
        smf(OPEN[:8] + b"\0\xff\1\1a" + RUNNING + END),
        NOTES[:2],
        "^[^:]*: a message leaves out the status that a meta .* cancelled$",
    ),
    "running status after a system exclusive message": (
        smf(OPEN[:4] + SYSEX % 5 + bytes([96, 60, 0]) + END),
        NOTES[:1],
        "a message leaves out the status",
    ),
    "a lost note-off": (smf(FOUR[:4] + FOUR), NOTES, "1 note-offs are missing"),
}


@pytest.mark.parametrize("data, notes", WHOLE.values(), ids=WHOLE)
def test_what_is_whole_is_read_without_a_word(tmp_path, data, notes):
    score = read_bytes(tmp_path, data, strict=True)
    assert times_and_pitches(score) == sorted(notes)


@pytest.mark.parametrize("data, notes, finding", MENDED.values(), ids=MENDED)
def test_what_is_damaged_is_read_with_a_warning_or_refused_if_strict(tmp_path, data, notes, finding):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        score = read_bytes(tmp_path, data)
    assert times_and_pitches(score) == sorted(notes)
    lines = [str(warning.message) for warning in caught]
    assert all(
        warning.category is MidiWarning and warning.filename == read_bytes.__code__.co_filename
        for warning in caught
    )
    assert all(line.startswith(f"{tmp_path / 'file.mid'}: ") and "\n" not in line for line in lines)
    assert any(re.search(finding, line) for line in lines), lines
    with pytest.raises(MidiError, match="cannot read .* as MIDI: "):
        read_bytes(tmp_path, data, strict=True)


def test_meta_events_of_a_wrong_length_are_understood(tmp_path):
    for tempo in (b"\0\xff\x51\2\x0f\x42\x40", b"\0\xff\x51\4\x0f\x42\x40", b"\0\xff\x51\5\x0f\x42\x40ab"):
        with pytest.warns(MidiWarning):
            assert read_bytes(tmp_path, midi_bytes(tempo + FOUR)).tempos == ((0, 60.0),)


@pytest.mark.parametrize("ticks", [b"\xff\xff\xff", b"\xa1\xca"])
def test_a_whole_file_that_lasts_too_long_is_refused(tmp_path, ticks):
    with pytest.raises(
        MidiError, match="longer than 100000 quarter notes|longer than 10 minutes with 5 notes"
    ):
        read_bytes(tmp_path, smf(OPEN + ticks + LATE))


def six_strikes(*lost):
    """Six strikes of a key, each a beat long, a beat apart; some of their releases are lost."""
    track, ticks = b"", 0
    for k in range(12):
        if k not in lost:
            track += bytes([ticks, *(off if k % 2 else on)(60)])
            ticks = 0
        ticks += 10
    return midi_bytes(track + bytes([ticks - 10]) + END[1:], division=10)


def lengths(score):
    return [note.duration for note in score.notes()]


def test_a_lost_note_off_lengthens_one_note_only(tmp_path):
    assert lengths(read_bytes(tmp_path, six_strikes())) == [10] * 6
    for lost in range(1, 12, 2):
        with pytest.warns(MidiWarning, match="1 note-offs are missing"):
            score = read_bytes(tmp_path, six_strikes(lost))
        assert lengths(score) == [20 if k == lost // 2 and k < 5 else 10 for k in range(6)]
    with pytest.warns(MidiWarning, match="6 note-offs are missing"):
        assert lengths(read_bytes(tmp_path, six_strikes(*range(1, 12, 2)))) == [20] * 5 + [10]


def test_a_note_that_hangs_does_not_last_for_hours(tmp_path):
    track = bytes([0, *on(60), 10, *on(61), 10, *off(61)]) + b"\x83\xff\x7f" + END[1:]
    with pytest.warns(MidiWarning, match="1 note-offs are missing"):
        score = read_bytes(tmp_path, midi_bytes(track, division=1))
    assert times_and_pitches(score) == [(0, 20 + 256, 60), (10, 20, 61)]
    feet = bytes([0, *control(64, 127), 0, *on(60), 1, *off(60)]) + b"\x83\xff\x7f" + END[1:]
    assert times_and_pitches(read_bytes(tmp_path, midi_bytes(feet, division=1), pedal=True)) == [(0, 257, 60)]


def test_a_cut_file_loses_nothing_that_ended_before(tmp_path):
    whole = smf(TEMPO + FOUR, SECOND)
    ends = [18, *(whole.index(bytes([96, *off(pitch)])) + 4 for pitch in (60, 61, 62, 63))]
    for size in range(22, len(whole)):
        complete = sum(end <= size for end in ends[1:])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MidiWarning)
                found = times_and_pitches(read_bytes(tmp_path, whole[:size]))
        except MidiError:
            found = []
        assert [note for note in NOTES if note in found][:complete] == NOTES[:complete]


def test_kinds_are_told_once(tmp_path):
    bad = b"\0\xff\x58\4\4\xc8\x18\x08"
    with pytest.warns(MidiWarning) as caught:
        read_bytes(tmp_path, smf(bad * 30 + FOUR))
    assert [str(w.message).partition(": ")[2] for w in caught] == [
        "a tempo, meter or key means nothing (and 29 more)"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 300_000,
        b"\0\xff\x51\2\7\xa1\x20" * 40_000,
        b"\0\xff\x51\x80\x80\x80\x80\3\7\xa1\x20" * 30_000,
        b"\0\x90\x3c\x81" * 60_000,
        bytes([0, *on(60), 0, 0x90, 61, 0x81, 1, *on(62), 0, 0xF8]) * 20_000,
        b"\x01\x02\x90" * 90_000,
        b"\0\xf0\x7f" * 90_000,
        bytes([0, *on(60)]) * 60_000,
        bytes([0, *on(60), 0, *on(61), 0, *control(123, 0)]) * 20_000,
    ],
    ids=range(9),
)
def test_the_work_grows_no_faster_than_the_file(data, monkeypatch):
    import encoders.midi.track as track

    asked = 0

    def counted(*arguments):
        nonlocal asked
        asked += 1
        return reads_well(*arguments)

    reads_well = track.reads_well
    monkeypatch.setattr(track, "reads_well", counted)
    tracemalloc.start()
    _, findings = parse(smf(FOUR, data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(findings) < 10
    assert asked <= MAX_REPAIRS * 300 + len(data) and peak < 100e6


def test_a_million_tracks_are_walked_once():
    data = header(count=65_535) + MTRK + (b"MTrk\0\0\0\x09" + bytes([0, *on(60)])) * 70_000
    score, findings = parse(data)
    assert times_and_pitches(score)[:1] == [(0, 96, 60)]
    assert len(findings) < 6


def test_cases_of_others(data_folder):
    four = [(480 * k, 480 * k + 480, 60 + k) for k in range(4)]
    six = [(480 * k, 480 * k + 480, 60) for k in (0, 1, 3, 5, 7, 9)]
    expected = {
        "riff_wrapped.mid": (four, []),
        "karaoke_extension.kar": (four, []),
        "one_note_off_lost.mid": (six, ["1 note-offs are missing"]),
        "two_tracks_promised_one_there.mid": (four, ["it has 1 tracks where its header promises 2"]),
        "length_byte_of_track_wrong.mid": (four, ["chunk 'MTrk' promises 147 bytes, 47 follow"]),
    }
    folder = data_folder / "reader_cases"
    found = {path.name for path in folder.iterdir() if path.suffix in (".mid", ".kar")}
    assert found == expected.keys()
    for name, (notes, lines) in expected.items():
        score, findings = parse((folder / name).read_bytes())
        assert times_and_pitches(score) == notes and list(findings) == lines, name
