/* SPDX-License-Identifier: MIT */
/*
 * Frames outside the table: share_adopt and share_vm_clone make them without reading a byte.
 *
 * When the scanner comes to a page of one, the frame is hashed, once, and stands in the table from
 * then on, or as its group's zero frame. If a frame of that content stands there, one of the two
 * stays outside until its pages have gone over to the other, each when the scanner comes to it: the
 * newcomer, unless it is of a store (KEEP) and the other is not. All pages of a frame are
 * protected, so its bytes stand still while somebody holds a reference.
 */
#include "index.h"
#include "bury.h"
#include "cow.h"
#include "group.h"
#include <string.h>

/* A frame outside, on which we hold a reference, and what is in it. */
struct newcomer {
    share_frame frame;
    struct share_frame_view view;
    const void *bytes;
    uint64_t hash;
};

/* The other one stays outside from now on; our reference on it goes. */
static void take_place_of(struct share *share, share_frame other)
{
    share_frame_leave(share, other);
    share_count(&share->indexed, 1);
}

/* Still? Changes under the lock of the partition, or of the group. */
static bool is_outside(struct share *share, const struct newcomer *newcomer)
{
    return share_frame_view(&share->frames, newcomer->frame).outside;
}

static share_frame place_zero(struct share *share, const struct newcomer *newcomer)
{
    share_frame instead;
    share_frame found =
        share_group_zero_offer(share, newcomer->view.group, newcomer->frame, &instead);
    if (instead)
        take_place_of(share, instead);
    else if (found == newcomer->frame)
        share_count(&share->indexed, 1);
    return found;
}

/* The next frame of the group that looks like it in the table, with a reference; 0: none. */
static share_frame next_like(struct share *share, const struct share_partition *part,
                             const struct newcomer *newcomer, share_frame *tried, unsigned *count)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    unsigned found = share_table_find(part, newcomer->hash, hits);
    for (unsigned i = 0; i < found; i++) {
        bool old = hits[i].kind != SHARE_KIND_FRAME;
        for (unsigned t = 0; t < *count; t++)
            old = old || tried[t] == hits[i].id;
        if (old || share_frame_view(&share->frames, hits[i].id).group != newcomer->view.group ||
            !share_frame_get(&share->frames, hits[i].id))
            continue;
        tried[(*count)++] = hits[i].id;
        return hits[i].id;
    }
    return 0;
}

static bool is_equal(struct share *share, const struct newcomer *newcomer, share_frame other)
{
    share_mpn mpn = share_frame_view(&share->frames, other).mpn;
    const void *bytes = share_peek(share, mpn);
    bool equal = bytes && memcmp(bytes, newcomer->bytes, SHARE_PAGE_SIZE) == 0;
    share_unpeek(share, mpn, bytes);
    return equal;
}

/* The pages stay where they are until the scanner comes to them again. */
static share_frame stay(struct share *share, share_frame other)
{
    share_frame_leave(share, other);
    return 0;
}

/* A frame of a store takes the place of one that is not: in the table, under the same hash. */
static share_frame choose(struct share *share, const struct newcomer *newcomer, share_frame other)
{
    if (!newcomer->view.keep || share_frame_view(&share->frames, other).keep)
        return other;
    struct share_partition *part = share_table_lock(&share->table, newcomer->hash);
    bool replaced =
        is_outside(share, newcomer) &&
        share_table_replace(part, newcomer->hash, (struct share_hit){SHARE_KIND_FRAME, other},
                            (struct share_hit){SHARE_KIND_FRAME, newcomer->frame});
    if (replaced) {
        share_frame_set_flags(&share->frames, newcomer->frame, 0, SHARE_FRAME_OUTSIDE);
        share_frame_set_flags(&share->frames, other, SHARE_FRAME_OUTSIDE, 0);
    }
    share_table_unlock(part);
    if (!replaced) /* another thread has been faster */
        return stay(share, other);
    take_place_of(share, other);
    return newcomer->frame;
}

/* The frame that shall have the newcomer's pages: itself, or another one, with a reference; 0: they
 * stay where they are, for want of room, or since another thread has been here. */
static share_frame place(struct share *share, const struct newcomer *newcomer)
{
    share_frame tried[SHARE_TABLE_HITS];
    unsigned count = 0;
    for (;;) {
        struct share_partition *part = share_table_lock(&share->table, newcomer->hash);
        bool first = is_outside(share, newcomer);
        share_frame other = first ? next_like(share, part, newcomer, tried, &count) : 0;
        bool inserted = first && !other &&
                        share_table_insert(&share->table, part, newcomer->hash,
                                           (struct share_hit){SHARE_KIND_FRAME, newcomer->frame});
        if (inserted)
            share_frame_set_flags(&share->frames, newcomer->frame, 0, SHARE_FRAME_OUTSIDE);
        share_table_unlock(part);
        if (!other) {
            share_count(&share->indexed, inserted);
            return inserted ? newcomer->frame : 0;
        }
        if (is_equal(share, newcomer, other))
            return choose(share, newcomer, other);
        share_frame_leave(share, other);
        if (count == SHARE_TABLE_HITS)
            return 0;
    }
}

/* The page is on `to` and maps it: told, and no longer ours. */
static void finish(struct share_run *run, const struct share_page_ref *page, uint32_t word,
                   share_frame from, share_frame to)
{
    struct share_event event = {.struct_size = sizeof event,
                                .kind = SHARE_EVENT_FORGET,
                                .vm = run->vm->number,
                                .ppn = share_page_ppn(page),
                                .mpn = share_frame_view(&run->share->frames, to).mpn,
                                .frame = from};
    share_tell(run->share, &event);
    event.kind = SHARE_EVENT_OFFER;
    event.outcome = SHARE_JOINED;
    event.frame = to;
    share_tell(run->share, &event);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word(share_word_state(word), to));
    share_frame_leave(run->share, from);
}

/* The page goes over from one frame to another, on which we hold a reference for it. */
static enum share_outcome go_over(struct share_run *run, const struct share_page_ref *page,
                                  uint32_t word, share_frame to)
{
    struct share *share = run->share;
    share_frame from = share_word_frame(word);
    if (!share_word_swap(page, &word, share_word(SHARE_WORD_MOVING, 0))) {
        share_frame_leave(share, to);
        return SHARE_BUSY;
    }
    struct share_remap remap = {.vm = share_ref_of(run->vm),
                                .ppn = share_page_ppn(page),
                                .from = share_frame_view(&share->frames, from).mpn,
                                .to = share_frame_view(&share->frames, to).mpn,
                                .answer = SHARE_ANSWER_FAIL};
    share_step(SHARE_STEP_REMAP);
    share->ops.remap(share->ops_ctx, &remap, 1);
    if (remap.answer == SHARE_ANSWER_OK) {
        finish(run, page, word, from, to);
        return SHARE_JOINED;
    }
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, word);
    share_frame_leave(share, to);
    return share_outcome_of(remap.answer);
}

/* With a reference on the frame that the page's word names. */
static enum share_outcome index_frame(struct share_run *run, const struct share_page_ref *page,
                                      uint32_t word)
{
    struct share *share = run->share;
    struct newcomer newcomer = {.frame = share_word_frame(word)};
    newcomer.view = share_frame_view(&share->frames, newcomer.frame);
    newcomer.bytes = share_peek(share, newcomer.view.mpn);
    if (!newcomer.bytes)
        return SHARE_ERROR;
    newcomer.hash = share_hash_stable(run->secret, newcomer.bytes);
    bool zero = newcomer.hash == run->secret->zero_hash && share_page_is_zero(newcomer.bytes);
    share_frame found = zero ? place_zero(share, &newcomer) : place(share, &newcomer);
    share_unpeek(share, newcomer.view.mpn, newcomer.bytes);
    if (!found || found == newcomer.frame)
        return SHARE_ALREADY;
    return go_over(run, page, word, found);
}

enum share_outcome share_index_page(struct share_run *run, const struct share_page_ref *page)
{
    struct share *share = run->share;
    uint32_t word;
    if (!atomic_load_explicit(&share->frames.outside, memory_order_relaxed))
        return SHARE_ALREADY;
    share_transit_begin(&share->transit);
    enum share_outcome outcome = SHARE_BUSY;
    share_frame frame = share_page_get_frame(share, page, &word);
    if (frame) {
        outcome = share_frame_view(&share->frames, frame).outside ? index_frame(run, page, word)
                                                                  : SHARE_ALREADY;
        share_frame_leave(share, frame);
    }
    share_transit_end(&share->transit);
    return outcome;
}
