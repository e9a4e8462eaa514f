/* SPDX-License-Identifier: MIT */
/* What a hart is soldered to. See board.h. */
#include "platform/board.h"

#include <stdlib.h>

#include "hv_assert.h"
#include "vm/vm.h"

static void update_irq(struct hv_vm *vm)
{
    hv_hart_set_irq(vm->hart, HV_IRQ_EXTERNAL, hv_plic_asserts(&vm->board->plic));
}

static bool plic_load(void *ctx, uint64_t offset, unsigned nbytes, uint64_t *value)
{
    struct hv_vm *vm = ctx;
    if (nbytes != 4)
        return false;
    *value = hv_plic_load(&vm->board->plic, offset);
    update_irq(vm); /* a claim lowers it */
    return true;
}

static bool plic_store(void *ctx, uint64_t offset, unsigned nbytes, uint64_t value)
{
    struct hv_vm *vm = ctx;
    if (nbytes != 4)
        return false;
    hv_plic_store(&vm->board->plic, offset, (uint32_t)value);
    update_irq(vm);
    return true;
}

bool hv_board_init(struct hv_vm *vm, const struct hv_vm_config *config)
{
    static const struct hv_mmio_ops plic = {plic_load, plic_store};
    vm->board = calloc(1, sizeof *vm->board);
    if (!vm->board)
        return false;
    vm->board->timer = UINT64_MAX;
    vm->board->random = config->seed;
    vm->board->console.output = config->output;
    vm->board->console.output_ctx = config->output_ctx;
    vm->board->console.vm = vm;
    hv_board_claim(vm, &(struct hv_mmio_range){HV_PLIC_BASE, HV_PLIC_NBYTES, &plic, vm});
    return true;
}

void hv_board_fini(struct hv_vm *vm)
{
    free(vm->board);
    vm->board = NULL;
}

void hv_board_claim(struct hv_vm *vm, const struct hv_mmio_range *range)
{
    hv_assert(vm->board->ranges < HV_MMIO_RANGES);
    vm->board->range[vm->board->ranges++] = *range;
}

void hv_board_set_irq(struct hv_vm *vm, unsigned source, bool level)
{
    hv_plic_set(&vm->board->plic, source, level);
    update_irq(vm);
}

uint64_t hv_board_turn(struct hv_vm *vm, uint64_t now)
{
    if (vm->board->timer > now)
        return vm->board->timer;
    hv_hart_set_irq(vm->hart, HV_IRQ_TIMER, true);
    return UINT64_MAX;
}

const char *hv_vm_last_output(struct hv_vm *vm)
{
    return hv_console_last(&vm->board->console);
}

size_t hv_vm_type(struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    return hv_console_type(&vm->board->console, bytes, nbytes);
}

void hv_vm_flush(struct hv_vm *vm)
{
    hv_console_flush(&vm->board->console);
}
