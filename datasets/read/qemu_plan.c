/* SPDX-License-Identifier: MIT */
/*
 * Which bytes a page has at last, of those that were sent of it.
 *
 * One sweep over the runs by key: among those that have a page, kept in a heap, the one that was
 * sent last gives it. Pages of a RAM block that were never sent are absent, or cut away if the
 * stream is. Cost: O(runs log runs).
 */
#include "qemu.h"

#include <stdlib.h>

struct sweep {
    struct ds_source *source;
    const struct ds_qemu_stream *stream;
    struct ds_qemu_plan *plan;
    size_t next;                     /* run that was not reached yet */
    const struct ds_qemu_run **heap; /* those that were, the last one sent on top */
    size_t count;
};

static uint64_t run_end(const struct ds_qemu_run *run)
{
    return run->key + run->pages;
}

static int by_key(const void *a, const void *b)
{
    const struct ds_qemu_run *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void swap(const struct ds_qemu_run **a, const struct ds_qemu_run **b)
{
    const struct ds_qemu_run *kept = *a;
    *a = *b;
    *b = kept;
}

static void push(struct sweep *sweep, const struct ds_qemu_run *run)
{
    const struct ds_qemu_run **heap = sweep->heap;
    size_t i = sweep->count++;
    heap[i] = run;
    for (; i > 0 && heap[(i - 1) / 2]->order < heap[i]->order; i = (i - 1) / 2)
        swap(&heap[(i - 1) / 2], &heap[i]);
}

static void pop(struct sweep *sweep)
{
    const struct ds_qemu_run **heap = sweep->heap;
    heap[0] = heap[--sweep->count];
    for (size_t i = 0, child; (child = 2 * i + 1) < sweep->count; i = child) {
        if (child + 1 < sweep->count && heap[child + 1]->order > heap[child]->order)
            child++;
        if (heap[i]->order >= heap[child]->order)
            break;
        swap(&heap[i], &heap[child]);
    }
}

static bool add_piece(struct sweep *sweep, struct ds_piece piece)
{
    struct ds_qemu_plan *plan = sweep->plan;
    if (piece.pages == 0)
        return true;
    if (plan->pieces == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 64;
        struct ds_piece *more = realloc(plan->piece, capacity * sizeof *more);
        if (!more)
            return ds_fail(sweep->source, "out of memory for %zu runs of pages", capacity);
        plan->piece = more;
        plan->capacity = capacity;
    }
    plan->piece[plan->pieces++] = piece;
    return true;
}

/* Pages that nothing was sent of: [from, to), over all blocks. */
static bool add_gap(struct sweep *sweep, uint64_t from, uint64_t to)
{
    bool cut = sweep->stream->truncated;
    return add_piece(sweep, (struct ds_piece){.key = from,
                                              .pages = to - from,
                                              .state = cut ? DS_EXCLUDED : DS_ABSENT,
                                              .cut = cut});
}

static bool add_pages(struct sweep *sweep, const struct ds_qemu_run *run, uint64_t from,
                      uint64_t to)
{
    struct ds_piece piece = {.key = from, .pages = to - from, .state = DS_ZERO};
    if (run->offset != DS_QEMU_ZERO) {
        piece.state = DS_DATA;
        piece.offset = run->offset + (from - run->key) * run->stride;
        piece.stride = run->stride;
    }
    return add_piece(sweep, piece);
}

static bool run_sweep(struct sweep *sweep, uint64_t end)
{
    const struct ds_qemu_run *run = sweep->stream->run;
    size_t runs = sweep->stream->runs;
    uint64_t at = 0;
    while (at < end) {
        while (sweep->next < runs && run[sweep->next].key <= at)
            push(sweep, &run[sweep->next++]);
        while (sweep->count > 0 && run_end(sweep->heap[0]) <= at)
            pop(sweep);
        uint64_t to = sweep->next < runs ? run[sweep->next].key : end;
        if (sweep->count == 0) {
            if (!add_gap(sweep, at, to))
                return false;
        } else {
            to = run_end(sweep->heap[0]) < to ? run_end(sweep->heap[0]) : to;
            if (!add_pages(sweep, sweep->heap[0], at, to))
                return false;
        }
        at = to;
    }
    return true;
}

/* Those without bytes first. */
static int by_offset(const void *a, const void *b)
{
    const struct ds_piece *x = a, *y = b;
    bool x_data = x->state == DS_DATA, y_data = y->state == DS_DATA;
    if (x_data != y_data)
        return x_data ? 1 : -1;
    if (x_data && x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

bool ds_qemu_plan(struct ds_source *source, struct ds_qemu_stream *stream,
                  struct ds_qemu_plan *plan)
{
    struct sweep sweep = {.source = source, .stream = stream, .plan = plan};
    if (stream->blocks == 0)
        return ds_fail(source, "expected RAM blocks, found none");
    sweep.heap = calloc(stream->runs + 1, sizeof *sweep.heap);
    if (!sweep.heap)
        return ds_fail(source, "out of memory for %zu runs of pages", stream->runs);
    if (stream->runs > 1)
        qsort(stream->run, stream->runs, sizeof *stream->run, by_key);
    bool ok = run_sweep(&sweep, stream->block[stream->blocks - 1].end);
    free(sweep.heap);
    if (ok && plan->pieces > 1)
        qsort(plan->piece, plan->pieces, sizeof *plan->piece, by_offset);
    return ok;
}
