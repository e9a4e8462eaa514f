/* SPDX-License-Identifier: MIT */
/* What the engine says that it holds. */
#include "test.h"
#include "vmm.h"

static void the_peak_is_no_less_than_what_is_held(void **state)
{
    struct share_stats stats;
    (void)state;
    struct vmm *vmm = vmm_new_guest(1);
    share_stats(vmm->share, &stats);
    assert_true(stats.metadata_peak_bytes >= stats.metadata_bytes && stats.metadata_bytes > 0);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peak_is_no_less_than_what_is_held),
    };
    return RUN(tests);
}
