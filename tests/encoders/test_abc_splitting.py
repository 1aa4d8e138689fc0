"""Files of ABC as they are found: where tunes begin and end, whatever wrote them."""

import pytest
from abc_text import HEAD, B, C, D, E, F, pitches

from encoders.abc import file_header, read_tune, split_tunes


def test_splitting():
    text = "free text\n\nX:1\nT:a\nK:C\nA\n\n\nX:2\nK:C\nB\nX:3\n\nK:C\n\nC"
    assert split_tunes(text) == [(3, "X:1\nT:a\nK:C\nA"), (9, "X:2\nK:C\nB"), (12, "X:3\n\nK:C\n\nC")]
    assert split_tunes("no tunes\n X:1") == []
    assert all(read_tune(tune, line) for line, tune in split_tunes(text))


def test_fields_of_the_file():
    text = "%abc-2.1\nM:6/8\nL:1/16 % short\n\nL:1/2\nX:1\nT:one\nK:C\nA\nX:2\nL:1/4\nK:C\nA"
    header = file_header(text)
    assert header == "%abc-2.1\nM:6/8\nL:1/16 % short"
    first, second = (read_tune(tune, line, header).score() for line, tune in split_tunes(text))
    assert first.meters == second.meters == ((0, 6, 8),)
    assert (4 * first.end, second.end) == (first.ticks_per_beat, second.ticks_per_beat)
    assert file_header("X:1\nK:C\nA") == file_header("") == ""


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", "\r\r\n"])
def test_ends_of_lines(end):
    text = "X:1\nT:One\nK:C\nC D|]\n\nX:2\nT:Two\nK:C\nE F|]\n".replace("\n", end)
    tunes = split_tunes(text)
    assert [line for line, _ in tunes] == [1, 6]
    assert [[n.pitch for n in read_tune(tune).score().notes()] for _, tune in tunes] == [[C, D], [E, F]]


def test_tunes_of_folk_rnn():
    text = "M:4/4\nK:Cmaj\n|: C 2 G E ^ D E F E :|\n\nM:6/8\nK:Cdor\n|: z 3 E G c 2 B /2 [C E] 2 :|\n"
    tunes = split_tunes(text)
    assert [line for line, _ in tunes] == [1, 5]
    score = read_tune(tunes[0][1]).score(repeats=False)
    assert [(n.start, n.pitch) for n in score.notes()][:4] == [(0, 60), (480, 67), (720, 64), (960, 63)]
    assert "a blank within a note" in str(read_tune(tunes[0][1]).problems)
    second = read_tune(tunes[1][1]).score(repeats=False).notes()
    assert [(n.start, n.duration) for n in second][-3:] == [(1680, 120), (1800, 480), (1800, 480)]
    assert split_tunes("no tune\n\nat all") == [] and split_tunes("T:a\nK:C\nC\n\nD|\n") == [
        (1, "T:a\nK:C\nC\n\nD|")
    ]


def test_the_encoding_of_mail_is_undone():
    tune = read_tune(HEAD + "C =3DB =\n^F=20\n=F2 =E|=20")
    assert [note.pitch for note in tune.score().notes()] == [C, B, 66, F, E] and tune.valid
    assert "the encoding of mail" in str(tune.problems) and tune.text == HEAD + "C =B \n^F\n=F2 =E|"
    assert pitches("=B2 =E\n=F") == [B, E, F] and not read_tune(HEAD + "=B2 A6|").problems
