/*
 * Two fully connected layers after each other (cpu/mlp.h) on AMX, in a bf16 program.
 *
 * Rows are worked on in blocks, and the hidden layer in parts: for each part of it the sums of the
 * last layers go on where the part before left them. So what is read again and again, a block's
 * rows, a part of what is hidden and the sums, stays in the second cache, and weights pass through
 * it once for each block.
 *
 * The hidden layer multiplies numbers rounded to bf16. The last layers, whose scores decide what is
 * kept, multiply as float32 would but for the last bits: each number is the sum of two of bf16,
 *
 *     (a + b) * (c + d) = a * d + a * c + b * c, without b * d, some 2^-16 of it
 *
 * which is three products on AMX and still takes less time than one in float32.
 */
#include "core/ops/fully_connected.h"
#include "cpu/mlp.h"

#define SIMD_BF16 1
#include "cpu/simd/simd.h"

#include "cpu/simd/unit_amx.inc"

enum {
    ROWS = 512, /* of a block: a multiple of UNIT, as is PART */
    PART = 128, /* hidden numbers of a part */
};

struct mlp {
    struct spot_cpu_mlp layers;
    struct simd_activation activation;
    size_t in_pitch, hidden_pitch, out_pitch; /* whole AMX_INS, PARTs, UNITs */
    uint16_t *hidden_weight;                  /* [hidden / 32][ins / 32][2 tiles] */
    uint16_t *last_weight; /* [outs / 32][hidden / 32][2 tiles of high parts, 2 of low ones] */
    float *hidden_bias, *last_bias;
    size_t high_at, low_at, sums_at; /* bytes, in scratch, after a block's rows */
};

static bool match(const struct spot_cpu_program *program, const struct spot_node *node,
                  struct spot_cpu_step *step) {
    return program->precision == SPOT_PRECISION_BF16 && spot_cpu_mlp_match(program, node, step);
}

static size_t round_up(int count, int unit) {
    return (size_t)(count + unit - 1) / (size_t)unit * (size_t)unit;
}

/* Where the weight from `in` to `out` lies in tiles; parts: tiles of 16 outs for each AMX_INS. */
static size_t tile_place(size_t in_pitch, int tiles, int out, int in) {
    size_t step = (size_t)(out / UNIT) * (in_pitch / AMX_INS) + (size_t)(in / AMX_INS);
    size_t tile = step * (size_t)tiles + (size_t)(out % UNIT / 16);
    return tile * AMX_TILE + (size_t)(in % AMX_INS / 2 * 32 + out % 16 * 2 + in % 2);
}

static void pack(struct mlp *self) {
    const struct spot_cpu_mlp *layers = &self->layers;
    const struct spot_cpu_mlp_layer *hidden = &layers->hidden;
    const float *weight = hidden->weight;
    for (int o = 0; o < hidden->outs; o++) {
        self->hidden_bias[o] = hidden->bias != NULL ? hidden->bias[o] : 0;
        for (int i = 0; i < layers->ins; i++)
            self->hidden_weight[tile_place(self->in_pitch, 2, o, i)] =
                spot_bf16_from_f32(*weight++);
    }
    for (int o = 0; o < layers->outs; o++) {
        weight = spot_cpu_mlp_last(layers, o, &self->last_bias[o]);
        for (int i = 0; i < hidden->outs; i++) {
            uint16_t *to = self->last_weight + tile_place(self->hidden_pitch, 4, o, i);
            to[0] = spot_bf16_from_f32(weight[i]);
            to[2 * AMX_TILE] = spot_bf16_from_f32(weight[i] - spot_f32_from_bf16(to[0]));
        }
    }
}

static size_t reserve(size_t *total, size_t bytes) {
    size_t offset = *total;
    *total += (bytes + 63) / 64 * 64;
    return offset;
}

static enum spot_status prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error) {
    struct mlp *self = spot_cpu_alloc(program, sizeof *self, error);
    if (self == NULL)
        return SPOT_NO_MEMORY;
    self->layers = spot_cpu_mlp_describe(step);
    self->activation = simd_split(self->layers.activation);
    self->in_pitch = round_up(self->layers.ins, AMX_INS);
    self->hidden_pitch = round_up(self->layers.hidden.outs, PART);
    self->out_pitch = round_up(self->layers.outs, UNIT);
    size_t hidden = self->hidden_pitch, outs = self->out_pitch;
    self->hidden_weight =
        spot_cpu_alloc(program, hidden * self->in_pitch * sizeof(uint16_t), error);
    self->last_weight = spot_cpu_alloc(program, 2 * outs * hidden * sizeof(uint16_t), error);
    self->hidden_bias = spot_cpu_alloc(program, hidden * sizeof(float), error);
    self->last_bias = spot_cpu_alloc(program, outs * sizeof(float), error);
    if (self->hidden_weight == NULL || self->last_weight == NULL || self->hidden_bias == NULL ||
        self->last_bias == NULL)
        return SPOT_NO_MEMORY;
    pack(self);
    reserve(&step->scratch_bytes, ROWS * self->in_pitch * sizeof(uint16_t));
    self->high_at = reserve(&step->scratch_bytes, (size_t)ROWS * PART * sizeof(uint16_t));
    self->low_at = reserve(&step->scratch_bytes, (size_t)ROWS * PART * sizeof(uint16_t));
    self->sums_at = reserve(&step->scratch_bytes, ROWS * outs * sizeof(float));
    step->prepared = self;
    return SPOT_OK;
}

/* A block of rows on its way. */
struct mlp_block {
    const struct mlp *self;
    int rows;             /* in whole UNITs */
    uint16_t *in;         /* [rows / 32][in_pitch / 32][2 tiles] */
    uint16_t *high, *low; /* [rows / 32][PART / 32][2 tiles]: the two parts of what is hidden */
    float *sums;          /* [rows][out_pitch] */
};

/* Where a row begins among tiles of rows, one next to the other for each AMX_INS. */
static size_t row_place(size_t pitch, int row) {
    return (size_t)(row / UNIT) * UNIT * pitch + (size_t)(row % UNIT * AMX_INS);
}

/* Rounds `count` rows, and zeros to whole units; the sums begin with the bias. */
static void begin_block(const struct mlp_block *block, const float *rows, int count) {
    const struct mlp *self = block->self;
    int ins = self->layers.ins;
    for (int r = 0; r < block->rows; r++) {
        uint16_t *to = block->in + row_place(self->in_pitch, r);
        for (int i = 0; i < (int)self->in_pitch; i += 16) {
            int left = r < count ? ins - i : 0;
            __mmask16 mask = (__mmask16)(left >= 16 ? 0xffff : left <= 0 ? 0 : (1 << left) - 1);
            vf x = _mm512_maskz_loadu_ps(mask, rows + (size_t)r * (size_t)ins + i);
            _mm256_storeu_si256((__m256i *)(to + i / AMX_INS * 2 * AMX_TILE + i % AMX_INS),
                                (__m256i)_mm512_cvtneps_pbh(x));
        }
        memcpy(block->sums + (size_t)r * self->out_pitch, self->last_bias,
               self->out_pitch * sizeof(float));
    }
}

/* Sums of the hidden layer for 32 rows by 32 outs; they stay in the tiles. */
static inline void multiply_hidden(const struct mlp *self, const uint16_t *in,
                                   const uint16_t *weight) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t i = 0; i < self->in_pitch;
         i += AMX_INS, in += 2 * AMX_TILE, weight += 2 * AMX_TILE) {
        _tile_loadd(6, weight, AMX_BYTES);
        _tile_loadd(7, weight + AMX_TILE, AMX_BYTES);
        _tile_stream_loadd(4, in, AMX_BYTES);
        _tile_stream_loadd(5, in + AMX_TILE, AMX_BYTES);
        unit_multiply();
    }
}

/* A unit of the hidden layer whose sums wait in a buffer. */
struct unit {
    const float *sums;
    int row, out, place; /* place: of the out in its part */
};

/* Bias and activation, then what is hidden in two parts. */
static void finish_hidden(const struct mlp_block *block, const struct unit *unit) {
    const struct mlp *self = block->self;
    int left = self->layers.hidden.outs - unit->out;
    size_t at = row_place(PART, unit->row) + (size_t)(unit->place * UNIT);
    vf bias_first = vf_load(self->hidden_bias + unit->out);
    vf bias_second = vf_load(self->hidden_bias + unit->out + 16);
    for (int r = 0; r < UNIT; r++, at += AMX_INS) {
        vf first = vf_add(bias_first, vf_load(unit->sums + r * UNIT));
        vf second = vf_add(bias_second, vf_load(unit->sums + r * UNIT + 16));
        first = unit_activate(first, &self->activation, left);
        second = unit_activate(second, &self->activation, left - 16);
        _mm512_storeu_si512(block->high + at, (__m512i)_mm512_cvtne2ps_pbh(second, first));
        first = vf_sub(first, unit_widen(block->high + at));
        second = vf_sub(second, unit_widen(block->high + at + 16));
        _mm512_storeu_si512(block->low + at, (__m512i)_mm512_cvtne2ps_pbh(second, first));
    }
}

/* The hidden layer's outs from `first` on, one part of them. */
static void compute_hidden(const struct mlp_block *block, int first) {
    const struct mlp *self = block->self;
    float sums[2][UNIT * UNIT] __attribute__((aligned(64)));
    struct unit waiting = {NULL, 0, 0, 0};
    int buffer = 0;
    AMX_BARRIER();
    for (int o = 0; o < PART; o += UNIT) {
        const uint16_t *weight = self->hidden_weight + (size_t)(first + o) * self->in_pitch;
        for (int r = 0; r < block->rows; r += UNIT) {
            multiply_hidden(self, block->in + (size_t)r * self->in_pitch, weight);
            if (waiting.sums != NULL)
                finish_hidden(block, &waiting);
            unit_store_sums(sums[buffer], UNIT);
            waiting = (struct unit){sums[buffer], r, first + o, o};
            buffer = 1 - buffer;
        }
    }
    finish_hidden(block, &waiting);
}

/* The four tiles of a unit from or to its place among the sums. */
static inline void load_sums(const float *sums, size_t pitch) {
    _tile_loadd(0, sums, pitch * sizeof *sums);
    _tile_loadd(1, sums + 16, pitch * sizeof *sums);
    _tile_loadd(2, sums + AMX_ROWS * pitch, pitch * sizeof *sums);
    _tile_loadd(3, sums + AMX_ROWS * pitch + 16, pitch * sizeof *sums);
}
static inline void store_sums(float *sums, size_t pitch) {
    _tile_stored(0, sums, pitch * sizeof *sums);
    _tile_stored(1, sums + 16, pitch * sizeof *sums);
    _tile_stored(2, sums + AMX_ROWS * pitch, pitch * sizeof *sums);
    _tile_stored(3, sums + AMX_ROWS * pitch + 16, pitch * sizeof *sums);
}

/* What one part of the hidden layer adds to the sums of 32 rows by 32 outs. */
static inline void multiply_last(const uint16_t *high, const uint16_t *low,
                                 const uint16_t *weight) {
    for (int i = 0; i < PART;
         i += AMX_INS, high += 2 * AMX_TILE, low += 2 * AMX_TILE, weight += 4 * AMX_TILE) {
        _tile_loadd(4, high, AMX_BYTES);
        _tile_loadd(5, high + AMX_TILE, AMX_BYTES);
        _tile_loadd(6, weight + 2 * AMX_TILE, AMX_BYTES);
        _tile_loadd(7, weight + 3 * AMX_TILE, AMX_BYTES);
        unit_multiply();
        _tile_loadd(6, weight, AMX_BYTES);
        _tile_loadd(7, weight + AMX_TILE, AMX_BYTES);
        unit_multiply();
        _tile_loadd(4, low, AMX_BYTES);
        _tile_loadd(5, low + AMX_TILE, AMX_BYTES);
        unit_multiply();
    }
}

/* Adds the part of the hidden layer from `first` on to the sums of the last ones. */
static void add_part(const struct mlp_block *block, int first) {
    const struct mlp *self = block->self;
    AMX_BARRIER();
    for (int o = 0; o < (int)self->out_pitch; o += UNIT) {
        const uint16_t *weight = self->last_weight + 2 * (size_t)o * self->hidden_pitch +
                                 (size_t)(first / AMX_INS * 4 * AMX_TILE);
        for (int r = 0; r < block->rows; r += UNIT) {
            float *sums = block->sums + (size_t)r * self->out_pitch + o;
            load_sums(sums, self->out_pitch);
            multiply_last(block->high + (size_t)r * PART, block->low + (size_t)r * PART, weight);
            store_sums(sums, self->out_pitch);
        }
    }
    AMX_BARRIER();
}

static void run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct mlp *self = step->prepared;
    const struct spot_cpu_mlp *layers = &self->layers;
    const float *rows = spot_cpu_in(step, run, 0);
    char *scratch = run->scratch;
    struct mlp_block block = {.self = self,
                              .in = (uint16_t *)(void *)scratch,
                              .high = (uint16_t *)(void *)(scratch + self->high_at),
                              .low = (uint16_t *)(void *)(scratch + self->low_at),
                              .sums = (float *)(void *)(scratch + self->sums_at)};
    amx_begin();
    for (int first = 0; first < layers->rows; first += ROWS) {
        int count = layers->rows - first < ROWS ? layers->rows - first : ROWS;
        block.rows = (int)round_up(count, UNIT);
        begin_block(&block, rows + (size_t)first * (size_t)layers->ins, count);
        for (int part = 0; part < layers->hidden.outs; part += PART) {
            compute_hidden(&block, part);
            add_part(&block, part);
        }
        spot_cpu_mlp_write(layers, step, run, first, count, block.sums, self->out_pitch);
    }
    amx_end();
}

const struct spot_cpu_kernel spot_cpu_kernel_mlp_amx = {
    .name = "mlp",
    .op = &spot_op_fully_connected,
    .isa = SPOT_CPU_AMX,
    .match = match,
    .prepare = prepare,
    .run = run,
};
