/* SPDX-License-Identifier: MIT */
/* What sharing could save at most, counted the plain way, for the live figures to be compared with.
 */
#ifndef TESTS_HV_EXACT_H
#define TESTS_HV_EXACT_H

#include "rig.h"

static inline int exact_by_content(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, HV_PAGE_BYTES);
}

/* Counts contents the plain way: copies, sorted. */
static inline void exact(struct hv_world *world, struct hv_figures *figures)
{
    size_t count = 0, room = 0;
    for (unsigned i = 0; i < hv_world_vms(world); i++)
        room += hv_world_vm(world, i)->map.present_pages;
    const uint8_t **pages = malloc(room * sizeof *pages);
    assert_non_null(pages);
    for (unsigned i = 0; i < hv_world_vms(world); i++) {
        const struct hv_vm *vm = hv_world_vm(world, i);
        for (hv_ppn ppn = vm->map.begin; hv_physmap_next(&vm->map, ppn, &ppn); ppn.n++)
            pages[count++] = hv_machine_page(&world->commons.machine,
                                             (hv_mpn){hv_physmap_at(&vm->map, ppn)->mpn});
    }
    qsort(pages, count, sizeof *pages, exact_by_content);
    static const uint8_t zeros[HV_PAGE_BYTES];
    *figures = (struct hv_figures){.touched_pages = count};
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && exact_by_content(&pages[i], &pages[end]) == 0;)
            end++;
        figures->reclaimed_pages += end - i - 1;
        if (end - i < 2)
            continue;
        figures->shared_pages += end - i;
        if (memcmp(pages[i], zeros, HV_PAGE_BYTES) == 0)
            figures->zero_pages += end - i;
    }
    free(pages);
}

#endif
