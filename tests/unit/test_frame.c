/* SPDX-License-Identifier: MIT */
#include "frame.h"
#include "metadata.h"
#include "test.h"

static struct metadata metadata;
static struct share_mem mem;
static struct share_frames frames;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    share_mem_init(&mem, &metadata.alloc);
    memset(&frames, 0, sizeof frames);
    share_frames_init(&frames, &mem);
    return 0;
}

static int end(void **state)
{
    (void)state;
    share_frames_fini(&frames);
    assert_int_equal(metadata.blocks, 0);
    return 0;
}

static share_frame make(uint64_t mpn, share_group group, bool zero, uint32_t refs)
{
    assert_true(share_pool_reserve(&frames.pool, 1));
    share_frame frame = share_pool_take(&frames.pool);
    share_frame_make(&frames, frame, (share_mpn){mpn}, group, zero ? SHARE_FRAME_ZERO : 0, refs);
    return frame;
}

static void it_keeps_what_it_was_given(void **state)
{
    (void)state;
    share_frame frame = make(SHARE_MPN_END - 1, SHARE_GROUPS_MAX - 1, true, 2);
    struct share_frame_view view = share_frame_view(&frames, frame);
    assert_true(frame != 0);
    assert_true(view.mpn.n == SHARE_MPN_END - 1);
    assert_int_equal(view.group, SHARE_GROUPS_MAX - 1);
    assert_true(view.zero);
    assert_int_equal(view.refs, 2);
    view = share_frame_view(&frames, make(0x100000000, 0x0102, false, 7));
    assert_true(view.mpn.n == 0x100000000 && view.group == 0x0102 && !view.zero && view.refs == 7);
}

static void references_end_at_none(void **state)
{
    (void)state;
    share_frame frame = make(1, 0, false, 1);
    assert_int_equal(frames.single, 1);
    assert_true(share_frame_get(&frames, frame));
    assert_int_equal(frames.single, 0);
    assert_false(share_frame_put_if_last(&frames, frame));
    assert_false(share_frame_put(&frames, frame));
    assert_int_equal(frames.single, 1);
    assert_true(share_frame_put(&frames, frame));
    assert_int_equal(frames.single, 0);
    assert_false(share_frame_get(&frames, frame)); /* zero is final */
    assert_false(share_frame_put_if_last(&frames, frame));
    assert_int_equal(share_pool_taken(&frames.pool), 1);
    share_frame_retire(&frames, frame);
    assert_int_equal(share_pool_taken(&frames.pool), 0);
    assert_int_equal(make(2, 0, false, 1), frame); /* the number is free again */
}

static void the_last_reference_is_taken_once(void **state)
{
    (void)state;
    share_frame frame = make(1, 0, true, 1);
    assert_int_equal(frames.zero, 1);
    assert_true(share_frame_put_if_last(&frames, frame));
    assert_false(share_frame_put_if_last(&frames, frame));
    assert_int_equal(frames.single, 0);
    share_frame_retire(&frames, frame);
    assert_int_equal(frames.zero, 0);
}

static void references_do_not_overflow(void **state)
{
    (void)state;
    share_frame frame = make(1, 0, false, UINT32_MAX - 1);
    assert_true(share_frame_get(&frames, frame));
    assert_false(share_frame_get(&frames, frame));
    assert_true(share_frame_view(&frames, frame).refs == UINT32_MAX);
}

static void counts_change_as_the_header_says(void **state)
{
    (void)state;
    assert_true(share_refs_may_become(0, 2));
    assert_true(share_refs_may_become(1, 2) && share_refs_may_become(2, 1));
    assert_true(share_refs_may_become(1, 0));
    assert_false(share_refs_may_become(0, 0) || share_refs_may_become(1, 3));
    share_frame frame = make(1, 0, false, 1);
    assert_true(share_frame_is_valid(&frames, frame));
    assert_true(share_frame_put(&frames, frame));
    assert_false(share_frame_is_valid(&frames, frame));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_keeps_what_it_was_given),       TEST(references_end_at_none),
        TEST(the_last_reference_is_taken_once), TEST(references_do_not_overflow),
        TEST(counts_change_as_the_header_says),
    };
    return RUN(tests);
}
