/* SPDX-License-Identifier: MIT */
/*
 * Physical pages. Those never used before come last: what was not touched costs the host nothing.
 * Pages enter the linear map some at a time, from the bottom of memory up; those that are not to be
 * in it, page tables above all, are taken from the top down.
 */
#include "kernel.h"

struct page {
    uint32_t refs;
    ppn_t next; /* free: the next one */
};

static struct page *pages; /* [i] is of page RAM_BASE + i */
/* fresh <= linear_end <= fresh_end: [fresh, fresh_end) was never used; below linear_end it is in
 * the linear map already. */
static ppn_t fresh, linear_end, fresh_end, free_list;
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
    linear_end = fresh;
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

static ppn_t take_fresh(void)
{
    enum { AHEAD = 32 };
    if (fresh == fresh_end)
        return 0;
    if (fresh == linear_end) {
        linear_end = fresh_end - fresh < AHEAD ? fresh_end : fresh + AHEAD;
        linear_set(fresh, linear_end - fresh, PTE_R | PTE_W);
    }
    return fresh++;
}

ppn_t page_alloc(void)
{
    ppn_t ppn = take_free();
    if (ppn)
        memset(page_at(ppn), 0, PAGE_BYTES);
    else if (!(ppn = take_fresh()))
        return 0;
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

/* The last page never used, out of the linear map; 0: none. */
static ppn_t take_top(void)
{
    if (fresh == fresh_end)
        return 0;
    if (linear_end == fresh_end)
        linear_set(--linear_end, 1, 0);
    return --fresh_end;
}

ppn_t page_take(void)
{
    ppn_t ppn = take_top();
    if (!ppn && (ppn = take_free())) {
        memset(page_at(ppn), 0, PAGE_BYTES);
        linear_set(ppn, 1, 0);
    }
    return ppn;
}

ppn_t page_lend(void)
{
    ppn_t ppn = take_free();
    if (!ppn)
        return take_top();
    linear_set(ppn, 1, 0);
    return ppn;
}

void page_return(ppn_t ppn)
{
    linear_set(ppn, 1, PTE_R | PTE_W);
    record(ppn)->refs = 1;
    page_put(ppn);
}
