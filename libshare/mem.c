/* SPDX-License-Identifier: MIT */
/* The engine's counted memory, over the caller's allocator. */
#include "mem.h"
#include "invariant.h"
#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *ctx, size_t nbytes, size_t alignment)
{
    (void)ctx;
    return aligned_alloc(alignment, (nbytes + alignment - 1) & ~(alignment - 1));
}

static void libc_free(void *ctx, void *memory, size_t nbytes)
{
    (void)ctx;
    (void)nbytes;
    free(memory);
}

void share_mem_init(struct share_mem *mem, const struct share_alloc *alloc)
{
    static const struct share_alloc libc = {sizeof libc, libc_alloc, libc_free, NULL};
    mem->alloc = alloc ? *alloc : libc;
    atomic_init(&mem->bytes, 0);
    atomic_init(&mem->peak_bytes, 0);
}

void *share_mem_new(struct share_mem *mem, size_t nbytes, size_t alignment)
{
    share_assert((alignment & (alignment - 1)) == 0 && alignment);
    void *memory = mem->alloc.alloc(mem->alloc.ctx, nbytes, alignment);
    if (!memory)
        return NULL;
    memset(memory, 0, nbytes);
    uint64_t now = atomic_fetch_add(&mem->bytes, nbytes) + nbytes;
    uint64_t peak = atomic_load(&mem->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&mem->peak_bytes, &peak, now))
        ;
    return memory;
}

void share_mem_free(struct share_mem *mem, void *memory, size_t nbytes)
{
    if (!memory)
        return;
    mem->alloc.free(mem->alloc.ctx, memory, nbytes);
    uint64_t held = atomic_fetch_sub(&mem->bytes, nbytes);
    share_assert(nbytes <= held);
    (void)held;
}
