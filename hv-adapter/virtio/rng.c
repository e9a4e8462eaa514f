/* SPDX-License-Identifier: MIT */
/* virtio's entropy source (VIRTIO 1.2, 5.4): fills buffers from the VM's seed, so that a run
 * repeats. The smallest device. */
#include "platform/board.h"
#include "prng.h"
#include "residence/guest_mem.h"
#include "virtio/devices.h"
#include "vm/vm.h"

enum { CHAIN_NBYTES = 4096 }; /* a request gets no more at once: a kick's work is bounded */

/* The bytes written, at most `room`; a buffer that is only to be read is left out. */
static uint32_t fill(struct hv_vm *vm, const struct hv_buffer *buffer, uint32_t room)
{
    uint32_t done = 0, end = buffer->nbytes < room ? buffer->nbytes : room;
    while (buffer->device_writes && done < end) {
        uint64_t word = hv_random_next(&vm->board->random);
        uint32_t left = end - done, part = left < sizeof word ? left : sizeof word;
        if (!hv_guest_write(vm, buffer->gpa + done, &word, part))
            break;
        done += part;
    }
    return done;
}

static void notify(struct hv_virtio_mmio *device, unsigned queue)
{
    struct hv_chain chain;
    while (hv_queue_take(device->vm, &device->queue[queue], &chain)) {
        uint32_t nbytes = 0;
        for (unsigned i = 0; i < chain.count; i++)
            nbytes += fill(device->vm, &chain.buffer[i], CHAIN_NBYTES - nbytes);
        hv_queue_give(device->vm, &device->queue[queue], chain.head, nbytes);
    }
    hv_virtio_used(device, queue);
}

const struct hv_virtio_kind hv_virtio_rng = {
    .name = "rng",
    .id = 4,
    .queues = 1,
    .queue_size = 64,
    .notify = notify,
};
