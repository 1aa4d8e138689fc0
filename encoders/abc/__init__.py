"""ABC notation <-> tunes -> scores. Characters as tokens live in tokens/."""

from .tune import AbcError, Problem, Tune, file_header, read_tune, split_tunes, validate, write_tune

__all__ = ["AbcError", "Problem", "Tune", "file_header", "read_tune", "split_tunes", "validate", "write_tune"]
