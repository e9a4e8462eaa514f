/* SPDX-License-Identifier: MIT */
/* The checked split virtqueue. See queue.h. */
#include "virtio/queue.h"

#include <string.h>

#include "residence/guest_mem.h"

enum { DESC_NBYTES = 16, FLAG_NEXT = 1, FLAG_WRITE = 2, FLAG_INDIRECT = 4, NO_INTERRUPT = 1 };

struct descriptor {
    uint64_t gpa;
    uint32_t nbytes;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct descriptor) == DESC_NBYTES, "as the guest lays it out");

static bool break_queue(struct hv_queue *queue)
{
    queue->broken = true;
    return false;
}

bool hv_queue_start(struct hv_vm *vm, struct hv_queue *queue)
{
    uint64_t size = queue->size;
    bool possible = size > 0 && size <= HV_QUEUE_MAX && (size & (size - 1)) == 0 &&
                    queue->desc % 16 == 0 && queue->avail % 2 == 0 && queue->used % 4 == 0 &&
                    hv_guest_has(vm, queue->desc, size * DESC_NBYTES) &&
                    hv_guest_has(vm, queue->avail, 6 + 2 * size) &&
                    hv_guest_has(vm, queue->used, 6 + 8 * size);
    queue->avail_next = queue->used_next = queue->used_told = 0;
    queue->ready = possible;
    return possible || break_queue(queue);
}

static bool read_chain(struct hv_vm *vm, struct hv_queue *queue, struct hv_chain *chain)
{
    uint16_t at = chain->head;
    for (chain->count = 0; chain->count < queue->size;) {
        struct descriptor copy;
        if (at >= queue->size ||
            !hv_guest_read(vm, queue->desc + (uint64_t)at * DESC_NBYTES, &copy, sizeof copy) ||
            (copy.flags & FLAG_INDIRECT) || !hv_guest_has(vm, copy.gpa, copy.nbytes))
            return false;
        chain->buffer[chain->count++] =
            (struct hv_buffer){copy.gpa, copy.nbytes, (copy.flags & FLAG_WRITE) != 0};
        if (!(copy.flags & FLAG_NEXT))
            return true;
        at = copy.next;
    }
    return false; /* longer than its queue: a loop */
}

bool hv_queue_take(struct hv_vm *vm, struct hv_queue *queue, struct hv_chain *chain)
{
    uint16_t offered;
    if (!queue->ready || queue->broken)
        return false;
    if (!hv_guest_read(vm, queue->avail + 2, &offered, sizeof offered))
        return break_queue(queue);
    uint16_t waiting = (uint16_t)(offered - queue->avail_next);
    if (waiting == 0)
        return false;
    uint64_t slot = queue->avail + 4 + 2 * (uint64_t)(queue->avail_next & (queue->size - 1));
    if (waiting > queue->size || !hv_guest_read(vm, slot, &chain->head, sizeof chain->head) ||
        !read_chain(vm, queue, chain))
        return break_queue(queue);
    queue->avail_next++;
    return true;
}

void hv_queue_give(struct hv_vm *vm, struct hv_queue *queue, uint16_t head, uint32_t nbytes)
{
    uint32_t element[2] = {head, nbytes};
    if (queue->broken || !queue->ready)
        return;
    uint64_t slot = queue->used + 4 + 8 * (uint64_t)(queue->used_next & (queue->size - 1));
    uint16_t next = (uint16_t)(queue->used_next + 1);
    if (!hv_guest_write(vm, slot, element, sizeof element) ||
        !hv_guest_write(vm, queue->used + 2, &next, sizeof next)) {
        break_queue(queue);
        return;
    }
    queue->used_next = next;
}

bool hv_queue_wants_interrupt(struct hv_vm *vm, struct hv_queue *queue)
{
    uint16_t flags = 0;
    return queue->ready && hv_guest_read(vm, queue->avail, &flags, sizeof flags) &&
           !(flags & NO_INTERRUPT);
}
