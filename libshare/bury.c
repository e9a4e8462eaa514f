/* SPDX-License-Identifier: MIT */
/* How frames end. *Flush the TLB before a frame is reused*: remap has done so when it returns. */
#include "bury.h"
#include "group.h"
#include "invariant.h"
#include "ops.h"

void share_frame_unlink(struct share *share, share_frame frame)
{
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    share_assert(view.refs == 0);
    share_step(SHARE_STEP_UNLINK);
    if (view.outside)
        return;
    if (view.zero) {
        share_group_zero_unlink(share, view.group, frame);
        return;
    }
    struct share_hit entry = {SHARE_KIND_FRAME, frame};
    const void *bytes = share_peek(share, view.mpn);
    bool found = false;
    if (bytes) {
        uint64_t hash = share_hash_stable(&share_group_at(share, view.group)->secret, bytes);
        found = share_table_remove(&share->table, hash, SHARE_ENTRY_HASH_BITS, entry);
        share_unpeek(share, view.mpn, bytes);
    }
    if (!found) /* somebody wrote the page past its protection */
        found = share_table_remove_anywhere(&share->table, entry);
    share_assert(found);
}

void share_burial_init(struct share_burial *burial, struct share *share)
{
    burial->share = share;
    burial->in_transit = false;
    burial->dropped = false;
    burial->count = 0;
}

void share_burial_expect(struct share_burial *burial)
{
    if (!burial->in_transit)
        share_transit_begin(&burial->share->transit);
    burial->in_transit = true;
}

void share_burial_flush(struct share_burial *burial)
{
    struct share *share = burial->share;
    if (burial->count) {
        share_step(SHARE_STEP_FREE);
        if (!share->immutable)
            share->ops.free(share->ops_ctx, burial->mpn, burial->count, burial->kind);
        share_step(SHARE_STEP_RETIRE);
    }
    for (unsigned i = 0; i < burial->count; i++)
        share_frame_retire(&share->frames, burial->frame[i]);
    burial->count = 0;
    if (burial->dropped)
        share_transit_arrived(&share->transit);
    burial->dropped = false;
}

void share_burial_drop(struct share_burial *burial, share_frame frame)
{
    struct share *share = burial->share;
    burial->dropped = true;
    if (!share_frame_put(&share->frames, frame))
        return;
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    enum share_free_kind kind = view.keep ? SHARE_FREE_KEPT : SHARE_FREE_OWN;
    share_frame_unlink(share, frame);
    if (burial->count == SHARE_BURIAL_ROOM || (burial->count && burial->kind != kind))
        share_burial_flush(burial);
    burial->kind = kind;
    burial->mpn[burial->count] = view.mpn;
    burial->frame[burial->count++] = frame;
}

void share_burial_end(struct share_burial *burial)
{
    share_burial_flush(burial);
    if (burial->in_transit)
        share_transit_end(&burial->share->transit);
    burial->in_transit = false;
}

void share_frame_leave(struct share *share, share_frame frame)
{
    struct share_burial burial;
    share_burial_init(&burial, share);
    share_burial_drop(&burial, frame);
    share_burial_flush(&burial);
}
