"""Losses, optimizers, schedules, batches, checkpoints and the Trainer that joins them.

What is trained comes from layers/ or blocks/, what it is trained on from an experiment.
"""
