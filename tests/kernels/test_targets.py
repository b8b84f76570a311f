"""Other processors than the one at hand: AVX2 is run, NEON and SSE are compiled."""

import os
import subprocess
import sys

import llvmlite.binding
import numpy as np
import pytest
from llvmlite import ir
from numba.core.registry import cpu_target

from caffelike.kernels.cpu.tile import emit_tile
from caffelike.kernels.vector import AVX, AVX512, F32, I64, MACHINE, NEON, SSE, Emit, machine_of

TRIPLE, NAME, FEATURES = cpu_target.target_context.codegen().magic_tuple()


def test_machine_from_name_and_features():
    assert machine_of("x86_64-unknown-linux-gnu", "znver5", "+avx2,+avx512f") == AVX512
    assert machine_of("x86_64-unknown-linux-gnu", "znver5", "+avx2,-avx512f") == AVX
    assert machine_of("x86_64-unknown-linux-gnu", "haswell", "") == AVX
    assert machine_of("x86_64-unknown-linux-gnu", "skylake-avx512", "") == AVX512
    assert machine_of("x86_64-unknown-linux-gnu", "generic", "") == SSE
    assert machine_of("x86_64-unknown-linux-gnu", "nehalem", "+sse4.2") == SSE
    assert machine_of("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon") == NEON
    assert machine_of("arm64-apple-darwin", "apple-m1", "") == NEON


@pytest.mark.slow
@pytest.mark.skipif(MACHINE != AVX512, reason="needs a processor with AVX-512 to take it away")
def test_kernels_on_avx2():
    features = ",".join("-" + f[1:] if f.startswith("+avx512") else f for f in FEATURES.split(","))
    code = """
import sys
import pytest
from caffelike.kernels.vector import AVX, MACHINE
assert MACHINE == AVX
names = ["gemm", "inner_product", "convolution", "lanes", "winograd"]
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *(f"tests/kernels/test_{n}.py" for n in names)]))
"""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_CPU_FEATURES": features},
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("machine", "triple", "processor", "instruction"),
    [
        (NEON, "aarch64-unknown-linux-gnu", "neoverse-n1", "fmla"),
        (SSE, "x86_64-unknown-linux-gnu", "x86-64", "mulps"),
        (AVX, "x86_64-unknown-linux-gnu", "haswell", "vfmadd"),
        (AVX512, "x86_64-unknown-linux-gnu", "skylake-avx512", "zmm"),
    ],
)
def test_tile_compiles_for(machine, triple, processor, instruction):
    llvmlite.binding.initialize_all_targets()
    llvmlite.binding.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = triple
    pointer = F32.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer] * 4 + [I64] * 5)
    function = ir.Function(module, kind, "tile")
    e = Emit(ir.IRBuilder(function.append_basic_block()), machine.lanes)
    operands, sizes, flags = tuple(function.args[:4]), tuple(function.args[4:8]), function.args[8]
    emit_tile(e, machine, machine.vectors, operands, sizes, flags)
    rows = e.transpose([e.load(e.at(operands[0], machine.lanes * r)) for r in range(machine.rows)])
    for r, row in enumerate(rows):
        e.store(row, e.at(operands[2], machine.lanes * r))
    e.b.ret_void()
    target = llvmlite.binding.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    text = target.emit_assembly(llvmlite.binding.parse_assembly(str(module)))
    loop = machine.rows * machine.vectors
    assert text.count(instruction) >= loop
    spills = [line for line in text.splitlines() if "Spill" in line]
    assert len(spills) <= loop  # the sums live in registers


def test_lane_count_of_this_machine():
    assert machine_of(TRIPLE, NAME, FEATURES) == MACHINE
    assert np.log2(MACHINE.lanes) % 1 == 0
    assert np.log2(MACHINE.rows) % 1 == 0
