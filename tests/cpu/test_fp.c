/* SPDX-License-Identifier: MIT */
/*
 * F and D: the arithmetic against the host's unit in the four rounding modes that both have, and
 * what surrounds it: sstatus.FS, illegal rounding modes, boxing, stval, a hart without them.
 *
 * Seed of the random operands: SHARE_SEED, printed.
 */
#include <fenv.h>
#include <math.h>
#include <stdio.h>

#include "cpu/fp.h"
#include "rig.h"

enum { A0 = 10, T0 = 5, FS_OFF = 0, FS_INITIAL = 1 << 13, FS_CLEAN = 2 << 13, FS_DIRTY = 3 << 13 };
enum { CSR_FFLAGS = 1, CSR_FRM = 2, CSR_FCSR = 3, CSR_SSTATUS = 0x100 };
#define SD (UINT64_C(1) << 63)

static int set_up(void **state)
{
    static struct rig rig;
    rig_init(&rig, 8);
    hv_hart_set_reg(rig.hart, A0, DATA_VA);
    hv_hart_csr_write(rig.hart, CSR_SSTATUS, FS_INITIAL);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    return 0;
}

static uint32_t op_fp(unsigned funct7, unsigned rm, unsigned rd, unsigned rs1, unsigned rs2)
{
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | rm << 12 | rd << 7 | 0x53;
}

static uint32_t fadd_d(unsigned rm, unsigned rd, unsigned rs1, unsigned rs2)
{
    return op_fp(1, rm, rd, rs1, rs2);
}

static uint32_t fld(unsigned rd, int imm, unsigned rs1)
{
    return load(3, rd, imm, rs1) | 4;
}

static uint32_t fsd(unsigned rs2, int imm, unsigned rs1)
{
    return store(3, rs2, imm, rs1) | 4;
}

/* ---- the arithmetic, against the host */

static uint64_t random_state;

static uint64_t any(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return random_state >> 32 ^ random_state << 20;
}

/* Runs of equal bits, and exponents near each other or at the ends. */
static uint64_t any_double(void)
{
    static const unsigned exponents[] = {0, 1, 52, 1000, 1023, 1024, 1076, 2000, 2046, 2047};
    uint64_t fraction = any() & (UINT64_MAX << any() % 64), exponent = exponents[any() % 10];
    return any() << 63 | ((exponent + any() % 3) & 2047) << 52 | (fraction & 0xfffffffffffff);
}

/* volatile pins the operation between setting up the host's unit and asking for its flags. */
static uint64_t host(unsigned op, const uint64_t in[3], unsigned rm, unsigned *flags)
{
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    static const int host_flags[] = {FE_INEXACT, FE_UNDERFLOW, FE_OVERFLOW, FE_DIVBYZERO,
                                     FE_INVALID};
    volatile double v[3], r;
    memcpy((void *)v, in, sizeof v);
    fesetround(modes[rm]);
    feclearexcept(FE_ALL_EXCEPT);
    r = op == 0   ? v[0] + v[1]
        : op == 1 ? v[0] * v[1]
        : op == 2 ? v[0] / v[1]
        : op == 3 ? sqrt(v[0])
                  : fma(v[0], v[1], v[2]);
    int raised = fetestexcept(FE_ALL_EXCEPT);
    fesetround(FE_TONEAREST);
    *flags = 0;
    for (unsigned i = 0; i < 5; i++)
        *flags |= raised & host_flags[i] ? 1u << i : 0;
    double result = r;
    uint64_t bits;
    memcpy(&bits, &result, sizeof bits);
    return hv_fp_is_nan(&hv_fp_double, bits) ? hv_fp_canonical_nan(&hv_fp_double) : bits;
}

static uint64_t ours(unsigned op, const uint64_t in[3], unsigned rm, unsigned *flags)
{
    struct hv_fp_env env = {.rm = rm};
    const struct hv_fp_format *f = &hv_fp_double;
    uint64_t result = op == 0   ? hv_fp_add(f, &env, in[0], in[1])
                      : op == 1 ? hv_fp_mul(f, &env, in[0], in[1])
                      : op == 2 ? hv_fp_div(f, &env, in[0], in[1])
                      : op == 3 ? hv_fp_sqrt(f, &env, in[0])
                                : hv_fp_fma(f, &env, in[0], in[1], in[2]);
    *flags = env.flags;
    return result;
}

/* Where hosts may differ: 0 * inf + quiet NaN. */
static bool is_comparable(unsigned op, const uint64_t in[3])
{
    return op != 4 || !hv_fp_is_nan(&hv_fp_double, in[2]);
}

static void arithmetic_is_the_hosts(void **state)
{
    (void)state;
    enum { TRIES = 400000 };
    const char *seed = getenv("SHARE_SEED");
    random_state = seed ? strtoull(seed, NULL, 0) : 1;
    print_message("seed %llu\n", (unsigned long long)random_state);
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t in[3] = {any_double(), any_double(), any_double()};
        unsigned op = i % 5, rm = (unsigned)any() % 4, our_flags, host_flags;
        if (!is_comparable(op, in))
            continue;
        uint64_t our_result = ours(op, in, rm, &our_flags);
        uint64_t host_result = host(op, in, rm, &host_flags);
        if (our_result != host_result || our_flags != host_flags)
            fail_msg("operation %u, mode %u of %llx %llx %llx: %llx flags %x, host %llx flags %x",
                     op, rm, (unsigned long long)in[0], (unsigned long long)in[1],
                     (unsigned long long)in[2], (unsigned long long)our_result, our_flags,
                     (unsigned long long)host_result, host_flags);
    }
}

/* ---- what surrounds it */

static void expect_illegal(struct rig *rig, uint64_t va, uint32_t bits, uint64_t stval)
{
    RIG_PUT(rig, va, bits);
    hv_hart_tlb_flush_code(rig->hart);
    hv_hart_set_pc(rig->hart, va);
    rig_expect_trap(rig, HV_CAUSE_ILLEGAL, va, stval);
}

static void with_fs_off_all_of_it_is_illegal(void **state)
{
    struct rig *rig = *state;
    const uint32_t all[] = {
        fadd_d(0, 1, 2, 3),        fld(1, 0, A0),     fsd(1, 0, A0),
        load(2, 1, 0, A0) | 4,     /* flw */
        store(2, 1, 0, A0) | 4,    /* fsw */
        op_fp(0x71, 0, T0, 1, 0),  /* fmv.x.d */
        op_fp(0x51, 2, T0, 1, 2),  /* feq.d */
        3u << 27 | 1 << 25 | 0x43, /* fmadd.d */
        csrr(T0, CSR_FCSR),        csrr(T0, CSR_FRM), csrrw(0, CSR_FFLAGS, T0),
    };
    const uint16_t compressed[] = {0x2100, 0xa100, 0x2502, 0xa02a}; /* fld, fsd, fldsp, fsdsp */
    hv_hart_csr_write(rig->hart, CSR_SSTATUS, FS_OFF);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        expect_illegal(rig, CODE_VA, all[i], all[i]);
    for (unsigned i = 0; i < 4; i++)
        expect_illegal(rig, CODE_VA, compressed[i] | 0x00010000u, compressed[i]);
    expect_illegal(rig, 0x3ffe, all[0], all[0]); /* over a page's end: from the hart's own slot */
    RIG_PUT(rig, CODE_VA, compressed[0] | 0x00010000u);
    hv_hart_tlb_flush_code(rig->hart);
    hv_hart_set_pc(rig->hart, CODE_VA);
    assert_int_equal(hv_hart_run(rig->hart, 1), HV_STOP_BUDGET); /* alone: from there, too */
    assert_int_equal(rig_csr(rig, 0x143), compressed[0]);
}

static uint64_t run_one(struct rig *rig, uint32_t insn)
{
    RIG_PUT(rig, CODE_VA, insn);
    hv_hart_tlb_flush_code(rig->hart);
    hv_hart_csr_write(rig->hart, CSR_SSTATUS, FS_CLEAN);
    hv_hart_set_pc(rig->hart, CODE_VA);
    assert_int_equal(hv_hart_run(rig->hart, 1), HV_STOP_BUDGET);
    return rig_csr(rig, CSR_SSTATUS) & (SD | FS_DIRTY);
}

/* What a kernel saves at a switch, by: registers and fcsr written make it dirty, reads do not. */
static void fs_becomes_dirty_by_writes(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(run_one(rig, fld(1, 0, A0)), SD | FS_DIRTY);
    assert_int_equal(run_one(rig, fadd_d(0, 1, 2, 3)), SD | FS_DIRTY);
    assert_int_equal(run_one(rig, csrrw(0, CSR_FRM, T0)), SD | FS_DIRTY);
    assert_int_equal(run_one(rig, fsd(1, 0, A0)), FS_CLEAN);
    assert_int_equal(run_one(rig, csrr(T0, CSR_FCSR)), FS_CLEAN);
    assert_int_equal(run_one(rig, op_fp(0x71, 1, T0, 1, 0)), FS_CLEAN); /* fclass.d */
    hv_hart_set_freg(rig->hart, 1, UINT64_C(0x7ff0000000000001));
    assert_int_equal(run_one(rig, op_fp(0x51, 2, T0, 1, 1)), SD | FS_DIRTY); /* feq.d raises NV */
    assert_int_equal(rig_csr(rig, CSR_FFLAGS), HV_FP_NV);
}

static void a_load_that_faults_changes_nothing(void **state)
{
    struct rig *rig = *state;
    hv_hart_set_freg(rig->hart, 1, 42);
    hv_hart_set_reg(rig->hart, A0, (uint64_t)RIG_PAGES << 12);
    RIG_PUT(rig, CODE_VA, fld(1, 0, A0));
    rig_expect_trap(rig, HV_CAUSE_LOAD_PAGE, CODE_VA, (uint64_t)RIG_PAGES << 12);
    assert_int_equal(hv_hart_freg(rig->hart, 1), 42);
    assert_int_equal(rig_csr(rig, CSR_SSTATUS) & FS_DIRTY, FS_INITIAL);
}

static void reserved_rounding_modes_are_illegal(void **state)
{
    struct rig *rig = *state;
    for (unsigned rm = 5; rm < 7; rm++) /* in the instruction */
        expect_illegal(rig, CODE_VA, fadd_d(rm, 1, 2, 3), fadd_d(rm, 1, 2, 3));
    RIG_PUT(rig, CODE_VA, fadd_d(0, 1, 2, 3), fadd_d(7, 1, 2, 3));
    hv_hart_tlb_flush_code(rig->hart);
    for (uint64_t frm = 5; frm < 8; frm++) { /* in frm: only the dynamic one asks it */
        hv_hart_csr_write(rig->hart, CSR_FRM, frm);
        assert_int_equal(rig_csr(rig, CSR_FRM), frm);
        hv_hart_set_pc(rig->hart, CODE_VA);
        rig_expect_trap(rig, HV_CAUSE_ILLEGAL, CODE_VA + 4, fadd_d(7, 1, 2, 3));
    }
}

static void a_hart_without_fp_cannot_switch_it_on(void **state)
{
    struct rig *rig = *state;
    hv_hart_set_fp(rig->hart, false);
    assert_int_equal(rig_csr(rig, CSR_SSTATUS) & FS_DIRTY, FS_OFF);
    hv_hart_csr_write(rig->hart, CSR_SSTATUS, UINT64_MAX);
    assert_int_equal(rig_csr(rig, CSR_SSTATUS) & (SD | FS_DIRTY), FS_OFF);
    RIG_PUT(rig, CODE_VA, fld(1, 0, A0));
    rig_expect_trap(rig, HV_CAUSE_ILLEGAL, CODE_VA, fld(1, 0, A0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_the_hosts),
        cmocka_unit_test_setup_teardown(with_fs_off_all_of_it_is_illegal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fs_becomes_dirty_by_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_load_that_faults_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reserved_rounding_modes_are_illegal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hart_without_fp_cannot_switch_it_on, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
