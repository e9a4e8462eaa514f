/* SPDX-License-Identifier: MIT */
/*
 * From a program counter to decoded code.
 *
 * A fetch translation is made here, and nowhere else is decoded code believed to be what memory
 * holds: see code.h, "Truth". Instructions that cannot run from their page's slots run from
 * hart->step, one at a time: those that straddle two pages, since what their second half is depends
 * on the next virtual page, and the last few of a budget, when a whole run is no longer paid for.
 */
#include "decode.h"
#include "state.h"

static enum hv_result fill_code(struct hv_hart *hart, uint64_t va)
{
    struct hv_tlb_fill fill;
    enum hv_fill kind;
    if (hv_fill(hart, va, HV_ACCESS_FETCH, &fill, &kind) != HV_DONE)
        return HV_REDIRECTED;
    struct hv_code_page *page = hv_code_cache_find(&hart->code, fill.page);
    if (!page) {
        page = hv_code_cache_victim(&hart->code, fill.page);
        hv_tlb_drop_code_page(&hart->tlb, page);
        hv_code_page_reset(page, fill.page);
        hart->code_decodes++;
    } else if (!hv_code_page_is_current(page)) {
        hv_code_page_reset(page, fill.page);
        hart->code_decodes++;
    }
    hv_tlb_put_code(hart->bank, va, page);
    return HV_DONE;
}

enum hv_result hv_fetch_fill(struct hv_hart *hart)
{
    return fill_code(hart, hart->pc);
}

static enum hv_result fetch_parcel(struct hv_hart *hart, uint64_t va, uint32_t *parcel)
{
    struct hv_tlb_code *entry = &hart->bank->exec[hv_tlb_code_index(va)];
    if (entry->tag != hv_tlb_tag(va, 1) && fill_code(hart, va) != HV_DONE)
        return HV_REDIRECTED;
    *parcel = hv_code_page_parcel(entry->page, (unsigned)(va & ~HV_PAGE_MASK) / 2);
    return HV_DONE;
}

uint32_t hv_fetch_bits(const struct hv_hart *hart, struct hv_code_page *page, unsigned slot)
{
    if (page == &hart->step)
        return hart->step_bits;
    uint32_t bits = hv_code_page_parcel(page, slot);
    if (hv_insn_is_long(bits))
        bits |= (uint32_t)hv_code_page_parcel(page, slot + 1) << 16;
    return bits;
}

enum hv_result hv_fetch_step(struct hv_hart *hart)
{
    uint32_t bits, upper;
    if (fetch_parcel(hart, hart->pc, &bits) != HV_DONE)
        return HV_REDIRECTED;
    if (hv_insn_is_long(bits)) {
        if (fetch_parcel(hart, hart->pc + 2, &upper) != HV_DONE)
            return HV_REDIRECTED;
        bits |= upper << 16;
    }
    unsigned slot = (unsigned)(hart->pc & ~HV_PAGE_MASK) / 2;
    if (hart->step_slot != slot || hart->step_bits != bits) /* a loop over a page's end repeats */
        hv_code_page_put_step(&hart->step, slot, bits);
    hart->step_slot = slot;
    hart->step_bits = bits;
    return HV_DONE;
}
