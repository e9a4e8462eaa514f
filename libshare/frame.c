/* SPDX-License-Identifier: MIT */
/* Reference counts of shared frames, and nothing else. */
#include "frame.h"
#include "fetch.h"
#include "invariant.h"
#include "page.h"

#define FRAMES_SLAB_LOG2 8

/* The parts of `rest`. */
#define MPN_LOW_BITS  32
#define MPN_HIGH_BITS 8
#define GROUP_SHIFT   MPN_HIGH_BITS
#define GROUP_BITS    16
#define FLAGS_SHIFT   (GROUP_SHIFT + GROUP_BITS)
_Static_assert(SHARE_MPN_END <= UINT64_C(1) << (MPN_LOW_BITS + MPN_HIGH_BITS), "an MPN fits");
_Static_assert(SHARE_GROUPS_MAX < 1u << GROUP_BITS, "a group fits");

static uint32_t low_bits(uint32_t value, unsigned bits)
{
    return value & ((UINT32_C(1) << bits) - 1);
}

void share_frames_init(struct share_frames *frames, struct share_mem *mem)
{
    share_pool_init(&frames->pool, mem, sizeof(struct share_frame_object), FRAMES_SLAB_LOG2,
                    SHARE_FRAMES_MAX);
}

void share_frames_fini(struct share_frames *frames)
{
    share_pool_fini(&frames->pool);
}

static struct share_frame_object *object_of(const struct share_frames *frames, share_frame frame)
{
    return share_pool_at(&frames->pool, frame);
}

void share_frame_prefetch(const struct share_frames *frames, share_frame frame)
{
    share_fetch_to_write(share_pool_address(&frames->pool, frame));
}

bool share_refs_may_become(uint32_t from, uint32_t to)
{
    return from == 0 ? to > 0 : to == from + 1 || to == from - 1;
}

bool share_frame_is_valid(const struct share_frames *frames, share_frame frame)
{
    struct share_frame_view view = share_frame_view(frames, frame);
    return view.refs > 0 && view.mpn.n < SHARE_MPN_END && view.group < SHARE_GROUPS_MAX;
}

static void count_flags(struct share_frames *frames, unsigned flags, uint64_t by)
{
    if (flags & SHARE_FRAME_ZERO)
        atomic_fetch_add_explicit(&frames->zero, by, memory_order_relaxed);
    if (flags & SHARE_FRAME_OUTSIDE)
        atomic_fetch_add_explicit(&frames->outside, by, memory_order_relaxed);
}

void share_frames_make(struct share_frames *frames, const struct share_frame_plan *plans,
                       size_t count, share_group group, unsigned flags)
{
    uint64_t single = 0;
    for (size_t i = 0; i < count; i++) {
        const struct share_frame_plan *plan = &plans[i];
        struct share_frame_object *object = object_of(frames, plan->frame);
        uint32_t rest =
            (uint32_t)(plan->mpn.n >> MPN_LOW_BITS) | group << GROUP_SHIFT | flags << FLAGS_SHIFT;
        share_assert(share_refs_may_become(atomic_load(&object->refs), plan->refs));
        atomic_store_explicit(&object->mpn_low, (uint32_t)plan->mpn.n, memory_order_relaxed);
        atomic_store_explicit(&object->rest, rest, memory_order_relaxed);
        atomic_store_explicit(&object->refs, plan->refs, memory_order_release);
        share_assert_internal(share_frame_is_valid(frames, plan->frame));
        single += plan->refs == 1;
    }
    count_flags(frames, flags, count);
    if (single)
        atomic_fetch_add_explicit(&frames->single, single, memory_order_relaxed);
}

void share_frame_set_flags(struct share_frames *frames, share_frame frame, unsigned set,
                           unsigned clear)
{
    struct share_frame_object *object = object_of(frames, frame);
    share_assert(share_frame_is_valid(frames, frame));
    uint32_t was = atomic_fetch_or(&object->rest, set << FLAGS_SHIFT);
    count_flags(frames, set & ~(was >> FLAGS_SHIFT), 1);
    was = atomic_fetch_and(&object->rest, ~(clear << FLAGS_SHIFT));
    count_flags(frames, clear & (was >> FLAGS_SHIFT), 0 - UINT64_C(1));
}

bool share_frame_get(struct share_frames *frames, share_frame frame)
{
    _Atomic uint32_t *refs = &object_of(frames, frame)->refs;
    uint32_t now = atomic_load_explicit(refs, memory_order_relaxed);
    do {
        if (now == 0 || now == UINT32_MAX)
            return false;
        share_assert(now && share_refs_may_become(now, now + 1));
    } while (!atomic_compare_exchange_weak_explicit(refs, &now, now + 1, memory_order_acq_rel,
                                                    memory_order_relaxed));
    share_assert_internal(share_frame_is_valid(frames, frame));
    if (now == 1)
        atomic_fetch_sub_explicit(&frames->single, 1, memory_order_relaxed);
    return true;
}

bool share_frame_put(struct share_frames *frames, share_frame frame)
{
    uint32_t was =
        atomic_fetch_sub_explicit(&object_of(frames, frame)->refs, 1, memory_order_acq_rel);
    share_assert(was && share_refs_may_become(was, was - 1));
    if (was == 2)
        atomic_fetch_add_explicit(&frames->single, 1, memory_order_relaxed);
    else if (was == 1)
        atomic_fetch_sub_explicit(&frames->single, 1, memory_order_relaxed);
    return was == 1;
}

bool share_frame_put_if_last(struct share_frames *frames, share_frame frame)
{
    uint32_t one = 1;
    if (!atomic_compare_exchange_strong(&object_of(frames, frame)->refs, &one, 0))
        return false;
    atomic_fetch_sub_explicit(&frames->single, 1, memory_order_relaxed);
    return true;
}

void share_frame_retire(struct share_frames *frames, share_frame frame)
{
    share_assert(share_frame_view(frames, frame).refs == 0);
    count_flags(frames, atomic_load(&object_of(frames, frame)->rest) >> FLAGS_SHIFT,
                0 - UINT64_C(1));
    share_pool_put(&frames->pool, frame);
}

struct share_frame_view share_frame_view(const struct share_frames *frames, share_frame frame)
{
    const struct share_frame_object *object = object_of(frames, frame);
    uint32_t low = atomic_load_explicit(&object->mpn_low, memory_order_relaxed);
    uint32_t rest = atomic_load_explicit(&object->rest, memory_order_relaxed);
    return (struct share_frame_view){
        .mpn = {(uint64_t)low_bits(rest, MPN_HIGH_BITS) << MPN_LOW_BITS | low},
        .group = low_bits(rest >> GROUP_SHIFT, GROUP_BITS),
        .zero = rest >> FLAGS_SHIFT & SHARE_FRAME_ZERO,
        .outside = rest >> FLAGS_SHIFT & SHARE_FRAME_OUTSIDE,
        .keep = rest >> FLAGS_SHIFT & SHARE_FRAME_KEEP,
        .refs = atomic_load_explicit(&object->refs, memory_order_acquire),
    };
}
