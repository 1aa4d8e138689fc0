"""How many cores BLAS may use."""

import functools

import threadpoolctl


@functools.cache
def one_blas_thread() -> None:
    """Limit every BLAS in the process to one thread, permanently.

    The matrices here are small, or the library distributes the work itself; BLAS threads that wait for their
    next product spin, and take cores from the workers. NumPy and SciPy each bring their own BLAS, and kernels
    multiply with SciPy's: both are loaded here first, because one that is loaded later is not limited.
    """
    import numpy  # noqa: F401
    import scipy.linalg.cython_blas  # noqa: F401

    threadpoolctl.threadpool_limits(1)
