/* SPDX-License-Identifier: MIT */
#include "metadata.h"
#include "must.h"
#include <string.h>

static void *take(void *ctx, size_t nbytes, size_t alignment)
{
    struct metadata *metadata = ctx;
    uint64_t call = atomic_fetch_add(&metadata->calls, 1) + 1;
    if (call >= metadata->fail_at && call < metadata->fail_at + metadata->fail_count)
        return NULL;
    if (metadata->refuse && metadata->refuse(metadata->refuse_ctx))
        return NULL;
    MUST(nbytes && alignment && (alignment & (alignment - 1)) == 0);
    void *memory = aligned_alloc(alignment, (nbytes + alignment - 1) & ~(alignment - 1));
    MUST(memory);
    memset(memory, 0, nbytes);
    atomic_fetch_add(&metadata->bytes, nbytes);
    atomic_fetch_add(&metadata->blocks, 1);
    return memory;
}

static void give(void *ctx, void *memory, size_t nbytes)
{
    struct metadata *metadata = ctx;
    MUST(memory && atomic_fetch_sub(&metadata->bytes, nbytes) >= nbytes);
    MUST(atomic_fetch_sub(&metadata->blocks, 1) > 0);
    free(memory);
}

void metadata_init(struct metadata *metadata)
{
    memset(metadata, 0, sizeof *metadata);
    metadata->alloc = (struct share_alloc){sizeof metadata->alloc, take, give, metadata};
}
