/* SPDX-License-Identifier: MIT */
/* The hart's watched stores: done once, kept nowhere, and told after the fact; every kind of store.
 */
#include "rig.h"

enum { CODE = 0, DATA = 1, PAGES = 4, A0 = 10, A1, A2 };

/* Pages 2 and 3 are watched. */
static struct {
    _Alignas(4096) uint8_t bytes[PAGES][4096];
    struct hv_hart *hart;
    unsigned fills, told;
    uint64_t gpa[4];
    unsigned nbytes[4];
    uint64_t seen; /* first word of page 2 when told */
} rig;

static enum hv_fill fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out)
{
    (void)ctx;
    out->cause = HV_CAUSE_LOAD_ACCESS;
    if (va >= PAGES * 4096)
        return HV_FILL_FAULT;
    bool watched = va >= 2 * 4096 && access >= HV_ACCESS_STORE;
    rig.fills += watched;
    out->page = rig.bytes[va / 4096];
    out->gpa = 0x1000000 + va;
    out->allow = HV_ALLOW_READ | HV_ALLOW_EXEC | (va < 2 * 4096 ? HV_ALLOW_WRITE : 0);
    return watched ? HV_FILL_WATCHED : HV_FILL_PAGE;
}

static void wrote(void *ctx, uint64_t gpa, unsigned nbytes)
{
    (void)ctx;
    assert_true(rig.told < 4);
    rig.gpa[rig.told] = gpa;
    rig.nbytes[rig.told++] = nbytes;
    memcpy(&rig.seen, rig.bytes[2], 8);
}

static bool no_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value)
{
    (void)ctx, (void)gpa, (void)nbytes, (void)value;
    return false;
}

static bool no_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value)
{
    (void)ctx, (void)gpa, (void)nbytes, (void)value;
    return false;
}

static enum hv_ecall no_ecall(void *ctx)
{
    (void)ctx;
    return HV_ECALL_STOP;
}

static bool satp(void *ctx, uint64_t value)
{
    (void)ctx, (void)value;
    return true;
}

static void sfence(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid)
{
    (void)ctx, (void)has_va, (void)va, (void)has_asid, (void)asid;
}

static uint64_t no_time(void *ctx)
{
    (void)ctx;
    return 0;
}

/* Runs so many instructions of `code` with a0 an address and a1 a value. */
static void run(const uint32_t *code, unsigned count, uint64_t a0, uint64_t a1)
{
    static const struct hv_hart_ops ops = {.fill = fill,
                                           .mmio_load = no_load,
                                           .mmio_store = no_store,
                                           .ecall = no_ecall,
                                           .satp_write = satp,
                                           .sfence_vma = sfence,
                                           .time = no_time,
                                           .wrote = wrote};
    hv_hart_free(rig.hart);
    memset(&rig, 0, sizeof rig);
    memcpy(rig.bytes[CODE], code, count * sizeof *code);
    for (unsigned i = 0; i < 16; i++)
        rig.bytes[2][i] = (uint8_t)(i + 1);
    rig.hart = hv_hart_new(&ops, NULL, NULL, 8);
    assert_non_null(rig.hart);
    hv_hart_set_reg(rig.hart, A0, a0);
    hv_hart_set_reg(rig.hart, A1, a1);
    assert_int_equal(hv_hart_run(rig.hart, count), HV_STOP_BUDGET);
    assert_int_equal(hv_hart_stats(rig.hart).exceptions, 0);
    assert_null(hv_hart_tlb_find(rig.hart, 2 * 4096, HV_ACCESS_STORE));
}

static void told(unsigned i, uint64_t va, unsigned nbytes)
{
    assert_true(i < rig.told);
    assert_int_equal(rig.gpa[i], 0x1000000 + va);
    assert_int_equal(rig.nbytes[i], nbytes);
}

static void stores(void **state)
{
    (void)state;
    static const uint32_t sd_twice[] = {0x00b53023, 0x00b53423}; /* sd a1,0(a0); sd a1,8(a0) */
    run(sd_twice, 2, 2 * 4096, 0x1122334455667788);
    assert_int_equal(rig.told, 2);
    assert_int_equal(rig.fills, 2); /* nothing is kept */
    told(0, 2 * 4096, 8);
    told(1, 2 * 4096 + 8, 8);
    assert_int_equal(rig.seen, 0x1122334455667788);       /* told after the fact */
    run((uint32_t[]){0x00b50023}, 1, 2 * 4096 + 3, 0xff); /* sb */
    told(0, 2 * 4096 + 3, 1);
    run(sd_twice, 1, 4096, 5); /* an ordinary page: nobody is told */
    assert_int_equal(rig.told, 0);
}

static void misaligned_stores(void **state)
{
    (void)state;
    static const uint32_t sd[] = {0x00b53023};
    run(sd, 1, 2 * 4096 + 3, 0x0807060504030201);
    told(0, 2 * 4096 + 3, 8);
    assert_int_equal(rig.bytes[2][10], 8);
    run(sd, 1, 3 * 4096 - 3, 0x0807060504030201); /* watched, watched */
    told(0, 3 * 4096 - 3, 3);
    told(1, 3 * 4096, 5);
    assert_int_equal(rig.bytes[2][4095], 3);
    assert_int_equal(rig.bytes[3][4], 8);
    run(sd, 1, 2 * 4096 - 4, 0x0807060504030201); /* plain, watched */
    assert_int_equal(rig.told, 1);
    told(0, 2 * 4096, 4);
    assert_int_equal(rig.bytes[DATA][4095], 4);
}

static void atomics(void **state)
{
    (void)state;
    run((uint32_t[]){0x00b5362f}, 1, 2 * 4096, 1); /* amoadd.d a2,a1,(a0) */
    told(0, 2 * 4096, 8);
    assert_int_equal(hv_hart_reg(rig.hart, A2), 0x0807060504030201);
    assert_int_equal(rig.seen, 0x0807060504030202);
    run((uint32_t[]){0x08b5262f}, 1, 2 * 4096 + 4, 9); /* amoswap.w */
    told(0, 2 * 4096 + 4, 4);
    run((uint32_t[]){0x1005362f, 0x18b5362f}, 2, 2 * 4096, 7); /* lr.d; sc.d */
    assert_int_equal(hv_hart_reg(rig.hart, A2), 0);
    assert_int_equal(rig.told, 1);
    assert_int_equal(rig.seen, 7);
    run((uint32_t[]){0x18b5362f}, 1, 2 * 4096, 7); /* sc.d alone fails: nothing was written */
    assert_int_equal(hv_hart_reg(rig.hart, A2), 1);
    assert_int_equal(rig.told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores),
        cmocka_unit_test(misaligned_stores),
        cmocka_unit_test(atomics),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hv_hart_free(rig.hart);
    return failed;
}
