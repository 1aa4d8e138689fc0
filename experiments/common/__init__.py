"""What several experiments share: commands, settings, run folders, figures, training on tokens, sweeps.

What belongs to one experiment lives in its folder.
"""
