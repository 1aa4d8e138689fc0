"""Objective measures of music: how alike two sets of pieces are, and what each piece is like. See
README.md.
"""
