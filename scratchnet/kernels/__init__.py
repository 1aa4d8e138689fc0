"""What layers share: matrix products, activations, a team of threads, the cache of compiled code.

No layer lives here.
"""
