"""Types of public arguments and results, for annotations.

Shapes are in the docstrings: no type of today says (T, D, B).
"""

from typing import TypeAlias

import numpy as np

State: TypeAlias = tuple[np.ndarray, ...]  # what passes from one piece of a sequence to the next
Shape: TypeAlias = tuple[int | str, ...]  # sizes; letters where one is not known
