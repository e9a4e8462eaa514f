/* SPDX-License-Identifier: MIT */
/*
 * Decoded code: one hv_code_page for each host page that the guest executes.
 *
 * Idea: a page has one slot per halfword, since an instruction may start at any. A slot is decoded
 * when it is first reached, with the whole straight run behind it. So a branch inside the page is
 * an addition to the slot pointer, a jump to another page is a TLB lookup, and overlapping
 * decodings (a jump into the middle of an instruction) do not disturb each other. Nothing in a slot
 * depends on the virtual address: the decoding serves every mapping of the page.
 *
 * Counting: left[i] is how many instructions a run that enters at slot i will retire, itself and
 * the instruction that ends it included, when nothing faults. It is charged on entry; a fault at
 * slot k gives left[k] back. Runs end at branches, jumps, system instructions, and at the page's
 * end.
 *
 * Truth: instructions are decoded from `bytes`, a copy made line by line as decoding reaches them,
 * never from guest memory itself. When a fetch translation is made, the copied lines are compared
 * with the host page, and all is dropped if one differs. So it does not matter who changed a page,
 * by which mapping, or whether the host page now holds another guest page: whoever must be seen
 * drops the fetch translation (fence.i, sfence.vma, hv_hart_tlb_*), and seeing follows.
 *
 * Invariants: slot i undecoded => left[i] = 0.  slot i decoded, not ending a run, n the slot
 * behind it => left[i] = 1 + left[n]; ending a run => left[i] = 1.  Slots SLOTS and SLOTS + 1 are
 * HV_OP_page_end with left = 0.  A decoded slot's bytes are in copied lines.
 */
#ifndef HV_CPU_CODE_H
#define HV_CPU_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "code_pool.h"
#include "insn.h"

enum {
    HV_CODE_SLOTS = 4096 / 2,
    HV_CODE_WAYS = 4, /* pages that may compete for one set of the cache */
};

struct hv_code_page {
    struct hv_insn slot[HV_CODE_SLOTS + 2];
    uint16_t left[HV_CODE_SLOTS + 2];
    _Alignas(64) uint8_t bytes[4096]; /* as they were when their line was copied */
    uint64_t lines;                   /* bit i: bytes[64 i .. 64 i + 64) were copied */
    union {
        const void *host;          /* the page they were copied from, borrowed */
        struct hv_code_page *next; /* of a page that no hart has */
    };
};

/* A place in a set: a page, and which host page it is about. */
struct hv_code_way {
    const void *host;          /* NULL: it is about none */
    struct hv_code_page *page; /* the pool's; NULL while the way was never used */
};

struct hv_code_cache {
    struct hv_code_pool *pool; /* borrowed */
    struct hv_code_way *way;   /* owned: sets * HV_CODE_WAYS */
    uint8_t *victim;           /* owned: next way to reuse, per set */
    uint64_t set_mask;         /* sets - 1; a power of two */
    size_t held;               /* pages of the pool's; 1 at least */
};

/* False if out of memory; fini is safe afterwards. */
bool hv_code_cache_init(struct hv_code_cache *cache, struct hv_code_pool *pool, unsigned pages_max);
void hv_code_cache_fini(struct hv_code_cache *cache);

/* Forgets all that is decoded, and gives all pages but one back. The caller drops all fetch
 * translations first. */
void hv_code_cache_drop(struct hv_code_cache *cache);

/* The decoded page of a host page if it has one, whatever its contents are by now; else NULL. */
struct hv_code_page *hv_code_cache_find(struct hv_code_cache *cache, const void *host);
/* A page to be given to this host page by hv_code_page_reset. The caller drops the fetch
 * translations that use it first. */
struct hv_code_page *hv_code_cache_victim(struct hv_code_cache *cache, const void *host);

/* Empties the page; from now on it is about this host page. */
void hv_code_page_reset(struct hv_code_page *page, const void *host);
/* Whether all that was copied from the host page is still so. */
bool hv_code_page_is_current(const struct hv_code_page *page);

/* The 16 bits at slot i, copied now if they were not. */
uint16_t hv_code_page_parcel(struct hv_code_page *page, unsigned i);
/* Decodes the run that starts at slot i (undecoded). */
void hv_code_page_decode(struct hv_code_page *page, unsigned i);
/* Makes slot i of a page without host one instruction that HV_OP_step_end follows. */
void hv_code_page_put_step(struct hv_code_page *page, unsigned i, uint32_t bits);

#endif
