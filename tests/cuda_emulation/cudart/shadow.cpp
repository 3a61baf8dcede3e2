/*
 * Who touched which word of device memory last, to see races and reads of what nobody wrote.
 *
 * Every two bytes, a float16, of device memory have a cell with the last write, which says whether
 * they were ever written, and the last read, or two that nothing orders; no kernel writes single
 * bytes. Two touches, one of them a write, race unless something orders them: between two pieces of
 * work, streams, events and the host's waiting (Clock); within one kernel, being the same thread, a
 * barrier of the block between them, or an exchange of the warp between them.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <algorithm>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    WORD = 2,
    WARP = 32,
    MANY = 0xfffe, /* of Toucher::thread: readers of one block that nothing orders */
};
static const uint32_t MANY_BLOCKS = UINT32_MAX;

struct Cell {
    Toucher write, read, read_too; /* node 0: nobody */
};
static_assert(sizeof(Cell) == 48, "cells are compared and copied as they lie");

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
    for (uint64_t at = address / WORD * WORD, end = address + bytes; at < end;) {
        uint64_t begin = at / PIECE * PIECE, stop = std::min(end, begin + PIECE);
        auto piece = pieces.find(at / PIECE);
        if (piece != pieces.end() && stop - at == PIECE)
            madvise(piece->second, PIECE / WORD * sizeof(Cell), MADV_DONTNEED); /* zeros again */
        else if (piece != pieces.end())
            std::fill(piece->second + (at - begin) / WORD,
                      piece->second + (stop - begin + WORD - 1) / WORD, Cell());
        at = stop;
    }
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
    bool needs_written; /* reading what nobody wrote is a fault */
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

/*
 * Makes `read` stand for this read as well, so that a write which is ordered with it is ordered
 * with both. False where it cannot: the reads are of two pieces of work that nothing orders.
 */
static bool join_read(Toucher *read, const Toucher &by) {
    if (read->node == 0 || ordered(*read, by)) {
        *read = by;
        return true;
    }
    if (read->node != by.node)
        return false;
    if (read->block != by.block)
        read->block = MANY_BLOCKS;
    read->thread = MANY;
    return true;
}

/* Keeps what a later write must be ordered with. Of more than two unordered pieces, two. */
static void remember_read(Cell *cell, const Toucher &by) {
    if (!join_read(&cell->read, by))
        join_read(&cell->read_too, by);
    else if (cell->read_too.node != 0 && ordered(cell->read_too, by))
        cell->read_too = Toucher();
}

static void touch_cell(Cell *cell, const Access &access, const Toucher &by) {
    if (cell->write.node == 0 && access.needs_written && access.kind != WRITE)
        report(by, access, "reads device memory that nobody has written", nullptr);
    if (cell->write.node != 0 && !(by.atomically && cell->write.atomically) &&
        !ordered(cell->write, by))
        report(by, access,
               access.kind == READ ? "a race: reads what was written by "
                                   : "a race: writes what was written by ",
               &cell->write);
    if (access.kind == READ) {
        remember_read(cell, by);
        return;
    }
    for (const Toucher *read : {&cell->read, &cell->read_too})
        if (read->node != 0 && !ordered(*read, by))
            report(by, access, "a race: writes what was read by ", read);
    cell->write = by;
}

/*
 * Cells that lie together. What becomes of one follows from what it was, and neighbours have mostly
 * been touched together before: then they are as the first one, and become what it became.
 */
static void touch_cells(Cell *cells, size_t count, const Access &access, Toucher by) {
    by.atomically = access.kind == ATOMIC;
    Cell before, after;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && memcmp(&cells[i], &before, sizeof before) == 0) {
            cells[i] = after;
            continue;
        }
        before = cells[i];
        touch_cell(&cells[i], access, by);
        after = cells[i];
    }
}

void shadow_touch(uint64_t address, size_t bytes, enum ptx_access kind, const Toucher &by,
                  const char *what, int line) {
    if (!checks_all())
        return;
    Access access = {kind, what, line, true};
    for (uint64_t at = address / WORD * WORD, end = address + bytes; at < end;) {
        uint64_t stop = std::min(end, (at / PIECE + 1) * PIECE);
        touch_cells(cell_of(at), (stop - at + WORD - 1) / WORD, access, by);
        at = stop;
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
    size_t first = offset / WORD, end = (offset + bytes + WORD - 1) / WORD;
    touch_cells(&shared_cells[first], end - first, {kind, what, line, false}, by);
}
