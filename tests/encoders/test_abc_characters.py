"""Tunes as characters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.abc import split_tunes
from encoders.tokens.characters import Characters, cut, normal, stream


def test_both_tables():
    letters = Characters.of(["X:1", "ab"])
    assert letters.characters == "\n1:Xab" and len(letters) == 6
    assert letters.numbers["a"] == 4
    tokens = letters.encode("ab1")
    assert tokens.dtype == np.int32 and tokens.tolist() == [4, 5, 1] and letters.decode(tokens) == "ab1"
    assert letters.encode("").shape == (0,) and letters.decode([]) == ""
    assert Characters(letters.characters).numbers == letters.numbers


def test_unknown_characters_are_named():
    with pytest.raises(ValueError, match=r"got 'q' 'é', first at character 3$"):
        Characters("ab").encode("abéqé")
    for tokens in ([2], [-1]):
        with pytest.raises(ValueError, match=r"in 0 \.\. 1"):
            Characters("ab").decode(tokens)
    for characters in ("", "aa", None, 3):
        with pytest.raises(ValueError, match="different characters"):
            Characters(characters)


def test_the_stream():
    tunes = ["X:1\r\nK:C\r\n\r\nABc  \n\n", "X:2\nK:D\nd"]
    text = stream(tunes)
    assert text == "X:1\nK:C\nABc\n\nX:2\nK:D\nd\n\n"
    assert cut(text) == ([normal(tune) for tune in tunes], "")
    assert cut(text[:-4]) == (["X:1\nK:C\nABc"], "X:2\nK:D")
    assert cut("\n\n\n\nA\n\n\nB") == (["A"], "\nB")


@given(st.lists(st.text("ab\n \r"), max_size=5))
def test_there_and_back(texts):
    tunes = [tune for tune in map(normal, texts) if tune]
    assert cut(stream(tunes)) == (tunes, "")


@pytest.mark.data
def test_the_irish_set_has_83_characters(irish):
    tunes = [tune for _, tune in split_tunes(irish)]
    letters = Characters.of(tunes)
    assert len(letters) == 83
    assert letters.decode(letters.encode(stream(tunes))) == stream(tunes)
