/* SPDX-License-Identifier: MIT */
/* Loads and stores of a guest that meet no memory: which device has that address. */
#include "platform/board.h"
#include "vm/vm.h"

static const struct hv_mmio_range *range_at(const struct hv_board *board, uint64_t gpa)
{
    for (unsigned i = 0; i < board->ranges; i++)
        if (gpa - board->range[i].base < board->range[i].nbytes)
            return &board->range[i];
    return NULL;
}

bool hv_mmio_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value)
{
    struct hv_vm *vm = ctx;
    const struct hv_mmio_range *range = range_at(vm->board, gpa);
    hv_vm_charge(vm, HV_CHARGE_MMIO);
    return range && range->ops->load(range->ctx, gpa - range->base, nbytes, value);
}

bool hv_mmio_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value)
{
    struct hv_vm *vm = ctx;
    const struct hv_mmio_range *range = range_at(vm->board, gpa);
    hv_vm_charge(vm, HV_CHARGE_MMIO);
    return range && range->ops->store(range->ctx, gpa - range->base, nbytes, value);
}
