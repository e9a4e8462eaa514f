/* SPDX-License-Identifier: MIT */
/*
 * A disk, so that memory has a price: a request is done at once, and told to the guest when its
 * time has come on the VM's clock. The disk does one request after another.
 *
 * Threads: the VM's.
 * Source: VIRTIO 1.2, 5.2.
 */
#ifndef HV_VIRTIO_BLK_H
#define HV_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/store.h"
#include "virtio/queue.h"

struct hv_vm;
struct hv_virtio_mmio;

enum { HV_DISK_QUEUE = 128 };

struct hv_disk_done {
    uint64_t ticks;  /* when the guest hears of it */
    uint32_t nbytes; /* that the device wrote */
    uint16_t head;
};

struct hv_disk {
    struct hv_store store;
    uint64_t sectors; /* of 512 bytes */
    uint64_t latency_ticks;
    struct hv_disk_done done[HV_DISK_QUEUE]; /* a ring, in order of time */
    unsigned first, waiting;
    uint64_t reads, writes, read_bytes, written_bytes, failed; /* requests, ever */
};

/* The VM's number-th disk, from 0; NULL if it has not so many. */
struct hv_disk *hv_disk_at(const struct hv_vm *vm, unsigned number);

#endif
