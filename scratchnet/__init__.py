"""Hand-written recurrent networks in NumPy and Numba."""

__version__ = "0.1.0"
