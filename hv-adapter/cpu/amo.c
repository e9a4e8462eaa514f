/* SPDX-License-Identifier: MIT */
/*
 * The A extension: lr, sc and the atomic memory operations, as host atomics on guest memory.
 *
 * lr remembers the address and the value it loaded; sc stores by compare-and-swap against that
 * value. So a store by anybody else is noticed when it changed the value, without any bookkeeping
 * on the store path; one that put the same value back goes unnoticed, as on all machines whose lr
 * is a compare-and-swap. The address is a virtual one: whatever may change what it means
 * (sfence.vma, satp, the VMM's flush for a hypercall) drops the reservation. Aq and rl are always
 * taken as set.
 *
 * Source: volume I, 8; volume II, 3.7.1: misaligned atomics raise an exception.
 */
#include "access.h"
#include "decode.h"
#include "state.h"

/* The new value for an amo; the comparisons are of operands extended to 64 bits. */
static uint64_t combine(unsigned funct5, uint64_t old, uint64_t operand)
{
    switch (funct5) {
    case HV_AMO_ADD:
        return old + operand;
    case HV_AMO_XOR:
        return old ^ operand;
    case HV_AMO_OR:
        return old | operand;
    case HV_AMO_AND:
        return old & operand;
    case HV_AMO_MIN:
        return (int64_t)old < (int64_t)operand ? old : operand;
    case HV_AMO_MAX:
        return (int64_t)old > (int64_t)operand ? old : operand;
    case HV_AMO_MINU:
        return old < operand ? old : operand;
    case HV_AMO_MAXU:
        return old > operand ? old : operand;
    default: /* HV_AMO_SWAP */
        return operand;
    }
}

static uint64_t extend(uint64_t value, unsigned nbytes)
{
    return nbytes == 4 ? (uint64_t)(int64_t)(int32_t)value : value;
}

/* Whether *host was *expected and is now desired; else *expected is what it is. */
static bool compare_and_swap(void *host, unsigned nbytes, uint64_t *expected, uint64_t desired)
{
    if (nbytes == 8)
        return __atomic_compare_exchange_n((hv_u64 *)host, (hv_u64 *)expected, desired, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    uint32_t word = (uint32_t)*expected;
    bool same = __atomic_compare_exchange_n((hv_u32 *)host, (hv_u32 *)&word, (uint32_t)desired,
                                            false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    *expected = word;
    return same;
}

static uint64_t read_modify_write(void *host, unsigned nbytes, unsigned funct5, uint64_t operand)
{
    uint64_t old = hv_mem_load(host, nbytes);
    /* Sign extension keeps the order of unsigned words, too. */
    while (!compare_and_swap(host, nbytes, &old,
                             combine(funct5, extend(old, nbytes), extend(operand, nbytes))))
        ;
    return extend(old, nbytes);
}

static enum hv_result load_reserved(struct hv_hart *hart, uint64_t va, unsigned nbytes,
                                    uint64_t *result)
{
    struct hv_place place;
    if (hv_translate(hart, va, HV_ACCESS_LOAD, &place) != HV_DONE)
        return HV_REDIRECTED;
    if (!place.host) /* devices take no reservations */
        return hv_raise(hart, HV_CAUSE_LOAD_ACCESS, va);
    uint64_t value = hv_mem_load(place.host, nbytes);
    hv_mem_fence_light();
    hart->reservation = (struct hv_reservation){.va = va, .value = value, .nbytes = nbytes};
    *result = extend(value, nbytes);
    return HV_DONE;
}

static enum hv_result store_conditional(struct hv_hart *hart, uint64_t va, unsigned nbytes,
                                        uint64_t operand, uint64_t *result)
{
    struct hv_reservation held = hart->reservation;
    struct hv_place place;
    *result = 1;
    if (held.nbytes != nbytes || held.va != va) {
        hart->reservation.nbytes = 0;
        return HV_DONE;
    }
    /* A fault or a stop here leaves the reservation: the sc comes again. */
    if (hv_translate(hart, va, HV_ACCESS_AMO, &place) != HV_DONE)
        return HV_REDIRECTED;
    hart->reservation.nbytes = 0;
    *result = !compare_and_swap(place.host, nbytes, &held.value, operand);
    if (*result == 0)
        hv_wrote(hart, &place, nbytes);
    return HV_DONE;
}

enum hv_result hv_amo(struct hv_hart *hart, const struct hv_insn *insn)
{
    unsigned funct5 = (unsigned)insn->imm & (HV_AMO_WIDE - 1);
    unsigned nbytes = insn->imm & HV_AMO_WIDE ? 8 : 4;
    uint64_t va = hart->x[insn->rs1], operand = hart->x[insn->rs2], result = 0;
    enum hv_result done;
    struct hv_place place;
    if (va & (nbytes - 1))
        return hv_raise(
            hart, funct5 == HV_AMO_LR ? HV_CAUSE_LOAD_MISALIGNED : HV_CAUSE_STORE_MISALIGNED, va);
    if (funct5 == HV_AMO_LR) {
        done = load_reserved(hart, va, nbytes, &result);
    } else if (funct5 == HV_AMO_SC) {
        done = store_conditional(hart, va, nbytes, operand, &result);
    } else {
        done = hv_translate(hart, va, HV_ACCESS_AMO, &place);
        if (done == HV_DONE) {
            result = read_modify_write(place.host, nbytes, funct5, operand);
            hv_wrote(hart, &place, nbytes);
        }
    }
    if (done == HV_DONE)
        hart->x[insn->rd] = result;
    return done;
}
