/* SPDX-License-Identifier: MIT */
/* The least of a virtio driver. See driver.h. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "platform/board.h"
#include "residence/guest_mem.h"

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEXT = 1, WRITE = 2 };

uint64_t driver_desc(unsigned queue)
{
    return HV_RAM_BASE + 0x10000 + queue * 0x4000;
}

uint64_t driver_avail(unsigned queue)
{
    return driver_desc(queue) + 0x1000;
}

uint64_t driver_used(unsigned queue)
{
    return driver_desc(queue) + 0x2000;
}

static void put(struct hv_vm *vm, uint64_t gpa, const void *bytes, size_t nbytes)
{
    if (!hv_guest_write(vm, gpa, bytes, nbytes))
        abort();
}

void driver_store(const struct driver *driver, uint64_t offset, uint32_t value)
{
    uint64_t at = HV_VIRTIO_BASE + driver->slot * HV_VIRTIO_STEP + offset;
    if (!hv_mmio_store(driver->vm, at, 4, value))
        abort();
}

uint32_t driver_load(const struct driver *driver, uint64_t offset)
{
    uint64_t value = 0;
    if (!hv_mmio_load(driver->vm, HV_VIRTIO_BASE + driver->slot * HV_VIRTIO_STEP + offset, 4,
                      &value))
        abort();
    return (uint32_t)value;
}

static void start_queue(const struct driver *driver, unsigned queue)
{
    const uint64_t rings[] = {driver_desc(queue), driver_avail(queue), driver_used(queue)};
    static const uint8_t zeros[0x3000];
    put(driver->vm, rings[0], zeros, sizeof zeros);
    driver_store(driver, 0x030, queue);
    driver_store(driver, 0x038, DRIVER_QUEUE);
    for (unsigned i = 0; i < 3; i++) {
        driver_store(driver, 0x080 + 16 * i, (uint32_t)rings[i]);
        driver_store(driver, 0x084 + 16 * i, (uint32_t)(rings[i] >> 32));
    }
    driver_store(driver, 0x044, 1);
}

void driver_start_slot(struct driver *driver, struct hv_vm *vm, unsigned slot, uint32_t features,
                       unsigned queues)
{
    *driver = (struct driver){.vm = vm, .slot = slot};
    driver_store(driver, 0x070, 0);
    driver_store(driver, 0x070, ACKNOWLEDGE | DRIVER);
    driver_store(driver, 0x024, 0);
    driver_store(driver, 0x020, features);
    driver_store(driver, 0x024, 1);
    driver_store(driver, 0x020, 1); /* VERSION_1 */
    driver_store(driver, 0x070, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    for (unsigned queue = 0; queue < queues; queue++)
        start_queue(driver, queue);
    driver_store(driver, 0x070, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

void driver_start(struct driver *driver, struct hv_vm *vm, const struct hv_virtio_kind *kind,
                  uint32_t features, unsigned queues)
{
    driver_start_slot(driver, vm, hv_device_at(vm, kind, 0)->source - 1, features, queues);
}

void driver_offer(struct driver *driver, unsigned queue, const struct driver_buffer *buffers,
                  unsigned count)
{
    uint16_t slot = driver->sent[queue] % DRIVER_QUEUE, head = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[16] = {0};
        uint16_t flags = (uint16_t)((i + 1 < count ? NEXT : 0) |
                                    (buffers[i].device_writes ? WRITE : 0)),
                 next = (uint16_t)(i + 1);
        memcpy(bytes, &buffers[i].gpa, 8);
        memcpy(bytes + 8, &buffers[i].nbytes, 4);
        memcpy(bytes + 12, &flags, 2);
        memcpy(bytes + 14, &next, 2);
        put(driver->vm, driver_desc(queue) + 16 * i, bytes, sizeof bytes);
    }
    put(driver->vm, driver_avail(queue) + 4 + 2u * slot, &head, sizeof head);
    driver->sent[queue]++;
    put(driver->vm, driver_avail(queue) + 2, &driver->sent[queue], 2);
}

void driver_kick(const struct driver *driver, unsigned queue)
{
    driver_store(driver, 0x050, queue);
}

uint16_t driver_done(const struct driver *driver, unsigned queue)
{
    uint16_t index = 0;
    if (!hv_guest_read(driver->vm, driver_used(queue) + 2, &index, sizeof index))
        abort();
    return index;
}
