/* SPDX-License-Identifier: MIT */
/* Groups of VMs that share with each other. */
#include "group.h"
#include "invariant.h"

#define GROUPS_SLAB_LOG2 2

/* With a number reserved in share->groups. */
static share_group make_group(struct share *share, bool sharing)
{
    share_group group = share_pool_take(&share->groups) - 1;
    struct share_group_object *object = share_group_at(share, group);
    object->sharing = sharing;
    object->zero_frame = 0;
    atomic_store(&object->vms, 0);
    share_secret_init(&object->secret, share->salt, group, share->hash_mask);
    atomic_store(&object->live, 1);
    return group;
}

bool share_groups_init(struct share *share)
{
    share_pool_init(&share->groups, &share->mem, sizeof(struct share_group_object),
                    GROUPS_SLAB_LOG2, SHARE_GROUPS_MAX);
    if (!share_pool_reserve(&share->groups, 1))
        return false;
    make_group(share, true);
    return true;
}

enum share_result share_group_add(struct share *share, bool sharing, share_group *out)
{
    if (!share_pool_reserve(&share->groups, 1))
        return SHARE_NOMEM;
    share_lock_take(&share->admin);
    *out = make_group(share, sharing);
    share_lock_drop(&share->admin);
    return SHARE_OK;
}

enum share_result share_group_remove(struct share *share, share_group group)
{
    enum share_result result = SHARE_OK;
    share_lock_take(&share->admin);
    if (group >= share_pool_end(&share->groups) - 1 ||
        !atomic_load(&share_group_at(share, group)->live))
        result = SHARE_GONE;
    else if (group == 0 || atomic_load(&share_group_at(share, group)->vms))
        result = SHARE_INVALID;
    else
        atomic_store(&share_group_at(share, group)->live, 0);
    share_lock_drop(&share->admin);
    if (result == SHARE_OK)
        share_pool_put(&share->groups, group + 1);
    return result;
}

share_frame share_group_zero_get(struct share *share, share_group group, share_mpn mpn, bool *made)
{
    struct share_group_object *object = share_group_at(share, group);
    share_lock_take(&object->lock);
    share_frame frame = object->zero_frame;
    *made = !frame || !share_frame_view(&share->frames, frame).refs;
    if (*made) {
        frame = object->zero_frame = share_pool_take(&share->frames.pool);
        share_frame_make(&share->frames, frame, mpn, group, SHARE_FRAME_ZERO, 1);
    } else if (!share_frame_get(&share->frames, frame))
        frame = 0; /* full, or the last reference went this moment: the page stays private */
    share_lock_drop(&object->lock);
    return frame;
}

share_frame share_group_zero_offer(struct share *share, share_group group, share_frame frame,
                                   share_frame *instead)
{
    struct share_group_object *object = share_group_at(share, group);
    struct share_frames *frames = &share->frames;
    share_lock_take(&object->lock);
    share_frame now = object->zero_frame, found = frame;
    if (now && share_frame_get(frames, now)) {
        if (share_frame_view(frames, now).keep || !share_frame_view(frames, frame).keep)
            found = now;
        else
            share_frame_set_flags(frames, now, SHARE_FRAME_OUTSIDE, SHARE_FRAME_ZERO);
    } else {
        now = 0;
    }
    if (found == frame) {
        object->zero_frame = frame;
        share_frame_set_flags(frames, frame, SHARE_FRAME_ZERO, SHARE_FRAME_OUTSIDE);
    }
    *instead = found == frame ? now : 0;
    share_lock_drop(&object->lock);
    return found;
}

void share_group_zero_unlink(struct share *share, share_group group, share_frame frame)
{
    struct share_group_object *object = share_group_at(share, group);
    share_lock_take(&object->lock);
    share_assert(share_frame_view(&share->frames, frame).refs == 0);
    if (object->zero_frame == frame)
        object->zero_frame = 0;
    share_lock_drop(&object->lock);
}
