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
static ppn_t fresh, linear_end, fresh_end, free_list, lent_list;
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
    else
        ppn = take_fresh();
    if (!ppn && balloon_relieve())
        ppn = take_free(); /* back from the VMM: zeros */
    if (!ppn)
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
    if (!ppn && (ppn = page_alloc()))
        linear_set(ppn, 1, 0);
    return ppn;
}

/* Those in use before go first: only they have machine pages to give back. */
unsigned pages_lend(ppn_t *ppns, unsigned count)
{
    unsigned done = 0, mapped = 0;
    for (; done < count; done++) {
        ppn_t ppn = take_free();
        mapped += ppn != 0;
        if (!ppn && !(ppn = take_top()))
            break;
        ppns[done] = ppn;
        record(ppn)->next = lent_list;
        lent_list = ppn;
    }
    for (unsigned i = 0; i < mapped; i++)
        linear_entry(ppns[i], 0);
    entries_commit();
    tlb_flush(0, 0);
    return done;
}

unsigned pages_lent(ppn_t *ppns, unsigned count)
{
    unsigned done = 0;
    for (; done < count && lent_list; done++) {
        ppns[done] = lent_list;
        lent_list = record(lent_list)->next;
    }
    return done;
}

void pages_return(const ppn_t *ppns, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        linear_entry(ppns[i], PTE_R | PTE_W);
    entries_commit();
    for (unsigned i = 0; i < count; i++) {
        record(ppns[i])->refs = 1;
        page_put(ppns[i]);
    }
}
