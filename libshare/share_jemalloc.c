/* SPDX-License-Identifier: MIT */
/* Metadata from a jemalloc arena: apart from the program's heap, and released as one. */
#include "share_jemalloc.h"
#include <jemalloc/jemalloc.h>
#include <stdio.h>

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
    if (mallctl("arenas.create", &arena, &nbytes, NULL, 0) != 0)
        return false;
    /* Arrays come and go while the table grows: memory given back at once would be faulted in
     * again. */
    char name[48];
    ssize_t never = -1;
    snprintf(name, sizeof name, "arena.%u.dirty_decay_ms", arena);
    mallctl(name, NULL, NULL, &never, sizeof never);
    *alloc = (struct share_alloc){arena_alloc, arena_free, (void *)(uintptr_t)arena};
    return true;
}

void share_jemalloc_fini(struct share_alloc *alloc)
{
    char name[32];
    snprintf(name, sizeof name, "arena.%u.destroy", (unsigned)(uintptr_t)alloc->ctx);
    mallctl(name, NULL, NULL, NULL, 0);
}
