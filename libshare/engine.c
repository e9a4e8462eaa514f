/* SPDX-License-Identifier: MIT */
/* An engine's life, and names of results. */
#include "engine.h"
#include "fetch.h"
#include "group.h"
#include <string.h>

#define EXPECTED_MAX        (UINT64_C(1) << 32) /* page numbers have 32 bits */
#define SETTLED_PPM_DEFAULT 1000u
#define VMS_SLAB_LOG2       2

/* ---------------------------------------------------------------------------------- engine -- */

/* Structs of callers built against an older header are shorter: the rest is zero. */
static void copy_sized(void *to, size_t to_nbytes, const void *from, size_t from_nbytes)
{
    memset(to, 0, to_nbytes);
    memcpy(to, from, from_nbytes < to_nbytes ? from_nbytes : to_nbytes);
}

static bool ops_complete(const struct share_ops *ops, bool immutable)
{
    bool reads = ops->resolve && ops->next_present && ops->peek;
    bool changes = ops->protect && ops->unprotect && ops->remap && ops->alloc && ops->free;
    return reads && (immutable || changes);
}

static bool init_tables(struct share *share, uint64_t expected_contents)
{
    share_pages_init(&share->pages, &share->mem);
    share_frames_init(&share->frames, &share->mem);
    share_pool_init(&share->vms, &share->mem, sizeof(struct share_vm_object), VMS_SLAB_LOG2,
                    SHARE_VMS_MAX);
    return share_table_init(&share->table, &share->mem, expected_contents) &&
           share_groups_init(share);
}

enum share_result share_new(const struct share_config *config, struct share **out)
{
    struct share_config wanted;
    struct share_ops ops;
    struct share_mem mem;
    *out = NULL;
    if (!config || config->struct_size < sizeof config->struct_size)
        return SHARE_INVALID;
    copy_sized(&wanted, sizeof wanted, config, config->struct_size);
    if (!wanted.ops || wanted.flags & ~(uint32_t)SHARE_IMMUTABLE ||
        wanted.expected_contents > EXPECTED_MAX)
        return SHARE_INVALID;
    copy_sized(&ops, sizeof ops, wanted.ops, wanted.ops->struct_size);
    bool immutable = wanted.flags & SHARE_IMMUTABLE;
    if (!ops_complete(&ops, immutable))
        return SHARE_INVALID;

    share_mem_init(&mem, wanted.alloc);
    struct share *share = share_mem_new(&mem, sizeof *share, SHARE_LINE_NBYTES);
    if (!share)
        return SHARE_NOMEM;
    share->mem = mem;
    share->ops = ops;
    share->ops_ctx = wanted.ops_ctx;
    share->tuner.now_ns = ops.now_ns;
    share->tuner.ctx = wanted.ops_ctx;
    if (wanted.observer)
        share->observer = *wanted.observer;
    share->salt = wanted.salt;
    share->hash_mask = ~UINT64_C(0);
    share->scanner.random_state = wanted.salt;
    share->settled_ppm = wanted.settled_ppm ? wanted.settled_ppm : SETTLED_PPM_DEFAULT;
    share->immutable = immutable;
    share->compare = share_compare_variant(0);
    if (!init_tables(share, wanted.expected_contents)) {
        share_free(share);
        return SHARE_NOMEM;
    }
    *out = share;
    return SHARE_OK;
}

void share_free(struct share *share)
{
    if (!share)
        return;
    share_table_fini(&share->table);
    share_pages_fini(&share->pages);
    share_frames_fini(&share->frames);
    share_pool_fini(&share->vms);
    share_pool_fini(&share->groups);
    struct share_mem mem = share->mem;
    share_mem_free(&mem, share, sizeof *share);
}

/* ----------------------------------------------------------------------------------- names -- */

#define STRING(x)       #x
#define DOTTED(a, b, c) STRING(a) "." STRING(b) "." STRING(c)

const char *share_version(void)
{
    return DOTTED(SHARE_VERSION_MAJOR, SHARE_VERSION_MINOR, SHARE_VERSION_PATCH);
}

const char *share_outcome_name(enum share_outcome outcome)
{
    static const char *const names[SHARE_OUTCOMES] = {
        "hinted",      "replaced_stale", "promoted",   "joined", "already", "zero",      "volatile",
        "false_match", "ineligible",     "backed_off", "busy",   "gone",    "group_off", "error",
    };
    return (unsigned)outcome < SHARE_OUTCOMES ? names[outcome] : "unknown";
}

const char *share_result_name(enum share_result result)
{
    static const char *const names[] = {"ok",    "out of memory", "invalid argument", "gone",
                                        "retry", "op failed",     "unsettled"};
    return (unsigned)result < sizeof names / sizeof *names ? names[result] : "unknown";
}
