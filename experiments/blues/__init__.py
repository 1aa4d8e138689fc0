"""Twelve-bar blues: Eck & Schmidhuber, "A First Look at Music Composition using LSTM Recurrent Neural
Networks" (IDSIA-07-02, 2002).
"""
