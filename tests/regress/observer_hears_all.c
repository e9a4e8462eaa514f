/* SPDX-License-Identifier: MIT */
/*
 * Pages that were counted as group_off, or as error for want of memory, were never told to the
 * observer: what it added up was less than the engine's own sums.
 */
#include "metadata.h"
#include "test.h"
#include "vmm.h"

static unsigned heard[SHARE_OUTCOMES];

static void event(void *ctx, const struct share_event *told)
{
    (void)ctx;
    assert_int_equal(told->kind, SHARE_EVENT_OFFER);
    heard[told->outcome]++;
}

static void test(void **state)
{
    struct metadata metadata;
    struct share_observer observer = {sizeof observer, event, NULL};
    struct vmm *vmm = vmm_new(2, 3, 8);
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &vmm_ops,
                                  .ops_ctx = vmm,
                                  .alloc = &metadata.alloc,
                                  .observer = &observer};
    metadata_init(&metadata);
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    share_group off;
    assert_int_equal(share_group_add(vmm->share, false, &off), SHARE_OK);
    vmm_add(vmm, off, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_GROUP_OFF);
    metadata.fail_at = metadata.calls + 1;
    metadata.fail_count = UINT64_MAX / 2;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_ERROR);
    assert_int_equal(heard[SHARE_GROUP_OFF], 3);
    assert_int_equal(heard[SHARE_ERROR], 1);
    share_free(vmm->share);
    vmm_free(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
