/* SPDX-License-Identifier: MIT */
/* The Sv39 page-table walk. See sv39.h. */
#include "sv39.h"

#include "access_kind.h"

enum {
    PTE_PPN_SHIFT = 10,
    PTE_RESERVED_SHIFT = 54,
    INDEX_BITS = 9,
    UPDATES_MAX = 64, /* of one entry that somebody else keeps changing */
};

#define PPN_MASK ((UINT64_C(1) << 44) - 1)

static unsigned page_fault(enum hv_access access)
{
    return access == HV_ACCESS_FETCH  ? HV_CAUSE_FETCH_PAGE
           : access == HV_ACCESS_LOAD ? HV_CAUSE_LOAD_PAGE
                                      : HV_CAUSE_STORE_PAGE;
}

static bool is_canonical(uint64_t va)
{
    int64_t upper = (int64_t)va >> 38;
    return upper == 0 || upper == -1;
}

static bool is_leaf(uint64_t pte)
{
    return (pte & (HV_PTE_R | HV_PTE_X)) != 0;
}

uint64_t hv_sv39_ppn(uint64_t pte)
{
    return pte >> PTE_PPN_SHIFT & PPN_MASK;
}

/* Valid, and no bit set that means nothing in such an entry at this level. */
static bool is_well_formed(uint64_t pte, unsigned level)
{
    if (!(pte & HV_PTE_V) || pte >> PTE_RESERVED_SHIFT)
        return false;
    if (!is_leaf(pte))
        return level > 0 && !(pte & (HV_PTE_W | HV_PTE_U | HV_PTE_A | HV_PTE_D));
    if ((pte & HV_PTE_W) && !(pte & HV_PTE_R))
        return false;
    uint64_t inside = (UINT64_C(1) << (INDEX_BITS * level)) - 1;
    return (hv_sv39_ppn(pte) & inside) == 0;
}

bool hv_sv39_is_leaf(uint64_t pte, unsigned level)
{
    return is_well_formed(pte, level) && is_leaf(pte);
}

/* What the leaf lets this context do, A and D aside. */
unsigned hv_sv39_permitted(uint64_t pte, const struct hv_mmu *mmu)
{
    unsigned allow = 0;
    if (pte & HV_PTE_R || (mmu->mxr && pte & HV_PTE_X))
        allow |= HV_ALLOW_READ;
    if (pte & HV_PTE_W)
        allow |= HV_ALLOW_WRITE;
    if (pte & HV_PTE_X)
        allow |= HV_ALLOW_EXEC;
    if (mmu->priv == HV_PRIV_U)
        return pte & HV_PTE_U ? allow : 0;
    if (!(pte & HV_PTE_U))
        return allow;
    return mmu->sum ? allow & ~(unsigned)HV_ALLOW_EXEC : 0;
}

/*
 * Checks the leaf in walk->pte[step] and sets A, and D for a store. When the entry changes under
 * it, it is checked anew.
 */
static unsigned finish(const struct hv_sv39_ops *ops, void *ctx, const struct hv_mmu *mmu,
                       enum hv_access access, struct hv_sv39_walk *walk)
{
    unsigned step = walk->steps - 1u;
    unsigned needs = hv_access_needs(access);
    uint64_t *pte = &walk->pte[step];
    for (unsigned updates = 0; updates < UPDATES_MAX; updates++) {
        if (!is_well_formed(*pte, walk->level) || !is_leaf(*pte))
            break; /* it became a pointer: as if it had come just after this access's turn */
        unsigned allow = hv_sv39_permitted(*pte, mmu);
        if ((allow & needs) != needs)
            break;
        uint64_t marked = *pte | HV_PTE_A | (hv_access_stores(access) ? HV_PTE_D : 0);
        uint64_t expected = *pte;
        if (marked != expected) {
            if (!ops->update_pte(ctx, walk->pte_gpa[step], &expected, marked))
                return hv_access_fault(access);
            if (expected != *pte) {
                *pte = expected;
                continue;
            }
            *pte = marked;
        }
        if (!(marked & HV_PTE_D))
            allow &= ~(unsigned)HV_ALLOW_WRITE; /* the first store must come and set D */
        walk->allow = (uint8_t)allow;
        return 0;
    }
    return page_fault(access);
}

unsigned hv_sv39_walk(const struct hv_sv39_ops *ops, void *ctx, const struct hv_mmu *mmu,
                      uint64_t va, enum hv_access access, struct hv_sv39_walk *walk)
{
    *walk = (struct hv_sv39_walk){.gpa = va};
    if (mmu->satp >> 60 == 0) {
        walk->allow = HV_ALLOW_READ | HV_ALLOW_WRITE | HV_ALLOW_EXEC;
        return 0;
    }
    if (!is_canonical(va))
        return page_fault(access);
    uint64_t table = (mmu->satp & PPN_MASK) << 12;
    for (unsigned level = HV_SV39_LEVELS; level-- > 0;) {
        unsigned step = walk->steps++, shift = hv_sv39_span_bits(level);
        uint64_t index = va >> shift & ((1u << INDEX_BITS) - 1);
        walk->level = (uint8_t)level;
        walk->pte_gpa[step] = table + index * 8;
        if (!ops->read_pte(ctx, walk->pte_gpa[step], &walk->pte[step]))
            return hv_access_fault(access);
        uint64_t pte = walk->pte[step];
        if (!is_well_formed(pte, level))
            return page_fault(access);
        if (is_leaf(pte)) {
            unsigned cause = finish(ops, ctx, mmu, access, walk);
            uint64_t inside = (UINT64_C(1) << shift) - 1;
            walk->gpa = (hv_sv39_ppn(walk->pte[step]) << 12) | (va & inside);
            return cause;
        }
        table = hv_sv39_ppn(pte) << 12;
    }
    return page_fault(access); /* not reached: an entry of level 0 that is no leaf is malformed */
}
