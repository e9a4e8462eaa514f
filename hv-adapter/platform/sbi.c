/* SPDX-License-Identifier: MIT */
/*
 * The firmware's part, answered by the VMM itself: SBI 2.0 for one hart.
 *
 * Base, TIME, IPI, RFENCE, HSM, SRST, DBCN, and the legacy calls 0 to 8. Everything else is "not
 * supported". Legacy calls return in a0 alone.
 * Source: RISC-V Supervisor Binary Interface Specification 2.0.
 */
#include "platform/board.h"
#include "residence/guest_mem.h"
#include "residence/hypercall.h"
#include "vm/ending.h"
#include "vm/vm.h"

enum { REG_A0 = 10, REG_A1, REG_A2, REG_A3, REG_A6 = 16, REG_A7 };

enum {
    EXT_BASE = 0x10,
    EXT_TIME = 0x54494d45,
    EXT_IPI = 0x735049,
    EXT_RFENCE = 0x52464e43,
    EXT_HSM = 0x48534d,
    EXT_SRST = 0x53525354,
    EXT_DBCN = 0x4442434e,
};

enum {
    OK = 0,
    ERR_FAILED = -1,
    ERR_NOT_SUPPORTED = -2,
    ERR_INVALID = -3,
    ERR_ALREADY_AVAILABLE = -6,
};

struct result {
    int64_t error;
    uint64_t value;
    enum hv_ecall then;
};

static uint64_t arg(const struct hv_vm *vm, unsigned i)
{
    return hv_hart_reg(vm->hart, REG_A0 + i);
}

static struct result answer(int64_t error, uint64_t value)
{
    return (struct result){error, value, HV_ECALL_DONE};
}

/* Compares are with the time CSR's units; the run may have become shorter. */
static struct result set_timer(struct hv_vm *vm)
{
    uint64_t when = arg(vm, 0), per = HV_TICKS_PER_SECOND / HV_TIME_HZ;
    vm->board->timer = when > UINT64_MAX / per ? UINT64_MAX : when * per;
    hv_hart_set_irq(vm->hart, HV_IRQ_TIMER, vm->board->timer <= hv_vm_ticks(vm));
    return (struct result){OK, 0, HV_ECALL_STOP};
}

static bool probe(const struct hv_vm *vm, uint64_t extension)
{
    static const uint32_t all[] = {EXT_BASE, EXT_TIME, EXT_IPI, EXT_RFENCE,
                                   EXT_HSM,  EXT_SRST, EXT_DBCN};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (extension == all[i])
            return true;
    return extension <= 8 || (vm->para && extension == HV_PARA_EXTENSION);
}

static struct result base(struct hv_vm *vm, uint64_t function)
{
    switch (function) {
    case 0: /* specification version 2.0 */
        return answer(OK, UINT64_C(2) << 24);
    case 1:                        /* implementation: none of the registered */
        return answer(OK, 0x6c73); /* "ls" */
    case 2:
        return answer(OK, 1);
    case 3:
        return answer(OK, probe(vm, arg(vm, 0)));
    case 4: /* mvendorid, marchid, mimpid */
    case 5:
    case 6:
        return answer(OK, 0);
    default:
        return answer(ERR_NOT_SUPPORTED, 0);
    }
}

/* Reads a hart mask and its base; false if it names a hart that is not there. */
static bool mask_is_valid(const struct hv_vm *vm, bool *hart_0)
{
    uint64_t mask = arg(vm, 0), first = arg(vm, 1);
    *hart_0 = first == UINT64_MAX || (mask & 1);
    return first == UINT64_MAX || (first == 0 && (mask & ~UINT64_C(1)) == 0);
}

static struct result ipi(struct hv_vm *vm, uint64_t function)
{
    bool hart_0;
    if (function != 0)
        return answer(ERR_NOT_SUPPORTED, 0);
    if (!mask_is_valid(vm, &hart_0))
        return answer(ERR_INVALID, 0);
    if (hart_0)
        hv_hart_set_irq(vm->hart, HV_IRQ_SOFT, true);
    return answer(OK, 0);
}

static struct result rfence(struct hv_vm *vm, uint64_t function)
{
    bool hart_0;
    if (function > 2) /* 3 to 6 are the hypervisor extension's */
        return answer(ERR_NOT_SUPPORTED, 0);
    if (!mask_is_valid(vm, &hart_0))
        return answer(ERR_INVALID, 0);
    if (hart_0 && function == 0)
        hv_hart_tlb_flush_code(vm->hart);
    else if (hart_0)
        hv_hart_tlb_flush(vm->hart);
    return answer(OK, 0);
}

static struct result suspend(struct hv_vm *vm)
{
    const uint32_t retentive = 0, non_retentive = UINT32_C(0x80000000);
    uint32_t type = (uint32_t)arg(vm, 0);
    if (type == non_retentive)
        return answer(ERR_NOT_SUPPORTED, 0);
    if (type != retentive) /* reserved, or a platform's own */
        return answer(ERR_INVALID, 0);
    vm->waiting = true;
    return (struct result){OK, 0, HV_ECALL_STOP};
}

static struct result hsm(struct hv_vm *vm, uint64_t function)
{
    enum { START, STOP, STATUS, SUSPEND };
    switch (function) {
    case START:
        return answer(arg(vm, 0) == 0 ? ERR_ALREADY_AVAILABLE : ERR_INVALID, 0);
    case STOP:
        hv_vm_end(vm, "its only hart stopped itself");
        return (struct result){OK, 0, HV_ECALL_STOP};
    case STATUS: /* started */
        return answer(arg(vm, 0) == 0 ? OK : ERR_INVALID, 0);
    case SUSPEND:
        return suspend(vm);
    default:
        return answer(ERR_NOT_SUPPORTED, 0);
    }
}

static struct result srst(struct hv_vm *vm, uint64_t function)
{
    if (function != 0)
        return answer(ERR_NOT_SUPPORTED, 0);
    uint32_t type = (uint32_t)arg(vm, 0), reason = (uint32_t)arg(vm, 1);
    if (type > 2 || reason > 1)
        return answer(ERR_INVALID, 0);
    if (type == 0 && reason == 0)
        hv_vm_end(vm, "powered off");
    else
        hv_vm_reset(vm, reason == 1, hv_console_last(&vm->board->console));
    return (struct result){OK, 0, HV_ECALL_STOP};
}

static struct result console_write(struct hv_vm *vm, uint64_t nbytes, uint64_t gpa)
{
    char text[256]; /* a call may write less than it was asked to */
    if (!hv_guest_has(vm, gpa, nbytes))
        return answer(ERR_INVALID, 0);
    if (nbytes > sizeof text)
        nbytes = sizeof text;
    if (!hv_guest_read(vm, gpa, text, nbytes))
        return answer(ERR_FAILED, 0);
    hv_console_put(&vm->board->console, text, nbytes);
    return answer(OK, nbytes);
}

static struct result console_read(struct hv_vm *vm, uint64_t nbytes, uint64_t gpa)
{
    char text[256];
    uint64_t count = 0;
    if (!hv_guest_has(vm, gpa, nbytes))
        return answer(ERR_INVALID, 0);
    for (int byte; count < nbytes && count < sizeof text &&
                   (byte = hv_console_get(&vm->board->console)) >= 0;)
        text[count++] = (char)byte;
    return hv_guest_write(vm, gpa, text, count) ? answer(OK, count) : answer(ERR_FAILED, 0);
}

static struct result dbcn(struct hv_vm *vm, uint64_t function)
{
    if (function < 2 && arg(vm, 2) != 0)
        return answer(ERR_INVALID, 0); /* the upper half of the address: there is no such memory */
    switch (function) {
    case 0:
        return console_write(vm, arg(vm, 0), arg(vm, 1));
    case 1:
        return console_read(vm, arg(vm, 0), arg(vm, 1));
    case 2:
        hv_console_put(&vm->board->console, &(char){(char)arg(vm, 0)}, 1);
        return answer(OK, 0);
    default:
        return answer(ERR_NOT_SUPPORTED, 0);
    }
}

/* The mask lies in memory, by virtual address; none at all means every hart. */
static struct result legacy_ipi(struct hv_vm *vm)
{
    struct hv_view view;
    uint64_t at = arg(vm, 0), mask = 1;
    hv_vm_view(vm, at, &view);
    if (at &&
        !(at % sizeof mask == 0 && view.mapped && hv_guest_read(vm, view.gpa, &mask, sizeof mask)))
        return answer(ERR_INVALID, 0);
    if (mask & 1)
        hv_hart_set_irq(vm->hart, HV_IRQ_SOFT, true);
    return answer(OK, 0);
}

static struct result legacy(struct hv_vm *vm, uint64_t extension)
{
    enum {
        SET_TIMER,
        PUTCHAR,
        GETCHAR,
        CLEAR_IPI,
        SEND_IPI,
        FENCE_I,
        SFENCE,
        SFENCE_ASID,
        SHUTDOWN
    };
    switch (extension) {
    case SET_TIMER:
        return set_timer(vm);
    case PUTCHAR:
        hv_console_put(&vm->board->console, &(char){(char)arg(vm, 0)}, 1);
        return answer(OK, 0);
    case GETCHAR:
        return answer(hv_console_get(&vm->board->console), 0);
    case CLEAR_IPI:
        hv_hart_set_irq(vm->hart, HV_IRQ_SOFT, false);
        return answer(OK, 0);
    case SEND_IPI:
        return legacy_ipi(vm);
    case FENCE_I:
        hv_hart_tlb_flush_code(vm->hart);
        return answer(OK, 0);
    case SFENCE:
    case SFENCE_ASID:
        hv_hart_tlb_flush(vm->hart);
        return answer(OK, 0);
    default:
        hv_vm_end(vm, "powered off");
        return (struct result){OK, 0, HV_ECALL_STOP};
    }
}

static struct result para(struct hv_vm *vm, uint64_t function)
{
    struct hv_hypercall_answer done = hv_hypercall(vm, function);
    return answer(done.error, done.value);
}

static struct result call(struct hv_vm *vm, uint64_t extension, uint64_t function)
{
    switch (extension) {
    case EXT_BASE:
        return base(vm, function);
    case EXT_TIME:
        return function == 0 ? set_timer(vm) : answer(ERR_NOT_SUPPORTED, 0);
    case EXT_IPI:
        return ipi(vm, function);
    case EXT_RFENCE:
        return rfence(vm, function);
    case EXT_HSM:
        return hsm(vm, function);
    case EXT_SRST:
        return srst(vm, function);
    case EXT_DBCN:
        return dbcn(vm, function);
    case HV_PARA_EXTENSION:
        return vm->para ? para(vm, function) : answer(ERR_NOT_SUPPORTED, 0);
    default:
        return answer(ERR_NOT_SUPPORTED, 0);
    }
}

enum hv_ecall hv_sbi_ecall(void *ctx)
{
    struct hv_vm *vm = ctx;
    uint64_t extension = hv_hart_reg(vm->hart, REG_A7);
    bool old = extension <= 8;
    hv_vm_charge(vm, HV_CHARGE_ECALL);
    struct result result =
        old ? legacy(vm, extension) : call(vm, extension, hv_hart_reg(vm->hart, REG_A6));
    hv_hart_set_reg(vm->hart, REG_A0, (uint64_t)result.error);
    if (!old)
        hv_hart_set_reg(vm->hart, REG_A1, result.value);
    return result.then;
}
