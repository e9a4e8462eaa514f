/* SPDX-License-Identifier: MIT */
/* A world whose VMs want more than there is: without balloons pages go out at random, nobody fails,
 * nothing is lost; with them allocations add up to the memory. */
#include <signal.h>
#include <sys/resource.h>

#include "driver.h"
#include "overcommit/overcommit.h"
#include "rig.h"

enum { TAKEN_A_TURN = 5, PAGES = 2048, FIRST = 16, REG_A0 = 10 };
#define TURN    (HV_TICKS_PER_SECOND / 1000)
#define PAGE(i) (HV_RAM_BASE + (uint64_t)(FIRST + (i)) * HV_PAGE_BYTES)

static struct hv_world *world_for(uint64_t memory_pages, bool sharing)
{
    struct hv_world_config config = {
        .machine_pages = hv_overcommit_machine_pages(memory_pages), .sharing = sharing, .seed = 1};
    struct hv_error error = {""};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    return world;
}

/* Adds 1 to a counter in each of its first `count` pages, over and over. */
static struct hv_vm *counter(struct hv_world *world, unsigned count)
{
    static const uint32_t loop[] = {
        0x00053303, /* again: ld t1,0(a0) */
        0x00130313, /* addi t1,t1,1 */
        0x00653023, /* sd t1,0(a0) */
        0x00c50533, /* add a0,a0,a2: the next page */
        0xfeb568e3, /* bltu a0,a1,again */
        0x00068513, /* mv a0,a3: from the start */
        0xfe9ff06f, /* j again */
    };
    struct hv_vm *vm = rig_vm(world, 0);
    const uint64_t regs[] = {PAGE(0), PAGE(count), HV_PAGE_BYTES, PAGE(0)};
    assert_true(hv_guest_write(vm, HV_RAM_BASE, loop, sizeof loop));
    for (unsigned i = 0; i < 4; i++)
        hv_hart_set_reg(vm->hart, REG_A0 + i, regs[i]);
    hv_hart_set_pc(vm->hart, HV_RAM_BASE);
    return vm;
}

/* Neighbouring counters differ by one at most, and only at one place: where the loop is. */
static void nothing_is_lost(struct hv_vm *vm, unsigned count)
{
    uint64_t before, now;
    unsigned steps = 0;
    assert_true(hv_guest_read(vm, PAGE(0), &before, 8));
    assert_true(before > 0);
    for (unsigned i = 1; i < count; i++, before = now) {
        assert_true(hv_guest_read(vm, PAGE(i), &now, 8));
        assert_true(now == before || now + 1 == before);
        steps += now != before;
    }
    assert_true(steps <= 1);
}

/* For all VMs of a world. */
static struct hv_overcommit *care(struct hv_world *world, const struct hv_overcommit_config *config,
                                  const struct hv_overcommit_claim *claims, struct hv_error *error)
{
    struct hv_overcommit *oc = hv_overcommit_new(world, config, error);
    assert_non_null(oc);
    for (unsigned i = 0; i < hv_world_vms(world); i++) {
        struct hv_vm *vm = hv_world_vm(world, i);
        if (!hv_overcommit_admits(oc, hv_vm_pages(vm), &claims[i], error)) {
            hv_overcommit_free(oc);
            return NULL;
        }
        assert_true(hv_overcommit_add(oc, vm, &claims[i]));
    }
    hv_overcommit_divide(oc);
    return oc;
}

static void without_balloons(void **state)
{
    (void)state;
    static const struct hv_overcommit_claim claims[2] = {{.min_pages = 100, .shares = 2},
                                                         {.min_pages = 100, .shares = 1}};
    struct hv_world *world = world_for(3000, false);
    struct hv_vm *vms[] = {counter(world, PAGES - FIRST), counter(world, PAGES - FIRST)};
    struct hv_overcommit_config config = {.policy = &hv_policy_shares,
                                          .memory_pages = 3000,
                                          .period_ticks = HV_TICKS_PER_SECOND / 20};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, claims, &error);
    enum hv_memory_state worst = HV_MEMORY_HIGH;
    assert_non_null(oc);
    for (unsigned turn = 0; turn < 3000; turn++) {
        hv_world_run(world, TURN, NULL, NULL);
        (void)hv_overcommit_turn(oc);
        worst = hv_overcommit_state(oc) > worst ? hv_overcommit_state(oc) : worst;
        for (unsigned i = 0; i < 2; i++)
            assert_true(hv_vm_state(vms[i]) < HV_ENDED);
    }
    struct hv_figures figures;
    hv_world_figures(world, &figures);
    assert_true(worst >= HV_MEMORY_HARD);
    assert_true(figures.swapped_out > 500 && figures.swapped_in > 500);
    for (unsigned i = 0; i < 2; i++)
        nothing_is_lost(vms[i], PAGES - FIRST);
    assert_null(hv_world_check(world));
    hv_overcommit_free(oc);
    hv_world_free(world);
}

/* A driver that does as it is asked: it gives back at once, and takes only so many a turn, as one
 * whose kernel must first find them. */
static void obey(struct driver *driver, uint32_t *held)
{
    uint32_t wanted = driver_load(driver, 0x100), pfn, taken = 0;
    for (; *held != wanted; *held = *held < wanted ? *held + 1 : *held - 1) {
        bool grow = *held < wanted;
        if (grow && taken++ == TAKEN_A_TURN)
            return;
        const struct driver_buffer buffer = {HV_RAM_BASE + 0x8000, 4, false};
        pfn = (uint32_t)(HV_RAM_BASE >> HV_PAGE_SHIFT) + PAGES - 1 - (grow ? *held : *held - 1);
        assert_true(hv_guest_write(driver->vm, buffer.gpa, &pfn, 4));
        driver_offer(driver, grow ? 0 : 1, &buffer, 1);
        driver_kick(driver, grow ? 0 : 1);
    }
}

/* Targets come true, never more is allocated than there is, and the tax moves memory. */
static void with_balloons(void **state)
{
    (void)state;
    static const struct hv_overcommit_claim claims[2] = {{.min_pages = 100, .shares = 1},
                                                         {.min_pages = 100, .shares = 1}};
    struct hv_world *world = world_for(3000, false);
    struct driver drivers[2];
    uint32_t held[2] = {0, 0};
    struct hv_error error = {""};
    struct hv_vm *idle = counter(world, 10), *busy = counter(world, 1000);
    driver_start(&drivers[0], idle, &hv_virtio_balloon, 0, 2);
    driver_start(&drivers[1], busy, &hv_virtio_balloon, 0, 2);
    struct hv_overcommit_config config = {.policy = &hv_policy_idle_tax,
                                          .memory_pages = 3000,
                                          .period_ticks = HV_TICKS_PER_SECOND / 20};
    struct hv_overcommit *oc = care(world, &config, claims, &error);
    bool fits = false;
    assert_non_null(oc);
    assert_false(hv_overcommit_set_tax(oc, 1, &error));
    assert_non_null(strstr(error.text, "sudden rise"));
    for (unsigned turn = 0; turn < 2000; turn++) {
        struct hv_overcommit_vm found[2];
        hv_world_run(world, TURN, NULL, NULL);
        (void)hv_overcommit_turn(oc);
        for (unsigned i = 0; i < 2; i++) {
            obey(&drivers[i], &held[i]);
            hv_overcommit_look(oc, hv_world_vm(world, i), &found[i]);
        }
        uint64_t sum = found[0].allocated_pages + found[1].allocated_pages;
        assert_true(sum <= 3000 || !fits); /* balloons are empty at first */
        fits = fits || sum <= 3000;
        if (turn == 900) {
            assert_in_range(found[0].allocated_pages, 1499, 1500);
            assert_true(hv_overcommit_set_tax(oc, 0.5, &error));
        }
        if (turn < 1999)
            continue;
        double idle_price = found[0].active + 2 * (1 - found[0].active),
               busy_price = found[1].active + 2 * (1 - found[1].active);
        double part = 1 / idle_price / (1 / idle_price + 1 / busy_price);
        assert_in_range(found[0].allocated_pages, (uint64_t)(3000 * part) - 1,
                        (uint64_t)(3000 * part) + 1);
        assert_true(found[0].allocated_pages < 1300);
    }
    assert_true(fits);
    assert_int_equal(hv_overcommit_state(oc), HV_MEMORY_HIGH);
    hv_overcommit_free(oc);
    hv_world_free(world);
}

/* What sharing saves may stay outside the balloons: targets are for machine memory. */
static void what_sharing_saves_is_handed_out(void **state)
{
    (void)state;
    enum { EQUAL = 600 };
    static const struct hv_overcommit_claim claims[2] = {{.min_pages = 100, .shares = 1},
                                                         {.min_pages = 100, .shares = 1}};
    struct hv_world *world = world_for(3000, true);
    struct hv_vm *vms[] = {counter(world, 10), counter(world, 10)};
    for (unsigned i = 0; i < 2; i++)
        for (uint64_t page = 100; page < 100 + EQUAL; page++)
            assert_true(hv_guest_write(vms[i], PAGE(page), &page, sizeof page));
    assert_true(hv_world_share_now(world));
    struct hv_overcommit_config config = {
        .policy = &hv_policy_shares, .memory_pages = 3000, .period_ticks = TURN};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, claims, &error);
    assert_non_null(oc);
    for (unsigned turn = 0; turn < 3; turn++) {
        hv_world_run(world, TURN, NULL, NULL);
        (void)hv_overcommit_turn(oc);
    }
    for (unsigned i = 0; i < 2; i++) /* 1500 of machine memory each, and half of what is equal */
        assert_in_range(hv_balloon_of(vms[i])->target_pages, PAGES - 1500 - EQUAL / 2 - 10,
                        PAGES - 1500 - EQUAL / 2 + 1);
    hv_overcommit_free(oc);
    hv_world_free(world);
}

/* When memory is low, who has more than its target stands still, and nobody else. */
static void only_the_greedy_wait(void **state)
{
    (void)state;
    static const struct hv_overcommit_claim claims[2] = {{.min_pages = 100, .shares = 1},
                                                         {.min_pages = 100, .shares = 1}};
    struct hv_world *world = world_for(1500, false);
    (void)counter(world, 10);
    (void)counter(world, PAGES - FIRST);
    struct hv_overcommit_config config = {
        .policy = &hv_policy_shares, .memory_pages = 1500, .period_ticks = HV_TICKS_PER_SECOND};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, claims, &error);
    unsigned waited[2] = {0, 0};
    assert_non_null(oc);
    for (unsigned turn = 0; turn < 200; turn++) {
        hv_world_run(world, 20 * TURN, NULL, NULL);
        (void)hv_overcommit_turn(oc);
        for (unsigned i = 0; i < 2; i++) {
            struct hv_overcommit_vm found;
            hv_overcommit_look(oc, hv_world_vm(world, i), &found);
            waited[i] += found.blocked;
        }
    }
    assert_int_equal(waited[0], 0);
    assert_true(waited[1] > 0);
    hv_overcommit_free(oc);
    hv_world_free(world);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct hv_overcommit_claim greedy[1] = {{.min_pages = 2000, .shares = 1}};
    struct hv_world *world = world_for(1500, false);
    struct hv_error error = {""};
    (void)rig_vm(world, 0);
    struct hv_overcommit_config config = {
        .policy = &hv_policy_shares, .memory_pages = 1500, .period_ticks = TURN};
    assert_null(care(world, &config, greedy, &error));
    assert_non_null(strstr(error.text, "minima"));
    hv_world_free(world);
}

/* What the first counter of a VM says. */
static uint64_t rounds_of(struct hv_vm *vm)
{
    uint64_t count;
    assert_true(hv_guest_read(vm, PAGE(0), &count, 8));
    return count;
}

static void turns(struct hv_world *world, struct hv_overcommit *oc, unsigned count)
{
    for (unsigned turn = 0; turn < count; turn++) {
        hv_world_run(world, TURN, NULL, NULL);
        (void)hv_overcommit_turn(oc);
    }
}

static const struct hv_overcommit_claim modest[2] = {{.min_pages = 100, .shares = 1},
                                                     {.min_pages = 100, .shares = 1}};

/* Without a policy every VM may have all of its memory: nobody is above its target, and pages have
 * to be taken all the same. */
static void nobody_is_above_its_target(void **state)
{
    (void)state;
    struct hv_world *world = world_for(3000, false);
    struct hv_vm *vms[] = {counter(world, PAGES - FIRST), counter(world, PAGES - FIRST)};
    struct hv_overcommit_config config = {.memory_pages = 3000,
                                          .period_ticks = HV_TICKS_PER_SECOND / 20};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, modest, &error);
    uint64_t in[2];
    turns(world, oc, 1000);
    for (unsigned i = 0; i < 2; i++)
        in[i] = vms[i]->paged.in;
    turns(world, oc, 1000);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(vms[i]->paged.in > in[i] + 50);
        nothing_is_lost(vms[i], PAGES - FIRST);
    }
    hv_overcommit_free(oc);
    hv_world_free(world);
}

/* The paging file refuses for a while: who waits says so and why, and goes on when it can. */
static void who_waits_says_so(void **state)
{
    (void)state;
    struct rlimit old, few;
    struct hv_world *world = world_for(3000, false);
    struct hv_vm *vms[] = {counter(world, PAGES - FIRST), counter(world, PAGES - FIRST)};
    struct hv_overcommit_config config = {.memory_pages = 3000,
                                          .period_ticks = HV_TICKS_PER_SECOND / 20};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, modest, &error);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    few = (struct rlimit){10 * HV_PAGE_BYTES, old.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    turns(world, oc, 3000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, before);
    struct hv_overcommit_vm found;
    uint64_t rounds = rounds_of(vms[0]), waiting = 0;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(hv_vm_state(vms[i]), HV_RUNNING_VM);
        hv_overcommit_look(oc, vms[i], &found);
        waiting += found.waits_ticks > HV_TICKS_PER_SECOND;
    }
    assert_true(waiting > 0);
    char why[200];
    assert_non_null(strstr(hv_overcommit_why(oc, why, sizeof why), "File too large"));
    turns(world, oc, 3000);
    for (unsigned i = 0; i < 2; i++) {
        hv_overcommit_look(oc, vms[i], &found);
        assert_true(found.waits_ticks < HV_TICKS_PER_SECOND);
        nothing_is_lost(vms[i], PAGES - FIRST);
    }
    assert_true(rounds_of(vms[0]) > rounds || vms[0]->paged.in > 100);
    hv_overcommit_free(oc);
    hv_world_free(world);
}

static void what_cannot_fit_is_refused(void **state)
{
    (void)state;
    struct hv_error error = {""};
    struct hv_world_config world_config = {.machine_pages = hv_overcommit_machine_pages(3000),
                                           .seed = 1,
                                           .swap_bytes = 3000 * HV_PAGE_BYTES};
    struct hv_world *world = hv_world_new(&world_config, &error);
    struct hv_overcommit_config config = {.memory_pages = 3000, .period_ticks = TURN};
    struct hv_overcommit *oc = hv_overcommit_new(world, &config, &error);
    struct hv_overcommit_claim claim = {.min_pages = 1000, .shares = 1};
    struct hv_vm *first = rig_vm(world, 0);
    assert_true(hv_overcommit_admits(oc, PAGES, &claim, &error));
    assert_true(hv_overcommit_add(oc, first, &claim));
    claim.min_pages = 2000; /* exactly what is left of memory and, with 48 pages, of the file */
    assert_true(hv_overcommit_admits(oc, PAGES, &claim, &error));
    claim.min_pages = 2001;
    assert_false(hv_overcommit_admits(oc, PAGES, &claim, &error));
    assert_non_null(strstr(error.text, "its min is 7.8 MiB"));
    claim.min_pages = 95; /* 1953 of the 1952 that are left */
    assert_false(hv_overcommit_admits(oc, PAGES, &claim, &error));
    assert_non_null(strstr(error.text, "the paging file can hold 7.6 MiB more"));
    claim.min_pages = 96;
    assert_true(hv_overcommit_admits(oc, PAGES, &claim, &error));
    hv_vm_exit(first); /* its promises go with it */
    claim.min_pages = 2001;
    assert_true(hv_overcommit_admits(oc, PAGES, &claim, &error));
    hv_overcommit_free(oc);
    hv_world_free(world);
}

/* Memory is full of one VM's pages; another is to be loaded. */
static void room_is_made_for_who_comes(void **state)
{
    (void)state;
    struct hv_world *world = world_for(1000, true);
    struct hv_vm *vm = rig_vm(world, 0);
    struct hv_overcommit_config config = {.memory_pages = 1000, .period_ticks = TURN};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, modest, &error);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(hv_guest_write(vm, PAGE(i), &(uint64_t){i / 2 + 1}, 8));
    assert_true(hv_overcommit_make_room(oc, 600));
    struct hv_machine *machine = &world->commons.machine;
    assert_true(machine->pages - hv_machine_used(machine) >= 600);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t value;
        assert_true(hv_guest_read(vm, PAGE(i), &value, 8));
        assert_int_equal(value, i / 2 + 1);
    }
    assert_false(hv_overcommit_make_room(oc, 5000));
    assert_null(hv_world_check(world));
    hv_overcommit_free(oc);
    hv_world_free(world);
}

/* What a VM had is the others' as soon as it has ended. */
static void memory_of_the_ended_is_divided(void **state)
{
    (void)state;
    struct hv_world *world = world_for(3000, false);
    struct hv_vm *vms[] = {counter(world, PAGES - FIRST), counter(world, PAGES - FIRST)};
    struct hv_overcommit_config config = {
        .policy = &hv_policy_shares, .memory_pages = 3000, .period_ticks = HV_TICKS_PER_SECOND};
    struct hv_error error = {""};
    struct hv_overcommit *oc = care(world, &config, modest, &error);
    struct hv_overcommit_vm found;
    hv_overcommit_look(oc, vms[1], &found);
    assert_int_equal(found.target_pages, 1500);
    turns(world, oc, 100);
    hv_vm_exit(vms[0]);
    hv_overcommit_divide(oc);
    hv_overcommit_look(oc, vms[1], &found);
    assert_int_equal(found.target_pages, PAGES);
    hv_overcommit_look(oc, vms[0], &found);
    assert_int_equal(found.target_pages, 0);
    assert_int_equal(found.size_pages, PAGES);
    turns(world, oc, 1500);
    assert_int_equal(vms[1]->paged.pages, 0);
    nothing_is_lost(vms[1], PAGES - FIRST);
    assert_true(hv_overcommit_set_tax(oc, 0.3, &error));
    hv_vm_exit(vms[1]);
    assert_true(hv_overcommit_set_tax(oc, 0.5, &error)); /* of nobody */
    assert_false(hv_overcommit_set_tax(oc, 1, &error));
    hv_overcommit_free(oc);
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_balloons),
        cmocka_unit_test(with_balloons),
        cmocka_unit_test(what_sharing_saves_is_handed_out),
        cmocka_unit_test(only_the_greedy_wait),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(nobody_is_above_its_target),
        cmocka_unit_test(who_waits_says_so),
        cmocka_unit_test(what_cannot_fit_is_refused),
        cmocka_unit_test(room_is_made_for_who_comes),
        cmocka_unit_test(memory_of_the_ended_is_divided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
