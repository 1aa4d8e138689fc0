"""Gradient checks, and an instance of every layer for tests that look at all of them.

The only room that may import from all the others.
"""
