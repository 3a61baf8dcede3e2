"""ptx_to_c: what single instructions compute, beside Python's arithmetic; and what it does not take."""
import ctypes
import math
import pathlib
import struct
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]

KERNEL = """.version 9.0
.target sm_75
.address_size 64
.entry test(.param .align 8 .b8 test_param_0[32])
{
    .reg .pred %p<4>;
    .reg .b16 %rs<4>;
    .reg .b32 %r<8>;
    .reg .f32 %f<8>;
    .reg .b64 %rd<8>;
    ld.param.u32 %r1, [test_param_0];
    ld.param.u32 %r2, [test_param_0+4];
    ld.param.u32 %r3, [test_param_0+8];
    ld.param.f32 %f1, [test_param_0];
    ld.param.f32 %f2, [test_param_0+4];
    ld.param.f32 %f3, [test_param_0+8];
    ld.param.u64 %rd1, [test_param_0+16];
    BODY
    st.global.u32 [%rd1], %r0;
    ret;
}
"""

# Runs a translated kernel once, with plain memory for device memory.
HOST = """
#include <stdio.h>
static struct emu_place place;
static const struct emu_place *here(void) { return &place; }
static void *memory(struct ptx_window *w, uint64_t a, unsigned n, enum ptx_access k, int l) {
    (void)w; (void)n; (void)k; (void)l;
    return (void *)(uintptr_t)a;
}
static void error(int line, const char *what) { (void)line; puts(what); }
uint32_t call(uint32_t a, uint32_t b, uint32_t c) {
    static const uint32_t generation = 1;
    const struct ptx_host host = {.here = here, .global = memory, .error = error, .generation = &generation};
    uint32_t result = 0, params[8] = {a, b, c};
    uint64_t address = (uint64_t)(uintptr_t)&result;
    memcpy(params + 4, &address, sizeof address);
    ptx_kernels[0].run(&host, (const uint8_t *)params);
    return result;
}
"""


def translate(tmp_path, body):
    (tmp_path / "in.ptx").write_text(KERNEL.replace("BODY", body))
    return subprocess.run([FOLDER / "ptx_to_c", tmp_path / "in.ptx", tmp_path / "out.c"], capture_output=True, text=True,
                          check=False)


def compute(tmp_path, body, *words):
    result = translate(tmp_path, body)
    assert result.returncode == 0, result.stderr
    with open(tmp_path / "out.c", "a") as file:
        file.write(HOST)
    subprocess.run(["cc", "-std=gnu11", "-O1", "-ffp-contract=off", "-w", "-fPIC", "-shared", f"-I{ROOT}",
                    tmp_path / "out.c", "-o", tmp_path / "out.so", "-lm"], check=True)
    call = ctypes.CDLL(str(tmp_path / "out.so")).call
    call.restype = ctypes.c_uint32
    return call(*(ctypes.c_uint32(word) for word in (*words, 0, 0, 0)[:3]))


def bits(value):
    return struct.unpack("I", struct.pack("f", value))[0]


INTEGERS = [
    ("add.s32 %r0, %r1, %r2;", (5, 2**32 - 3), 2),
    ("mul.hi.s32 %r0, %r1, %r2;", (2**32 - 2, 2**31 - 1), 2**32 - 1),
    ("mad.lo.s32 %r0, %r1, %r2, %r3;", (3, 2**32 - 4, 5), 2**32 - 7),
    ("div.s32 %r0, %r1, %r2;", (2**32 - 7, 2), 2**32 - 3),
    ("rem.s32 %r0, %r1, %r2;", (2**32 - 7, 2), 2**32 - 1),
    ("shl.b32 %r0, %r1, %r2;", (1, 32), 0),
    ("shr.s32 %r0, %r1, %r2;", (2**31, 40), 2**32 - 1),
    ("shr.u32 %r0, %r1, %r2;", (2**31, 31), 1),
    ("prmt.b32 %r0, %r1, %r2, 0x5410;", (0xAABBCCDD, 0x11223344), 0x3344CCDD),
    ("lop3.b32 %r0, %r1, %r2, %r3, 0x96;", (0b1100, 0b1010, 0b1111), 0b1100 ^ 0b1010 ^ 0b1111),
    ("popc.b32 %r0, %r1;", (0xF0F0,), 8),
    ("clz.b32 %r0, %r1;", (1,), 31),
    ("shf.l.wrap.b32 %r0, %r1, %r2, %r3;", (0x80000000, 1, 1), 3),
    ("mul.wide.s32 %rd2, %r1, %r2; cvt.u32.u64 %r0, %rd2;", (2**32 - 2, 3), 2**32 - 6),
    ("setp.lt.s32 %p1, %r1, %r2; selp.b32 %r0, 7, 9, %p1;", (2**32 - 1, 0), 7),
    ("setp.lt.u32 %p1, %r1, %r2; selp.b32 %r0, 7, 9, %p1;", (2**32 - 1, 0), 9),
    ("bfi.b64 %rd2, %rd1, %rd1, 32, 32; mov.b64 {%r4, %r5}, %rd2; sub.s32 %r0, %r4, %r5;", (), 0),
    ("mov.u32 %r0, 1; setp.eq.s32 %p1, %r1, 4; @!%p1 bra $L1; mov.u32 %r0, 2; $L1: add.s32 %r0, %r0, 1;", (4,), 3),
]

FLOATS = [
    ("add.rn.f32 %f0, %f1, %f2;", (1.5, 2.25), 3.75),
    ("fma.rn.f32 %f0, %f1, %f2, %f3;", (3.0, 4.0, -11.5), 0.5),
    ("add.rz.f32 %f0, %f1, %f2;", (1.0, -(2.0**-30)), 1 - 2.0**-24),
    ("fma.rm.f32 %f0, %f1, %f2, %f3;", (1.0, 1.0, 2.0**-30), 1.0),
    ("max.f32 %f0, %f1, %f2;", (math.nan, -2.0), -2.0),
    ("cvt.sat.f32.f32 %f0, %f1;", (3.0,), 1.0),
    ("cvt.rmi.f32.f32 %f0, %f1;", (-1.25,), -2.0),
    ("cvt.rni.f32.f32 %f0, %f1;", (2.5,), 2.0),
    ("copysign.f32 %f0, %f1, %f2;", (-1.0, 5.0), -5.0),
    ("cvt.rn.f16.f32 %rs1, %f1; cvt.f32.f16 %f0, %rs1;", (2049.0,), 2048.0),
    ("ex2.approx.ftz.f32 %f0, %f1;", (3.0,), 8.0),
    ("setp.geu.f32 %p1, %f1, %f2; selp.f32 %f0, %f2, %f3, %p1;", (math.nan, 4.0, 5.0), 4.0),
    ("setp.ge.f32 %p1, %f1, %f2; selp.f32 %f0, %f2, %f3, %p1;", (math.nan, 4.0, 5.0), 5.0),
]


@pytest.mark.parametrize("body, words, expected", INTEGERS, ids=[case[0].split(";")[0] for case in INTEGERS])
def test_integers(tmp_path, body, words, expected):
    assert compute(tmp_path, body, *words) == expected


@pytest.mark.parametrize("body, values, expected", FLOATS, ids=[case[0].split(";")[0] for case in FLOATS])
def test_floats(tmp_path, body, values, expected):
    assert compute(tmp_path, body + " mov.b32 %r0, %f0;", *map(bits, values)) == bits(expected)


@pytest.mark.parametrize("value, expected", [(math.nan, 0), (1e10, 2**31 - 1), (-1e10, 2**31), (-2.75, 2**32 - 2)])
def test_floats_out_of_range_become_the_nearest_integer(tmp_path, value, expected):
    assert compute(tmp_path, "cvt.rzi.s32.f32 %r0, %f1;", bits(value)) == expected


@pytest.mark.parametrize("body, named", [
    ("sin.approx.f32 %f0, %f1;", "sin.approx.f32"),
    ("add.cc.u32 %r0, %r1, %r2;", "'cc'"),
    ("bar.sync 1;", "a barrier of some threads"),
    ("atom.global.add.f32 %f0, [%rd1], %f1;", "whose order would show"),
    ("mov.u32 %r0, %clock;", "%clock"),
])
def test_what_is_not_known_is_an_error_that_names_it(tmp_path, body, named):
    result = translate(tmp_path, body)
    assert result.returncode == 1
    assert named in result.stderr and "test: line" in result.stderr
