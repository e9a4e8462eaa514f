/* SPDX-License-Identifier: MIT */
/*
 * Which pages next: one after the other, or at random.
 *
 * The cursor is read under the scan lock, pages are looked up without it (next_present is an op),
 * and the cursor is moved only if nobody moved it meanwhile.
 */
#include "enter.h"
#include "ops.h"
#include "scan_batch.h"

#define RANDOM_PAGES 128u /* a batch, if they are drawn: each is compared with all others */

/* ----------------------------------------------------------------------------- sequential -- */

/* Fills the batch with present pages of its VM from `from` on. */
static void collect(struct share *share, struct share_batch *batch, share_ppn from)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    batch->count = 0;
    if (!vm)
        return;
    if (!atomic_load(&vm->started))
        from = vm->end;
    if (from.n < vm->begin.n)
        from = vm->begin;
    while (batch->count < batch->room && from.n < vm->end.n) {
        share_ppn *found = &batch->ppns[batch->count];
        if (!share_next_present(share, vm, from, found))
            break;
        batch->count++;
        from.n = found->n + 1;
    }
    share_vm_leave(vm);
}

/* Moves the cursor past a batch found from `seen`; false if somebody else has moved it. Waits while
 * others still work on the last pages of the pass. */
static bool advance(struct share_scanner *scanner, uint32_t seen, struct share_batch *batch)
{
    share_lock_take(&scanner->lock);
    while (scanner->version == seen && !batch->count && scanner->inflight)
        share_batch_wait(scanner);
    bool ours = scanner->version == seen;
    if (ours && batch->count) {
        scanner->vm = batch->vm;
        scanner->ppn.n = batch->ppns[batch->count - 1].n + 1;
        scanner->version++;
        share_batch_start(scanner, batch);
    } else if (ours) {
        share_pass_end(scanner);
        batch->pass_ended = true;
    }
    share_lock_drop(&scanner->lock);
    return ours;
}

void share_take_sequential(struct share *share, struct share_batch *batch)
{
    struct share_scanner *scanner = &share->scanner;
    for (;;) {
        share_lock_take(&scanner->lock);
        share_ppn from = scanner->ppn;
        batch->vm = scanner->vm;
        uint32_t seen = scanner->version;
        share_lock_drop(&scanner->lock);

        collect(share, batch, from);
        while (!batch->count && ++batch->vm < share_vm_end(share))
            collect(share, batch, (share_ppn){0});
        if (advance(scanner, seen, batch))
            return;
    }
}

/* --------------------------------------------------------------------------------- random -- */

/* SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014). Scan lock held. */
static uint64_t random_below(struct share_scanner *scanner, uint64_t bound)
{
    uint64_t z = scanner->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint64_t)((unsigned __int128)(z ^ z >> 31) * bound >> 64);
}

/* Pages of PPN space of all live VMs; the VM in which page `at` of them lies in *vm. */
static uint64_t spans(struct share *share, uint64_t at, share_vm *vm)
{
    uint64_t total = 0;
    for (share_vm i = 0; i < share_vm_end(share); i++) {
        struct share_vm_object *object = share_vm_enter(share, i);
        if (!object)
            continue;
        uint64_t span = atomic_load(&object->started) ? object->end.n - object->begin.n : 0;
        if (at >= total && at < total + span)
            *vm = i;
        total += span;
        share_vm_leave(object);
    }
    return total;
}

static bool holds(const struct share_batch *batch, share_ppn ppn)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->ppns[i].n == ppn.n)
            return true;
    return false;
}

/* Pages of batch->vm at or after each draw. */
static void collect_drawn(struct share *share, struct share_batch *batch, const uint64_t *draws)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    if (!vm)
        return;
    uint64_t span = vm->end.n - vm->begin.n;
    for (size_t i = 0; i < batch->room; i++) {
        share_ppn found, from = {vm->begin.n + draws[i] % span};
        if (!share_next_present(share, vm, from, &found) &&
            !share_next_present(share, vm, vm->begin, &found))
            break;
        if (share_ppn_valid(vm, found) && !holds(batch, found))
            batch->ppns[batch->count++] = found;
    }
    share_vm_leave(vm);
}

/* Random pages of a random VM, VMs weighted by size; of the next one if it has none. */
static void collect_random(struct share *share, struct share_batch *batch, uint64_t total)
{
    struct share_scanner *scanner = &share->scanner;
    uint64_t draws[RANDOM_PAGES + 1];
    share_lock_take(&scanner->lock);
    for (size_t i = 0; i <= RANDOM_PAGES; i++)
        draws[i] = random_below(scanner, i ? UINT64_MAX : total);
    share_lock_drop(&scanner->lock);

    spans(share, draws[RANDOM_PAGES] % total, &batch->vm);
    share_vm end = share_vm_end(share);
    for (share_vm tried = 0; tried < end && !batch->count; tried++) {
        if (tried)
            batch->vm = batch->vm + 1 < end ? batch->vm + 1 : 0;
        collect_drawn(share, batch, draws);
    }
}

void share_take_random(struct share *share, struct share_batch *batch)
{
    struct share_scanner *scanner = &share->scanner;
    share_vm ignored = 0;
    uint64_t total = spans(share, UINT64_MAX, &ignored);
    if (batch->room > RANDOM_PAGES)
        batch->room = RANDOM_PAGES;
    if (total)
        collect_random(share, batch, total);
    share_lock_take(&scanner->lock);
    bool over;
    while ((over = !batch->count || scanner->now.looked >= total) && scanner->inflight)
        share_batch_wait(scanner);
    if (over) {
        batch->count = 0;
        batch->pass_ended = true;
        share_pass_end(scanner);
    } else {
        share_batch_start(scanner, batch);
    }
    share_lock_drop(&scanner->lock);
}
