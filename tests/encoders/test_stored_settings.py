"""Settings of encoders as a checkpoint keeps them."""

import json
import math

import pytest

from encoders.tokens.note_chords import NoteChords
from encoders.tokens.note_duration import NoteDuration

# An encoder, and what must not come back in the place of its own settings.
ENCODERS = {
    NoteDuration(21, 108, 64, 8, 100): [
        {"lowest": "21"},
        {"bpm": "x"},
        {"longest": True},
        {"steps_per_beat": 4.0},
    ],
    NoteChords("exact", "onset", 0.1): [
        {"chords": "x"},
        {"durations": 1},
        {"together": "1"},
        {"together": True},
        {"together": math.nan},
    ],
}


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
def test_settings_travel_as_plain_values(encoder):
    plain = json.loads(json.dumps(encoder.settings()))
    assert type(encoder).from_settings(plain) == encoder
    assert type(encoder).from_settings(type(encoder)().settings()) == type(encoder)()
    for damaged in ({}, None, [], plain | {"more": 1}, *(plain | wrong for wrong in ENCODERS[encoder])):
        with pytest.raises(ValueError):
            type(encoder).from_settings(damaged)
