/* SPDX-License-Identifier: MIT */
/*
 * Executes F and D but for their loads and stores: registers, NaN boxing, rounding modes, flags.
 *
 * The arithmetic is exact integer arithmetic (fp.h). Before that the host's unit is asked where its
 * answer is provably the whole one: rounding to nearest even, the mode that C programs run in; NX
 * already accrued; and a result that is finite and larger than the smallest normal number. Such a
 * result cannot have raised NV, DZ, OF or UF, and NX changes nothing; what the host rounds to
 * nearest even, one operation at a time, is IEEE 754's one answer. Most of what programs compute is
 * of this kind.
 *
 * Source: volume I, 11 (F), 12 (D; 12.2: NaN boxing); volume II, 3.1.6.6 (FS).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "decode.h"
#include "fp.h"
#include "state.h"

_Static_assert(FLT_EVAL_METHOD == 0, "the host rounds each operation to its type");

#define BOX UINT64_C(0xffffffff00000000)

/* A register's value in a format: a single that is not boxed is a NaN. */
static uint64_t unbox(const struct hv_fp_format *f, uint64_t value)
{
    if (f == &hv_fp_double)
        return value;
    return (value & BOX) == BOX ? value & ~BOX : hv_fp_canonical_nan(f);
}

static uint64_t box(const struct hv_fp_format *f, uint64_t value)
{
    return f == &hv_fp_double ? value : value | BOX;
}

struct operands {
    uint64_t a, b, c;
};

static bool quick_double(unsigned op, const struct operands *in, uint64_t *result)
{
    double a, b, c, r;
    memcpy(&a, &in->a, sizeof a);
    memcpy(&b, &in->b, sizeof b);
    memcpy(&c, &in->c, sizeof c);
    switch (op) {
    case HV_FP_OP_ADD:
        r = a + b;
        break;
    case HV_FP_OP_SUB:
        r = a - b;
        break;
    case HV_FP_OP_MUL:
        r = a * b;
        break;
    case HV_FP_OP_DIV:
        r = a / b;
        break;
    case HV_FP_OP_SQRT:
        r = sqrt(a);
        break;
    case HV_FP_OP_MADD:
        r = fma(a, b, c);
        break;
    case HV_FP_OP_MSUB:
        r = fma(a, b, -c);
        break;
    case HV_FP_OP_NMSUB:
        r = fma(-a, b, c);
        break;
    case HV_FP_OP_NMADD:
        r = fma(-a, b, -c);
        break;
    default:
        return false;
    }
    memcpy(result, &r, sizeof r);
    return fabs(r) > DBL_MIN && fabs(r) <= DBL_MAX;
}

static bool quick_single(unsigned op, const struct operands *in, uint64_t *result)
{
    uint32_t bits[3] = {(uint32_t)in->a, (uint32_t)in->b, (uint32_t)in->c};
    float v[3], r;
    memcpy(v, bits, sizeof v);
    switch (op) {
    case HV_FP_OP_ADD:
        r = v[0] + v[1];
        break;
    case HV_FP_OP_SUB:
        r = v[0] - v[1];
        break;
    case HV_FP_OP_MUL:
        r = v[0] * v[1];
        break;
    case HV_FP_OP_DIV:
        r = v[0] / v[1];
        break;
    case HV_FP_OP_SQRT:
        r = sqrtf(v[0]);
        break;
    default: /* fused ones are rare in singles */
        return false;
    }
    memcpy(bits, &r, sizeof r);
    *result = bits[0];
    return fabsf(r) > FLT_MIN && fabsf(r) <= FLT_MAX;
}

/* Whether the host's answer will do. */
static bool quick(const struct hv_hart *hart, const struct hv_fp_format *f, unsigned rm,
                  unsigned op, const struct operands *in, uint64_t *result)
{
    if (rm != HV_FP_RNE || !(hart->csr.fflags & HV_FP_NX))
        return false;
    return f == &hv_fp_double ? quick_double(op, in, result) : quick_single(op, in, result);
}

/* x's lower bits as the integer conversions take them. */
static uint64_t from_int(const struct hv_fp_format *f, struct hv_fp_env *env, unsigned op,
                         uint64_t x)
{
    if (op == HV_FP_OP_FROM_W)
        x = (uint64_t)(int64_t)(int32_t)x;
    else if (op == HV_FP_OP_FROM_WU)
        x = (uint32_t)x;
    bool negative = (op == HV_FP_OP_FROM_W || op == HV_FP_OP_FROM_L) && (int64_t)x < 0;
    return hv_fp_from_int(f, env, negative ? 0 - x : x, negative);
}

/* The operations whose result goes to a floating-point register; x is the general operand. */
static uint64_t compute(const struct hv_fp_format *f, struct hv_fp_env *env, unsigned op,
                        const struct operands *in, uint64_t x)
{
    uint64_t sign = hv_fp_sign_bit(f), a = in->a, b = in->b, c = in->c;
    switch (op) {
    case HV_FP_OP_ADD:
        return hv_fp_add(f, env, a, b);
    case HV_FP_OP_SUB:
        return hv_fp_add(f, env, a, b ^ sign);
    case HV_FP_OP_MUL:
        return hv_fp_mul(f, env, a, b);
    case HV_FP_OP_DIV:
        return hv_fp_div(f, env, a, b);
    case HV_FP_OP_SQRT:
        return hv_fp_sqrt(f, env, a);
    case HV_FP_OP_MADD:
        return hv_fp_fma(f, env, a, b, c);
    case HV_FP_OP_MSUB:
        return hv_fp_fma(f, env, a, b, c ^ sign);
    case HV_FP_OP_NMSUB:
        return hv_fp_fma(f, env, a ^ sign, b, c);
    case HV_FP_OP_NMADD:
        return hv_fp_fma(f, env, a ^ sign, b, c ^ sign);
    case HV_FP_OP_SGNJ:
        return (a & ~sign) | (b & sign);
    case HV_FP_OP_SGNJN:
        return (a & ~sign) | (~b & sign);
    case HV_FP_OP_SGNJX:
        return a ^ (b & sign);
    case HV_FP_OP_MIN:
    case HV_FP_OP_MAX:
        return hv_fp_min_max(f, env, a, b, op == HV_FP_OP_MAX);
    case HV_FP_OP_FROM_BITS:
        return f == &hv_fp_double ? x : (uint32_t)x;
    default:
        return from_int(f, env, op, x);
    }
}

/* The operations whose result goes to a general register; `raw` is the register of a, unchecked. */
static uint64_t inspect(const struct hv_fp_format *f, struct hv_fp_env *env, unsigned op,
                        const struct operands *in, uint64_t raw)
{
    uint64_t a = in->a, b = in->b;
    enum hv_fp_relation relation;
    switch (op) {
    case HV_FP_OP_TO_W:
    case HV_FP_OP_TO_WU:
        return hv_fp_to_int(f, env, a, 32, op == HV_FP_OP_TO_W);
    case HV_FP_OP_TO_L:
    case HV_FP_OP_TO_LU:
        return hv_fp_to_int(f, env, a, 64, op == HV_FP_OP_TO_L);
    case HV_FP_OP_TO_BITS:
        return f == &hv_fp_double ? raw : (uint64_t)(int64_t)(int32_t)raw;
    case HV_FP_OP_CLASS:
        return hv_fp_classify(f, a);
    default:
        break;
    }
    relation = hv_fp_compare(f, a, b);
    /* lt and le raise NV for any NaN, eq for signaling ones */
    if (relation == HV_FP_UNORDERED &&
        (op != HV_FP_OP_EQ || hv_fp_is_signaling(f, a) || hv_fp_is_signaling(f, b)))
        env->flags |= HV_FP_NV;
    return (op != HV_FP_OP_LT && relation == HV_FP_EQUAL) ||
           (op != HV_FP_OP_EQ && relation == HV_FP_LESS);
}

bool hv_fp(struct hv_hart *hart, const struct hv_insn *insn)
{
    unsigned kind = (unsigned)insn->imm, op = kind & HV_FP_OP_MASK;
    const struct hv_fp_format *f = kind & HV_FP_KIND_DOUBLE ? &hv_fp_double : &hv_fp_single;
    struct hv_fp_env env = {.rm = kind >> HV_FP_KIND_RM & 7};
    const uint64_t *regs = hart->f;
    struct operands in = {unbox(f, regs[insn->rs1]), unbox(f, regs[insn->rs2]),
                          unbox(f, regs[kind >> HV_FP_KIND_RS3 & 31])};
    uint64_t result;
    if (env.rm == HV_FP_RM_DYNAMIC)
        env.rm = hart->csr.frm;
    if (env.rm > HV_FP_RMM)
        return false;
    if (op >= HV_FP_OP_TO_W) {
        hart->x[insn->rd] = inspect(f, &env, op, &in, regs[insn->rs1]);
    } else {
        if (op == HV_FP_OP_FROM_FP) {
            const struct hv_fp_format *from = f == &hv_fp_double ? &hv_fp_single : &hv_fp_double;
            result = hv_fp_convert(f, from, &env, unbox(from, regs[insn->rs1]));
        } else if (!quick(hart, f, env.rm, op, &in, &result)) {
            result = compute(f, &env, op, &in, hart->x[insn->rs1]);
        }
        hart->f[insn->rd] = box(f, result);
        hart->csr.sstatus |= HV_SSTATUS_FS;
    }
    if (env.flags) {
        hart->csr.fflags |= env.flags;
        hart->csr.sstatus |= HV_SSTATUS_FS;
    }
    return true;
}
