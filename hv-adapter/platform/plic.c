/* SPDX-License-Identifier: MIT */
/* The interrupt controller. See plic.h. */
#include "platform/plic.h"

enum {
    PENDING = 0x1000,
    ENABLE = 0x2000,
    THRESHOLD = 0x200000,
    CLAIM = 0x200004,
    PRIORITY_MAX = 7,
};

void hv_plic_set(struct hv_plic *plic, unsigned source, bool level)
{
    uint32_t bit = UINT32_C(1) << (source % HV_PLIC_SOURCES);
    plic->level = level ? plic->level | bit : plic->level & ~bit;
}

/* The pending source of the highest priority above `floor`, the lowest number first; 0: none. */
static unsigned best(const struct hv_plic *plic, uint32_t floor)
{
    uint32_t ready = plic->level & ~plic->claimed & plic->enabled & ~UINT32_C(1);
    unsigned found = 0;
    for (unsigned i = 1; i < HV_PLIC_SOURCES; i++)
        if ((ready >> i & 1) && plic->priority[i] > floor) {
            found = i;
            floor = plic->priority[i];
        }
    return found;
}

bool hv_plic_asserts(const struct hv_plic *plic)
{
    return best(plic, plic->threshold) != 0;
}

uint32_t hv_plic_load(struct hv_plic *plic, uint64_t offset)
{
    if (offset < 4 * HV_PLIC_SOURCES)
        return plic->priority[offset / 4];
    switch (offset) {
    case PENDING:
        return plic->level & ~plic->claimed;
    case ENABLE:
        return plic->enabled;
    case THRESHOLD:
        return plic->threshold;
    case CLAIM: {
        unsigned source = best(plic, 0);
        plic->claimed |= (UINT32_C(1) << source) & ~UINT32_C(1);
        return source;
    }
    default:
        return 0;
    }
}

void hv_plic_store(struct hv_plic *plic, uint64_t offset, uint32_t value)
{
    if (offset >= 4 && offset < 4 * HV_PLIC_SOURCES)
        plic->priority[offset / 4] = value & PRIORITY_MAX;
    else if (offset == ENABLE)
        plic->enabled = value & ~UINT32_C(1);
    else if (offset == THRESHOLD)
        plic->threshold = value & PRIORITY_MAX;
    else if (offset == CLAIM && value < HV_PLIC_SOURCES)
        plic->claimed &= ~(UINT32_C(1) << value);
}
