/* SPDX-License-Identifier: MIT */
/* A page that is not in memory has no frame: then nobody can tell how many there are. Its entry in
 * pagemap, which may hold a place in swap, used to be counted like a frame number. */
#include "ksm.h"
#include "test.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 64 };

static void only_present_pages_are_counted(void **state)
{
    (void)state;
    struct ksm_area area;
    struct pages *pages = pages_new(PAGES, 0, 1);
    assert_true(ksm_area_map(&area, pages));
    assert_int_equal(ksm_area_frames(&area), PAGES);
    madvise(area.bytes + 5 * SHARE_PAGE_SIZE, SHARE_PAGE_SIZE, MADV_DONTNEED);
    assert_true(ksm_area_frames(&area) == UINT64_MAX);
    area.bytes[5 * SHARE_PAGE_SIZE] = 1;
    assert_int_equal(ksm_area_frames(&area), PAGES);
    ksm_area_unmap(&area);
    pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_present_pages_are_counted)};
    if (geteuid() != 0 || access("/sys/kernel/mm/ksm/run", F_OK) != 0) {
        printf("skipped: not root, or no KSM\n");
        return 77;
    }
    return RUN(tests);
}
