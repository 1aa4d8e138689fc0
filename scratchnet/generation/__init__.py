"""Drawing tokens from a network that hears what it said.

Tokens only: music is made of them by encoders/.
"""
