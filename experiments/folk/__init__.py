"""Irish tunes, character by character."""
