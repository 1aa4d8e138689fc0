"""Scores -> sound. Sound is never converted back."""

from .rendering import ENGINES, render_midi, sampled_engine, write_wav

__all__ = ["ENGINES", "render_midi", "sampled_engine", "write_wav"]
