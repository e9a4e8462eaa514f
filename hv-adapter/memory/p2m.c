/* SPDX-License-Identifier: MIT */
/* The guest's own view of its physmap. See p2m.h. */
#include "memory/p2m.h"

#include <stdlib.h>

#include "cpu/access.h"
#include "guest/hypercall.h"
#include "memory/physmap.h"

bool hv_p2m_init(struct hv_p2m *p2m, uint64_t pages, uint64_t machine_pages)
{
    uint64_t nbytes = (pages * sizeof(uint64_t) + HV_PAGE_BYTES - 1) & ~(HV_PAGE_BYTES - 1);
    *p2m = (struct hv_p2m){.nbytes = nbytes, .machine_pages = machine_pages};
    p2m->mpn = aligned_alloc(HV_PAGE_BYTES, nbytes);
    p2m->ever = calloc(machine_pages / 64 + 1, sizeof *p2m->ever);
    if (!p2m->mpn || !p2m->ever) {
        hv_p2m_fini(p2m);
        return false;
    }
    for (uint64_t i = 0; i < nbytes / sizeof *p2m->mpn; i++)
        p2m->mpn[i] = HV_PARA_ABSENT;
    return true;
}

void hv_p2m_fini(struct hv_p2m *p2m)
{
    free(p2m->mpn);
    free(p2m->ever);
    *p2m = (struct hv_p2m){.mpn = NULL};
}

void hv_p2m_set(struct hv_p2m *p2m, uint64_t index, uint32_t mpn)
{
    hv_mem_store(&p2m->mpn[index], 8, mpn == HV_MPN_NONE ? HV_PARA_ABSENT : mpn);
    if (mpn != HV_MPN_NONE)
        p2m->ever[mpn / 64] |= UINT64_C(1) << mpn % 64;
}
