"""The first of the damaged tunes that fuzz_abc.py makes, and that it would notice a fault."""

import pytest
from fuzz_abc import damaged, examine, sources

TUNES = [
    "X:1\nT:Plain\nM:6/8\nL:1/8\nK:D\n|:dAF DFA|ded cBA|1 dcd efg:|2 d3 d2e||f>ef d<cd|(3ABc {g}A2z [Ad]3|]",
    "X:2\nT:Voices\nM:4/4\nL:1/8\nP:A2(BA)2\nV:1 clef=treble-8\nV:2\nK:Gmix=f\nP:A\n[V:1] G4 & B4|Z|\n"
    "V:2\nd8|\nP:B\nV:1\n^/c2 _B2 A4-|A8:|\n",
    "M:4/4\nK:Cmaj\n|: C 2 G E D E F E | G C G A G 2 G F :|\n\nM:6/8\nK:Cdor\n|: C E G c 2 B :|\n",
    'X:4\nT:Odd\nL:1/16\nK:HP\n"Am"+CE+2 !fine!A2 .B2 ~c2 | (10:6:4ABcd [M:3/4] e12 "D.C."|]\n\nText behind.',
]


def test_damaged_tunes_are_read_or_refused():
    outcomes = [examine(damaged(TUNES, number)) for number in range(300)]
    assert 100 < outcomes.count("read") < 290 and len(set(outcomes)) > 3


@pytest.mark.slow
@pytest.mark.data
def test_damaged_tunes_of_collections(data_folder):
    originals = sources([data_folder / name for name in ("irish_mit", "odd_abc", "reader_cases")])
    assert len(originals) > 800
    outcomes = [examine(damaged(originals, number)) for number in range(150)]
    assert 75 < outcomes.count("read") < 150


def test_a_fault_would_be_noticed(monkeypatch):
    assert examine(TUNES[0].encode()) == "read"
    with monkeypatch.context() as patch:
        patch.setattr("fuzz_abc.write_tune", lambda score: TUNES[0])
        with pytest.raises(AssertionError, match="does not come back"):
            examine(TUNES[1].encode())
    monkeypatch.setattr("encoders.abc.bar_lines.endings_of", lambda text: tuple(map(int, text.split("-"))))
    with pytest.raises(ValueError, match="invalid literal"):
        examine(TUNES[0].replace("|1 ", "|1,2 ").encode())


def test_damage_can_be_repeated():
    assert [damaged(TUNES, n) for n in range(20)] == [damaged(TUNES, n) for n in range(20)]
    assert len({damaged(TUNES, n) for n in range(20)}) == 20
