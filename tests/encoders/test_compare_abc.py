"""The comparison with abc2midi: it finds the reasons; and both play the Irish tunes alike."""

import shutil

import pytest
from abc_text import HEAD
from compare_abc import WAYS, alike, main, ours, plainer, reason

from encoders.abc import read_tune, split_tunes

needs_abc2midi = pytest.mark.skipif(not shutil.which("abc2midi"), reason="needs abc2midi")


@needs_abc2midi
@pytest.mark.parametrize(
    "body, kind",
    [
        ("C2 D>E|(3FGA [Bc]2|z4|", None),
        ("C2 D2||E2 F2:|", "repeats without a beginning"),
        ("R:hornpipe\nCDEF GABc|", "even notes of hornpipes"),
        ("~C4 .D4|", "ornaments and staccato"),
        ("+CE+ F4|", "chords of the old kind"),
        ("{^c}d4 c4|", "accidentals of grace notes"),
        ("M:3/4\n(5CDEFG A2|", "tuplets in simple meters of three"),
        ("C4|\n\nD4|", "music after an empty line"),
        ("C4|1 D4:|2 E4||F4:|", "repeats without a beginning"),
    ],
)
def test_why_two_programs_differ(body, kind):
    head = HEAD.replace("M:4/4\n", "") if "M:" in body else HEAD
    field, _, rest = body.partition("\n") if body[1:2] == ":" else ("", "", body)
    text = head.replace("K:C\n", f"{field}\nK:C\n".lstrip("\n")) + rest
    assert reason((text, 1, "")) == kind


def test_notes_are_the_same_but_for_rounding():
    notes = ours(HEAD + "(3CDE|F4")
    assert alike(notes, [(start + 0.001, duration - 0.002, pitch) for start, duration, pitch in notes])
    for other in ([], notes[:-1], [(0, 1, 60), *notes[1:]], [(*notes[0][:2], 61), *notes[1:]]):
        assert not alike(notes, other)


def test_each_way_keeps_what_is_plain():
    text = HEAD + "C2 D2|E4|]"
    assert plainer(text, read_tune(text), list(WAYS)) == (text, ("-OCC",))


@needs_abc2midi
@pytest.mark.data
def test_the_irish_tunes(irish):
    """The same notes, but where a repeat has no beginning: the standard lets it begin at a double bar."""
    kinds = [reason((tune, line, "")) for line, tune in split_tunes(irish)[::16]]
    assert kinds.count(None) >= 0.93 * len(kinds)
    assert set(kinds) <= {None, "repeats without a beginning"}


def test_without_abc2midi_nothing_is_compared(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["."]) == 0 and "nothing is compared" in capsys.readouterr().out
