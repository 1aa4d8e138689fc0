"""Gradient checks, and an instance of every layer for tests that go through all of them.

The only room that may import from all the others.
"""
