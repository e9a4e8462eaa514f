/* SPDX-License-Identifier: MIT */
/* All memory of other VMs. See others.h. */
#include "others.h"

#include "cpu/access.h"
#include "must.h"

static uint64_t add(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static void add_vm(struct others *others, const struct hv_vm *vm)
{
    for (hv_ppn ppn = vm->map.begin; hv_physmap_next(&vm->map, ppn, &ppn); ppn.n++) {
        hv_mpn mpn = {hv_physmap_at(&vm->map, ppn)->mpn};
        const uint8_t *bytes = hv_machine_page(vm->machine, mpn);
        others->hash = add(add(others->hash, vm->index), ppn.n);
        for (unsigned at = 0; at < HV_PAGE_BYTES; at += 8)
            others->hash = add(others->hash, hv_mem_load(bytes + at, 8));
        others->pages++;
    }
}

struct others others_now(const struct hv_world *world, const struct hv_vm *hostile)
{
    struct others others = {.world = world, .hostile = hostile};
    for (unsigned i = 0; i < world->vms_count; i++)
        if (world->vms[i] != hostile && world->vms[i]->map.entries)
            add_vm(&others, world->vms[i]);
    return others;
}

void others_must_be_same(const struct others *before)
{
    struct others now = others_now(before->world, before->hostile);
    MUST(now.pages == before->pages);
    MUST(now.hash == before->hash);
}
