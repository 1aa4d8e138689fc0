"""Scores <-> tokens or arrays for a network. Reading and writing files is left to midi/ and abc/."""
