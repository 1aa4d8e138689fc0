"""Eck and Schmidhuber's memory blocks: the network, its stream, and the algorithms that learn online.

Layers for sequences in batches live in layers/.
"""
