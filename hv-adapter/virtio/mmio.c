/* SPDX-License-Identifier: MIT */
/* virtio over MMIO. See mmio.h. */
#include "virtio/mmio.h"

#include <string.h>

#include "platform/board.h"
#include "vm/vm.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    VENDOR_ID = 0x00c,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SELECT = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SELECT = 0x024,
    QUEUE_SELECT = 0x030,
    QUEUE_SIZE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080, /* low, high */
    QUEUE_AVAIL = 0x090,
    QUEUE_USED = 0x0a0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,
};

enum { FEATURES_OK = 8, DRIVER_OK = 4, NEEDS_RESET = 64, FEATURE_VERSION_1 = 32 };
enum { INTERRUPT_USED = 1, INTERRUPT_CONFIG = 2 };

static void update_irq(struct hv_virtio_mmio *device)
{
    hv_board_set_irq(device->vm, device->source, device->interrupt != 0);
}

static uint64_t offered(const struct hv_virtio_mmio *device)
{
    return device->kind->features | UINT64_C(1) << FEATURE_VERSION_1;
}

bool hv_virtio_has(const struct hv_virtio_mmio *device, unsigned feature)
{
    return device->driver_features >> feature & 1;
}

void hv_virtio_used(struct hv_virtio_mmio *device, unsigned queue)
{
    struct hv_queue *ring = &device->queue[queue];
    if (ring->used_told == ring->used_next)
        return;
    ring->used_told = ring->used_next;
    if (!hv_queue_wants_interrupt(device->vm, ring))
        return;
    device->interrupt |= INTERRUPT_USED;
    update_irq(device);
}

void hv_virtio_config_changed(struct hv_virtio_mmio *device)
{
    device->config_generation++;
    if (!(device->status & DRIVER_OK))
        return;
    device->interrupt |= INTERRUPT_CONFIG;
    update_irq(device);
}

void hv_virtio_broken(struct hv_virtio_mmio *device)
{
    device->status |= NEEDS_RESET;
    hv_virtio_config_changed(device);
}

static void reset(struct hv_virtio_mmio *device)
{
    *device = (struct hv_virtio_mmio){
        .kind = device->kind, .vm = device->vm, .state = device->state, .source = device->source};
    if (device->kind->reset)
        device->kind->reset(device);
    update_irq(device);
}

/* The queue that the driver selected; NULL if the device has no such queue. */
static struct hv_queue *selected(struct hv_virtio_mmio *device)
{
    uint32_t i = device->queue_select;
    return i < device->kind->queues && i < HV_VIRTIO_QUEUES ? &device->queue[i] : NULL;
}

static uint32_t register_load(struct hv_virtio_mmio *device, uint64_t offset)
{
    const struct hv_queue *queue = selected(device);
    switch (offset) {
    case DEVICE_FEATURES:
        return device->features_select > 1
                   ? 0
                   : (uint32_t)(offered(device) >> 32 * device->features_select);
    case QUEUE_SIZE_MAX:
        return queue ? device->kind->queue_size : 0;
    case QUEUE_READY:
        return queue && queue->ready;
    case INTERRUPT_STATUS:
        return device->interrupt;
    case STATUS:
        return device->status;
    case CONFIG_GENERATION:
        return device->config_generation;
    default:
        return 0;
    }
}

static uint32_t load(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes)
{
    switch (offset) {
    case MAGIC:
        return 0x74726976; /* "virt" */
    case VERSION:
        return 2;
    case DEVICE_ID:
        return device->kind ? device->kind->id : 0;
    case VENDOR_ID:
        return 0x6873626c; /* "lbsh" */
    }
    if (!device->kind)
        return 0;
    if (offset >= CONFIG)
        return device->kind->config_load
                   ? device->kind->config_load(device, offset - CONFIG, nbytes)
                   : 0;
    return nbytes == 4 ? register_load(device, offset) : 0;
}

static void half(uint64_t *address, bool high, uint32_t value)
{
    *address = high ? (*address & UINT32_MAX) | (uint64_t)value << 32
                    : (*address & ~(uint64_t)UINT32_MAX) | value;
}

/* A queue that is ready is not changed under its device. */
static void queue_store(struct hv_virtio_mmio *device, uint64_t offset, uint32_t value)
{
    struct hv_queue *queue = selected(device);
    if (!queue)
        return;
    if (offset == QUEUE_READY && value == 0) {
        queue->ready = false;
        return;
    }
    if (queue->ready)
        return;
    switch (offset & ~UINT64_C(4)) {
    case QUEUE_DESC:
        half(&queue->desc, offset & 4, value);
        return;
    case QUEUE_AVAIL:
        half(&queue->avail, offset & 4, value);
        return;
    case QUEUE_USED:
        half(&queue->used, offset & 4, value);
        return;
    }
    if (offset == QUEUE_SIZE)
        queue->size = value <= device->kind->queue_size ? (uint16_t)value : 0;
    else if (offset == QUEUE_READY && !hv_queue_start(device->vm, queue))
        hv_virtio_broken(device);
}

static void notify(struct hv_virtio_mmio *device, uint32_t queue)
{
    if (queue >= device->kind->queues || queue >= HV_VIRTIO_QUEUES ||
        !(device->status & DRIVER_OK) || (device->status & NEEDS_RESET))
        return;
    device->kind->notify(device, queue);
    if (device->queue[queue].broken)
        hv_virtio_broken(device);
}

static void status_store(struct hv_virtio_mmio *device, uint32_t value)
{
    if (value == 0) {
        reset(device);
        return;
    }
    if ((value & FEATURES_OK) && (device->driver_features & ~offered(device)))
        value &= ~(uint32_t)FEATURES_OK;
    bool starts = (value & ~device->status) & DRIVER_OK;
    device->status = value | (device->status & NEEDS_RESET);
    /* Linux's balloon driver fills its statistics queue and rings before it says DRIVER_OK. */
    for (unsigned i = 0; starts && i < device->kind->queues; i++)
        if (device->queue[i].ready)
            notify(device, i);
}

static void store(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes, uint32_t value)
{
    if (!device->kind)
        return;
    if (offset >= CONFIG) {
        if (device->kind->config_store)
            device->kind->config_store(device, offset - CONFIG, nbytes, value);
        return;
    }
    if (nbytes != 4)
        return;
    switch (offset) {
    case DEVICE_FEATURES_SELECT:
        device->features_select = value;
        break;
    case DRIVER_FEATURES_SELECT:
        device->driver_features_select = value;
        break;
    case DRIVER_FEATURES:
        if (device->driver_features_select <= 1 && !(device->status & FEATURES_OK))
            half(&device->driver_features, device->driver_features_select == 1, value);
        break;
    case QUEUE_SELECT:
        device->queue_select = value;
        break;
    case QUEUE_NOTIFY:
        notify(device, value);
        break;
    case INTERRUPT_ACK:
        device->interrupt &= ~value;
        update_irq(device);
        break;
    case STATUS:
        status_store(device, value);
        break;
    default:
        queue_store(device, offset, value);
    }
}

/* Aligned accesses of 4 bytes; of 1 to 4 in the configuration. */
static bool mmio_load(void *ctx, uint64_t offset, unsigned nbytes, uint64_t *value)
{
    if (nbytes > 4)
        return false;
    *value = load(ctx, offset, nbytes);
    return true;
}

static bool mmio_store(void *ctx, uint64_t offset, unsigned nbytes, uint64_t value)
{
    if (nbytes > 4)
        return false;
    store(ctx, offset, nbytes, (uint32_t)value);
    return true;
}

void hv_virtio_init(struct hv_virtio_mmio *device, struct hv_vm *vm, unsigned slot)
{
    static const struct hv_mmio_ops ops = {mmio_load, mmio_store};
    *device = (struct hv_virtio_mmio){.vm = vm, .source = slot + 1};
    hv_board_claim(vm, &(struct hv_mmio_range){HV_VIRTIO_BASE + slot * HV_VIRTIO_STEP,
                                               HV_VIRTIO_STEP, &ops, device});
}
