/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue as a device sees it: rings in guest memory that may say anything.
 *
 * Each descriptor is read once into a copy, checked, and the copy is used. A chain is at most as
 * long as its queue. What cannot be right makes the queue `broken`, and the device stops until it
 * is reset.
 * Source: Virtual I/O Device (VIRTIO) 1.2, 2.7.
 */
#ifndef HV_VIRTIO_QUEUE_H
#define HV_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct hv_vm;

enum { HV_QUEUE_MAX = 256 };

struct hv_queue {
    uint16_t size; /* a power of two, at most HV_QUEUE_MAX; set by the driver */
    bool ready;
    bool broken;
    uint64_t desc, avail, used; /* guest-physical addresses */
    uint16_t avail_next;        /* index of the next ring entry to take */
    uint16_t used_next;         /* and to give */
    uint16_t used_told;         /* used_next when the driver was last told */
};

struct hv_buffer {
    uint64_t gpa;
    uint32_t nbytes; /* all in the VM's memory */
    bool device_writes;
};

struct hv_chain {
    uint16_t head;
    uint16_t count;
    struct hv_buffer buffer[HV_QUEUE_MAX];
};

/* Makes the queue ready: false (and broken) if its rings are not where rings can be. */
bool hv_queue_start(struct hv_vm *vm, struct hv_queue *queue);
/* The next chain of buffers that the driver offers; false if there is none, or it is broken now. */
bool hv_queue_take(struct hv_vm *vm, struct hv_queue *queue, struct hv_chain *chain);
/* Gives a chain back, of which the device wrote so many bytes. */
void hv_queue_give(struct hv_vm *vm, struct hv_queue *queue, uint16_t head, uint32_t nbytes);
/* Whether the driver wants to be interrupted for what was given. */
bool hv_queue_wants_interrupt(struct hv_vm *vm, struct hv_queue *queue);

#endif
