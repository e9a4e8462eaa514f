/* SPDX-License-Identifier: MIT */
/*
 * The devices of one VM: those of each kind in HV_VIRTIO_KINDS that its configuration asks for,
 * in that order, a slot each.
 *
 * Threads: the VM's, or between turns.
 */
#ifndef HV_VIRTIO_DEVICES_H
#define HV_VIRTIO_DEVICES_H

#include "hv.h"
#include "memory/guest_map.h"
#include "virtio/mmio.h"

/* Every kind there is: hv_virtio_NAME in a file of its own, with the smallest first: start there to
 * write another, and add its name here. A VM's slots are in this order. */
#define HV_VIRTIO_KINDS(each) each(rng) each(balloon) each(blk)

#define HV_VIRTIO_DECLARE(id) extern const struct hv_virtio_kind hv_virtio_##id;
HV_VIRTIO_KINDS(HV_VIRTIO_DECLARE)

struct hv_devices {
    struct hv_virtio_mmio slot[HV_VIRTIO_SLOTS];
};

/* The VM has its board. False: out of host memory, or more devices than slots. */
bool hv_devices_init(struct hv_vm *vm, const struct hv_vm_config *config);
void hv_devices_fini(struct hv_vm *vm);

/* Gives a turn to each device whose tick has come. Returns the next tick; UINT64_MAX: none. */
uint64_t hv_devices_turn(struct hv_vm *vm, uint64_t now);
/* The same, without doing anything. */
uint64_t hv_devices_next(const struct hv_vm *vm);

/* The number-th device of a kind, from 0; NULL if there are not so many. */
struct hv_virtio_mmio *hv_device_at(const struct hv_vm *vm, const struct hv_virtio_kind *kind,
                                    unsigned number);

#endif
