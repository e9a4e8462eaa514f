/* SPDX-License-Identifier: MIT */
/*
 * How the engine calls the VMM, a call each. Answers that no VMM may give are counted, and become
 * what the header promises for them.
 */
#ifndef SHARE_OPS_H
#define SHARE_OPS_H

#include "engine.h"

static inline struct share_vm_ref share_ref_of(const struct share_vm_object *vm)
{
    return (struct share_vm_ref){vm->number, vm->owner};
}

enum share_resolved { SHARE_ABSENT, SHARE_PRESENT, SHARE_OUT_OF_RANGE };

/* The machine page behind a guest page. */
static inline enum share_resolved share_resolve(struct share *share,
                                                const struct share_vm_object *vm, share_ppn ppn,
                                                share_mpn *mpn)
{
    if (!share->ops.resolve(share->ops_ctx, share_ref_of(vm), ppn, mpn))
        return SHARE_ABSENT;
    if (mpn->n < SHARE_MPN_END)
        return SHARE_PRESENT;
    share_count(&share->op_errors, 1);
    return SHARE_OUT_OF_RANGE;
}

/* The first present page of a VM at or after `from`. */
static inline bool share_next_present(struct share *share, const struct share_vm_object *vm,
                                      share_ppn from, share_ppn *found)
{
    if (!share->ops.next_present(share->ops_ctx, share_ref_of(vm), from, found) ||
        found->n >= vm->end.n)
        return false;
    if (found->n >= from.n)
        return true;
    share_count(&share->op_errors, 1);
    return false;
}

/* Reading a machine page. */
static inline const void *share_peek(struct share *share, share_mpn mpn)
{
    return share->ops.peek(share->ops_ctx, mpn);
}

static inline void share_unpeek(struct share *share, share_mpn mpn, const void *bytes)
{
    if (share->ops.unpeek && bytes)
        share->ops.unpeek(share->ops_ctx, mpn, bytes);
}

/* Takes the reason "sharing" off one page. */
static inline void share_unprotect(struct share *share, const struct share_vm_object *vm,
                                   share_ppn ppn, share_mpn mpn)
{
    struct share_protect page = {.vm = share_ref_of(vm), .ppn = ppn, .mpn = mpn};
    share->ops.unprotect(share->ops_ctx, &page, 1);
}

/* What a call that declares sharing says of a page that was not protected. */
static inline enum share_result share_result_of_protect(enum share_answer answer)
{
    switch (answer) {
    case SHARE_ANSWER_OK:
    case SHARE_ANSWER_READONLY:
        return SHARE_OK;
    case SHARE_ANSWER_BUSY:
        return SHARE_RETRY;
    case SHARE_ANSWER_STALE:
    case SHARE_ANSWER_ALIASED:
        return SHARE_INVALID;
    default:
        return SHARE_FAIL;
    }
}

/* A machine page for a private copy. */
static inline bool share_alloc_page(struct share *share, const struct share_vm_object *vm,
                                    share_mpn *mpn, void **bytes)
{
    if (!share->ops.alloc(share->ops_ctx, share_ref_of(vm), mpn, bytes))
        return false;
    if (mpn->n < SHARE_MPN_END)
        return true;
    share_count(&share->op_errors, 1);
    share->ops.free(share->ops_ctx, mpn, 1, SHARE_FREE_OWN);
    return false;
}

#endif
