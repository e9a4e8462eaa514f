/* SPDX-License-Identifier: MIT */
/* An engine's life, and names of results. */
#include "engine.h"
#include "fetch.h"
#include "group.h"
#include "sized.h"
#include <sys/random.h>

#define EXPECTED_MAX        (UINT64_C(1) << 32) /* page numbers have 32 bits */
#define SETTLED_PPM_DEFAULT 1000u
#define VMS_SLAB_LOG2       2
#define FLAGS               (SHARE_IMMUTABLE | SHARE_SALT_GIVEN)

/* ---------------------------------------------------------------------------------- engine -- */

/* Copies a struct of the caller's, whose first member is its size; what it has not is 0. False: it
 * has no size, or is too short to be one of any version. */
static bool take_struct(void *to, size_t nbytes, size_t least, const void *from)
{
    size_t given;
    memcpy(&given, from, sizeof given);
    share_hand_over(to, nbytes, from, given < least ? 0 : given);
    return given >= least;
}

/* Sizes in 0.2.0: no caller has shorter ones. */
#define OPS_LEAST      offsetof(struct share_ops, now_ns)
#define CONFIG_LEAST   sizeof(struct share_config)
#define ALLOC_LEAST    sizeof(struct share_alloc)
#define OBSERVER_LEAST sizeof(struct share_observer)

/* The salt that the caller gives, or one that nobody can guess. */
static bool draw_salt(const struct share_config *config, uint64_t *salt)
{
    *salt = config->salt;
    return (config->flags & SHARE_SALT_GIVEN) ||
           getrandom(salt, sizeof *salt, 0) == (ssize_t)sizeof *salt;
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
    struct share_alloc alloc;
    struct share_observer observer = {.struct_size = 0};
    struct share_mem mem;
    uint64_t salt;
    *out = NULL;
    if (!config || !take_struct(&wanted, sizeof wanted, CONFIG_LEAST, config) || !wanted.ops ||
        wanted.flags & ~(uint32_t)FLAGS || wanted.expected_contents > EXPECTED_MAX ||
        !take_struct(&ops, sizeof ops, OPS_LEAST, wanted.ops))
        return SHARE_INVALID;
    if ((wanted.alloc && !take_struct(&alloc, sizeof alloc, ALLOC_LEAST, wanted.alloc)) ||
        (wanted.observer &&
         !take_struct(&observer, sizeof observer, OBSERVER_LEAST, wanted.observer)))
        return SHARE_INVALID;
    bool immutable = wanted.flags & SHARE_IMMUTABLE;
    if (!ops_complete(&ops, immutable))
        return SHARE_INVALID;
    if (!draw_salt(&wanted, &salt))
        return SHARE_FAIL;

    share_mem_init(&mem, wanted.alloc ? &alloc : NULL);
    struct share *share = share_mem_new(&mem, sizeof *share, SHARE_LINE_NBYTES);
    if (!share)
        return SHARE_NOMEM;
    share->mem = mem;
    share->ops = ops;
    share->ops_ctx = wanted.ops_ctx;
    share->tuner.now_ns = ops.now_ns;
    share->tuner.ctx = wanted.ops_ctx;
    share->observer = observer;
    share->salt = salt;
    share->hash_mask = ~UINT64_C(0);
    share->scanner.random_state = wanted.order_seed;
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
    share_aliases_fini(&share->aliases, &share->mem);
    share_stretches_drop(share);
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
        "hinted", "replaced_stale", "promoted",    "joined",     "already",
        "zero",   "volatile",       "false_match", "ineligible", "backed_off",
        "busy",   "gone",           "group_off",   "error",      "quiet",
    };
    return (unsigned)outcome < SHARE_OUTCOMES ? names[outcome] : "unknown";
}

const char *share_result_name(enum share_result result)
{
    static const char *const names[] = {"ok",    "out of memory", "invalid argument", "gone",
                                        "retry", "op failed",     "unsettled"};
    return (unsigned)result < sizeof names / sizeof *names ? names[result] : "unknown";
}
