/* SPDX-License-Identifier: MIT */
/* The devices of one VM. See devices.h. */
#include "virtio/devices.h"

#include <stdlib.h>

#include "platform/board.h"
#include "vm/vm.h"

#define POINTER(id) &hv_virtio_##id,
static const struct hv_virtio_kind *const kinds[] = {HV_VIRTIO_KINDS(POINTER) NULL};

static bool add(struct hv_vm *vm, const struct hv_virtio_kind *kind, unsigned number,
                const struct hv_vm_config *config)
{
    struct hv_virtio_mmio *slot = vm->devices->slot;
    while (slot < vm->devices->slot + HV_VIRTIO_SLOTS && slot->kind)
        slot++;
    if (slot == vm->devices->slot + HV_VIRTIO_SLOTS)
        return false;
    slot->kind = kind;
    slot->state = calloc(1, kind->state_nbytes ? kind->state_nbytes : 1);
    return slot->state && (!kind->init || kind->init(slot, config, number));
}

bool hv_devices_init(struct hv_vm *vm, const struct hv_vm_config *config)
{
    vm->devices = calloc(1, sizeof *vm->devices);
    if (!vm->devices)
        return false;
    for (unsigned i = 0; i < HV_VIRTIO_SLOTS; i++)
        hv_virtio_init(&vm->devices->slot[i], vm, i);
    for (const struct hv_virtio_kind *const *kind = kinds; *kind; kind++) {
        unsigned count = (*kind)->count ? (*kind)->count(config) : 1;
        for (unsigned number = 0; number < count; number++)
            if (!add(vm, *kind, number, config))
                return false;
    }
    return true;
}

void hv_devices_fini(struct hv_vm *vm)
{
    for (unsigned i = 0; vm->devices && i < HV_VIRTIO_SLOTS; i++) {
        struct hv_virtio_mmio *slot = &vm->devices->slot[i];
        if (slot->state && slot->kind->fini)
            slot->kind->fini(slot);
        free(slot->state);
    }
    free(vm->devices);
    vm->devices = NULL;
}

static uint64_t wants(const struct hv_virtio_mmio *slot)
{
    return slot->kind && slot->kind->next ? slot->kind->next(slot) : UINT64_MAX;
}

uint64_t hv_devices_next(const struct hv_vm *vm)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < HV_VIRTIO_SLOTS; i++) {
        uint64_t wanted = wants(&vm->devices->slot[i]);
        next = wanted < next ? wanted : next;
    }
    return next;
}

uint64_t hv_devices_turn(struct hv_vm *vm, uint64_t now)
{
    for (unsigned i = 0; i < HV_VIRTIO_SLOTS; i++) {
        struct hv_virtio_mmio *slot = &vm->devices->slot[i];
        uint64_t wanted = wants(slot);
        if (wanted <= now && wanted != UINT64_MAX)
            slot->kind->turn(slot, now);
    }
    return hv_devices_next(vm);
}

struct hv_virtio_mmio *hv_device_at(const struct hv_vm *vm, const struct hv_virtio_kind *kind,
                                    unsigned number)
{
    for (unsigned i = 0; i < HV_VIRTIO_SLOTS; i++)
        if (vm->devices->slot[i].kind == kind && number-- == 0)
            return &vm->devices->slot[i];
    return NULL;
}
