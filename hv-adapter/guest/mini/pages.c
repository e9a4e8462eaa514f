/* SPDX-License-Identifier: MIT */
/*
 * Physical pages. Those never used before come last: what was not touched costs the host nothing.
 * A page enters the linear map when it is first given out.
 */
#include "kernel.h"

struct page {
    uint32_t refs;
    ppn_t next; /* free: the next one */
};

static struct page *pages; /* [i] is of page RAM_BASE + i */
static ppn_t fresh, fresh_end, free_list;
static uint64_t free_count;

static struct page *record(ppn_t ppn)
{
    return &pages[ppn - (RAM_BASE >> PAGE_SHIFT)];
}

/* The records lie at the beginning of what they describe. Memory never touched is zero. */
void pages_init(uint64_t begin, uint64_t end)
{
    uint64_t nbytes = ((end - RAM_BASE) >> PAGE_SHIFT) * sizeof *pages;
    pages = (struct page *)begin;
    fresh = (ppn_t)((begin + nbytes + PAGE_BYTES - 1) >> PAGE_SHIFT);
    fresh_end = (ppn_t)(end >> PAGE_SHIFT);
}

uint64_t pages_begin(void)
{
    return (uint64_t)fresh << PAGE_SHIFT;
}

uint64_t pages_free(void)
{
    return free_count + (fresh_end - fresh);
}

static ppn_t take_free(void)
{
    ppn_t ppn = free_list;
    if (ppn) {
        free_list = record(ppn)->next;
        free_count--;
    }
    return ppn;
}

ppn_t page_alloc(void)
{
    ppn_t ppn = take_free();
    if (ppn) {
        memset(page_at(ppn), 0, PAGE_BYTES);
    } else if (fresh < fresh_end) {
        ppn = fresh++;
        linear_set(ppn, PTE_R | PTE_W);
    } else {
        return 0;
    }
    record(ppn)->refs = 1;
    return ppn;
}

void page_get(ppn_t ppn)
{
    record(ppn)->refs++;
}

void page_put(ppn_t ppn)
{
    if (--record(ppn)->refs > 0)
        return;
    record(ppn)->next = free_list;
    free_list = ppn;
    free_count++;
}

unsigned page_refs(ppn_t ppn)
{
    return record(ppn)->refs;
}

ppn_t page_take(void)
{
    if (fresh < fresh_end)
        return fresh++;
    ppn_t ppn = take_free();
    if (ppn) {
        memset(page_at(ppn), 0, PAGE_BYTES);
        linear_set(ppn, 0);
    }
    return ppn;
}

ppn_t page_lend(void)
{
    ppn_t ppn = take_free();
    if (ppn)
        linear_set(ppn, 0);
    else if (fresh < fresh_end)
        ppn = --fresh_end;
    return ppn;
}

void page_return(ppn_t ppn)
{
    linear_set(ppn, PTE_R | PTE_W);
    record(ppn)->refs = 1;
    page_put(ppn);
}
