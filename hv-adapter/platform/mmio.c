/* SPDX-License-Identifier: MIT */
/* Which device a guest-physical address belongs to. */
#include "world/vm_state.h"

/* The virtio slot at gpa; NULL if there is none. */
static struct hv_virtio_mmio *slot_at(struct hv_vm *vm, uint64_t gpa)
{
    uint64_t offset = gpa - HV_VIRTIO_BASE;
    if (gpa < HV_VIRTIO_BASE || offset >= HV_VIRTIO_SLOTS * HV_VIRTIO_STEP)
        return NULL;
    return &vm->virtio[offset / HV_VIRTIO_STEP];
}

static bool is_plic(uint64_t gpa)
{
    return gpa >= HV_PLIC_BASE && gpa < HV_PLIC_BASE + HV_PLIC_NBYTES;
}

static void update_irq(struct hv_vm *vm)
{
    hv_hart_set_irq(vm->hart, HV_IRQ_EXTERNAL, hv_plic_asserts(&vm->plic));
}

bool hv_mmio_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value)
{
    struct hv_vm *vm = ctx;
    struct hv_virtio_mmio *slot = slot_at(vm, gpa);
    hv_vm_charge(vm, HV_CHARGE_MMIO);
    if (slot && nbytes <= 4) {
        *value = hv_virtio_load(slot, gpa % HV_VIRTIO_STEP, nbytes);
        return true;
    }
    if (!is_plic(gpa) || nbytes != 4)
        return false;
    *value = hv_plic_load(&vm->plic, gpa - HV_PLIC_BASE);
    update_irq(vm);
    return true;
}

bool hv_mmio_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value)
{
    struct hv_vm *vm = ctx;
    struct hv_virtio_mmio *slot = slot_at(vm, gpa);
    hv_vm_charge(vm, HV_CHARGE_MMIO);
    if (slot && nbytes <= 4) {
        hv_virtio_store(slot, gpa % HV_VIRTIO_STEP, nbytes, (uint32_t)value);
        return true;
    }
    if (!is_plic(gpa) || nbytes != 4)
        return false;
    hv_plic_store(&vm->plic, gpa - HV_PLIC_BASE, (uint32_t)value);
    update_irq(vm);
    return true;
}
