"""Scores <-> tokens or arrays that a network hears. Reading and writing files is left to midi/ and abc/."""
