/* SPDX-License-Identifier: MIT */
/*
 * The balloon, the disk and their queues under a driver made of bytes.
 *
 * Input: steps of a byte of kind and what it needs. The driver rings, writes registers, rewrites
 * rings and buffers, turns to the other device; targets are set, requests end, pages are shared.
 * Whatever it does: all tables agree, and a neighbour's memory is what it was.
 */
#include <string.h>

#include "driver.h"
#include "inside.h"
#include "must.h"
#include "others.h"

enum { STEPS_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned nbytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < nbytes; i++)
        value = value << 8 | (in->at < in->end ? *in->at++ : 0);
    return value;
}

static struct hv_vm *new_vm(struct hv_world *world)
{
    struct hv_vm_config config = {.memory_bytes = 8 << 20, .disk_bytes = {1 << 20}, .seed = 1};
    struct hv_error error;
    struct hv_vm *vm = hv_vm_new(world, &config, &error);
    MUST(vm != NULL);
    return vm;
}

/* A number of a page near the start of memory; now and then any number. */
static uint32_t pfn_of(struct input *in)
{
    uint64_t byte = take(in, 1);
    return byte == 255 ? (uint32_t)take(in, 4) : (uint32_t)((HV_RAM_BASE >> 12) + byte);
}

static void offer(struct driver *driver, struct input *in)
{
    struct driver_buffer buffers[4];
    unsigned queue = (unsigned)take(in, 1) % 4, count = 1 + (unsigned)take(in, 1) % 4;
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = take(in, 1);
        buffers[i] = (struct driver_buffer){(uint64_t)pfn_of(in) << 12 | (word & 0xf0),
                                            (uint32_t)take(in, 2), word & 1};
    }
    driver_offer(driver, queue, buffers, count);
    driver_kick(driver, queue);
}

static void step(struct hv_world *world, struct driver *driver, struct input *in)
{
    uint32_t pfn;
    uint64_t word;
    switch (take(in, 1) % 8) {
    case 0:
        offer(driver, in);
        return;
    case 1:
        driver_store(driver, take(in, 1) * 4 % 0x110, (uint32_t)take(in, 4));
        return;
    case 2: /* into a buffer or a ring: a page's number, aligned to what Linux would write */
        pfn = pfn_of(in);
        word = HV_RAM_BASE + (take(in, 3) & 0x3fffc);
        (void)hv_guest_write(driver->vm, word, &pfn, sizeof pfn);
        return;
    case 3:
        word = take(in, 8);
        (void)hv_guest_write(driver->vm, HV_RAM_BASE + (take(in, 3) & 0x7ffff8), &word, 8);
        return;
    case 4:
        (void)hv_vm_balloon_set(driver->vm, take(in, 2));
        return;
    case 5:
        hv_vm_balloon_ask(driver->vm);
        (void)hv_devices_turn(driver->vm, hv_devices_next(driver->vm));
        return;
    case 6:
        (void)hv_world_share_now(world);
        return;
    default:
        word = take(in, 1);
        if (word & 0x80)
            driver_start(driver, driver->vm, &hv_virtio_blk, (uint32_t)word & 0x7f, 1);
        else
            driver_start(driver, driver->vm, &hv_virtio_balloon, (uint32_t)word, 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct hv_world_config config = {.machine_pages = 4200, .sharing = true, .seed = 1};
    struct hv_error error;
    struct hv_world *world = hv_world_new(&config, &error);
    struct driver driver;
    uint8_t mine[64];
    MUST(world != NULL);
    struct hv_vm *vm = new_vm(world), *neighbour = new_vm(world);
    memset(mine, 0x5a, sizeof mine);
    MUST(hv_guest_write(neighbour, HV_RAM_BASE + 0x10000, mine, sizeof mine));
    struct others others = others_now(world, vm);
    driver_start(&driver, vm, &hv_virtio_balloon, 1u << 1 | 1u << 2 | 1u << 5, 4);
    for (unsigned i = 0; i < STEPS_MAX && in.at < in.end; i++)
        step(world, &driver, &in);
    MUST(hv_world_check(world) == NULL);
    others_must_be_same(&others);
    uint64_t in_balloon = 0;
    for (hv_ppn ppn = vm->map.begin; ppn.n < vm->map.end.n; ppn.n++) {
        const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
        bool inside = page->state & HV_PAGE_BALLOONED;
        MUST(!inside || page->mpn == HV_MPN_NONE);
        in_balloon += inside;
    }
    MUST(in_balloon == vm->counts.balloon_pages);
    hv_world_free(world);
    return 0;
}
