/*
 * Who touched which word of device memory last, to see races and reads of what nobody wrote.
 *
 * Every two bytes, a float16, of device memory have a cell with the last write, the last read and
 * whether they were ever written; no kernel writes single bytes. Two touches, one of them a write,
 * race unless something orders them: between two pieces of work, streams, events and the host's
 * waiting (Clock); within one kernel, being the same thread, a barrier of the block between them,
 * or an exchange of the warp between them.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    WORD = 2,
    WARP = 32,
    MANY = 0xfffe, /* of Toucher::thread: readers of one block that nothing orders */
};
static const uint32_t MANY_BLOCKS = UINT32_MAX;

struct Cell {
    Toucher write, read; /* node 0: nobody */
    bool written;        /* ever */
    bool atomically;     /* the last write */
};

/* Cells of a piece of address space, made when it is first touched. */
static const uint64_t PIECE = 1 << 16;
static std::map<uint64_t, Cell *> &pieces = *new std::map<uint64_t, Cell *>;
static uint64_t last_piece = UINT64_MAX;
static Cell *last_cells;
static uint32_t reported_by; /* the node of the last report: one is enough for each */

static Cell *cell_of(uint64_t address) {
    uint64_t piece = address / PIECE;
    if (piece != last_piece) {
        Cell *&cells = pieces[piece];
        if (cells == nullptr) {
            void *memory = mmap(nullptr, PIECE / WORD * sizeof(Cell), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (memory == MAP_FAILED) {
                perror("emulated CUDA: shadow memory");
                abort();
            }
            cells = (Cell *)memory;
        }
        last_piece = piece;
        last_cells = cells;
    }
    return &last_cells[address % PIECE / WORD];
}

void shadow_forget(uint64_t address, size_t bytes) {
    if (!checks_all())
        return;
    for (uint64_t at = address / WORD * WORD; at < address + bytes; at += WORD)
        *cell_of(at) = Cell();
}

/* Whether an earlier touch is certain to have come before this one, on any GPU. */
static bool ordered(const Toucher &earlier, const Toucher &now) {
    if (earlier.node != now.node)
        return comes_before_running(earlier.node);
    if (now.thread == WHOLE)
        return true;
    if (earlier.block != now.block)
        return false;
    if (earlier.thread == now.thread || earlier.barriers != now.barriers)
        return true;
    return earlier.thread != MANY && earlier.thread / WARP == now.thread / WARP &&
           earlier.exchanges != now.exchanges;
}

/* What is being checked, for reports. */
struct Access {
    enum ptx_access kind;
    const char *what;
    int line;
};

static void report(const Toucher &by, const Access &access, const char *fault,
                   const Toucher *other) {
    if (reported_by == by.node)
        return;
    reported_by = by.node;
    char place[64] = "", at[32] = "";
    if (access.line > 0)
        snprintf(at, sizeof at, ", PTX line %d", access.line);
    if (other != nullptr && other->thread < MANY)
        snprintf(place, sizeof place, ", block %u thread %u", other->block, other->thread);
    emulated_cuda_problem("%s%s: %s%s%s%s", access.what, at, fault,
                          other != nullptr ? node_name(other->node) : "", place,
                          other != nullptr ? ", and nothing orders them" : "");
}

/* Keeps what a later write must be ordered with: this read, and others since the last barrier. */
static void remember_read(Toucher *read, const Toucher &by) {
    if (read->node == 0 || ordered(*read, by)) {
        *read = by;
        return;
    }
    if (read->node != by.node)
        return; /* a write must be ordered with the first one as well */
    if (read->block != by.block)
        read->block = MANY_BLOCKS;
    read->thread = MANY;
}

static void touch_cell(Cell *cell, const Access &access, const Toucher &by) {
    bool atomic = access.kind == ATOMIC;
    if (cell->write.node != 0 && !(atomic && cell->atomically) && !ordered(cell->write, by))
        report(by, access,
               access.kind == READ ? "a race: reads what was written by "
                                   : "a race: writes what was written by ",
               &cell->write);
    if (access.kind == READ) {
        remember_read(&cell->read, by);
        return;
    }
    if (cell->read.node != 0 && !ordered(cell->read, by))
        report(by, access, "a race: writes what was read by ", &cell->read);
    cell->write = by;
    cell->written = true;
    cell->atomically = atomic;
}

void shadow_touch(uint64_t address, size_t bytes, enum ptx_access kind, const Toucher &by,
                  const char *what, int line) {
    if (!checks_all())
        return;
    Access access = {kind, what, line};
    for (uint64_t at = address / WORD * WORD; at < address + bytes; at += WORD) {
        Cell *cell = cell_of(at);
        if (kind != WRITE && !cell->written)
            report(by, access, "reads device memory that nobody has written", nullptr);
        touch_cell(cell, access, by);
    }
}

static std::vector<Cell> &shared_cells = *new std::vector<Cell>;

void shadow_new_block(size_t bytes) {
    shared_cells.assign(bytes / WORD + 1, Cell());
}

void shadow_touch_shared(uint64_t offset, size_t bytes, enum ptx_access kind, const Toucher &by,
                         const char *what, int line) {
    if (!checks_all())
        return;
    for (uint64_t at = offset / WORD * WORD; at < offset + bytes; at += WORD)
        touch_cell(&shared_cells[at / WORD], {kind, what, line}, by);
}
