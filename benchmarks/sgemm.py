"""How fast the machine multiplies large float32 matrices: the yardstick for the arithmetic of a network."""

import time

import numpy as np

SHAPES = ((2048, 2048, 2048), (4096, 1024, 4096), (2048, 512, 8192), (2048, 8192, 512))  # (M, K, N)
REPEATS = 3


def rate(multiply, shapes=SHAPES):
    """The largest rate in GFLOP/s, 2 M K N operations a product, over some shapes and repeats.

    Parameters
    ----------
    multiply : function of a (M, K), b (K, N) and out (M, N), which is overwritten
    """
    rng, best = np.random.default_rng(0), 0.0
    for M, K, N in shapes:
        a, b = (rng.standard_normal(shape, np.float32) for shape in ((M, K), (K, N)))
        out = np.empty((M, N), np.float32)
        multiply(a, b, out)
        for _ in range(REPEATS):
            began = time.perf_counter()
            multiply(a, b, out)
            best = max(best, 2e-9 * M * K * N / (time.perf_counter() - began))
    return best
