/* SPDX-License-Identifier: MIT */
/*
 * Which pages next: one after the other.
 *
 * The cursor is read under the scan lock, pages are looked up without it (next_present is an op),
 * and the cursor is moved only if nobody moved it meanwhile.
 */
#include "enter.h"
#include "ops.h"
#include "scan_batch.h"

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
