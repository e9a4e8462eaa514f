/* SPDX-License-Identifier: MIT */
/*
 * What does managing the memory of many VMs cost?
 *
 * `overcommit/round`: targets for a thousand VMs of all sizes, by each policy: once a period of a
 * second. `overcommit/paging`: pages of a VM go out and come back, a page at a time as guests need
 * them, against plain pwrite and pread of as many pages of a file in the same folder: what is
 * between is finding and unmapping a page, its checksum, and mapping it again.
 *
 * Right if no target is below its min or above its max and their sum is what there is; and if every
 * page comes back with the word that was in it.
 */
#include <stdio.h>
#include <string.h>

#include "hv.h"
#include "memory/guest_map.h"
#include "memory/store.h"
#include "overcommit/paging.h"
#include "overcommit/policy/policy.h"
#include "residence/guest_mem.h"
#include "suite.h"

enum { VMS = 1000, MIB_PAGES = 256, VM_MIB = 64 };

/* ---------------------------------------------------------------------------------- rounds -- */

static struct hv_policy_vm inputs[VMS];
static uint64_t targets[VMS];

static uint64_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Together they want twice what there is. */
static struct hv_policy_input thousand_vms(void)
{
    uint64_t state = 1, sum = 0;
    for (unsigned i = 0; i < VMS; i++) {
        uint64_t max = (8 + next(&state) % 248) * MIB_PAGES;
        inputs[i] = (struct hv_policy_vm){.min_pages = max / 8,
                                          .max_pages = max,
                                          .shares = 1 + next(&state) % 2000,
                                          .pages = max / 2,
                                          .active = (double)(next(&state) % 1000) / 1000};
        sum += max;
    }
    return (struct hv_policy_input){.vms = inputs,
                                    .count = VMS,
                                    .available_pages = sum / 2,
                                    .tax = HV_TAX_DEFAULT,
                                    .slack = HV_SLACK_DEFAULT};
}

static bool are_right(const struct hv_policy_input *input)
{
    uint64_t sum = 0;
    bool right = true;
    for (unsigned i = 0; i < VMS; i++) {
        right = right && targets[i] >= inputs[i].min_pages && targets[i] <= inputs[i].max_pages;
        sum += targets[i];
    }
    return right && sum <= input->available_pages && sum + VMS >= input->available_pages;
}

static void run_round(struct bench *bench, void *policy)
{
    struct hv_policy_input input = thousand_vms();
    while (bench_next(bench)) {
        double start = bench_start();
        ((const struct hv_policy *)policy)->targets(&input, targets);
        bench_stop(start, 1);
    }
    if (!are_right(&input))
        bench_fail(bench, "targets do not add up");
}

/* ---------------------------------------------------------------------------------- paging -- */

struct paging {
    uint64_t pages;
    struct hv_world *world;
    struct hv_vm *vm;
    struct hv_store store;
};

static double pass_plain(void *ctx)
{
    struct paging *paging = ctx;
    static char page[HV_PAGE_BYTES];
    bool ok = true;
    double start = bench_start();
    for (uint64_t i = 0; i < paging->pages; i++) {
        memcpy(page, &i, sizeof i);
        ok = hv_store_write(&paging->store, i * HV_PAGE_BYTES, page, sizeof page) && ok;
    }
    for (uint64_t i = 0; i < paging->pages; i++)
        ok = hv_store_read(&paging->store, i * HV_PAGE_BYTES, page, sizeof page) &&
             memcmp(page, &i, sizeof i) == 0 && ok;
    double seconds = bench_stop(start, 2 * paging->pages);
    return ok ? seconds : -1;
}

static double pass_paging(void *ctx)
{
    struct paging *paging = ctx;
    bool ok = true;
    double start = bench_start();
    for (uint64_t i = 0; i < paging->pages; i++)
        ok = hv_paging_take(paging->vm, hv_ppn_of(HV_RAM_BASE + i * HV_PAGE_BYTES)) ==
                 HV_PAGING_OUT &&
             ok;
    for (uint64_t i = 0; i < paging->pages; i++) /* a store: the page has to come */
        ok = hv_guest_write(paging->vm, HV_RAM_BASE + i * HV_PAGE_BYTES + 8, &i, sizeof i) && ok;
    double seconds = bench_stop(start, 2 * paging->pages);
    for (uint64_t i = 0, word; i < paging->pages; i++)
        ok = hv_guest_read(paging->vm, HV_RAM_BASE + i * HV_PAGE_BYTES, &word, sizeof word) &&
             word == i && ok;
    return ok ? seconds : -1;
}

static bool paging_init(struct paging *paging)
{
    struct hv_error error;
    struct hv_world_config world = {.machine_pages = VM_MIB * MIB_PAGES + 64, .seed = 1};
    struct hv_vm_config vm = {.memory_bytes = (uint64_t)VM_MIB << 20, .seed = 1};
    paging->world = hv_world_new(&world, &error);
    paging->vm = paging->world ? hv_vm_new(paging->world, &vm, &error) : NULL;
    bool ok = paging->vm && hv_store_init(&paging->store, NULL, paging->pages * HV_PAGE_BYTES);
    for (uint64_t i = 0; i < paging->pages && ok; i++)
        ok = hv_guest_write(paging->vm, HV_RAM_BASE + i * HV_PAGE_BYTES, &i, sizeof i);
    return ok;
}

void suite_overcommit(const struct suite *suite)
{
    static struct paging paging;
    static const struct bench_side other = {"paging", pass_paging};
    for (const struct hv_policy *const *policy = hv_policies; *policy; policy++) {
        char name[64];
        snprintf(name, sizeof name, "overcommit/round/%s", (*policy)->name);
        bench_register_laps(name, run_round, (void *)*policy, NULL, 0);
    }
    paging.pages = suite->quick ? VM_MIB * MIB_PAGES / 4 : VM_MIB * MIB_PAGES;
    if (paging_init(&paging))
        bench_pair("overcommit/paging", (struct bench_side){"plain", pass_plain}, &other, 1,
                   &paging, suite->quick ? 5 : 11);
}
