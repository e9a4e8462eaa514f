/* SPDX-License-Identifier: MIT */
/* virtio over MMIO: a driver that does it right gets its bytes; one that lies gets "needs reset",
 * and nothing outside its own memory is ever touched. SBI console; the interrupt controller. */
#include "rig.h"

enum { QUEUE = 8 };
#define DESC  (HV_RAM_BASE + 0x10000)
#define AVAIL (HV_RAM_BASE + 0x11000)
#define USED  (HV_RAM_BASE + 0x12000)
#define BUF   (HV_RAM_BASE + 0x13000)

static void reg(struct hv_vm *vm, uint64_t offset, uint32_t value)
{
    assert_true(hv_mmio_store(vm, HV_VIRTIO_BASE + offset, 4, value));
}

static uint32_t get(struct hv_vm *vm, uint64_t offset)
{
    uint64_t value = 0;
    assert_true(hv_mmio_load(vm, HV_VIRTIO_BASE + offset, 4, &value));
    return (uint32_t)value;
}

static void set_up(struct hv_vm *vm, uint64_t desc, uint64_t avail, uint64_t used, uint32_t size)
{
    reg(vm, 0x070, 0);
    reg(vm, 0x070, 1 | 2);
    reg(vm, 0x024, 1);
    reg(vm, 0x020, 1); /* VERSION_1 */
    reg(vm, 0x070, 1 | 2 | 8);
    assert_true(get(vm, 0x070) & 8);
    reg(vm, 0x030, 0);
    reg(vm, 0x038, size);
    const uint64_t rings[] = {desc, avail, used};
    for (unsigned i = 0; i < 3; i++) {
        reg(vm, 0x080 + 16 * i, (uint32_t)rings[i]);
        reg(vm, 0x084 + 16 * i, (uint32_t)(rings[i] >> 32));
    }
    reg(vm, 0x044, 1);
    reg(vm, 0x070, 1 | 2 | 8 | 4);
}

static void put_desc(struct hv_vm *vm, unsigned i, uint64_t gpa, uint32_t nbytes, uint16_t flags,
                     uint16_t next)
{
    uint8_t bytes[16];
    memcpy(bytes, &gpa, 8);
    memcpy(bytes + 8, &nbytes, 4);
    memcpy(bytes + 12, &flags, 2);
    memcpy(bytes + 14, &next, 2);
    assert_true(hv_guest_write(vm, DESC + 16 * i, bytes, 16));
}

static void offer(struct hv_vm *vm, uint16_t index, uint16_t head)
{
    assert_true(hv_guest_write(vm, AVAIL + 4 + 2 * (index % QUEUE), &head, 2));
    index++;
    assert_true(hv_guest_write(vm, AVAIL + 2, &index, 2));
}

static void a_driver_gets_its_bytes(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    uint8_t bytes[32], zeros[32] = {0};
    uint16_t used = 0;
    assert_int_equal(get(vm, 0), 0x74726976);
    assert_int_equal(get(vm, 8), 4);
    set_up(vm, DESC, AVAIL, USED, QUEUE);
    for (uint16_t i = 0; i < 20; i++) {
        put_desc(vm, 1, BUF, 16, 1 | 2, 2);
        put_desc(vm, 2, BUF + 16, 16, 2, 0);
        offer(vm, i, 1);
        reg(vm, 0x050, 0);
        assert_true(hv_guest_read(vm, USED + 2, &used, 2));
        assert_int_equal(used, i + 1);
    }
    assert_true(hv_guest_read(vm, BUF, bytes, 32));
    assert_memory_not_equal(bytes, zeros, 32);
    assert_int_equal(get(vm, 0x060), 1); /* interrupt, until acknowledged */
    reg(vm, 0x064, 1);
    assert_int_equal(get(vm, 0x060), 0);
    hv_world_free(world);
}

static void lies_need_a_reset(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    const struct {
        uint64_t desc, avail, used;
        uint32_t size;
    } rings[] = {
        {DESC, AVAIL, USED, 0},        {DESC, AVAIL, USED, 3}, {DESC, AVAIL, USED, 4096},
        {DESC + 8, AVAIL, USED, 8},    {0, AVAIL, USED, 8},    {DESC, UINT64_MAX - 1, USED, 8},
        {DESC, AVAIL, 0x807fffe0, 64},
    };
    for (unsigned i = 0; i < sizeof rings / sizeof *rings; i++) {
        set_up(vm, rings[i].desc, rings[i].avail, rings[i].used, rings[i].size);
        assert_true(get(vm, 0x070) & 64);
    }
    for (unsigned lie = 0; lie < 5; lie++) {
        set_up(vm, DESC, AVAIL, USED, QUEUE);
        put_desc(vm, 0, BUF, 16, 1 | 2, 1);
        put_desc(vm, 1, BUF, 16, 1 | 2, 0); /* a loop */
        put_desc(vm, 2, 0x1000, 16, 2, 0);  /* no memory */
        put_desc(vm, 3, BUF, 16, 4, 0);     /* indirect, not offered */
        put_desc(vm, 4, BUF, 16, 1 | 2, 999);
        offer(vm, 0, (uint16_t[]){0, 2, 3, 4, 77}[lie]);
        reg(vm, 0x050, 0);
        assert_true(get(vm, 0x070) & 64);
        reg(vm, 0x050, 0);
    }
    set_up(vm, DESC, AVAIL, USED, QUEUE);
    uint16_t far = 500; /* more than the queue holds */
    assert_true(hv_guest_write(vm, AVAIL + 2, &far, 2));
    reg(vm, 0x050, 0);
    assert_true(get(vm, 0x070) & 64);
    hv_world_free(world);
}

/* One kick, eight requests for all of memory each: the device gives each a little. */
static void a_kick_has_bounded_work(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    uint32_t used[2];
    set_up(vm, DESC, AVAIL, USED, QUEUE);
    put_desc(vm, 0, BUF, (8 << 20) - 0x13000, 2, 0);
    for (uint16_t i = 0; i < QUEUE; i++)
        offer(vm, i, 0);
    reg(vm, 0x050, 0);
    assert_true(hv_guest_read(vm, USED + 4, used, sizeof used));
    assert_int_equal(used[1], 4096);
    assert_true(vm->map.present_pages < 8);
    hv_world_free(world);
}

/* Registers and rings at random: nothing to assert but that it lives, and that its neighbour's
 * memory is what it was. */
static void random_registers(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 2);
    struct hv_vm *vm = rig_vm(world, 0), *neighbour = rig_vm(world, 0);
    uint64_t random = rig_seed(), value;
    uint8_t page[4096], before[4096];
    for (unsigned i = 0; i < 4096; i++)
        before[i] = (uint8_t)i;
    assert_true(hv_guest_write(neighbour, BUF, before, 4096));
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t r = random_next(&random),
                 at = (r & 1 ? HV_VIRTIO_BASE : HV_PLIC_BASE) + (r >> 8) % 0x120;
        unsigned nbytes = 1u << (r >> 4 & 3);
        uint64_t word = r >> 32 & 3 ? r >> 40 & 0xff : HV_RAM_BASE + (r >> 20 & 0x7fffff);
        if (r & 2)
            (void)hv_mmio_store(vm, at & ~(uint64_t)(nbytes - 1), nbytes, word);
        else
            (void)hv_mmio_load(vm, at & ~(uint64_t)(nbytes - 1), nbytes, &value);
        if (r % 64 == 0)
            assert_true(hv_guest_write(vm, HV_RAM_BASE + ((r >> 9 & 0x7ffff) * 8), &word, 8));
    }
    assert_true(hv_guest_read(neighbour, BUF, page, 4096));
    assert_memory_equal(page, before, 4096);
    assert_int_equal(neighbour->map.present_pages, 1);
    assert_null(hv_world_check(world));
    hv_world_free(world);
}

static uint32_t plic_get(struct hv_vm *vm, uint64_t offset)
{
    uint64_t value = 0;
    assert_true(hv_mmio_load(vm, HV_PLIC_BASE + offset, 4, &value));
    return (uint32_t)value;
}

static void plic_put(struct hv_vm *vm, uint64_t offset, uint32_t value)
{
    assert_true(hv_mmio_store(vm, HV_PLIC_BASE + offset, 4, value));
}

static bool external(struct hv_vm *vm)
{
    uint64_t sip = 0;
    assert_true(hv_hart_csr_read(vm->hart, 0x144, &sip));
    return sip >> 9 & 1;
}

/* By the PLIC's specification: enabled, above the threshold, the highest priority, the lowest
 * number; claimed until it is completed; a level that stays comes again. */
static void interrupts_by_priority(void **state)
{
    (void)state;
    enum { PENDING = 0x1000, ENABLE = 0x2000, THRESHOLD = 0x200000, CLAIM = 0x200004 };
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    hv_plic_set(&vm->board->plic, 3, true);
    hv_plic_set(&vm->board->plic, 5, true);
    hv_plic_set(&vm->board->plic, 4, true);
    assert_int_equal(plic_get(vm, PENDING), 1 << 3 | 1 << 4 | 1 << 5);
    assert_int_equal(plic_get(vm, CLAIM), 0); /* none is enabled */
    plic_put(vm, ENABLE, 1 << 3 | 1 << 4 | 1 << 5);
    assert_false(external(vm)); /* priority 0 never interrupts */
    for (unsigned i = 3; i <= 5; i++)
        plic_put(vm, 4 * i, i == 3 ? 1 : 2);
    plic_put(vm, THRESHOLD, 2);
    assert_false(external(vm));
    plic_put(vm, THRESHOLD, 0);
    assert_true(external(vm));
    assert_int_equal(plic_get(vm, CLAIM), 4);
    assert_int_equal(plic_get(vm, CLAIM), 5);
    assert_int_equal(plic_get(vm, CLAIM), 3);
    assert_int_equal(plic_get(vm, CLAIM), 0);
    assert_false(external(vm));
    hv_plic_set(&vm->board->plic, 5, false);
    plic_put(vm, CLAIM, 4);
    plic_put(vm, CLAIM, 5);
    plic_put(vm, CLAIM, 77); /* no source: ignored */
    assert_true(external(vm));
    assert_int_equal(plic_get(vm, CLAIM), 4);
    assert_int_equal(plic_get(vm, CLAIM), 0); /* 5 has gone, 3 is not completed */
    plic_put(vm, 4 * 4, UINT32_MAX);
    assert_int_equal(plic_get(vm, 4 * 4), 7);
    hv_world_free(world);
}

static void sbi(struct hv_vm *vm, uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1,
                uint64_t a2)
{
    const uint64_t args[] = {a0, a1, a2};
    for (unsigned i = 0; i < 3; i++)
        hv_hart_set_reg(vm->hart, 10 + i, args[i]);
    hv_hart_set_reg(vm->hart, 16, function);
    hv_hart_set_reg(vm->hart, 17, extension);
    (void)hv_sbi_ecall(vm);
}

static void sbi_answers(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    sbi(vm, 0x10, 0, 0, 0, 0);
    assert_int_equal(hv_hart_reg(vm->hart, 11), 2 << 24);
    sbi(vm, 0x10, 3, 0x4442434e, 0, 0);
    assert_int_equal(hv_hart_reg(vm->hart, 11), 1);
    sbi(vm, 0x12345678, 0, 0, 0, 0);
    assert_int_equal((int64_t)hv_hart_reg(vm->hart, 10), -2);
    assert_true(hv_guest_write(vm, BUF, "hello\n", 6));
    sbi(vm, 0x4442434e, 0, 6, BUF, 0);
    assert_int_equal(hv_hart_reg(vm->hart, 11), 6);
    assert_string_equal(hv_vm_last_output(vm), "hello\n");
    sbi(vm, 0x4442434e, 0, 6, 0x1000, 0); /* no memory */
    assert_int_equal((int64_t)hv_hart_reg(vm->hart, 10), -3);
    assert_int_equal(hv_vm_type(vm, "ab", 2), 2);
    sbi(vm, 2, 0, 0, 0, 0);
    assert_int_equal(hv_hart_reg(vm->hart, 10), 'a');
    sbi(vm, 0x4442434e, 1, 64, BUF, 0);
    assert_int_equal(hv_hart_reg(vm->hart, 11), 1);
    sbi(vm, 2, 0, 0, 0, 0);
    assert_int_equal((int64_t)hv_hart_reg(vm->hart, 10), -1);
    sbi(vm, 0x48534d, 2, 0, 0, 0);
    assert_int_equal(hv_hart_reg(vm->hart, 10), 0);
    sbi(vm, 0x53525354, 0, 0, 0, 0);
    assert_int_equal(hv_vm_state(vm), HV_ENDED);
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_gets_its_bytes), cmocka_unit_test(lies_need_a_reset),
        cmocka_unit_test(a_kick_has_bounded_work), cmocka_unit_test(random_registers),
        cmocka_unit_test(interrupts_by_priority),  cmocka_unit_test(sbi_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
