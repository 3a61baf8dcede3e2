/*
 * 1x1 convolutions of bf16 maps on AMX: the product of matrices of cpu/conv1x1.h.
 *
 * A unit of work is 32 pixels by 32 outs, four tiles of sums; each 32 ins take two tiles of pixels,
 * two of weights and four products, 64 cycles for 4 KiB read, most of it from the first cache.
 * What follows them is in cpu/simd/unit_amx.inc.
 */
#include "core/ops/add.h"
#include "core/ops/conv2d.h"
#include "core/ops/shuffle_join.h"
#include "cpu/conv1x1.h"

#define SIMD_BF16 1
#include "cpu/simd/simd.h"

#include "cpu/simd/unit_amx.inc"

enum { JOIN_SLACK = 32 }; /* elements after the rows to be joined, which joining may read */

static bool match(const struct spot_cpu_program *program, const struct spot_node *node,
                  struct spot_cpu_step *step) {
    return spot_cpu_conv1x1_match(program, node, step, SPOT_BF16);
}

/* [outs / 32][ins / 32][2 tiles of 16 outs][16 pairs of ins][16 outs][2] */
static void pack(const struct spot_cpu_conv1x1 *self, uint16_t *to) {
    for (int o = 0; o < self->outs; o++) {
        for (int i = 0; i < self->ins; i++) {
            size_t unit = (size_t)(o / UNIT) * (self->in_pitch / AMX_INS) + (size_t)(i / AMX_INS);
            int tile = o % UNIT / 16, pair = i % AMX_INS / 2;
            to[unit * 2 * AMX_TILE + (size_t)(tile * AMX_TILE + pair * 32 + o % 16 * 2 + i % 2)] =
                spot_bf16_from_f32(self->weight[(size_t)o * (size_t)self->ins + (size_t)i]);
        }
    }
}

static enum spot_status prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error) {
    struct spot_cpu_conv1x1 *self = spot_cpu_conv1x1_new(program, step, error);
    if (self == NULL)
        return SPOT_NO_MEMORY;
    size_t outs = (size_t)(self->outs + UNIT - 1) / UNIT * UNIT;
    self->packed = spot_cpu_alloc(program, outs * self->in_pitch * sizeof(uint16_t), error);
    self->packed_bias = spot_cpu_alloc(program, outs * sizeof(float), error);
    if (self->packed == NULL || self->packed_bias == NULL)
        return SPOT_NO_MEMORY;
    pack(self, self->packed);
    for (int o = 0; o < self->outs && self->bias != NULL; o++)
        self->packed_bias[o] = self->bias[o];
    step->prepared = self;
    step->scratch_bytes = (UNIT * self->row_pitch + JOIN_SLACK) * sizeof(uint16_t);
    return SPOT_OK;
}

/* Sums of 32 pixels (or 16) by 32 outs; they stay in the tiles. */
static inline void multiply(const struct spot_cpu_conv1x1 *self, const uint16_t *in, int first_out,
                            int pixels) {
    const uint16_t *weight = (const uint16_t *)self->packed + (size_t)first_out * self->in_pitch;
    size_t stride = self->in_pitch * sizeof *in;
    _tile_zero(0);
    _tile_zero(1);
    if (pixels <= AMX_ROWS) {
        for (size_t i = 0; i < self->in_pitch; i += AMX_INS, weight += 2 * AMX_TILE) {
            _tile_loadd(4, in + i, stride);
            _tile_loadd(6, weight, AMX_BYTES);
            _tile_loadd(7, weight + AMX_TILE, AMX_BYTES);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
        }
        return;
    }
    _tile_zero(2);
    _tile_zero(3);
    for (size_t i = 0; i < self->in_pitch; i += AMX_INS, weight += 2 * AMX_TILE) {
        _tile_loadd(6, weight, AMX_BYTES);
        _tile_loadd(7, weight + AMX_TILE, AMX_BYTES);
        _tile_loadd(4, in + i, stride);
        _tile_loadd(5, in + AMX_ROWS * self->in_pitch + i, stride);
        unit_multiply();
    }
}

/* A unit whose sums wait in a buffer. */
struct unit {
    const float *sums;
    size_t pixel;
    int first_out, pixels; /* pixels: 16 or 32, of which the last may be slack */
};

/* What run was given, and where rows go. */
struct target {
    const uint16_t *other_bf16; /* residual or join */
    const float *other_f32;
    uint16_t *rows;             /* bf16 results */
    float *rows_f32;            /* or float32 */
    uint16_t *out, *second_out; /* joined maps */
    struct unit_finish finish;
};

/* A unit's results in float32, whose pitch may end with the first 16 of the unit's outs. */
static void finish_f32(const struct spot_cpu_conv1x1 *self, const struct target *target,
                       const struct unit *unit) {
    int outs = (int)self->row_pitch - unit->first_out > 16 ? UNIT : 16;
    for (int r = 0; r < unit->pixels; r++) {
        size_t pixel = unit->pixel + (size_t)r;
        float *to = target->rows_f32 + pixel * self->row_pitch + unit->first_out;
        for (int c = 0; c < outs; c += VF_LANES) {
            vf x = vf_add(vf_load(self->packed_bias + unit->first_out + c),
                          vf_load(unit->sums + r * UNIT + c));
            if (target->other_f32 != NULL)
                x = vf_add(x, vf_load(target->other_f32 + pixel * self->other_pitch +
                                      unit->first_out + c));
            vf_store(to + c, unit_activate(x, &target->finish.activation,
                                           self->outs - unit->first_out - c));
        }
    }
}

/* out[2i] = a[i], out[2i+1] = b[i] for i < count, zeros up to the pitch. */
SIMD_INLINE void interleave(const uint16_t *a, const uint16_t *b, int count, uint16_t *out,
                            int pitch) {
    for (int c = 0; c < pitch; c += 32) {
        __m512i even = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(a + c / 2)));
        __m512i odd = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(b + c / 2)));
        __m512i both = _mm512_or_si512(even, _mm512_slli_epi32(odd, 16));
        int left = 2 * count - c;
        if (left < 32)
            both = _mm512_maskz_mov_epi16(left <= 0 ? 0 : (1U << left) - 1, both);
        _mm512_storeu_si512(out + c, both);
    }
}

/* A block of 32 pixels whose rows are complete. */
static void join(const struct spot_cpu_conv1x1 *self, const struct target *target, size_t pixel,
                 int pixels) {
    int half = self->outs / 2, pitch = (int)self->out_pitch;
    const uint16_t *row = target->rows, *other = target->other_bf16 + pixel * self->other_pitch;
    uint16_t *out = target->out + pixel * self->out_pitch;
    uint16_t *second = self->halves ? target->second_out + pixel * self->out_pitch : NULL;
    for (int r = 0; r < pixels; r++) {
        const uint16_t *a = self->other == SPOT_CPU_OTHER_FIRST ? other : row;
        const uint16_t *b = self->other == SPOT_CPU_OTHER_FIRST ? row : other;
        if (self->halves) {
            interleave(a, b, half, out, pitch);
            interleave(a + half, b + half, half, second, pitch);
            second += self->out_pitch;
        } else {
            interleave(a, b, self->outs, out, pitch);
        }
        row += self->row_pitch;
        other += self->other_pitch;
        out += self->out_pitch;
    }
}

static void finish(const struct spot_cpu_conv1x1 *self, const struct target *target,
                   const struct unit *unit) {
    if (self->out_f32) {
        finish_f32(self, target, unit);
        return;
    }
    bool joins = self->other >= SPOT_CPU_OTHER_FIRST;
    size_t row = joins ? 0 : unit->pixel;
    struct unit_rows rows = {.to = target->rows + row * self->row_pitch + unit->first_out,
                             .pitch = self->row_pitch,
                             .added_pitch = self->other_pitch};
    if (self->other == SPOT_CPU_OTHER_ADDED)
        rows.added = target->other_bf16 + unit->pixel * self->other_pitch + unit->first_out;
    unit_finish(&target->finish, unit->sums, unit->pixels, unit->first_out, rows);
    if (joins && unit->first_out + UNIT >= (int)self->row_pitch)
        join(self, target, unit->pixel, unit->pixels);
}

static void run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct spot_cpu_conv1x1 *self = step->prepared;
    const uint16_t *in = spot_cpu_in(step, run, SPOT_CPU_CONV1X1_DATA);
    const void *other =
        self->other != SPOT_CPU_OTHER_NONE ? spot_cpu_in(step, run, SPOT_CPU_CONV1X1_OTHER) : NULL;
    void *out = spot_cpu_out(step, run, 0);
    bool joins = self->other >= SPOT_CPU_OTHER_FIRST;
    struct target target = {
        .other_bf16 = other,
        .other_f32 = other,
        .rows = joins ? run->scratch : out,
        .rows_f32 = out,
        .out = out,
        .second_out = self->halves ? spot_cpu_out(step, run, 1) : NULL,
        .finish = {self->packed_bias, self->outs, simd_split(self->activation)},
    };
    float sums[2][UNIT * UNIT] __attribute__((aligned(64)));
    struct unit waiting = {0};
    int buffer = 0;
    amx_begin();
    for (size_t pixel = 0; pixel < self->pixels; pixel += UNIT) {
        int pixels = self->pixels - pixel <= AMX_ROWS ? AMX_ROWS : UNIT;
        for (int o = 0; o < (int)self->row_pitch; o += UNIT) {
            multiply(self, in + pixel * self->in_pitch, o, pixels);
            if (waiting.sums != NULL)
                finish(self, &target, &waiting);
            unit_store_sums(sums[buffer], pixels);
            waiting = (struct unit){sums[buffer], pixel, o, pixels};
            buffer = 1 - buffer;
        }
    }
    finish(self, &target, &waiting);
    amx_end();
}

#define KERNEL(last)                                                                               \
    {                                                                                              \
        .name = "conv1x1", .op = (last), .isa = SPOT_CPU_AMX, .match = match, .prepare = prepare,  \
        .run = run,                                                                                \
    }
const struct spot_cpu_kernel spot_cpu_kernel_conv1x1_amx = KERNEL(&spot_op_conv2d);
const struct spot_cpu_kernel spot_cpu_kernel_conv1x1_add_amx = KERNEL(&spot_op_add);
const struct spot_cpu_kernel spot_cpu_kernel_conv1x1_join_amx = KERNEL(&spot_op_shuffle_join);
