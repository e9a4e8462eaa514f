/* SPDX-License-Identifier: MIT */
/* A guest of two instructions, a load and a store, and a balloon driver: for tests that touch pages
 * as a guest does, by fetch, translation, S-PT and TLB. Its code is its first page. */
#ifndef TESTS_HV_TOUCH_H
#define TESTS_HV_TOUCH_H

#include "driver.h"
#include "rig.h"

enum { TOUCH_INFLATE, TOUCH_DEFLATE }; /* queues */
enum { TOUCH_T0 = 5, TOUCH_T1 = 6, TOUCH_A0 = 10 };
#define TOUCH_BUFFER (HV_RAM_BASE + 0x38000)

/* An empty VM with the two instructions, and a driver that knows these features. */
static inline struct hv_vm *touch_vm(struct hv_world *world, struct driver *driver,
                                     uint32_t features)
{
    static const uint32_t code[] = {0x00053303 /* ld t1,0(a0) */, 0x00553023 /* sd t0,0(a0) */};
    struct hv_vm *vm = rig_vm(world, 0);
    assert_true(hv_guest_write(vm, HV_RAM_BASE, code, sizeof code));
    driver_start(driver, vm, &hv_virtio_balloon, features, 4);
    return vm;
}

/* Page numbers into a queue of the balloon; the device has taken them. */
static inline void touch_send(struct driver *driver, unsigned queue, const uint32_t *pfns,
                              unsigned count)
{
    const struct driver_buffer buffer = {TOUCH_BUFFER, 4 * count, false};
    uint16_t before = driver_done(driver, queue);
    assert_true(hv_guest_write(driver->vm, TOUCH_BUFFER, pfns, 4 * (size_t)count));
    driver_offer(driver, queue, &buffer, 1);
    driver_kick(driver, queue);
    assert_int_equal((uint16_t)(driver_done(driver, queue) - before), 1);
}

/* The guest's own access: fetch, translate, load or store. */
static inline uint64_t touch_load(struct hv_vm *vm, uint64_t va)
{
    hv_hart_set_reg(vm->hart, TOUCH_A0, va);
    hv_hart_set_pc(vm->hart, HV_RAM_BASE);
    rig_run_one(vm);
    return hv_hart_reg(vm->hart, TOUCH_T1);
}

static inline void touch_store(struct hv_vm *vm, uint64_t va, uint64_t word)
{
    hv_hart_set_reg(vm->hart, TOUCH_A0, va);
    hv_hart_set_reg(vm->hart, TOUCH_T0, word);
    hv_hart_set_pc(vm->hart, HV_RAM_BASE + 4);
    rig_run_one(vm);
}

#endif
