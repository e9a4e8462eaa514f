/* SPDX-License-Identifier: MIT */
/*
 * Hostile drivers: registers of every device slot and of the interrupt controller, descriptors and
 * rings, as the bytes say. Queues start sensible half of the time, so that the lies are found
 * behind the first check. A neighbour must keep its memory.
 */
#include <string.h>

#include "fuzz_bytes.h"
#include "inside.h"
#include "must.h"
#include "others.h"

enum { PAGES = 2048, QUEUE = 8, STEPS_MAX = 4096 };
#define RINGS (HV_RAM_BASE + 0x10000)
#define BYTES (HV_RAM_BASE + PAGES * HV_PAGE_BYTES)

struct fuzz {
    struct fuzz_bytes in;
    struct hv_vm *vm;
    uint64_t slot; /* base of the device at hand */
};

static void store(struct fuzz *fuzz, uint64_t offset, uint64_t value)
{
    (void)hv_mmio_store(fuzz->vm, fuzz->slot + offset, 4, value);
}

/* An address that is likely to be interesting. */
static uint64_t address(struct fuzz *fuzz)
{
    uint64_t n = fuzz_number(&fuzz->in, 2);
    switch (n & 7) {
    case 0:
        return n >> 3; /* below memory */
    case 1:
        return BYTES - (n >> 8); /* across its end */
    case 2:
        return UINT64_MAX - (n >> 8);
    default:
        return RINGS + (n >> 3) * 4;
    }
}

/* As a driver does it, but for what the bytes change. */
static void set_up(struct fuzz *fuzz)
{
    static const uint16_t rings[] = {0x080, 0x090, 0x0a0};
    uint64_t lies = fuzz_number(&fuzz->in, 1);
    store(fuzz, 0x070, 0);
    store(fuzz, 0x024, 1);
    store(fuzz, 0x020, 1); /* VERSION_1 */
    store(fuzz, 0x024, 0);
    store(fuzz, 0x020, fuzz_number(&fuzz->in, 1));
    store(fuzz, 0x070, 1 | 2 | 8);
    store(fuzz, 0x030, fuzz_number(&fuzz->in, 1) & 7);
    store(fuzz, 0x038, lies & 1 ? fuzz_number(&fuzz->in, 4) : QUEUE);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = lies >> (i + 1) & 1 ? address(fuzz) : RINGS + i * 0x400;
        store(fuzz, rings[i], at & UINT32_MAX);
        store(fuzz, rings[i] + 4u, at >> 32);
    }
    store(fuzz, 0x044, 1);
    store(fuzz, 0x070, 1 | 2 | 8 | 4);
}

static void put_descriptor(struct fuzz *fuzz)
{
    uint64_t words[2] = {address(fuzz), fuzz_number(&fuzz->in, 2)};
    uint64_t slot = fuzz_number(&fuzz->in, 1) % QUEUE;
    words[1] |= (fuzz_number(&fuzz->in, 1) & 7) << 32; /* flags */
    words[1] |= fuzz_number(&fuzz->in, 1) << 48;       /* next */
    MUST(hv_guest_write(fuzz->vm, RINGS + 16 * slot, words, sizeof words));
}

static void offer(struct fuzz *fuzz)
{
    uint16_t index = 0, head = (uint16_t)(fuzz_number(&fuzz->in, 1) % (QUEUE + 2));
    MUST(hv_guest_read(fuzz->vm, RINGS + 0x402, &index, sizeof index));
    MUST(hv_guest_write(fuzz->vm, RINGS + 0x404 + 2 * (index % QUEUE), &head, sizeof head));
    index = (uint16_t)(index + fuzz_number(&fuzz->in, 1) % 4);
    MUST(hv_guest_write(fuzz->vm, RINGS + 0x402, &index, sizeof index));
    store(fuzz, 0x050, fuzz_number(&fuzz->in, 1) & 7);
}

static void any_register(struct fuzz *fuzz)
{
    uint64_t value = 0, at = fuzz_number(&fuzz->in, 2) % HV_VIRTIO_STEP;
    unsigned nbytes = 1u << (fuzz_number(&fuzz->in, 1) & 3);
    at &= ~(uint64_t)(nbytes - 1);
    if (fuzz_number(&fuzz->in, 1) & 1)
        (void)hv_mmio_load(fuzz->vm, fuzz->slot + at, nbytes, &value);
    else
        (void)hv_mmio_store(fuzz->vm, fuzz->slot + at, nbytes, fuzz_number(&fuzz->in, nbytes));
}

static void controller(struct fuzz *fuzz)
{
    uint64_t value = 0, at = fuzz_number(&fuzz->in, 3) % HV_PLIC_NBYTES & ~UINT64_C(3);
    (void)hv_mmio_load(fuzz->vm, HV_PLIC_BASE + at, 4, &value);
    (void)hv_mmio_store(fuzz->vm, HV_PLIC_BASE + at, 4, fuzz_number(&fuzz->in, 4));
}

static void step(struct fuzz *fuzz)
{
    uint64_t what = fuzz_number(&fuzz->in, 1);
    switch (what & 7) {
    case 0:
        fuzz->slot = HV_VIRTIO_BASE + (what >> 3) % HV_VIRTIO_SLOTS * HV_VIRTIO_STEP;
        break;
    case 1:
        set_up(fuzz);
        break;
    case 2:
    case 3:
        put_descriptor(fuzz);
        break;
    case 4:
    case 5:
        offer(fuzz);
        break;
    case 6:
        any_register(fuzz);
        break;
    default:
        controller(fuzz);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hv_error error;
    struct hv_world_config world_config = {
        .machine_pages = 2 * PAGES + 64, .sharing = true, .seed = 1};
    struct hv_vm_config config = {.memory_bytes = PAGES * HV_PAGE_BYTES, .seed = 1};
    uint8_t page[HV_PAGE_BYTES];
    struct hv_world *world = hv_world_new(&world_config, &error);
    MUST(world);
    struct fuzz fuzz = {{data, data + size}, hv_vm_new(world, &config, &error), HV_VIRTIO_BASE};
    struct hv_vm *neighbour = hv_vm_new(world, &config, &error);
    MUST(fuzz.vm && neighbour);
    memset(page, 0x5a, sizeof page);
    MUST(hv_guest_write(neighbour, RINGS, page, sizeof page));
    struct others others = others_now(world, fuzz.vm);
    for (unsigned i = 0; i < STEPS_MAX && fuzz.in.at < fuzz.in.end; i++)
        step(&fuzz);
    must_note = hv_world_check(world);
    MUST(!must_note);
    others_must_be_same(&others);
    hv_world_free(world);
    return 0;
}
