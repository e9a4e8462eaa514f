/* SPDX-License-Identifier: MIT */
/* The least of a virtio driver, for benchmarks and tests: queues in the first MiB of the VM's
 * memory, one buffer a chain. Everything goes through the device's registers and the VM's memory,
 * as a guest's would. */
#ifndef GUEST_DRIVER_H
#define GUEST_DRIVER_H

#include "virtio/devices.h"
#include "vm/vm.h"

enum { DRIVER_QUEUE = 16, DRIVER_NEEDS_RESET = 64 };

struct driver {
    struct hv_vm *vm;
    unsigned slot;
    uint16_t sent[HV_VIRTIO_QUEUES]; /* chains offered */
};

uint64_t driver_desc(unsigned queue);
uint64_t driver_avail(unsigned queue);
uint64_t driver_used(unsigned queue);

void driver_store(const struct driver *driver, uint64_t offset, uint32_t value);
uint32_t driver_load(const struct driver *driver, uint64_t offset);

/* Resets the device in this slot, takes these features and VERSION_1, and sets up so many queues.
 */
void driver_start_slot(struct driver *driver, struct hv_vm *vm, unsigned slot, uint32_t features,
                       unsigned queues);
/* The same with the first device of this kind. */
void driver_start(struct driver *driver, struct hv_vm *vm, const struct hv_virtio_kind *kind,
                  uint32_t features, unsigned queues);
struct driver_buffer {
    uint64_t gpa;
    uint32_t nbytes;
    bool device_writes;
};
/* Offers one chain of at most DRIVER_QUEUE buffers. */
void driver_offer(struct driver *driver, unsigned queue, const struct driver_buffer *buffers,
                  unsigned count);
void driver_kick(const struct driver *driver, unsigned queue);
/* The device's index in its used ring. */
uint16_t driver_done(const struct driver *driver, unsigned queue);

#endif
