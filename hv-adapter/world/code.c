/* SPDX-License-Identifier: MIT */
/*
 * Decoded code of all harts together. A hart that runs decodes again what it lost in a fraction of
 * a millisecond; one that waits for its next timer needs nothing.
 */
#include "cpu/code_pool.h"
#include "world/world.h"

/* Who rested longest; of those that all ran in this turn the one that is the furthest from its next
 * turn: the last. Else, where all run and do not fit, each would lose what it is about to need. */
static struct hv_vm *rested_longest(const struct hv_world *world)
{
    struct hv_vm *found = NULL;
    for (unsigned i = 0; i < world->vms_count; i++) {
        struct hv_vm *vm = world->vms[i];
        if (hv_hart_code_pages(vm->hart) > 1 && (!found || vm->ran <= found->ran))
            found = vm;
    }
    return found;
}

void hv_world_trim_code(struct hv_world *world)
{
    struct hv_code_pool *pool = world->commons.code;
    size_t most = hv_code_pool_pages_max(pool), taken = hv_code_pool_taken(pool);
    if (taken < most)
        return;
    /* Down to three quarters, so that not every turn ends with a search. */
    for (struct hv_vm *vm; taken > most / 4 * 3 && (vm = rested_longest(world));) {
        taken -= hv_hart_code_pages(vm->hart) - 1;
        hv_hart_drop_code(vm->hart);
    }
    hv_code_pool_trim(pool);
}
