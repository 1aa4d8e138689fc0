"""Loops along one row of numbers: one index over contiguous memory is what compilers vectorise best.

All rows of a call are of one precision, so that no number is promoted.
"""

from scratchnet.kernels.jit import kernel


@kernel(inline=True)
def flat(block):
    """The numbers of a contiguous block as one row."""
    return block.reshape(block.size)


@kernel(inline=True)
def copy_row(values, out):
    """out = values."""
    for k in range(out.size):
        out[k] = values[k]


@kernel
def fill_rows(block, values):
    """Fill every row of the block (rows, B) with its value; values (rows,)."""
    if block.shape[1] == 1:
        copy_row(values, flat(block))
        return
    for k in range(block.shape[0]):
        row = block[k]
        for n in range(row.size):
            row[n] = values[k]


@kernel(inline=True)
def dot(a, b):
    """The sum of a * b."""
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@kernel(inline=True)
def sum_of(a):
    """The sum of a."""
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k]
    return total


@kernel(inline=True)
def add_row(part, total):
    """total += part."""
    for k in range(part.size):
        total[k] += part[k]


@kernel(inline=True)
def add_scaled(w, x, y):
    """y += w x, for one number w."""
    for k in range(x.size):
        y[k] += w * x[k]
