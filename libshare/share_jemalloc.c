/* SPDX-License-Identifier: MIT */
/*
 * Metadata from a jemalloc arena: apart from the program's heap, and released as one.
 *
 * Its memory is asked for in huge pages: the table is read at random, a line a guest page, and with
 * small pages each such read would wait for a page walk first.
 */
#include "share_jemalloc.h"
#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define HUGE_NBYTES ((size_t)2 << 20)

/* -------------------------------------------------------------- the arena's memory from the OS --
 */

static void *extent_alloc(extent_hooks_t *hooks, void *wanted, size_t nbytes, size_t alignment,
                          bool *zero, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)arena;
    bool data = alignment < HUGE_NBYTES; /* jemalloc's own few KiB come in blocks aligned so */
    if (data)
        alignment = HUGE_NBYTES;
    if (wanted || nbytes > SIZE_MAX - alignment)
        return NULL;
    unsigned char *mapped = mmap(NULL, nbytes + alignment, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    size_t before = (alignment - (uintptr_t)mapped % alignment) % alignment;
    if (before)
        munmap(mapped, before);
    munmap(mapped + before + nbytes, alignment - before);
    if (data)
        madvise(mapped + before, nbytes, MADV_HUGEPAGE); /* a wish: without it all is only slower */
    *zero = *commit = true;
    return mapped + before;
}

static void extent_destroy(extent_hooks_t *hooks, void *extent, size_t nbytes, bool committed,
                           unsigned arena)
{
    (void)hooks;
    (void)committed;
    (void)arena;
    munmap(extent, nbytes);
}

/* False is jemalloc's yes: parts of mappings may be split and joined at will. */
static bool extent_split(extent_hooks_t *hooks, void *extent, size_t nbytes, size_t first,
                         size_t second, bool committed, unsigned arena)
{
    (void)hooks;
    (void)extent;
    (void)nbytes;
    (void)first;
    (void)second;
    (void)committed;
    (void)arena;
    return false;
}

static bool extent_merge(extent_hooks_t *hooks, void *a, size_t a_nbytes, void *b, size_t b_nbytes,
                         bool committed, unsigned arena)
{
    (void)hooks;
    (void)a;
    (void)a_nbytes;
    (void)b;
    (void)b_nbytes;
    (void)committed;
    (void)arena;
    return false;
}

/* jemalloc never writes it; its interface wants it writable. No dalloc: memory stays with the
 * arena, since arrays come and go while the table grows, and would be faulted in again. */
static extent_hooks_t huge_hooks = {
    .alloc = extent_alloc, .destroy = extent_destroy, .split = extent_split, .merge = extent_merge};

/* -------------------------------------------------------------------------- struct share_alloc --
 */

static int flags_of(void *ctx)
{
    return MALLOCX_ARENA((unsigned)(uintptr_t)ctx) | MALLOCX_TCACHE_NONE;
}

static void *arena_alloc(void *ctx, size_t nbytes, size_t alignment)
{
    return mallocx(nbytes, flags_of(ctx) | MALLOCX_ALIGN(alignment));
}

static void arena_free(void *ctx, void *memory, size_t nbytes)
{
    sdallocx(memory, nbytes, flags_of(ctx));
}

bool share_jemalloc_init(struct share_alloc *alloc)
{
    unsigned arena;
    size_t nbytes = sizeof arena;
    extent_hooks_t *hooks = &huge_hooks;
    if (mallctl("arenas.create", &arena, &nbytes, &hooks, sizeof hooks) != 0)
        return false;
    /* What is freed goes to the extents that jemalloc takes for given back, of which it uses any
     * for anything. Of those that it knows to be dirty it divides none more than 64 times as large
     * as what is wanted, and faults in new memory instead: a tenth of a first pass. */
    char name[48];
    ssize_t at_once = 0;
    snprintf(name, sizeof name, "arena.%u.dirty_decay_ms", arena);
    mallctl(name, NULL, NULL, &at_once, sizeof at_once);
    *alloc = (struct share_alloc){sizeof *alloc, arena_alloc, arena_free, (void *)(uintptr_t)arena};
    return true;
}

void share_jemalloc_fini(struct share_alloc *alloc)
{
    char name[32];
    snprintf(name, sizeof name, "arena.%u.destroy", (unsigned)(uintptr_t)alloc->ctx);
    mallctl(name, NULL, NULL, NULL, 0);
}
