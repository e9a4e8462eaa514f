/* SPDX-License-Identifier: MIT */
/* virtio's memory balloon. See balloon.h. The queues are packed densely as Linux and QEMU drive
 * them: an index counts only queues whose feature was negotiated (the specification numbers
 * statistics 2 and reporting 4). */
#include "virtio/balloon.h"

#include <string.h>

#include "residence/guest_mem.h"
#include "residence/residence.h"
#include "virtio/devices.h"
#include "vm/vm.h"

enum { FEATURE_STATS = 1, FEATURE_DEFLATE_ON_OOM = 2, FEATURE_REPORTING = 5 };
enum { INFLATE, DEFLATE, STATS, REPORTING };
enum {
    PFNS_AT_A_TIME = 256,   /* Linux sends as many */
    PFNS_MAX = 16384,       /* of a chain: more would keep the host busy at the guest's will */
    STAT_NBYTES = 2 + 8,    /* tag, value: packed */
    STATS_NBYTES = 64 * 10, /* more entries than there are tags */
};

static struct hv_balloon *balloon_of(const struct hv_virtio_mmio *device)
{
    return device->state;
}

static struct hv_virtio_mmio *device_of(const struct hv_vm *vm)
{
    return hv_device_at(vm, &hv_virtio_balloon, 0);
}

struct hv_balloon *hv_balloon_of(const struct hv_vm *vm)
{
    return balloon_of(device_of(vm));
}

/* What the driver means by this queue. */
static unsigned role_of(const struct hv_virtio_mmio *device, unsigned queue)
{
    if (queue == 2 && !hv_virtio_has(device, FEATURE_STATS))
        return REPORTING;
    return queue;
}

static void inflate(struct hv_virtio_mmio *device, hv_ppn ppn)
{
    struct hv_balloon *balloon = balloon_of(device);
    const struct hv_physmap_entry *page = hv_physmap_at(&device->vm->map, ppn);
    if (page && (page->state & HV_PAGE_BALLOONED))
        return;
    if (!page || !hv_page_depart(device->vm, ppn, HV_DEPART_BALLOON)) {
        balloon->refused++;
        return;
    }
    balloon->inflated++;
}

static bool take_out(struct hv_virtio_mmio *device, hv_ppn ppn)
{
    bool was_in = hv_page_deflate(device->vm, ppn);
    balloon_of(device)->deflated += was_in;
    return was_in;
}

static void deflate(struct hv_virtio_mmio *device, hv_ppn ppn)
{
    struct hv_balloon *balloon = balloon_of(device);
    const struct hv_vm *vm = device->vm;
    if (!hv_physmap_at(&vm->map, ppn))
        balloon->refused++;
    else if (take_out(device, ppn)) /* more than was asked for: its kernel is out of memory */
        balloon->taken_back += vm->counts.balloon_pages < balloon->target_pages;
}

/* A buffer of page numbers of 32 bits. False: it cannot be read. */
static bool take_pfns(struct hv_virtio_mmio *device, const struct hv_buffer *buffer,
                      void (*one)(struct hv_virtio_mmio *device, hv_ppn ppn))
{
    struct hv_vm *vm = device->vm;
    uint32_t pfns[PFNS_AT_A_TIME], count = buffer->nbytes / 4, part;
    for (uint32_t done = 0; done < count; done += part) {
        part = count - done < PFNS_AT_A_TIME ? count - done : PFNS_AT_A_TIME;
        if (!hv_guest_read(vm, buffer->gpa + 4 * (uint64_t)done, pfns, 4 * (size_t)part))
            return false;
        for (uint32_t i = 0; i < part; i++) {
            one(device, (hv_ppn){pfns[i]});
            hv_vm_charge(vm, HV_CHARGE_BALLOON_PAGE);
        }
    }
    return true;
}

static bool move(struct hv_virtio_mmio *device, const struct hv_chain *chain, bool in)
{
    uint64_t nbytes = 0;
    for (unsigned i = 0; i < chain->count; i++)
        nbytes += chain->buffer[i].nbytes;
    if (nbytes > 4 * (uint64_t)PFNS_MAX)
        return false;
    for (unsigned i = 0; i < chain->count; i++)
        if (!chain->buffer[i].device_writes &&
            !take_pfns(device, &chain->buffer[i], in ? inflate : deflate))
            return false;
    return true;
}

/* The guest needs these pages no more, and would take them back with any content. */
static void take_reported(struct hv_virtio_mmio *device, const struct hv_buffer *buffer)
{
    struct hv_vm *vm = device->vm;
    struct hv_balloon *balloon = balloon_of(device);
    uint64_t first = (buffer->gpa + HV_PAGE_BYTES - 1) >> HV_PAGE_SHIFT;
    uint64_t end = (buffer->gpa + buffer->nbytes) >> HV_PAGE_SHIFT;
    balloon->refused += first >= end;
    hv_ppn ppn = {first};
    for (; hv_physmap_next(&vm->map, ppn, &ppn) && ppn.n < end; ppn.n++) {
        balloon->reported += hv_page_depart(vm, ppn, HV_DEPART_FREE);
        hv_vm_charge(vm, HV_CHARGE_BALLOON_PAGE);
    }
}

/* Statistics: entries of a 16-bit tag and a 64-bit value. Unknown tags are left out. */
static void read_stats(struct hv_virtio_mmio *device, const struct hv_chain *chain)
{
    struct hv_vm *vm = device->vm;
    struct hv_balloon *balloon = balloon_of(device);
    const struct hv_buffer *buffer = &chain->buffer[0];
    uint8_t bytes[STATS_NBYTES];
    size_t nbytes = buffer->nbytes < sizeof bytes ? buffer->nbytes : sizeof bytes;
    if (buffer->device_writes || !hv_guest_read(vm, buffer->gpa, bytes, nbytes))
        return;
    for (size_t at = 0; at + STAT_NBYTES <= nbytes; at += STAT_NBYTES) {
        uint16_t tag;
        memcpy(&tag, bytes + at, sizeof tag);
        if (tag >= HV_STATS)
            continue;
        memcpy(&balloon->stat[tag], bytes + at + 2, sizeof balloon->stat[tag]);
        balloon->stats_known |= 1u << tag;
    }
    balloon->stats_ticks = hv_vm_ticks(vm);
}

/* The device keeps the driver's buffer until it wants to know again. */
static void hold_stats(struct hv_virtio_mmio *device, unsigned queue, const struct hv_chain *chain)
{
    struct hv_balloon *balloon = balloon_of(device);
    read_stats(device, chain);
    if (balloon->stats_held)
        hv_queue_give(device->vm, &device->queue[queue], balloon->stats_buffer, 0);
    balloon->stats_held = true;
    balloon->stats_buffer = chain->head;
}

static void notify(struct hv_virtio_mmio *device, unsigned queue)
{
    struct hv_chain chain;
    struct hv_queue *ring = &device->queue[queue];
    unsigned role = role_of(device, queue);
    while (hv_queue_take(device->vm, ring, &chain)) {
        if (role == STATS) {
            hold_stats(device, queue, &chain);
            continue;
        }
        if (role == REPORTING)
            for (unsigned i = 0; i < chain.count; i++)
                take_reported(device, &chain.buffer[i]);
        else if (!move(device, &chain, role == INFLATE))
            ring->broken = true;
        hv_queue_give(device->vm, ring, chain.head, 0);
    }
    if (role != STATS)
        hv_virtio_used(device, queue);
}

static uint32_t config_load(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes)
{
    const struct hv_balloon *balloon = balloon_of(device);
    const uint32_t config[] = {balloon->target_pages, balloon->driver_pages};
    uint32_t value = 0;
    if (offset < sizeof config && nbytes <= sizeof config - offset)
        memcpy(&value, (const uint8_t *)config + offset, nbytes);
    return value;
}

static void config_store(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes,
                         uint32_t value)
{
    if (offset == sizeof(uint32_t) && nbytes == sizeof(uint32_t))
        balloon_of(device)->driver_pages = value;
}

/* A driver that starts anew holds nothing. */
static void reset(struct hv_virtio_mmio *device)
{
    const struct hv_vm *vm = device->vm;
    struct hv_balloon *balloon = balloon_of(device);
    for (hv_ppn ppn = vm->map.begin; vm->counts.balloon_pages && ppn.n < vm->map.end.n; ppn.n++)
        (void)take_out(device, ppn);
    balloon->driver_pages = 0;
    balloon->stats_held = false;
}

const struct hv_virtio_kind hv_virtio_balloon = {
    .name = "balloon",
    .id = 5,
    .features = 1u << FEATURE_STATS | 1u << FEATURE_DEFLATE_ON_OOM | 1u << FEATURE_REPORTING,
    .queues = 4,
    .queue_size = 128, /* Linux's free page reporting needs 32 */
    .notify = notify,
    .config_load = config_load,
    .config_store = config_store,
    .reset = reset,
    .state_nbytes = sizeof(struct hv_balloon),
};

void hv_vm_guest_stats(const struct hv_vm *vm, struct hv_guest_stats *stats)
{
    const struct hv_balloon *balloon = hv_balloon_of(vm);
    const uint64_t *stat = balloon->stat;
    *stats = (struct hv_guest_stats){
        .known = balloon->stats_known != 0,
        .ticks = balloon->stats_ticks,
        .total_bytes = stat[HV_STAT_TOTAL],
        .free_bytes = stat[HV_STAT_FREE],
        .available_bytes = stat[HV_STAT_AVAILABLE],
        .cache_bytes = stat[HV_STAT_CACHES],
        .swapped_in_bytes = stat[HV_STAT_SWAP_IN],
        .swapped_out_bytes = stat[HV_STAT_SWAP_OUT],
        .major_faults = stat[HV_STAT_MAJOR_FAULTS],
        .minor_faults = stat[HV_STAT_MINOR_FAULTS],
    };
}

bool hv_vm_balloon_set(struct hv_vm *vm, uint64_t pages)
{
    struct hv_balloon *balloon = hv_balloon_of(vm);
    if (pages >= hv_vm_pages(vm))
        return false;
    if (balloon->target_pages == pages)
        return true;
    balloon->target_pages = (uint32_t)pages;
    hv_virtio_config_changed(device_of(vm));
    return true;
}

void hv_vm_balloon_ask(struct hv_vm *vm)
{
    struct hv_virtio_mmio *device = device_of(vm);
    struct hv_balloon *balloon = balloon_of(device);
    if (!hv_vm_has_memory(vm) || !balloon->stats_held)
        return;
    balloon->stats_held = false;
    hv_queue_give(vm, &device->queue[STATS], balloon->stats_buffer, 0);
    hv_virtio_used(device, STATS);
}
