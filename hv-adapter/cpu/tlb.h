/* SPDX-License-Identifier: MIT */
/*
 * The TLB: what a virtual page means to this hart right now.
 *
 * Idea: three direct-mapped arrays, one for loads, one for stores, one for fetches, so that the
 * kind of access is checked by being in the array. A tag is the page's virtual address. A lookup
 * compares it with the accessed address whose in-page bits are cleared except those that must be
 * zero for a naturally aligned access: one compare says "this page, allowed, aligned". A load or
 * store then adds `addend` to the guest address; a fetch continues in the page's decoded code.
 *
 * There are three banks: U, S, and S with sstatus.SUM. Traps and user copies switch banks and lose
 * nothing. Everything else that changes a translation's meaning (satp, MXR) flushes.
 *
 * Invariant: a valid exec entry's page->host is the host page that fill gave for its tag, and what
 * is decoded there was compared with the host page's bytes when the entry was made.
 */
#ifndef HV_CPU_TLB_H
#define HV_CPU_TLB_H

#include <stdbool.h>
#include <stdint.h>

#define HV_PAGE_BITS 12
#define HV_PAGE_SIZE (UINT64_C(1) << HV_PAGE_BITS)
#define HV_PAGE_MASK (~(HV_PAGE_SIZE - 1))

#define HV_TLB_DATA (UINT64_C(1) << 9)
#define HV_TLB_CODE (UINT64_C(1) << 8)
#define HV_TLB_NONE UINT64_MAX /* no masked address has all in-page bits set */

struct hv_code_page;

struct hv_tlb_data {
    uint64_t tag;
    uint64_t addend; /* host address - guest virtual address, modulo 2^64 */
};

struct hv_tlb_code {
    uint64_t tag;
    struct hv_code_page *page;
};

struct hv_tlb_bank {
    struct hv_tlb_data read[HV_TLB_DATA];
    struct hv_tlb_data write[HV_TLB_DATA];
    struct hv_tlb_code exec[HV_TLB_CODE];
    bool used; /* false: nothing was put in since the last flush */
};

enum { HV_BANK_U, HV_BANK_S, HV_BANK_SUM, HV_BANKS };

struct hv_tlb {
    struct hv_tlb_bank bank[HV_BANKS];
    /* Every entry from a guest superpage lies where (va & large_mask) == large_base.
     * None: large_mask = 0, large_base = 1. Anywhere: large_mask = 0, large_base = 0. */
    uint64_t large_base, large_mask;
};

static inline uint64_t hv_tlb_data_index(uint64_t va)
{
    return va >> HV_PAGE_BITS & (HV_TLB_DATA - 1);
}

static inline uint64_t hv_tlb_code_index(uint64_t va)
{
    return va >> HV_PAGE_BITS & (HV_TLB_CODE - 1);
}

/* What an entry's tag must be for an access of nbytes (a power of two) at va; none if misaligned.
 */
static inline uint64_t hv_tlb_tag(uint64_t va, unsigned nbytes)
{
    return va & (HV_PAGE_MASK | (nbytes - 1));
}

static inline void *hv_tlb_host(const struct hv_tlb_data *entry, uint64_t va)
{
    return (void *)(uintptr_t)(va + entry->addend);
}

void hv_tlb_init(struct hv_tlb *tlb);
void hv_tlb_flush(struct hv_tlb *tlb);
/* Drops va's entries, or everything if va may have come from a superpage. */
void hv_tlb_flush_page(struct hv_tlb *tlb, uint64_t va);
void hv_tlb_flush_code(struct hv_tlb *tlb);
/* Drops the fetch entries that use this decoded page. */
void hv_tlb_drop_code_page(struct hv_tlb *tlb, const struct hv_code_page *page);
void hv_tlb_drop_host_page(struct hv_tlb *tlb, const void *host);
void hv_tlb_write_protect_host_page(struct hv_tlb *tlb, const void *host);
/* Whether any entry leads there. */
bool hv_tlb_has_host_page(const struct hv_tlb *tlb, const void *host);

/* Remembers that va's page is part of a mapping of 1 << span_bits bytes. */
void hv_tlb_note_span(struct hv_tlb *tlb, uint64_t va, unsigned span_bits);
void hv_tlb_put_data(struct hv_tlb_bank *bank, uint64_t va, void *host, bool write);
void hv_tlb_put_code(struct hv_tlb_bank *bank, uint64_t va, struct hv_code_page *page);

#endif
