/* SPDX-License-Identifier: MIT */
/* What the VMM's tests share: cmocka's headers, a seeded random stream, a world of empty VMs. */
#ifndef TESTS_HV_RIG_H
#define TESTS_HV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/random.h"
#include "inside.h"

/* HV_TEST_SEED repeats a run; printed by who uses it. */
static inline uint64_t rig_seed(void)
{
    const char *given = getenv("HV_TEST_SEED");
    return given ? strtoull(given, NULL, 0) : 1;
}

static inline struct hv_world *rig_world(bool sharing, unsigned vms)
{
    struct hv_error error = {""};
    struct hv_world_config config = {
        .machine_pages = vms * 2048u + 64, .sharing = sharing, .scattered = true, .seed = 1};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    return world;
}

/* 8 MiB at HV_RAM_BASE, nothing in it. */
static inline struct hv_vm *rig_vm(struct hv_world *world, uint32_t shadow_nodes)
{
    struct hv_error error = {""};
    struct hv_vm_config config = {.memory_bytes = 8 << 20, .seed = 1, .shadow_nodes = shadow_nodes};
    struct hv_vm *vm = hv_vm_new(world, &config, &error);
    if (!vm)
        fail_msg("%s", error.text);
    return vm;
}

/* Runs one instruction, again if it had to break sharing first. */
static inline void rig_run_one(struct hv_vm *vm)
{
    enum hv_stop stop;
    do
        stop = hv_hart_run(vm->hart, 1);
    while (stop == HV_STOP_FILL && vm->state == HV_RUNNING_VM);
    assert_int_equal(stop, HV_STOP_BUDGET);
}

#endif
