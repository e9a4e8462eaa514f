/* SPDX-License-Identifier: MIT */
/* What happens at the ends of page numbers and frames, brought near: NOMEM, and all else goes on.
 */
#include "engine.h"
#include "test.h"
#include "vmm.h"

#define SLOTS 640u /* ten chunks */

static struct vmm *vmm;
static share_vm vm;

/* Pages of ten chunks, each content twice. */
static int begin(void **state)
{
    (void)state;
    vmm = vmm_new(2, SLOTS, 2 * SLOTS);
    vmm_engine(vmm, NULL, 1);
    vm = vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){1 + slot / 2, 0}));
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

static uint64_t frames(void)
{
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    return stats.frames;
}

static void page_numbers_end(void **state)
{
    (void)state;
    vmm->share->pages.chunks.items_max = 4;
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_NOMEM);
    assert_int_equal(vmm_offer(vmm, vm, 256), SHARE_ERROR);
    assert_int_equal(frames(), 128);
    assert_int_equal(vmm_offer(vmm, vm, 3), SHARE_ALREADY);
    assert_int_equal(vmm_store(vmm, vm, 3, 0, 9), SHARE_OK);
    share_ppn dirty = vmm_ppn(vmm, vm, 600);
    assert_int_equal(share_dirty(vmm->share, vm, &dirty, 1), SHARE_NOMEM);
    vmm_must_be_sound(vmm);
    /* Another VM has no room before this one has gone. */
    share_vm other = vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, other, 0, (struct vmm_content){7, 0}));
    assert_int_equal(vmm_offer(vmm, other, 0), SHARE_ERROR);
    vmm_remove(vmm, vm, true);
    assert_int_equal(vmm_offer(vmm, other, 0), SHARE_HINTED);
}

static void frames_end(void **state)
{
    (void)state;
    vmm->share->frames.pool.items_max = 128;
    enum share_result result = share_now(vmm->share, 5, NULL);
    assert_int_equal(result, SHARE_NOMEM);
    uint64_t most = frames();
    assert_true(most > 0 && most <= 128);
    vmm_must_be_sound(vmm);
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, vm, SLOTS - 129),
                                  .mpn = {vmm->mpn_base + vmm_page(vmm, vm, SLOTS - 129)->mpn},
                                  .count = 129};
    for (unsigned slot = SLOTS - 129; slot < SLOTS; slot++)
        assert_int_equal(vmm_page(vmm, vm, slot)->reasons, 0);
    assert_int_equal(share_adopt(vmm->share, vm, &run, 1, 0), SHARE_NOMEM);
    /* Frames that end make room. */
    assert_int_equal(share_unshare(vmm->share, vm, vmm_ppn(vmm, vm, 0), 256), SHARE_OK);
    assert_int_equal(frames(), 0);
    assert_int_equal(share_leave_alone(vmm->share, vm, vmm_ppn(vmm, vm, 0), 512, true), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(frames(), 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(page_numbers_end), TEST(frames_end)};
    return RUN(tests);
}
