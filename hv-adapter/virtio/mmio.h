/* SPDX-License-Identifier: MIT */
/*
 * virtio over MMIO, version 2: what every device has in common. A device is a `struct
 * hv_virtio_kind` in a file of its own.
 * Source: VIRTIO 1.2, 2.1 (status), 4.2 (MMIO).
 */
#ifndef HV_VIRTIO_MMIO_H
#define HV_VIRTIO_MMIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/queue.h"

enum { HV_VIRTIO_QUEUES = 8 };

struct hv_virtio_mmio;
struct hv_vm;
struct hv_vm_config;

/*
 * A kind of device. The transport allocates `state_nbytes` zeros for each device; init fills them,
 * and fini releases what they own. Every function but notify may be NULL; turn needs next.
 */
struct hv_virtio_kind {
    const char *name;
    uint32_t id;       /* VIRTIO 1.2, 5 */
    uint64_t features; /* that it offers; VERSION_1 is added */
    unsigned queues;
    uint16_t queue_size; /* at most HV_QUEUE_MAX */
    /* The driver says that this queue has buffers. */
    void (*notify)(struct hv_virtio_mmio *device, unsigned queue);
    /* Bytes of the configuration; those outside read as 0. */
    uint32_t (*config_load)(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes);
    void (*config_store)(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes,
                         uint32_t value);
    void (*reset)(struct hv_virtio_mmio *device);
    size_t state_nbytes;
    /* How many of them a VM has; NULL: one. */
    unsigned (*count)(const struct hv_vm_config *config);
    /* The number-th of its kind in the VM, from 0. False: the host lacks what it needs; fini
     * follows. */
    bool (*init)(struct hv_virtio_mmio *device, const struct hv_vm_config *config, unsigned number);
    void (*fini)(struct hv_virtio_mmio *device);
    /* The tick at which it wants time; UINT64_MAX: not. */
    uint64_t (*next)(const struct hv_virtio_mmio *device);
    /* That tick has come. */
    void (*turn)(struct hv_virtio_mmio *device, uint64_t now);
};

struct hv_virtio_mmio {
    const struct hv_virtio_kind *kind; /* NULL: no device in this slot */
    struct hv_vm *vm;                  /* borrowed */
    void *state;                       /* the kind's own, owned; NULL: no device */
    unsigned source;                   /* interrupt number */
    uint32_t status, interrupt;
    uint32_t features_select, driver_features_select, queue_select;
    uint64_t driver_features;
    uint32_t config_generation;
    struct hv_queue queue[HV_VIRTIO_QUEUES];
};

/* An empty slot, whose registers lie at their place in the guest's map. */
void hv_virtio_init(struct hv_virtio_mmio *device, struct hv_vm *vm, unsigned slot);

/* For devices: buffers may have been given back; the configuration changed; the driver broke the
 * rules. */
void hv_virtio_used(struct hv_virtio_mmio *device, unsigned queue);
void hv_virtio_config_changed(struct hv_virtio_mmio *device);
void hv_virtio_broken(struct hv_virtio_mmio *device);
bool hv_virtio_has(const struct hv_virtio_mmio *device, unsigned feature);

#endif
