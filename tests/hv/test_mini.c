/* SPDX-License-Identifier: MIT */
/*
 * Our own guest kernel, paravirtualized and not: the same work gives the same results in either
 * mode, with sharing on and off; ten of them share live, and the figures are those of an exact
 * count. It needs the cross compiler; without it the kernels are not there, and this skips.
 */
#include "exact.h"
#include "mini.h"

static void same_results_in_either_mode(void **state)
{
    (void)state;
    static const char *const workloads[] = {"idle", "touch", "forks", "compute", "mix"};
    for (unsigned w = 0; w < 5; w++) {
        char first[4096], text[4096];
        for (unsigned mode = 0; mode < 4; mode++) {
            struct mini_setup setup = {.vms = 2,
                                       .workload = workloads[w],
                                       .rounds = 2,
                                       .para = mode & 1,
                                       .sharing = mode & 2,
                                       .scan_rate = 2000000}; /* every page many times a second */
            struct hv_world *world = mini_boot(&setup);
            mini_run(world);
            mini_results(world, mode ? text : first, sizeof text);
            if (mode)
                assert_string_equal(text, first);
            const char *wrong = hv_world_check(world);
            if (wrong)
                fail_msg("%s, mode %u: %s", workloads[w], mode, wrong);
            hv_world_free(world);
        }
    }
}

/* Little memory: tables and pages are taken back from the linear map and used again. */
static void results_hold_with_little_memory(void **state)
{
    (void)state;
    char first[4096], text[4096];
    for (unsigned para = 0; para < 2; para++) {
        struct mini_setup setup = {.vms = 1,
                                   .workload = "mix",
                                   .rounds = 4,
                                   .para = para,
                                   .sharing = true,
                                   .scan_rate = 500000,
                                   .memory_bytes = 8 << 20,
                                   .append = "HV_TOUCH_KIB=6800"};
        struct hv_world *world = mini_boot(&setup);
        mini_run(world);
        mini_results(world, para ? text : first, sizeof text);
        assert_null(hv_world_check(world));
        hv_world_free(world);
    }
    assert_string_equal(text, first);
}

static void same_seed_same_figures(void **state)
{
    (void)state;
    struct hv_figures first, second;
    for (unsigned round = 0; round < 2; round++) {
        struct mini_setup setup = {.vms = 3,
                                   .workload = "forks",
                                   .rounds = 1,
                                   .para = true,
                                   .sharing = true,
                                   .scan_rate = 100000};
        struct hv_world *world = mini_boot(&setup);
        mini_run(world);
        hv_world_figures(world, round ? &second : &first);
        hv_world_free(world);
    }
    assert_memory_equal(&first, &second, sizeof first);
}

static void ten_share_live(void **state)
{
    (void)state;
    struct mini_setup setup = {.vms = MINI_VMS_MAX,
                               .workload = "mix",
                               .rounds = 2,
                               .para = true,
                               .sharing = true,
                               .scan_rate = 50000};
    struct hv_figures live, settled, bound;
    struct hv_world *world = mini_boot(&setup);
    mini_run(world);
    hv_world_run(world, HV_TICKS_PER_SECOND, NULL, NULL);
    hv_world_figures(world, &live);
    exact(world, &bound);
    assert_true(hv_world_share_now(world));
    hv_world_figures(world, &settled);
    printf(
        "%u VMs: touched %llu, shared %llu, reclaimed %llu (at most %llu), zero %llu, without COW "
        "marking %llu, page tables %llu, %llu hypercalls, %llu updates\n",
        MINI_VMS_MAX, (unsigned long long)live.touched_pages, (unsigned long long)live.shared_pages,
        (unsigned long long)live.reclaimed_pages, (unsigned long long)bound.reclaimed_pages,
        (unsigned long long)live.zero_pages, (unsigned long long)live.code_shared_pages,
        (unsigned long long)live.table_pages, (unsigned long long)live.hypercalls,
        (unsigned long long)live.pt_updates);
    assert_int_equal(settled.touched_pages, bound.touched_pages);
    assert_int_equal(settled.shared_pages, bound.shared_pages);
    assert_int_equal(settled.reclaimed_pages, bound.reclaimed_pages);
    assert_int_equal(settled.zero_pages, bound.zero_pages);
    assert_true((double)live.reclaimed_pages >= 0.95 * (double)bound.reclaimed_pages);
    assert_true(live.cow_breaks > 0 && live.table_pages > 0);
    /* the kernel's code and the programs': every page of theirs in every VM */
    assert_true(settled.code_shared_pages >= MINI_VMS_MAX * 4);
    assert_null(hv_world_check(world));
    for (unsigned i = 0; i < MINI_VMS_MAX; i++)
        hv_vm_exit(hv_world_vm(world, i));
    assert_int_equal(hv_machine_used(&world->commons.machine), 0);
    hv_world_free(world);
}

/* Batching, and no shadow: fewer entries into the VMM, less virtual time, for the same work. */
static void fewer_entries_into_the_vmm(void **state)
{
    (void)state;
    struct hv_figures figures[2];
    for (unsigned para = 0; para < 2; para++) {
        struct mini_setup setup = {.vms = 1, .workload = "forks", .rounds = 2, .para = para};
        struct hv_world *world = mini_boot(&setup);
        mini_run(world);
        hv_vm_figures(hv_world_vm(world, 0), &figures[para]);
        hv_world_free(world);
    }
    const struct hv_figures *full = &figures[0], *para = &figures[1];
    assert_int_equal(full->hypercalls, 0);
    assert_int_equal(para->shadow_fills + para->pt_write_traps + para->satp_writes, 0);
    assert_true(para->hypercalls <
                full->pt_write_traps + full->shadow_fills + full->satp_writes + full->sfences);
}

/* The balloon takes and gives back up to half of the memory while the guests work; when they have
 * no page left, they take some back themselves. */
static void results_hold_under_a_balloon(void **state)
{
    (void)state;
    enum { PAGES = 4096, STEPS = 40 };
    char first[4096], text[4096];
    for (unsigned variant = 0; variant < 4; variant++) {
        bool ballooned = variant >= 2;
        struct mini_setup setup = {.vms = 2,
                                   .workload = "mix",
                                   .rounds = 4,
                                   .para = variant & 1,
                                   .sharing = true,
                                   .scan_rate = 500000,
                                   .append = "HV_TOUCH_KIB=6000"};
        struct hv_world *world = mini_boot(&setup);
        uint64_t inflated = 0, last = 0;
        bool relieved = false;
        for (unsigned step = 0; ballooned && step < STEPS; step++) {
            for (unsigned i = 0; i < 2; i++)
                assert_true(hv_vm_balloon_set(hv_world_vm(world, i),
                                              step % 3 == 2 ? 0 : PAGES / 2 + step * 40));
            hv_world_run(world, HV_TICKS_PER_SECOND / 20, NULL, NULL);
            uint64_t now = hv_world_vm(world, 0)->counts.balloon_pages;
            relieved = relieved || (step % 3 == 1 && now < last); /* although more was asked for */
            inflated += last = now;
            const char *wrong = hv_world_check(world);
            if (wrong)
                fail_msg("step %u: %s", step, wrong);
        }
        mini_run(world);
        mini_results(world, variant ? text : first, sizeof text);
        assert_string_equal(variant ? text : first, first);
        assert_true(!ballooned || (inflated > PAGES && relieved));
        hv_world_free(world);
    }
}

/* An idle guest gives all that is asked of it, and its machine pages with it; then takes it back.
 */
static void an_idle_guest_follows_its_target(void **state)
{
    (void)state;
    for (unsigned para = 0; para < 2; para++) {
        struct mini_setup setup = {.vms = 1, .workload = "touch", .rounds = 1, .para = para};
        struct hv_figures before, after;
        struct hv_world *world = mini_boot(&setup);
        struct hv_vm *vm = hv_world_vm(world, 0);
        mini_run(world);
        hv_vm_figures(vm, &before);
        static const unsigned targets[] = {3000, 1000, 3900, 0};
        for (unsigned i = 0; i < 4; i++) {
            assert_true(hv_vm_balloon_set(vm, targets[i]));
            hv_world_run(world, HV_TICKS_PER_SECOND / 10, NULL, NULL);
            assert_int_equal(vm->counts.balloon_pages, targets[i]);
            assert_int_equal(hv_balloon_of(vm)->driver_pages, targets[i]);
            assert_int_equal(hv_balloon_of(vm)->refused + vm->counts.balloon_touches, 0);
            assert_null(hv_world_check(world));
            hv_vm_figures(vm, &after);
            if (i == 0) /* what the workload had touched */
                assert_true(after.touched_pages + 1000 < before.touched_pages);
        }
        assert_int_equal(hv_machine_used(&world->commons.machine),
                         after.touched_pages + after.table_pages);
        hv_world_free(world);
    }
}

/* What the receiver says of the bits that were sent as 0 or 1. */
struct tally {
    unsigned bits, slow, clock;
};

static struct tally tally_of(unsigned sent)
{
    char words[32];
    struct tally tally = {0, 0, 0};
    snprintf(words, sizeof words, "signal: sent as %u: ", sent);
    const char *at = strstr(mini_logs[1].text, words);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(words), "%u bits, slow %u, clock %u", &tally.bits,
                            &tally.slow, &tally.clock),
                     3);
    assert_true(tally.bits > 100);
    return tally;
}

/* Two VMs try to signal through merging: whoever stores to a page that the other has as well waits
 * for a copy. The attack works, so that its failure between groups means something. */
static void signals_cross_within_a_group_only(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct mini_setup setup = {.vms = 2,
                                   .workload = "signal",
                                   .rounds = 2,
                                   .para = variant & 1,
                                   .sharing = true,
                                   .scan_rate = 10000,
                                   .groups = 1 + variant / 2};
        struct hv_world *world = mini_boot(&setup);
        mini_run(world);
        struct tally zeros = tally_of(0), ones = tally_of(1);
        if (setup.groups == 1) {
            assert_int_equal(ones.slow, ones.bits);
            assert_int_equal(zeros.slow, 0);
        } else { /* not one slow store, and the same time for all */
            assert_int_equal(ones.slow + zeros.slow, 0);
            double mean = (double)ones.clock / ones.bits - (double)zeros.clock / zeros.bits;
            assert_true(mean < 0.1 && mean > -0.1);
        }
        hv_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_results_in_either_mode),
        cmocka_unit_test(results_hold_with_little_memory),
        cmocka_unit_test(same_seed_same_figures),
        cmocka_unit_test(ten_share_live),
        cmocka_unit_test(fewer_entries_into_the_vmm),
        cmocka_unit_test(results_hold_under_a_balloon),
        cmocka_unit_test(an_idle_guest_follows_its_target),
        cmocka_unit_test(signals_cross_within_a_group_only),
    };
    if (!mini_is_built())
        return MINI_SKIP;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
