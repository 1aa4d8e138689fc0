"""Scores -> sound. Nothing is read back from sound."""

from .rendering import ENGINES, render_midi, sampled_engine, write_wav

__all__ = ["ENGINES", "render_midi", "sampled_engine", "write_wav"]
