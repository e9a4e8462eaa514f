/* SPDX-License-Identifier: MIT */
/*
 * Real Linux guests: they boot, compute the same with sharing on and off, run the same twice, share
 * what ESX's figure 4 says they should, and the live figures are those of an exact count.
 */
#include "rig.h"

#include <unistd.h>

enum { VMS = 10, SKIP = 77 };

static char kernel[600], initrd[600];

struct log {
    char text[1 << 16];
    size_t nbytes;
};

static void keep(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    struct log *log = (struct log *)ctx + hv_vm_index(vm);
    size_t room = sizeof log->text - 1 - log->nbytes;
    nbytes = nbytes < room ? nbytes : room;
    memcpy(log->text + log->nbytes, bytes, nbytes);
    log->nbytes += nbytes;
}

struct setup {
    unsigned vms;
    const char *workload;
    bool sharing, same_seed, scattered;
    uint64_t scan_rate;
    unsigned rounds;
    uint32_t shadow_nodes;
};

static struct hv_world *boot(const struct setup *setup, struct log *logs)
{
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = setup->vms * 16384u + 64,
                                     .sharing = setup->sharing,
                                     .scattered = setup->scattered,
                                     .scan_rate = setup->scan_rate,
                                     .seed = 7};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    memset(logs, 0, setup->vms * sizeof *logs);
    for (unsigned i = 0; i < setup->vms; i++) {
        char append[256];
        unsigned who = setup->same_seed ? 0 : i;
        snprintf(append, sizeof append,
                 "console=hvc0 HV_WORKLOAD=%s HV_SEED=%u HV_ROUNDS=%u HV_NAME=vm%u",
                 setup->workload, who + 1, setup->rounds, who);
        struct hv_vm_config vm = {.memory_bytes = 64 << 20,
                                  .kernel = kernel,
                                  .initrd = initrd,
                                  .append = append,
                                  .seed = who + 1,
                                  .start_ticks = who * HV_TICKS_PER_SECOND / 20,
                                  .shadow_nodes = setup->shadow_nodes,
                                  .output = keep,
                                  .output_ctx = logs};
        if (!hv_vm_new(world, &vm, &error))
            fail_msg("%s", error.text);
    }
    return world;
}

/* Runs until every VM says that its workload is done. */
static void run(struct hv_world *world, struct log *logs, unsigned vms)
{
    for (unsigned tenths = 0; tenths < 2000; tenths++) {
        unsigned done = 0;
        for (unsigned i = 0; i < vms; i++) {
            done += strstr(logs[i].text, "done checksum") != NULL;
            if (hv_vm_state(hv_world_vm(world, i)) != HV_RUNNING_VM)
                fail_msg("VM %u: %s\n%s", i, hv_vm_reason(hv_world_vm(world, i)),
                         hv_vm_last_output(hv_world_vm(world, i)));
        }
        if (done == vms)
            return;
        hv_world_run(world, HV_TICKS_PER_SECOND / 10, NULL, NULL);
    }
    fail_msg("not done after 200 seconds:\n%s", logs[0].text);
}

static const char *checksums(const struct log *log)
{
    const char *at = strstr(log->text, "init: workload");
    assert_non_null(at);
    return at;
}

static struct log logs_on[VMS], logs_off[VMS];

static void same_results_with_sharing_on_and_off(void **state)
{
    (void)state;
    static const char *const workloads[] = {"idle", "files", "compute", "touch", "forks"};
    for (unsigned w = 0; w < 5; w++) {
        struct setup setup = {.vms = 2, .workload = workloads[w], .rounds = w == 1 ? 1 : 2};
        struct hv_world *off = boot(&setup, logs_off);
        run(off, logs_off, 2);
        setup.sharing = true;
        setup.scan_rate = 2000000; /* every page many times a second */
        setup.scattered = true;
        setup.shadow_nodes = w % 2 ? 24 : 0; /* also with too little room for the S-PT */
        struct hv_world *on = boot(&setup, logs_on);
        run(on, logs_on, 2);
        for (unsigned i = 0; i < 2; i++)
            assert_string_equal(checksums(&logs_on[i]), checksums(&logs_off[i]));
        assert_null(hv_world_check(on));
        hv_world_free(on);
        hv_world_free(off);
    }
}

static void same_seed_same_figures(void **state)
{
    (void)state;
    struct hv_figures first, second;
    for (unsigned round = 0; round < 2; round++) {
        struct setup setup = {
            .vms = 3, .workload = "forks", .rounds = 2, .sharing = true, .scan_rate = 100000};
        struct hv_world *world = boot(&setup, logs_on);
        run(world, logs_on, 3);
        hv_world_figures(world, round ? &second : &first);
        hv_world_free(world);
    }
    assert_memory_equal(&first, &second, sizeof first);
}

static int by_content(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, HV_PAGE_BYTES);
}

/* Counts contents the plain way: copies, sorted. */
static void exact(struct hv_world *world, struct hv_figures *figures)
{
    size_t count = 0, room = 0;
    for (unsigned i = 0; i < hv_world_vms(world); i++)
        room += hv_world_vm(world, i)->map.present_pages;
    const uint8_t **pages = malloc(room * sizeof *pages);
    assert_non_null(pages);
    for (unsigned i = 0; i < hv_world_vms(world); i++) {
        const struct hv_vm *vm = hv_world_vm(world, i);
        for (hv_ppn ppn = vm->map.begin; hv_physmap_next(&vm->map, ppn, &ppn); ppn.n++)
            pages[count++] =
                hv_machine_page(&world->machine, (hv_mpn){hv_physmap_at(&vm->map, ppn)->mpn});
    }
    qsort(pages, count, sizeof *pages, by_content);
    static const uint8_t zeros[HV_PAGE_BYTES];
    *figures = (struct hv_figures){.touched_pages = count};
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && by_content(&pages[i], &pages[end]) == 0;)
            end++;
        figures->reclaimed_pages += end - i - 1;
        if (end - i < 2)
            continue;
        figures->shared_pages += end - i;
        if (memcmp(pages[i], zeros, HV_PAGE_BYTES) == 0)
            figures->zero_pages += end - i;
    }
    free(pages);
}

static double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

/* ESX's figure 4: 1 to 10 identical Linux VMs, same workload, different seeds. */
static void figure_4(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 4, 7, 10};
    printf("VMs  touched  shared %%  reclaimed %%  of it zero %%  bound %%  code pages\n");
    for (unsigned i = 0; i < 5; i++) {
        struct setup setup = {.vms = counts[i],
                              .workload = "files",
                              .rounds = 1,
                              .sharing = true,
                              .scan_rate = 20000};
        struct hv_figures live, settled, bound;
        struct hv_world *world = boot(&setup, logs_on);
        run(world, logs_on, counts[i]);
        hv_world_run(world, 2 * HV_TICKS_PER_SECOND, NULL, NULL);
        hv_world_figures(world, &live);
        exact(world, &bound);
        assert_true(hv_world_share_now(world));
        hv_world_figures(world, &settled);
        printf("%3u %8llu %9.1f %12.1f %13.1f %8.1f %11llu\n", counts[i],
               (unsigned long long)live.touched_pages,
               percent(live.shared_pages, live.touched_pages),
               percent(live.reclaimed_pages, live.touched_pages),
               percent(live.zero_pages ? live.zero_pages - 1 : 0, live.touched_pages),
               percent(bound.reclaimed_pages, bound.touched_pages),
               (unsigned long long)live.code_shared_pages);
        assert_true((double)live.reclaimed_pages >= 0.95 * (double)bound.reclaimed_pages);
        assert_int_equal(settled.touched_pages, bound.touched_pages);
        assert_int_equal(settled.shared_pages, bound.shared_pages);
        assert_int_equal(settled.reclaimed_pages, bound.reclaimed_pages);
        assert_int_equal(settled.zero_pages, bound.zero_pages);
        assert_true(settled.code_shared_pages > 0);
        assert_null(hv_world_check(world));
        if (counts[i] == VMS) {
            assert_true(percent(live.shared_pages, live.touched_pages) >= 67);
            assert_true(percent(live.reclaimed_pages, live.touched_pages) >= 60);
        }
        hv_world_free(world);
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    assert_non_null(stream);
    assert_int_equal(fscanf(stream, "%llu %llu", &size, &resident), 2);
    fclose(stream);
    return resident * 4096;
}

static void exit_gives_everything_back(void **state)
{
    (void)state;
    struct setup setup = {
        .vms = 3, .workload = "touch", .rounds = 1, .sharing = true, .scan_rate = 100000};
    struct hv_world *world = boot(&setup, logs_on);
    run(world, logs_on, 3);
    hv_vm_exit(hv_world_vm(world, 1));
    assert_null(hv_world_check(world));
    hv_world_run(world, HV_TICKS_PER_SECOND, NULL, NULL); /* the others go on */
    uint64_t before = resident_bytes(), used = hv_machine_used(&world->machine);
    hv_vm_exit(hv_world_vm(world, 0));
    hv_vm_exit(hv_world_vm(world, 2));
    assert_int_equal(hv_machine_used(&world->machine), 0);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(before - resident_bytes() >= used * HV_PAGE_BYTES * 9 / 10);
#endif
    (void)before, (void)used;
    hv_world_free(world);
}

static bool find_guest(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool given = cache && *cache;
    const char *base = given ? cache : home ? home : "";
    snprintf(kernel, sizeof kernel, "%s%s/libshare/guest/Image", base, given ? "" : "/.cache");
    snprintf(initrd, sizeof initrd, "%s%s/libshare/guest/initrd.cpio", base,
             given ? "" : "/.cache");
    return access(kernel, R_OK) == 0 && access(initrd, R_OK) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_results_with_sharing_on_and_off),
        cmocka_unit_test(same_seed_same_figures),
        cmocka_unit_test(figure_4),
        cmocka_unit_test(exit_gives_everything_back),
    };
    if (!find_guest()) {
        printf("skipped: no guest is built (%s): run hv-adapter/guest/build\n", kernel);
        return SKIP;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
