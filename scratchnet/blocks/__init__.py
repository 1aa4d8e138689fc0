"""Eck and Schmidhuber's memory blocks: the network, its streams, and the ways in which it learns online.

Layers for sequences in batches live in layers/.
"""
