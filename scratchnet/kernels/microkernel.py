"""The tile: the innermost loop of all products, in registers.

    c[r, j] += sum_k a[r, k] b[k, j]        for a few rows r, and a few vectors of neighbouring columns j

Multiplying two numbers takes less time than loading them. So a tile of c, some rows by some vectors (as many
neighbours as a register holds), stays in registers for the whole sum over k; each number of a that is loaded
is multiplied with a row of b, and each row of b with all rows of the tile:

    for k:  for r in rows:  for v in vectors:       c[r, v] += a[r, k] * b[k, v]

Compilers do not find this on their own. So the tile is written in LLVM's intermediate language: `generate`
below runs once, while Numba compiles, and emits the instructions of one tile with both inner loops unrolled.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.extending import intrinsic

from scratchnet.kernels.jit import kernel
from scratchnet.kernels.team import ROWS_TOGETHER


def _register_bytes():
    """The bytes in a vector register of the processor that Numba compiles for."""
    features = numba.config.CPU_FEATURES
    features = (get_host_cpu_features() if features is None else features).split(",")
    return 64 if "+avx512f" in features else 32 if "+avx" in features else 16


REGISTER = _register_bytes()
VECTORS = 4 if REGISTER == 64 else 2  # of a tile; with AVX-512 there are 32 registers, otherwise 16
PANEL = VECTORS * REGISTER  # bytes of a row that a tile spans
# Rows of a tile, by its number of vectors. A multiply-add takes four cycles, and two start in each cycle:
# at least eight sums must be in flight, and no more than the registers hold.
ROWS = (0, 8, 8, 4, 4) if REGISTER == 64 else (0, 8, 4, 4, 4)
assert max(ROWS) == ROWS_TOGETHER


def _make_tile(V):
    """The compiled sum over k for a tile of V vectors."""
    R = ROWS[V]

    @intrinsic
    def tile(typing, a, a0, a_row, b, b0, b_k, c, c0, c_row, K, rows, columns):
        """c[c0 + r c_row + j] += sum_{k < K} a[a0 + r a_row + k] b[b0 + k b_k + j]

        for r < rows <= R, j < columns; offsets count numbers, arrays are contiguous.
        """
        if not a.dtype == b.dtype == c.dtype:
            raise TypingError(f"products need one precision, got {a.dtype}, {b.dtype}, {c.dtype}")
        number = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}[a.dtype]
        size = a.dtype.bitwidth // 8
        lanes = REGISTER // size
        name = f"v{lanes}f{8 * size}"
        vector, index, i32 = ir.VectorType(number, lanes), ir.IntType(64), ir.IntType(32)

        def generate(context, builder, signature, args):
            a, a0, a_row, b, b0, b_k, c, c0, c_row, K, rows, columns = args

            def function(result, arguments, name):
                return cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(result, arguments), f"llvm.{name}"
                )

            bits = ir.VectorType(ir.IntType(1), lanes)
            multiply_add = function(vector, [vector] * 3, f"fmuladd.{name}")
            masked_load = function(vector, [vector.as_pointer(), i32, bits, vector], f"masked.load.{name}.p0")
            masked_store = function(
                ir.VoidType(), [vector, vector.as_pointer(), i32, bits], f"masked.store.{name}.p0"
            )

            def data(k):
                return cgutils.create_struct_proxy(signature.args[k])(context, builder, value=args[k]).data

            def repeat(x, kind):
                one = builder.insert_element(ir.Constant(kind, ir.Undefined), x, i32(0))
                zeros = ir.Constant(ir.VectorType(i32, lanes), [0] * lanes)
                return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

            # The last vector may reach beyond the last column: it is masked.
            indices = ir.VectorType(index, lanes)
            place = ir.Constant(indices, [(V - 1) * lanes + k for k in range(lanes)])
            inside = builder.icmp_signed("<", place, repeat(columns, indices))
            zero = ir.Constant(vector, [0.0] * lanes)

            def at(pointer, v):
                return builder.bitcast(builder.gep(pointer, [index(v * lanes)]), vector.as_pointer())

            def load(pointer, v):
                if v == V - 1:
                    return builder.call(masked_load, [at(pointer, v), i32(size), inside, zero])
                return builder.load(at(pointer, v), align=size)

            def store(x, pointer, v):
                if v == V - 1:
                    builder.call(masked_store, [x, at(pointer, v), i32(size), inside])
                else:
                    builder.store(x, at(pointer, v), align=size)

            a_first, b_first = builder.gep(data(0), [a0]), builder.gep(data(3), [b0])
            c_first = builder.gep(data(6), [c0])
            # With fewer rows than R the last one is computed again, and not stored.
            last = builder.sub(rows, index(1))
            row = [builder.select(builder.icmp_signed("<", index(r), last), index(r), last) for r in range(R)]
            a_rows = [builder.mul(a_row, r) for r in row]
            c_rows = [builder.gep(c_first, [builder.mul(c_row, r)]) for r in row]
            sums = [[cgutils.alloca_once(builder, vector) for _ in range(V)] for _ in range(R)]
            for r in range(R):
                for v in range(V):
                    builder.store(load(c_rows[r], v), sums[r][v])
            with cgutils.for_range(builder, K) as loop:
                a_here = builder.gep(a_first, [loop.index])
                b_here = builder.gep(b_first, [builder.mul(loop.index, b_k)])
                b_row = [load(b_here, v) for v in range(V)]
                for r in range(R):
                    w = repeat(builder.load(builder.gep(a_here, [a_rows[r]])), vector)
                    for v in range(V):
                        s = builder.call(multiply_add, [w, b_row[v], builder.load(sums[r][v])])
                        builder.store(s, sums[r][v])
            for r in range(R):
                with builder.if_then(builder.icmp_signed("<", index(r), rows)):
                    for v in range(V):
                        store(builder.load(sums[r][v]), c_rows[r], v)
            return context.get_dummy_value()

        i8 = types.int64
        return types.void(a, i8, i8, b, i8, i8, c, i8, i8, i8, i8, i8), generate

    return tile


_tile1, _tile2 = _make_tile(1), _make_tile(2)
_tile3, _tile4 = (_make_tile(3), _make_tile(4)) if VECTORS == 4 else (_tile1, _tile2)


@kernel
def multiply_panel(a, a0, a_row, b, b0, b_k, c, c0, c_row, K, M, columns):
    """As a tile, for M rows and columns of at most PANEL bytes. Flat arrays: compiled once for all shapes."""
    vectors = (columns * b.itemsize + REGISTER - 1) // REGISTER
    R = ROWS[vectors]
    for m in range(0, M, R):
        i, k, rows = a0 + m * a_row, c0 + m * c_row, min(R, M - m)
        if vectors == 1:
            _tile1(a, i, a_row, b, b0, b_k, c, k, c_row, K, rows, columns)
        elif vectors == 2:
            _tile2(a, i, a_row, b, b0, b_k, c, k, c_row, K, rows, columns)
        elif vectors == 3:
            _tile3(a, i, a_row, b, b0, b_k, c, k, c_row, K, rows, columns)
        else:
            _tile4(a, i, a_row, b, b0, b_k, c, k, c_row, K, rows, columns)
