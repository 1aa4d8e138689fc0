"""ABC as it is found in collections: text that is no music, bars of all shapes, voices, parts, lengths."""

import pytest
from abc_text import HEAD, messages, notes, pitches

from encoders.abc import read_tune, split_tunes
from encoders.abc.bar_lines import kind_of
from encoders.abc.events import BOTH, DOUBLE, END, PLAIN, START
from encoders.abc.keys import parse_key, parse_shift
from encoders.abc.lines import field_of, is_prose, text_blocks
from encoders.abc.parts import MOST_PARTS, parse_order

A, B, C, D, E, F = 69, 71, 60, 62, 64, 65


# ------------------------------------------------------------------------------------- what is no music


@pytest.mark.parametrize(
    "text",
    [
        "A bad cabbage, added by me.",
        ":1646",
        "See also the other one",
        "Added by me",
        "A bad cabbage",
        "Cafe Bee",
    ],
)
def test_prose_after_an_empty_line_is_left_out(text):
    tune = read_tune(HEAD + f"C D|\n\n{text}\n\n{text}")
    assert [note.pitch for note in tune.score().notes()] == [C, D] and tune.valid
    assert tune.text == HEAD + "C D|"
    assert (
        any("text after an empty line is left out: 'A" in message for message in messages(tune.text)) is False
    )
    assert sum("text after an empty line" in problem.message for problem in tune.problems) == 2


@pytest.mark.parametrize(
    "music", ["E F|", "E2 F", "|: E F :|", "z E F2", "E/F/", "[M:3/4] E F|", '"Am"E F|', "TE .F|", "(E F)|"]
)
def test_music_after_an_empty_line_is_read(music):
    body = f"C D|\n\n{music}\n"
    assert {E, F} <= set(pitches(body)) and pitches(body)[:2] == [C, D]
    assert any("music after an empty line" in message for message in messages(HEAD + body))
    assert pitches(f"C D|\n\nSome text here\n\n{music}\n")[:2] == [C, D]


def test_an_empty_line_before_the_music_ends_nothing():
    assert pitches("\nC D E") == [C, D, E] and not any("empty" in m for m in messages(HEAD + "\nC D E"))
    assert pitches("\nPlayed by a band\n\nC D E") == [C, D, E]


def test_blocks_of_text_are_no_music():
    assert pitches("C|\n%%begintext\nA B c\n%%endtext\nD|") == [C, D]
    assert pitches("C|\n%%beginps\nA B c\n%%endtext\n%%endps\nD|") == [C, D]
    assert pitches("C|\n%%begintext\nD|") == [C, D]  # no end, no block
    assert text_blocks(["%%begintext", "%%begintext", "%%endtext", "%%endtext"]) == {0, 1, 2}
    text = "X:1\nK:C\nC|\n%%begintext\nX:2\nK:C\nD\n%%endtext\n\nX:3\nK:C\nE|"
    assert [line for line, _ in split_tunes(text)] == [1, 10]


def test_fields_in_the_body_are_no_music():
    for field in (
        "Z: by me",
        "C: Trad.",
        "A: Donegal",
        "B:a book",
        "G:grp",
        "H: a cab",
        "N:bed",
        "w: la la",
        "F:",
    ):
        assert pitches(f"C|\n{field}\nD|") == [C, D]
    assert pitches("d:|\nB:|:c:|\nA : :|") == pitches("d:|B:|:c:|A::|")
    assert field_of("A: |: b") is None and field_of("z:|") is None and field_of("A: b") == ("A", " b")
    assert field_of("A:|", header=True) == ("A", "|")


def test_words_within_the_music():
    assert pitches("C D\nThis is what they sang\nE F") == [C, D, E, F]
    assert not read_tune(HEAD + "C D\nThis is what they sang\nE").valid
    assert pitches("nC nD\nE", HEAD + "U:n = !tenuto!\n") == [C, D, E]
    assert not is_prose("kbB hc | mA", False, True) and is_prose("A2 lots of C", True, True) is not False


# -------------------------------------------------------------------------------------------- bar lines


@pytest.mark.parametrize(
    "signs, kind",
    [
        ("|", (PLAIN, 1)), ("[|]", (PLAIN, 1)), ("||", (DOUBLE, 1)), ("|]", (DOUBLE, 1)), ("[|", (DOUBLE, 1)),
        ("|:", (START, 1)), ("||:", (START, 1)), ("[|:", (START, 1)), ("|]:", (START, 1)),
        ("|[|:::", (START, 1)),
        ("|:|", (START, 1)), ("|::", (START, 1)), (":|", (END, 2)), (":||", (END, 2)), (":|]", (END, 2)),
        ("||:|", (END, 2)), ("|]:|", (END, 2)), ("[|]:|", (END, 2)), ("::|", (END, 3)), (":[|", (END, 2)),
        ("::", (BOTH, 2)), (":::", (BOTH, 2)), (":|:", (BOTH, 2)), (":||:", (BOTH, 2)), (":|]:", (BOTH, 2)),
        (":]", (END, 2)), ("[:", (START, 1)), (":|]|:", (BOTH, 2)), ("|||", (DOUBLE, 1)), ("::::", (BOTH, 3)),
    ],
)  # fmt: skip
def test_bar_lines_of_all_shapes(signs, kind):
    assert kind_of(signs) == kind


@pytest.mark.parametrize(
    "body, order",
    [
        ("|: C D |]:|", "CDCD"), ("|: C D [|]:|", "CDCD"), ("|: C ||:| D", "CCD"),
        ("C |[|: D :|]| E", "CDDE"),
        ("C ||\n:D :|", "CDD"), ("C ||\\\n:D :|", "CDD"), ("C | : D :|", "CDD"), ("C D : | E", "CDCDE"),
        ("C | 2D :|E", "CDCDE"),
        ("C |\n1 D :|\n2 E |]", "CDCE"), ("C | 1 D :| 2 E |]", "CDCE"), ("C |1 D :|2 E || F :|", "CDCEFF"),
        ("|: C |: D :|", "CCDD"), ("|: C |] |: D :|", "CCDD"), ("|: |: C :| D", "CCD"), ("|: C |]", "C"),
        ("C .| D :|", "CDCD"), ("C [|] D :|", "CDCD"), ("C [| D :|", "CDD"), ("C ||1 D :|2 E |]", "CDCE"),
    ],
)  # fmt: skip
def test_which_bar_lines_repeat(body, order):
    letters = dict(zip("CDEF", (C, D, E, F), strict=True))
    assert pitches(body) == [letters[letter] for letter in order]


def test_endings_that_are_none():
    for body in ("|1-2-3 C", "[1-2-3 C", "|1--2 C", "|1-0 C", "|0 C", "|5-3 C"):
        assert pitches("D " + body) == [D, C]
    assert pitches("C |1-3 D :|4 E |]") == [C, D, C, D, C, D, C, E]


# ----------------------------------------------------------------------------------------- keys, voices


@pytest.mark.parametrize(
    "key, name, accidentals",
    [
        ("Dmix=c", "G", {"F": 1}), ("D mix =c", "G", {"F": 1}), ("Gm^f", "Gm", {"E": -1, "B": -1, "F": 1}),
        ("Gm=e", "Gm", {"B": -1}), ("D^g_e", "D", {"F": 1, "C": 1, "G": 1, "E": -1}),
        ("^f_b", "C", {"F": 1, "B": -1}),
        ("exp _b", "C", {"B": -1}), ("Am clef=bass ^g", "Am", {"G": 1}), ("G treble-8", "G", {"F": 1}),
        ("D mix=c octave=-1", "G", {"F": 1}), ("G __b", "G", {"F": 1, "B": -2}),
    ],
)  # fmt: skip
def test_accidentals_of_keys(key, name, accidentals):
    found = parse_key(key)
    assert (found.name, found.accidentals) == (name, accidentals)


@pytest.mark.parametrize(
    "key, name",
    [("H", "B"), ("Es", "Eb"), ("Fis", "F#"), ("gm", "Gm"), ("Bn", "B"), ("Hm", "Bm"), ("As", "Ab")],
)
def test_keys_of_other_countries_are_read_with_a_word(key, name):
    with pytest.raises(ValueError, match="expected a key"):
        parse_key(key)
    assert parse_key(key, liberal=True).name == name
    (problem,) = read_tune(HEAD.replace("K:C", f"K:{key}") + "C8|").problems
    assert f"read as '{name}'" in problem.message and problem.severity == "warning" and problem.unheard


def test_what_clefs_shift():
    assert parse_shift("1 clef=treble-8 name=x") == {"clef": -12} and parse_shift("bass") == {"clef": 0}
    assert parse_shift("G treble+8va octave=-1 transpose=+3") == {"clef": 12, "octave": -12, "transpose": 3}
    assert parse_shift('V clef="treble-15"') == {"clef": -24} and parse_shift("trebles octave=x") == {}


@pytest.mark.parametrize(
    "voice, key, shift",
    [
        ("clef=treble-8", "C", -12), ("treble-8", "C", -12), ("octave=-1", "C", -12), ("transpose=2", "C", 2),
        ("bass", "C", 0), ("", "C treble-8", -12), ("clef=treble-8", "C treble-8", -12),
        ("octave=1", "C octave=-1", 12),
        ("transpose=2", "C octave=-1", -10),
    ],
)  # fmt: skip
def test_clef_octave_and_transpose_of_a_voice(voice, key, shift):
    head = HEAD.replace("K:C", f"V:1 {voice}\nK:{key}")
    assert pitches("V:1\nC D", head) == pitches("C D", head) == [C + shift, D + shift]
    body = f"V:1 {voice}\nC D|V:2\nE"
    assert pitches(body, HEAD.replace("K:C", f"K:{key}"))[:2] == [C + shift, D + shift]


def test_a_shift_goes_on_in_another_key():
    assert pitches("C [K:G] F|", HEAD.replace("K:C", "K:C treble-8")) == [48, 54]
    assert pitches("%%MIDI transpose -12\nC\nI:MIDI transpose 0\nD") == [48, 62]
    assert pitches("%%MIDI nobarlines\n^C C") == [61, 60]


def test_the_first_voice_that_sounds_is_read():
    assert pitches("V:1\nz4|\nV:2\nC D|\nV:3\nE|\nV:1\nz4|\nV:2\nE F|") == [C, D, E, F]
    assert pitches("[V:T1] z4 | [V:B] C D |") == [C, D]
    assert pitches("C|\nV:2\nD|\nV:1\nE|") == [C, E]  # music without a voice is the first one's
    head = HEAD.replace("K:C", "V:T\nV:B\nK:C")
    assert pitches("C|\nV:B\nD|\nV:T\nE|", head) == [C, E]
    assert sum("one voice" in message for message in messages(HEAD + "V:1\nC\nV:2\nD\nV:1\nC\nV:2\nD")) == 1


def test_overlays_are_left_out_up_to_the_bar_line():
    assert notes("c4 & C4|G A|") == [(0, 4, 72), (4, 1, 67), (5, 1, 69)]
    assert notes("c2 & C2 & E2|G && C2|D|F") == [(0, 2, 72), (2, 1, 67), (3, 1, 65)]
    assert pitches("(&C | D & E | F &) | G") == [C, D, 67]
    assert pitches("(3CD & EFG|E F") == [C, D, E, F] and pitches("[CE & F] | G")[-1] == 67


# -------------------------------------------------------------------------------------- order of parts


@pytest.mark.parametrize(
    "text, order",
    [
        ("ABA", "ABA"), ("A2B3", "AABBB"), ("A.B.A", "ABA"), ("(AB)3", "ABABAB"),
        ("((AB)2C)2A", "ABABCABABCA"),
        ("A B  C", "ABC"), ("(A(BC)2)2", "ABCBCABCBC"), ("A12", 12 * "A"), ("A0B", "B"), ("a", "a"),
    ],
)  # fmt: skip
def test_orders_of_parts(text, order):
    assert parse_order(text) == order


@pytest.mark.parametrize("text", ["", "A(", "A)", "()", "(2A)", "A,B", "A-B", "2", "A!", "A0"])
def test_what_is_no_order(text):
    with pytest.raises(ValueError, match="an order of parts"):
        parse_order(text)


def test_orders_beyond_measure():
    assert len(parse_order(f"A{MOST_PARTS}")) == MOST_PARTS
    for text in (f"A{MOST_PARTS + 1}", "((((A99)99)99)99)99", "(" * 5000 + "A" + ")2" * 5000):
        with pytest.raises(ValueError, match="at most 1000 parts"):
            parse_order(text)


@pytest.mark.parametrize(
    "order, body, heard",
    [
        ("ABA", "P:A\nC|D|\nP:B\nE|F|]", "CDEFCD"), ("((AB)2A)2", "[P:A]C|[P:B]E|", "CECECCECEC"),
        ("AB", "C|\nP:A\nD|\nP:B\nE|", "CDE"), ("AAB", "P:A\n|:C:|\nP:B\nD|1E:|2F|]", "CCCCDEDF"),
        ("AB", "P:A\nC|\nP:B\nD:|", "CDD"), ("AX", "P:A\nC|\nP:B\nD|", "C"), ("BA", "C|D|", "CD"),
        ("what, now", "P:A\nC|\nP:B\nD|", "CD"), ("AB", "V:1\nP:A\nC|\nV:2\nF|\nP:B\nV:1\nD|\nV:2\nF|", "CD"),
    ],
)  # fmt: skip
def test_parts_in_their_order(order, body, heard):
    letters = dict(zip("CDEF", (C, D, E, F), strict=True))
    head = HEAD.replace("K:C", f"P:{order}\nK:C")
    assert pitches(body, head) == [letters[letter] for letter in heard]


def test_parts_that_are_missing_or_left_out_are_named():
    head = HEAD.replace("K:C", "P:AXA\nK:C")
    told = messages(head + "P:A\nC|\nP:B\nD|")
    assert "1:1 the order of parts asks for 'X', which is not there" in told
    assert "1:1 the order of parts leaves out 'B'" in told
    score = read_tune(head.replace("AXA", "ABA") + "P:A\nC8|\nP:B\n[K:G][M:3/4]F6|").score()
    assert score.keys == ((0, "C"), (1920, "G"), (3360, "C"))
    assert score.meters == ((0, 4, 4), (1920, 3, 4), (3360, 4, 4))


# ------------------------------------------------------------------------------------------ the rest


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


def test_micro_tones_are_rounded_and_take_their_time():
    assert notes("^/c2 _/B ^3/2c _3/4d c") == [(0, 2, 72), (2, 1, 71), (3, 1, 73), (4, 1, 73), (5, 1, 73)]
    assert pitches("{^/c}d")[-1] == 74


def test_no_time_is_lost_by_what_cannot_sound():
    assert notes("A0 B") == [(0, 1, A), (1, 1, B)] and notes("A//2 B/0 A") == [
        (0, 0.25, A),
        (0.25, 1, B),
        (1.25, 1, A),
    ]
    assert notes("C,,,,,, D") == [(1, 1, D)] and notes("[C,,,,,,D] E") == [(0, 1, D), (1, 1, E)]


def test_bars_of_rest_fill_their_bars():
    assert notes("Z2|A") == [(16, 1, A)] and notes("X3|A") == [(24, 1, A)]
    assert [bar.fills for bar in read_tune(HEAD + "A8|Z4|A8|").bars] == [True] * 3
    none = HEAD.replace("4/4", "none")
    assert notes("Z|A", none) == [(8, 1, A)] and "4/4 is taken" in str(messages(none + "Z|A"))


# -------------------------------------------------------------------------- the cases of the data folder


RIGHT = {
    "bar_shapes_end_repeat.abc": [[C, D, E, F, 67, 69, 71, 72] * 2],
    "cr_line_ends.abc": [[C, D, E, F], [67, 69, 71, 72]],
    "folk_rnn.abc": [[60, 67, 64, 62, 64, 65, 64, 67, 60, 67, 69, 67, 67, 65] * 2,
                     [60, 63, 67, 72, 70, 69, 65, 62, 60] * 2],
    "key_with_glued_accidental.abc": [[66, 69, 72, 74]],
    "overlay.abc": [[72, 67, 69, 71, 72]],
    "part_order.abc": [[C, D, E, F, C, D]],
    "prose_after_blank_line.abc": [[C, D, E, F, 67, 69, 71, 72], [72, 71, 69, 67]],
    "render_says_nothing.abc": [[72], [60, 67, 64, 62, 64, 65, 64] * 2],
    "tuplets.abc": [[72] * 6],
    "voice_clef_octave_transpose.abc": [[48, 50, 52, 53]],
}  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", RIGHT)
def test_reader_cases(data_folder, name):
    path = data_folder / "reader_cases" / name
    if not path.exists():
        pytest.skip(f"no {name} among the corpora in {data_folder}")
    tunes = [read_tune(tune, line) for line, tune in split_tunes(path.read_bytes().decode())]
    assert [[note.pitch for note in tune.score().notes()] for tune in tunes] == RIGHT[name]
    if name == "tuplets.abc":
        (tune,) = tunes
        score = tune.score()
        beats = [note.duration / score.ticks_per_beat for note in score.notes()]
        assert beats == pytest.approx([0.9, 0.9, 1.8, 1.8, 0.5, 0.5])
    if name == "overlay.abc":
        assert [note.start for note in tunes[0].score().notes()] == [0, 1920, 2400, 2880, 3360]
