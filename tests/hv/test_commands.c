/* SPDX-License-Identifier: MIT */
/* Commands of the control socket, asked directly: states that hvrun boot alone does not reach. */
#include "rig.h"

#include "hvrun/hvrun.h"

static char *ask(struct hv_world *world, const char *words)
{
    char line[64], *answer = NULL;
    size_t nbytes = 0;
    FILE *stream = open_memstream(&answer, &nbytes);
    assert_non_null(stream);
    snprintf(line, sizeof line, "%s", words);
    hvrun_command(world, line, stream);
    assert_int_equal(fclose(stream), 0);
    return answer;
}

static void assert_says(struct hv_world *world, const char *words, const char *expected)
{
    char *answer = ask(world, words);
    if (!strstr(answer, expected))
        fail_msg("%s: no \"%s\" in: %s", words, expected, answer);
    free(answer);
}

/* A page that was only sampled was write-protected for no reason at all. */
static void walk_names_every_reason(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    uint64_t word = 1;
    assert_true(hv_guest_write(vm, HV_RAM_BASE, &word, sizeof word));
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(HV_RAM_BASE));
    assert_says(world, "walk\t0\t0x80000000", "write-protected: no\n");
    page->reasons = HV_REASON_SAMPLING;
    assert_says(world, "walk\t0\t0x80000000", "write-protected: sampling \n");
    page->reasons = HV_REASON_SAMPLING | HV_REASON_SHARING | HV_REASON_TABLE;
    assert_says(world, "walk\t0\t0x80000000", "write-protected: sharing page-table sampling \n");
    page->reasons = 0;
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(walk_names_every_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
