"""Machine code for layers: matrix products, activations, a team of threads, the cache of compiled code.

No layer lives here.
"""
