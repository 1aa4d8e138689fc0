"""How many cores linear algebra may take."""

import functools

import threadpoolctl


@functools.cache
def one_blas_thread():
    """Let every BLAS in the process use one thread, for good.

    The matrices here are small, or the library spreads the work itself; threads of a BLAS that wait for their
    next product spin, and take a core from those who work. NumPy and SciPy each bring a BLAS of their own,
    and kernels multiply with SciPy's: both are loaded first, for what is loaded later is not limited.
    """
    import numpy  # noqa: F401
    import scipy.linalg.cython_blas  # noqa: F401

    threadpoolctl.threadpool_limits(1)
