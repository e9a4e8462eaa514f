/* SPDX-License-Identifier: MIT */
/*
 * Which pages next, at random: each page that is there has the same chance.
 *
 * Only next_present tells what is there, and memory may be sparse: to draw a page number and take
 * the next page would prefer pages behind gaps. So a pass begins by going over all pages once,
 * and notes every 512th of a VM: the first page of a stretch. A batch is one stretch, drawn with
 * the same chance as any other, and of its places, as many as the longest stretch has pages, as
 * many as the batch has room for, drawn without repetition. A shorter stretch has places with
 * nothing behind them, which are drawn in vain: so a page's chance does not depend on how many
 * there are beside it.
 *
 * Cost: a call of next_present for each page once a pass, and 512 a draw at most. Among many VMs of
 * few pages beside a large one, most draws are in vain; each enters a VM. Pages that come during a
 * pass are drawn in it if a stretch has come to hold them; a VM that comes is, from the next pass
 * on. Memory: 16 bytes a stretch, up to three times that while the array of them grows, and none
 * before somebody scans at random.
 */
#include "enter.h"
#include "ops.h"
#include "scan_batch.h"
#include <string.h>

#define BATCH_PAGES 128u /* places drawn a batch: a run */
#define FIRST_ROOM  8u   /* stretches that the first array has room for */

/* So many times all places of a stretch: one page in it would have been met but for one time in
 * e^16. */
#define VAIN_TURNS 16u

/* SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014). */
static uint64_t random_below(uint64_t *state, uint64_t bound)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint64_t)((unsigned __int128)(z ^ z >> 31) * bound >> 64);
}

/* ----------------------------------------------------------------------------- stretches -- */

static void free_stretches(struct share *share, struct share_stretches *some)
{
    share_mem_free(&share->mem, some->stretch, some->room * sizeof *some->stretch);
    *some = (struct share_stretches){.stretch = NULL};
}

static bool add_stretch(struct share *share, struct share_stretches *some,
                        struct share_stretch stretch)
{
    if (some->count == some->room) {
        size_t room = some->room ? 2 * some->room : FIRST_ROOM;
        struct share_stretch *larger =
            share_mem_new(&share->mem, room * sizeof *larger, SHARE_LINE_NBYTES);
        if (!larger)
            return false;
        if (some->count)
            memcpy(larger, some->stretch, some->count * sizeof *larger);
        share_mem_free(&share->mem, some->stretch, some->room * sizeof *larger);
        some->stretch = larger;
        some->room = room;
    }
    some->stretch[some->count++] = stretch;
    return true;
}

/* Adds those of one VM. False: memory was refused. */
static bool find_in_vm(struct share *share, struct share_stretches *some, share_vm number)
{
    struct share_vm_object *vm = share_vm_enter(share, number);
    bool ok = true;
    if (!vm)
        return true;
    share_ppn at = atomic_load(&vm->started) ? vm->begin : vm->end;
    for (uint64_t pages = 0; ok && at.n < vm->end.n; pages++, some->pages++, at.n++) {
        if (!share_next_present(share, vm, at, &at))
            break;
        if (pages % SHARE_STRETCH_PAGES == 0)
            ok = add_stretch(share, some, (struct share_stretch){number, at});
        if (pages < SHARE_STRETCH_PAGES && some->places <= pages)
            some->places = pages + 1;
    }
    share_vm_leave(vm);
    return ok;
}

/* Finds all for the pass that goes on, unless that has been done. Two threads may do it at once,
 * one of them in vain. False: memory was refused. */
static bool find_stretches(struct share *share)
{
    struct share_scanner *scanner = &share->scanner;
    struct share_stretches found = {.stretch = NULL};
    share_lock_take(&scanner->lock);
    found.pass = scanner->passes;
    bool known = scanner->stretches.valid && scanner->stretches.pass == found.pass;
    share_lock_drop(&scanner->lock);
    if (known)
        return true;
    bool ok = true;
    for (share_vm i = 0; ok && i < share_vm_end(share); i++)
        ok = find_in_vm(share, &found, i);
    if (ok) {
        found.valid = true;
        share_lock_take(&scanner->lock);
        struct share_stretches before = scanner->stretches;
        scanner->stretches = found;
        share_lock_drop(&scanner->lock);
        found = before;
    }
    free_stretches(share, &found);
    return ok;
}

void share_stretches_drop(struct share *share)
{
    share_lock_take(&share->scanner.lock);
    struct share_stretches dropped = share->scanner.stretches;
    share->scanner.stretches = (struct share_stretches){.stretch = NULL};
    share_lock_drop(&share->scanner.lock);
    free_stretches(share, &dropped);
}

/* --------------------------------------------------------------------------------- draws -- */

/* One stretch, and the state of random numbers for its places. */
struct draw {
    struct share_stretch stretch;
    share_ppn end; /* the next stretch of the VM begins here, or it ends */
    uint64_t places;
    uint64_t random;
};

enum next { DRAWN, OVER, AGAIN };

/* Draws a stretch. Scan lock held, and there is one. */
static struct draw draw_stretch(struct share_scanner *scanner)
{
    const struct share_stretches *all = &scanner->stretches;
    uint64_t at = random_below(&scanner->random_state, all->count);
    struct draw draw = {.stretch = all->stretch[at], .end = {SHARE_PPN_END}, .places = all->places};
    if (at + 1 < all->count && all->stretch[at + 1].vm == draw.stretch.vm)
        draw.end = all->stretch[at + 1].first;
    draw.random = random_below(&scanner->random_state, UINT64_MAX);
    return draw;
}

/* Draws a stretch for the batch, or ends the pass: if it has had as many looks as there are pages,
 * or if so many places were in vain that there can hardly be a page; waits for the batches of
 * others before it ends. */
static enum next draw_or_end(struct share_scanner *scanner, struct share_batch *batch,
                             struct draw *draw, uint64_t vain)
{
    enum next next = AGAIN;
    share_lock_take(&scanner->lock);
    const struct share_stretches *all = &scanner->stretches;
    uint64_t looked = scanner->now.looked, left = all->pages > looked ? all->pages - looked : 0;
    if (all->valid && left && vain < VAIN_TURNS * all->places) {
        *draw = draw_stretch(scanner);
        batch->room = batch->room < left ? batch->room : (size_t)left;
        next = DRAWN;
    } else if (all->valid && !scanner->inflight) {
        batch->pass_ended = true;
        share_pass_end(scanner);
        next = OVER;
    } else if (all->valid) {
        share_batch_wait(scanner);
    }
    share_lock_drop(&scanner->lock);
    return next;
}

/* Fills the batch with pages in `room` places of the stretch, drawn without repetition (D. Knuth,
 * The Art of Computer Programming, 3.4.2, algorithm S). Of how many places. */
static uint64_t collect_drawn(struct share *share, struct share_batch *batch, struct draw *draw)
{
    struct share_vm_object *vm = share_vm_enter(share, draw->stretch.vm);
    uint64_t places = batch->room < draw->places ? batch->room : draw->places, wanted = places;
    if (!vm)
        return places;
    if (!atomic_load(&vm->started)) { /* a new one of that number */
        share_vm_leave(vm);
        return places;
    }
    batch->vm = draw->stretch.vm;
    share_ppn end = draw->end.n < vm->end.n ? draw->end : vm->end, at = draw->stretch.first;
    for (uint64_t left = draw->places; wanted && at.n < end.n; left--, at.n++) {
        if (!share_next_present(share, vm, at, &at) || at.n >= end.n)
            break;
        if (random_below(&draw->random, left) >= wanted)
            continue;
        wanted--;
        batch->ppns[batch->count++] = at;
    }
    share_vm_leave(vm);
    return places;
}

static void start(struct share_scanner *scanner, struct share_batch *batch)
{
    share_lock_take(&scanner->lock);
    share_batch_start(scanner, batch);
    share_lock_drop(&scanner->lock);
}

bool share_take_random(struct share *share, struct share_batch *batch)
{
    struct draw draw;
    if (batch->room > BATCH_PAGES)
        batch->room = BATCH_PAGES;
    for (uint64_t vain = 0;;) {
        if (!find_stretches(share))
            return false;
        switch (draw_or_end(&share->scanner, batch, &draw, vain)) {
        case OVER:
            return true;
        case AGAIN:
            break;
        case DRAWN:
            vain += collect_drawn(share, batch, &draw);
            if (!batch->count)
                break;
            start(&share->scanner, batch);
            return true;
        }
    }
}
