"""Polyphonic music, frame by frame: the task of Boulanger-Lewandowski, Bengio & Vincent, "Modeling Temporal
Dependencies in High-Dimensional Sequences" (ICML 2012), for recurrent nets with independent outputs.
"""
