"""Explicit vector code for Numba: a small layer over LLVM's IR builder, for the width of the processor at hand.

LLVM vectorises plain loops well; this is for what it does not: register tiles, transposes, masked tails. An
intrinsic written with `Emit` must be a module global of the kernels that call it.
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from caffelike.kernels.jit import kernel

F32, I1, I32, I64 = ir.FloatType(), ir.IntType(1), ir.IntType(32), ir.IntType(64)
BYTES = ir.IntType(8).as_pointer()


class Machine(NamedTuple):
    """Vector registers of a processor and the register tile that suits them.

    A tile holds rows x (vectors * lanes) sums: all registers but those for `vectors` columns and one broadcast.
    """

    lanes: int  # float32 in a vector
    rows: int  # a power of two
    vectors: int


AVX512 = Machine(16, 8, 3)  # 32 registers
AVX = Machine(8, 4, 3)  # 16
NEON = Machine(4, 8, 3)  # 32
SSE = Machine(4, 4, 3)  # 16

# What NUMBA_CPU_NAME implies where NUMBA_CPU_FEATURES is not given (Numba then passes no features)
_WIDE = ("avx512", "icelake", "sapphire", "cascadelake", "cannonlake", "znver4", "znver5", "x86-64-v4")
_OLD = ("generic", "x86-64", "x86-64-v2", "core2", "nehalem", "westmere", "penryn")


def machine_of(triple: str, name: str, features: str) -> Machine:
    """The machine for LLVM's target triple, processor name and feature list ("+avx2,-avx512f,...")."""
    if triple.startswith(("aarch64", "arm64")):
        return NEON
    on = set(features.split(","))
    if "+avx512f" in on or (not features and any(word in name for word in _WIDE)):
        return AVX512
    if "+avx2" in on or (not features and name not in _OLD):
        return AVX
    return SSE


MACHINE = machine_of(*cpu_target.target_context.codegen().magic_tuple())
"""The machine that Numba compiles for (NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are honoured)."""

LANES: int = MACHINE.lanes


class Emit:
    """Vector operations on an IR builder; `width` lanes of float32 unless told otherwise."""

    def __init__(self, builder: ir.IRBuilder, width: int = LANES):
        self.b, self.width = builder, width
        self.vector = ir.VectorType(F32, width)

    # Addresses and scalars

    def array(self, context: Any, kind: types.Type, value: Any, offset: Any) -> Any:
        """Pointer to element `offset` of a C-contiguous array or of a CPointer."""
        data = value if isinstance(kind, types.CPointer) else context.make_array(kind)(context, self.b, value).data
        return self.at(data, offset)

    def int(self, value: int) -> Any:
        """An intp constant."""
        return ir.Constant(I64, value)

    def at(self, pointer: Any, index: Any) -> Any:
        """pointer + index elements."""
        return self.b.gep(pointer, [self.int(index) if isinstance(index, int) else index], inbounds=True)

    def call(self, name: str, result: Any, *args: Any) -> Any:
        """Call an LLVM intrinsic or external function by its name."""
        kind = ir.FunctionType(result, [a.type for a in args])
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, name), args)

    # Vectors

    def const(self, value: float) -> Any:
        """All lanes `value`."""
        return ir.Constant(self.vector, [float(value)] * self.width)

    def splat(self, scalar: Any) -> Any:
        """All lanes `scalar`, of any type."""
        kind = ir.VectorType(scalar.type, self.width)
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, self.width), [0] * self.width))

    def load(self, pointer: Any) -> Any:
        """`width` floats from any address."""
        return self.b.load(self.b.bitcast(pointer, self.vector.as_pointer()), align=4)

    def store(self, value: Any, pointer: Any) -> None:
        """A vector of any width to any address."""
        self.b.store(value, self.b.bitcast(pointer, value.type.as_pointer()), align=4)

    def stream(self, value: Any, pointer: Any) -> None:
        """As `store`, past the caches, which need not read the line first; the address is a multiple of its bytes.

        Before others read it, a thread has to `fence()`.
        """
        place = self.b.bitcast(pointer, value.type.as_pointer())
        stored = self.b.store(value, place, align=4 * value.type.count)
        stored.set_metadata("nontemporal", self.b.module.add_metadata([ir.Constant(I32, 1)]))

    def first(self, n: Any, start: int = 0) -> Any:
        """Mask of the lanes l with start + l < n; n: intp, also negative or large."""
        b, most = self.b, self.int(start + self.width)
        n = b.select(b.icmp_signed("<", n, most), n, most)  # 32 bits do then: half the compares
        n = b.select(b.icmp_signed("<", n, self.int(0)), self.int(0), n)
        lanes = ir.Constant(ir.VectorType(I32, self.width), [start + lane for lane in range(self.width)])
        return b.icmp_signed("<", lanes, self.splat(b.trunc(n, I32)))

    def masked_load(self, pointer: Any, mask: Any, other: float = 0) -> Any:
        """`other` where the mask is off; memory there is not touched."""
        pointer = self.b.bitcast(pointer, self.vector.as_pointer())
        name = f"llvm.masked.load.v{self.width}f32.p0"
        return self.call(name, self.vector, pointer, ir.Constant(I32, 4), mask, self.const(other))

    def masked_store(self, value: Any, pointer: Any, mask: Any) -> None:
        """Write the lanes where the mask is on."""
        pointer = self.b.bitcast(pointer, self.vector.as_pointer())
        name = f"llvm.masked.store.v{self.width}f32.p0"
        self.call(name, ir.VoidType(), value, pointer, ir.Constant(I32, 4), mask)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, in one rounding where the processor has it (on others a library call would take its place)."""
        return self.call(f"llvm.fmuladd.v{a.type.count}f32", a.type, a, b, c)

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """The given lanes of the concatenation of a and b."""
        return self.b.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))

    def at_least(self, value: Any, floor: Any) -> Any:
        """max(value, floor); NaN stays NaN."""
        return self.b.select(self.b.fcmp_ordered("<", value, floor), floor, value)

    def total(self, vector: Any) -> Any:
        """The sum of all lanes, pairwise."""
        args = [ir.Constant(F32, 0.0), vector]
        kind = ir.FunctionType(F32, [a.type for a in args])
        name = f"llvm.vector.reduce.fadd.v{self.width}f32"
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, name), args, fastmath=("reassoc",))

    def choose(self, condition: Any, first: Any, second: Any) -> list:
        """The list of values that first() gives where condition (one bit) holds, else those of second()."""
        with self.b.if_else(condition) as (then, otherwise):
            with then:
                one, after_one = first(), self.b.block
            with otherwise:
                two, after_two = second(), self.b.block
        result = []
        for a, b in zip(one, two, strict=True):
            phi = self.b.phi(a.type)
            phi.add_incoming(a, after_one)
            phi.add_incoming(b, after_two)
            result.append(phi)
        return result

    def prefetch(self, pointer: Any, write: bool = False, level: int = 1) -> None:
        """Ask for the cache line at `pointer` (any address will do), to read or to write it; level: of the cache."""
        args = [ir.Constant(I32, value) for value in (int(write), 4 - level, 1)]  # the last: data
        self.call("llvm.prefetch.p0", ir.VoidType(), self.b.bitcast(pointer, BYTES), *args)

    def transpose(self, rows: list) -> list:
        """A power of two of vectors -> as many vectors that hold lane 0 of all rows, then lane 1 of all, ..."""
        half, n = len(rows) // 2, self.width
        for _ in range(len(rows).bit_length() - 1):  # each step interleaves the first half with the second
            zipped = []
            for a, b in zip(rows[:half], rows[half:], strict=True):
                both = [k for lane in range(n) for k in (lane, n + lane)]
                zipped += [self.shuffle(a, b, both[:n]), self.shuffle(a, b, both[n:])]
            rows = zipped
        return rows

    def loop(self, n: Any, carried: list, body: Any) -> list:
        """for k in range(n), n >= 1: carried = body(k, carried); values stay in registers; returns the last ones."""
        b, before = self.b, self.b.block
        inside, done = b.append_basic_block("loop"), b.append_basic_block("done")
        b.branch(inside)
        b.position_at_end(inside)
        k = b.phi(I64)
        k.add_incoming(self.int(0), before)
        phis = []
        for value in carried:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        results = body(k, phis)
        following = b.add(k, self.int(1))
        for phi, value in zip([k, *phis], [following, *results], strict=True):
            phi.add_incoming(value, b.block)
        b.cbranch(b.icmp_signed("<", following, n), inside, done)
        b.position_at_end(done)
        return results

    def over(self, n: Any, carried: list, step: Any) -> list:
        """carried = step(at, carried, load) for all vectors of n elements; returns the last values.

        `load` gives 0 beyond the end, where the last vector is not whole. Values stay in registers.
        """
        b = self.b
        whole = b.sdiv(n, self.int(self.width))
        done = b.mul(whole, self.int(self.width))

        def one(k: Any, carried: list) -> list:
            return step(b.mul(k, self.int(self.width)), carried, self.load)

        carried = self.choose(
            b.icmp_signed(">", whole, self.int(0)), lambda: self.loop(whole, carried, one), lambda: carried
        )
        mask = self.first(b.sub(n, done))
        return self.choose(
            b.icmp_signed(">", n, done),
            lambda: step(done, carried, lambda pointer: self.masked_load(pointer, mask)),
            lambda: carried,
        )

    def sweep(self, n: Any, count: int, body: Any) -> list:
        """body(at, mask) for all vectors of n elements, of the last with a mask and else without (None).

        Each call gives `count` vectors, 0 where the mask is off; returns the sums of all their lanes. Four sums of each
        are under way, for an addition has to wait for the one before it.
        """
        b, zeros = self.b, [self.const(0)] * count
        several = self.int(4 * self.width)

        def four(k: Any, sums: list) -> list:
            at = b.mul(k, several)
            found = [body(b.add(at, self.int(i * self.width)), None) for i in range(4)]
            return [b.fadd(s, v) for s, v in zip(sums, (v for part in found for v in part), strict=True)]

        fours = b.sdiv(n, several)
        sums = self.choose(
            b.icmp_signed(">", fours, self.int(0)), lambda: self.loop(fours, zeros * 4, four), lambda: zeros * 4
        )
        sums = [
            b.fadd(b.fadd(sums[i], sums[count + i]), b.fadd(sums[2 * count + i], sums[3 * count + i]))
            for i in range(count)
        ]
        start = b.mul(fours, several)
        ones = b.sdiv(b.sub(n, start), self.int(self.width))

        def one(k: Any, sums: list) -> list:
            found = body(b.add(start, b.mul(k, self.int(self.width))), None)
            return [b.fadd(s, v) for s, v in zip(sums, found, strict=True)]

        sums = self.choose(b.icmp_signed(">", ones, self.int(0)), lambda: self.loop(ones, sums, one), lambda: sums)
        start = b.add(start, b.mul(ones, self.int(self.width)))
        found = body(start, self.first(b.sub(n, start)))
        return [self.total(b.fadd(s, v)) for s, v in zip(sums, found, strict=True)]


@intrinsic
def copy_vector(typingctx, to, i, source, j):
    """to[i : i + LANES] = source[j : j + LANES]"""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        e.store(e.load(e.array(context, given.args[2], *values[2:4])), e.array(context, given.args[0], *values[0:2]))
        return context.get_dummy_value()

    return types.void(to, types.intp, source, types.intp), codegen


@intrinsic
def copy_first(typingctx, to, i, source, j, n):
    """to[i : i + LANES] = source[j : j + n], then zeros; n may be <= 0 or > LANES; reads nothing beyond."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        source = e.masked_load(e.array(context, given.args[2], *values[2:4]), e.first(values[4]))
        e.store(source, e.array(context, given.args[0], *values[0:2]))
        return context.get_dummy_value()

    return types.void(to, types.intp, source, types.intp, types.intp), codegen


@intrinsic
def fence(typingctx):
    """Wait until all that this thread has stored can be read by others, what it streamed, too."""

    def codegen(context, builder, given, values):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def prefetch(typingctx, source, j):
    """Ask for the cache line of source[j]."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        e.prefetch(e.array(context, given.args[0], *values))
        return context.get_dummy_value()

    return types.void(source, types.intp), codegen


@intrinsic
def prefetch_to_write(typingctx, to, j):
    """Ask for the cache line of to[j], which is going to be written."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        e.prefetch(e.array(context, given.args[0], *values), write=True)
        return context.get_dummy_value()

    return types.void(to, types.intp), codegen


@kernel
def ask(x, start, n):
    """Ask for the cache lines of x[start : start + n], to read or to write; they may lie beyond the end."""
    for i in range(start, start + n, 16):
        prefetch(x, i)
