"""Layers with hand-written forward and backward passes, and the Sequential that stacks them.

Nothing here knows of training, of music or of experiments.
"""
