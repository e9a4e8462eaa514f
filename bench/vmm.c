/* SPDX-License-Identifier: MIT */
/*
 * What does the tiny VMM cost: instructions, translations, the balloon?
 *
 * `instructions`: a loop of arithmetic, a load, a store and a branch. `tlb_hit`, `tlb_miss`,
 * `shadow_fill`: loads of a word a page, each with three more instructions around it, from few
 * enough pages for the TLB; from more than it holds, all of them in the S-PT; and from pages that
 * the S-PT has not, either: a walk of the guest's tables. `balloon_inflate`: page numbers through
 * the device's queue, their pages given back to the host. Figures of the VMM say that it was so.
 */
#include "driver.h"
#include "guest.h"
#include "suite.h"

#define LOOP_INSTRUCTIONS 6u
#define TOUCH_TICKS_MAX   8u /* of a load and what is around it */
#define HIT_PAGES         64u
#define DATA_PAGES        (GUEST_PAGES - GUEST_DATA)
#define INFLATE_PAGES     256u /* a buffer of the driver */

static const struct suite *suite_of_all;

static uint64_t loads_of(void)
{
    return UINT64_C(1) << (suite_of_all->quick ? 16 : 20);
}

static struct hv_figures figures_of(const struct guest *guest)
{
    struct hv_figures figures;
    hv_vm_figures(guest->vm, &figures);
    return figures;
}

/* ---------------------------------------------------------------------------- instructions -- */

static bool lap_instructions(const struct guest *guest)
{
    static const uint32_t loop[] = {
        0x00530333, /* again: add t1,t1,t0 */
        0x0063c3b3, /* xor t2,t2,t1 */
        0x00753023, /* sd t2,0(a0) */
        0x00053e03, /* ld t3,0(a0) */
        0xfff28293, /* addi t0,t0,-1 */
        0xfe0296e3, /* bnez t0,again */
        0x10500073, /* wfi */
    };
    uint64_t rounds = loads_of(), instructions = rounds * LOOP_INSTRUCTIONS + 1;
    if (!guest_load(guest, loop, sizeof loop / sizeof *loop))
        return false;
    guest_set(guest, GUEST_T0, rounds);
    guest_set(guest, GUEST_T1, 0);
    guest_set(guest, GUEST_A0, guest_gpa(GUEST_DATA));
    struct hv_figures before = figures_of(guest);
    double start = bench_start();
    bool ok = guest_run(guest, instructions + 1);
    bench_stop(start, instructions);
    return ok && guest_get(guest, GUEST_T1) == rounds * (rounds + 1) / 2 &&
           figures_of(guest).instructions - before.instructions == instructions;
}

/* ---------------------------------------------------------------------------- translations -- */

/* Loads a word of each of `pages` data pages, so many times; the words must be right. */
static bool touch(const struct guest *guest, uint64_t pages, uint64_t rounds)
{
    guest_set(guest, GUEST_T0, rounds);
    guest_set(guest, GUEST_T2, 0);
    guest_set(guest, GUEST_A1, guest_gpa(GUEST_DATA));
    guest_set(guest, GUEST_A2, HV_PAGE_BYTES);
    guest_set(guest, GUEST_A3, guest_gpa(GUEST_DATA + pages));
    return guest_run(guest, pages * rounds * TOUCH_TICKS_MAX) &&
           guest_get(guest, GUEST_T2) == rounds * guest_words(GUEST_DATA, GUEST_DATA + pages, 1);
}

static bool load_touch(const struct guest *guest)
{
    static const uint32_t loop[] = {
        0x00058513, /* again: mv a0,a1 */
        0x00053303, /* page: ld t1,0(a0) */
        0x006383b3, /* add t2,t2,t1 */
        0x00c50533, /* add a0,a0,a2 */
        0xfed56ae3, /* bltu a0,a3,page */
        0xfff28293, /* addi t0,t0,-1 */
        0xfe0294e3, /* bnez t0,again */
        0x10500073, /* wfi */
    };
    return guest_load(guest, loop, sizeof loop / sizeof *loop);
}

/* After a round that warms up what there is to warm. */
static bool lap_touch(const struct guest *guest, uint64_t pages, bool misses)
{
    uint64_t rounds = loads_of() / pages, loads = rounds * pages;
    if (!load_touch(guest) || !touch(guest, pages, 1))
        return false;
    struct hv_figures before = figures_of(guest);
    double start = bench_start();
    bool ok = touch(guest, pages, rounds);
    bench_stop(start, loads);
    struct hv_figures after = figures_of(guest);
    return ok && after.tlb_misses - before.tlb_misses == (misses ? loads : 0) &&
           after.shadow_fills == before.shadow_fills;
}

static bool lap_tlb_hit(const struct guest *guest)
{
    return lap_touch(guest, HIT_PAGES, false);
}

static bool lap_tlb_miss(const struct guest *guest)
{
    return lap_touch(guest, DATA_PAGES, true);
}

/* Every page's entry is filled once, and the program's. */
static bool lap_shadow_fill(const struct guest *guest)
{
    if (!load_touch(guest))
        return false;
    hv_shadow_flush(&guest->vm->shadow);
    hv_hart_tlb_flush(guest->vm->hart);
    struct hv_figures before = figures_of(guest);
    double start = bench_start();
    bool ok = touch(guest, DATA_PAGES, 1);
    bench_stop(start, DATA_PAGES);
    return ok && figures_of(guest).shadow_fills - before.shadow_fills == DATA_PAGES + 1;
}

/* --------------------------------------------------------------------------------- balloon -- */

enum { INFLATE, DEFLATE, QUEUES };

/* All page numbers through a queue, as buffers of a Linux driver. */
static bool send_all(struct driver *driver, unsigned queue)
{
    bool ok = true;
    for (uint64_t first = GUEST_DATA; first < GUEST_PAGES && ok; first += INFLATE_PAGES) {
        uint32_t pfns[INFLATE_PAGES], count = 0;
        uint16_t done = driver_done(driver, queue);
        for (; count < INFLATE_PAGES && first + count < GUEST_PAGES; count++)
            pfns[count] = (uint32_t)(guest_gpa(first + count) >> HV_PAGE_SHIFT);
        const struct driver_buffer buffer = {guest_gpa(GUEST_BATCH), 4 * count, false};
        ok = hv_guest_write(driver->vm, guest_gpa(GUEST_BATCH), pfns, buffer.nbytes);
        driver_offer(driver, queue, &buffer, 1);
        driver_kick(driver, queue);
        ok = ok && (uint16_t)(driver_done(driver, queue) - done) == 1;
    }
    return ok;
}

static bool touch_all(const struct guest *guest)
{
    bool ok = true;
    for (uint64_t page = GUEST_DATA; page < GUEST_PAGES && ok; page++)
        ok = hv_guest_write(guest->vm, guest_gpa(page), &page, sizeof page);
    return ok;
}

static bool lap_balloon(const struct guest *guest)
{
    struct driver driver;
    struct hv_machine *machine = guest->vm->machine;
    driver_start(&driver, guest->vm, &hv_virtio_balloon, 0, QUEUES);
    bool ok = touch_all(guest);
    uint64_t used = hv_machine_used(machine);
    double start = bench_start();
    ok = ok && send_all(&driver, INFLATE);
    bench_stop(start, DATA_PAGES);
    ok = ok && figures_of(guest).balloon_pages == DATA_PAGES &&
         used - hv_machine_used(machine) == DATA_PAGES;
    return ok && send_all(&driver, DEFLATE) && touch_all(guest) &&
           figures_of(guest).balloon_pages == 0;
}

/* -------------------------------------------------------------------------------- register -- */

static const struct question {
    const char *name;
    bool (*lap)(const struct guest *guest);
} questions[] = {
    {"vmm/instructions", lap_instructions}, {"vmm/tlb_hit", lap_tlb_hit},
    {"vmm/tlb_miss", lap_tlb_miss},         {"vmm/shadow_fill", lap_shadow_fill},
    {"vmm/balloon_inflate", lap_balloon},
};

static void run(struct bench *bench, void *ctx)
{
    const struct question *question = ctx;
    struct guest guest;
    bool ok = guest_init(&guest, false);
    while (ok && bench_next(bench))
        ok = question->lap(&guest);
    ok = ok && !hv_world_check(guest.world);
    guest_fini(&guest);
    if (!ok)
        bench_fail(bench, "the guest computed something else, or the VMM did");
}

void suite_vmm(const struct suite *suite)
{
    suite_of_all = suite;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        bench_register_laps(questions[i].name, run, (void *)&questions[i], NULL, 0);
}
