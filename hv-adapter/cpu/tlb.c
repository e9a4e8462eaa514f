/* SPDX-License-Identifier: MIT */
/*
 * Filling and dropping TLB entries; lookups are inline where the instructions are.
 *
 * Cost: a flush writes the banks that were used (up to 60 KiB), a page flush nine entries, the
 * drops by host page read every entry. Source: volume II, 4.2.1 (SFENCE.VMA).
 */
#include "tlb.h"

#include <string.h>

#include "code.h"

_Static_assert(HV_TLB_NONE == UINT64_MAX, "clearing is filling with ones");

static void clear_data(struct hv_tlb_data *entries)
{
    memset(entries, 0xff, HV_TLB_DATA * sizeof *entries);
}

static void clear_code(struct hv_tlb_code *entries)
{
    memset(entries, 0xff, HV_TLB_CODE * sizeof *entries);
}

/* Not a multiple of any span: no va & large_mask is ever this. */
#define NO_SPANS UINT64_C(1)

static void forget_spans(struct hv_tlb *tlb)
{
    tlb->large_mask = 0;
    tlb->large_base = NO_SPANS;
}

void hv_tlb_init(struct hv_tlb *tlb)
{
    for (unsigned i = 0; i < HV_BANKS; i++)
        tlb->bank[i].used = true;
    hv_tlb_flush(tlb);
}

void hv_tlb_flush(struct hv_tlb *tlb)
{
    for (unsigned i = 0; i < HV_BANKS; i++) {
        struct hv_tlb_bank *bank = &tlb->bank[i];
        if (!bank->used)
            continue;
        clear_data(bank->read);
        clear_data(bank->write);
        clear_code(bank->exec);
        bank->used = false;
    }
    forget_spans(tlb);
}

void hv_tlb_flush_page(struct hv_tlb *tlb, uint64_t va)
{
    uint64_t tag = va & HV_PAGE_MASK;
    if ((va & tlb->large_mask) == tlb->large_base) {
        hv_tlb_flush(tlb);
        return;
    }
    for (unsigned i = 0; i < HV_BANKS; i++) {
        struct hv_tlb_bank *bank = &tlb->bank[i];
        struct hv_tlb_data *read = &bank->read[hv_tlb_data_index(va)];
        struct hv_tlb_data *write = &bank->write[hv_tlb_data_index(va)];
        struct hv_tlb_code *exec = &bank->exec[hv_tlb_code_index(va)];
        if (read->tag == tag)
            read->tag = HV_TLB_NONE;
        if (write->tag == tag)
            write->tag = HV_TLB_NONE;
        if (exec->tag == tag)
            exec->tag = HV_TLB_NONE;
    }
}

void hv_tlb_flush_code(struct hv_tlb *tlb)
{
    for (unsigned i = 0; i < HV_BANKS; i++) {
        if (tlb->bank[i].used)
            clear_code(tlb->bank[i].exec);
    }
}

void hv_tlb_drop_code_page(struct hv_tlb *tlb, const struct hv_code_page *page)
{
    for (unsigned i = 0; i < HV_BANKS; i++) {
        struct hv_tlb_code *exec = tlb->bank[i].exec;
        for (unsigned k = 0; tlb->bank[i].used && k < HV_TLB_CODE; k++) {
            if (exec[k].page == page)
                exec[k].tag = HV_TLB_NONE;
        }
    }
}

static void drop_data(struct hv_tlb_data *entries, const void *host)
{
    for (unsigned k = 0; k < HV_TLB_DATA; k++) {
        if (entries[k].tag + entries[k].addend == (uintptr_t)host)
            entries[k].tag = HV_TLB_NONE;
    }
}

void hv_tlb_drop_host_page(struct hv_tlb *tlb, const void *host)
{
    for (unsigned i = 0; i < HV_BANKS; i++) {
        struct hv_tlb_bank *bank = &tlb->bank[i];
        if (!bank->used)
            continue;
        drop_data(bank->read, host);
        drop_data(bank->write, host);
        for (unsigned k = 0; k < HV_TLB_CODE; k++) {
            struct hv_tlb_code *exec = &bank->exec[k];
            if (exec->tag != HV_TLB_NONE && exec->page->host == host)
                exec->tag = HV_TLB_NONE;
        }
    }
}

void hv_tlb_write_protect_host_page(struct hv_tlb *tlb, const void *host)
{
    for (unsigned i = 0; i < HV_BANKS; i++) {
        if (tlb->bank[i].used)
            drop_data(tlb->bank[i].write, host);
    }
}

static bool has_data(const struct hv_tlb_data *entries, const void *host)
{
    for (unsigned k = 0; k < HV_TLB_DATA; k++)
        if (entries[k].tag != HV_TLB_NONE && entries[k].tag + entries[k].addend == (uintptr_t)host)
            return true;
    return false;
}

bool hv_tlb_has_host_page(const struct hv_tlb *tlb, const void *host)
{
    for (unsigned i = 0; i < HV_BANKS; i++) {
        const struct hv_tlb_bank *bank = &tlb->bank[i];
        if (!bank->used)
            continue;
        if (has_data(bank->read, host) || has_data(bank->write, host))
            return true;
        for (unsigned k = 0; k < HV_TLB_CODE; k++)
            if (bank->exec[k].tag != HV_TLB_NONE && bank->exec[k].page->host == host)
                return true;
    }
    return false;
}

void hv_tlb_note_span(struct hv_tlb *tlb, uint64_t va, unsigned span_bits)
{
    if (span_bits <= HV_PAGE_BITS)
        return;
    uint64_t mask = ~((UINT64_C(1) << span_bits) - 1);
    if (tlb->large_base != NO_SPANS) { /* one region for all: widen it until it covers both */
        mask &= tlb->large_mask;
        while ((va & mask) != (tlb->large_base & mask))
            mask <<= 1;
    }
    tlb->large_mask = mask;
    tlb->large_base = va & mask;
}

void hv_tlb_put_data(struct hv_tlb_bank *bank, uint64_t va, void *host, bool write)
{
    struct hv_tlb_data *entry = &(write ? bank->write : bank->read)[hv_tlb_data_index(va)];
    entry->tag = va & HV_PAGE_MASK;
    entry->addend = (uintptr_t)host - entry->tag;
    bank->used = true;
}

void hv_tlb_put_code(struct hv_tlb_bank *bank, uint64_t va, struct hv_code_page *page)
{
    struct hv_tlb_code *entry = &bank->exec[hv_tlb_code_index(va)];
    entry->tag = va & HV_PAGE_MASK;
    entry->page = page;
    bank->used = true;
}
