"""Layers with a forward and a backward pass by hand, and the Sequential that stacks them.

Nothing here knows of training, of music or of how an experiment is run.
"""
