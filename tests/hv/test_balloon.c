/* SPDX-License-Identifier: MIT */
/*
 * The balloon: against a model that knows each page's content and whether it is in the balloon, in
 * any order with touches (by a real hart, through S-PT and TLB), sharing, breaks,
 * sampling, paging and exits; its
 * queues as Linux drives them; and drivers that lie. HV_TEST_SEED repeats a run.
 */
#include "driver.h"
#include "touch.h"

#include <sys/mman.h>

enum { VMS = 3, PAGES = 2048, FIRST = 64, MODELLED = 256, STEPS = 4000 };
enum { STATS = 1u << 1, OOM = 1u << 2, REPORTING = 1u << 5, ALL = STATS | OOM | REPORTING };
enum { STATS_QUEUE = 2, REPORTING_QUEUE };
#define BUFFER  TOUCH_BUFFER
#define PPN(i)  ((uint32_t)((HV_RAM_BASE >> HV_PAGE_SHIFT) + FIRST + (i)))
#define PAGE(i) ((uint64_t)PPN(i) << HV_PAGE_SHIFT)

struct model {
    struct hv_vm *vm; /* NULL: ended */
    struct driver driver;
    uint64_t word[MODELLED]; /* in every modelled page's first and last 8 bytes */
    bool ballooned[MODELLED];
    uint64_t touched;
    uint64_t paging; /* state of the choice of pages to page out */
};

/* What a touch does to the model: out of the balloon, with zeros. */
static void model_touch(struct model *model, unsigned i)
{
    model->touched += model->ballooned[i];
    model->ballooned[i] = false;
}

static void check_page(struct model *model, unsigned i)
{
    uint64_t at = PAGE(i) + (i % 2 ? 0 : HV_PAGE_BYTES - 8);
    assert_int_equal(touch_load(model->vm, at), model->word[i]);
    model_touch(model, i);
}

static void write_page(struct model *model, unsigned i, uint64_t word)
{
    touch_store(model->vm, PAGE(i), word);
    touch_store(model->vm, PAGE(i) + HV_PAGE_BYTES - 8, word);
    model_touch(model, i);
    model->word[i] = word;
}

static void inflate_some(struct model *model, uint64_t *random, bool in)
{
    uint32_t pfns[40];
    unsigned count = 1 + (unsigned)(random_next(random) % 40);
    uint64_t refused = hv_balloon_of(model->vm)->refused, wrong = 0;
    for (unsigned n = 0; n < count; n++) {
        unsigned i = (unsigned)(random_next(random) % MODELLED);
        bool lie = random_next(random) % 16 == 0;
        pfns[n] = lie ? (uint32_t)random_next(random) | 0x40000000 : PPN(i);
        wrong += lie;
        if (lie || model->ballooned[i] == in)
            continue;
        model->ballooned[i] = in;
        if (in)
            model->word[i] = 0;
    }
    touch_send(&model->driver, in ? TOUCH_INFLATE : TOUCH_DEFLATE, pfns, count);
    assert_int_equal(hv_balloon_of(model->vm)->refused - refused, wrong);
}

/* Pages that the guest freed: their content may go; none is in the balloon. */
static void report_some(struct model *model, uint64_t *random)
{
    unsigned first = (unsigned)(random_next(random) % MODELLED), end = first;
    while (end < MODELLED && end < first + 8 && !model->ballooned[end])
        model->word[end++] = 0;
    const struct driver_buffer buffer = {PAGE(first), (uint32_t)((end - first) * HV_PAGE_BYTES),
                                         true};
    if (end == first)
        return;
    driver_offer(&model->driver, REPORTING_QUEUE, &buffer, 1);
    driver_kick(&model->driver, REPORTING_QUEUE);
}

static void share_some(struct hv_world *world, const struct model *model, uint64_t *random)
{
    enum share_outcome outcome;
    share_ppn ppn = {PPN(random_next(random) % MODELLED)};
    if (random_next(random) % 8 == 0)
        (void)hv_world_share_now(world);
    else
        assert_int_equal(share_offer(world->commons.share, model->vm->share, &ppn, 1, &outcome),
                         SHARE_OK);
}

static void check_world(struct hv_world *world, struct model *models, bool read_all)
{
    uint64_t present = 0, reclaimed;
    struct hv_figures figures;
    for (unsigned v = 0; v < VMS; v++) {
        uint64_t in = 0;
        if (!models[v].vm)
            continue;
        for (unsigned i = 0; i < MODELLED; i++) {
            const struct hv_physmap_entry *page =
                hv_physmap_at(&models[v].vm->map, (hv_ppn){PPN(i)});
            in += models[v].ballooned[i];
            assert_true(!models[v].ballooned[i] || page->mpn == HV_MPN_NONE);
        }
        hv_vm_figures(models[v].vm, &figures);
        assert_int_equal(figures.balloon_pages, in);
        assert_int_equal(figures.balloon_touches, models[v].touched);
        present += figures.touched_pages;
    }
    hv_world_figures(world, &figures);
    reclaimed = figures.reclaimed_pages;
    assert_int_equal(present - reclaimed, hv_machine_used(&world->commons.machine));
    const char *wrong = hv_world_check(world);
    if (wrong)
        fail_msg("%s", wrong);
    for (unsigned v = 0; read_all && v < VMS; v++)
        for (unsigned i = 0; models[v].vm && i < MODELLED; i++)
            check_page(&models[v], i);
}

static void step(struct hv_world *world, struct model *models, uint64_t *random)
{
    struct model *model = &models[random_next(random) % VMS];
    unsigned i = (unsigned)(random_next(random) % MODELLED);
    if (!model->vm)
        return;
    switch (random_next(random) % 12) {
    case 0:
    case 1:
        inflate_some(model, random, true);
        break;
    case 2:
        inflate_some(model, random, false);
        break;
    case 3:
    case 4:
        write_page(model, i, random_next(random) % 4); /* few contents: much to share */
        break;
    case 5:
    case 6:
        check_page(model, i);
        break;
    case 7:
        report_some(model, random);
        break;
    case 8:
        share_some(world, model, random);
        break;
    case 10:
        (void)hv_paging_reclaim(model->vm, &model->paging, i % 8);
        break;
    case 9: /* watched pages: a new sample, every second time of all pages */
        hv_vm_sample(model->vm, 1, i % 2);
        break;
    default:
        (void)hv_vm_break_page(model->vm, (hv_ppn){PPN(i)});
    }
}

static void against_a_model(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, VMS);
    struct model models[VMS] = {{.vm = NULL}};
    uint64_t random = rig_seed();
    print_message("HV_TEST_SEED=%llu\n", (unsigned long long)random);
    for (unsigned v = 0; v < VMS; v++)
        models[v].vm = touch_vm(world, &models[v].driver, ALL);
    for (unsigned n = 0; n < STEPS; n++) {
        step(world, models, &random);
        if (n % 50 == 49)
            check_world(world, models, n % 200 == 199);
        if (n == STEPS / 2) {
            hv_vm_exit(models[0].vm);
            models[0].vm = NULL;
        }
    }
    for (unsigned v = 1; v < VMS; v++)
        hv_vm_exit(models[v].vm);
    assert_int_equal(hv_machine_used(&world->commons.machine), 0);
    hv_world_free(world);
}

/* The page's machine memory is really back with the host. */
static void memory_goes_back(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 1);
    struct driver driver;
    struct hv_vm *vm = touch_vm(world, &driver, ALL);
    uint32_t pfns[MODELLED];
    hv_mpn mpns[MODELLED];
    for (unsigned i = 0; i < MODELLED; i++) {
        pfns[i] = PPN(i);
        touch_store(vm, PAGE(i), i + 1);
        mpns[i].n = hv_physmap_at(&vm->map, (hv_ppn){pfns[i]})->mpn;
    }
    touch_send(&driver, TOUCH_INFLATE, pfns, MODELLED);
    hv_machine_trim(&world->commons.machine);
    for (unsigned i = 0; i < MODELLED; i++) {
        unsigned char resident = 1;
        assert_int_equal(mincore(hv_machine_page(&world->commons.machine, mpns[i]), 1, &resident),
                         0);
        assert_int_equal(resident & 1, 0);
    }
    touch_send(&driver, TOUCH_DEFLATE, pfns, MODELLED);
    assert_int_equal(vm->counts.balloon_pages, 0);
    assert_int_equal(touch_load(vm, PAGE(7)), 0);
    assert_int_equal(vm->counts.balloon_touches, 0);
    hv_world_free(world);
}

/* Targets by configuration change, statistics when asked, and a reset that empties the balloon. */
static void as_linux_drives_it(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct driver driver;
    struct hv_vm *vm = touch_vm(world, &driver, ALL);
    struct hv_guest_stats stats;
    uint8_t told[30] = {HV_STAT_FREE, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    told[20] = HV_STATS; /* the first tag that nobody knows */
    assert_int_equal(driver_load(&driver, 0x008), 5);
    assert_true(hv_vm_balloon_set(vm, 100));
    assert_int_equal(driver_load(&driver, 0x060), 2); /* the configuration changed */
    driver_store(&driver, 0x064, 2);
    assert_int_equal(driver_load(&driver, 0x100), 100);
    driver_store(&driver, 0x104, 99);
    assert_int_equal(driver_load(&driver, 0x104), 99);
    assert_false(hv_vm_balloon_set(vm, PAGES));
    hv_vm_balloon_ask(vm); /* nothing to ask with yet */
    hv_vm_guest_stats(vm, &stats);
    assert_false(stats.known);
    for (unsigned round = 0; round < 3 * DRIVER_QUEUE; round++) {
        const struct driver_buffer buffer = {BUFFER, sizeof told, false};
        told[4] = (uint8_t)round;
        assert_true(hv_guest_write(vm, BUFFER, told, sizeof told));
        driver_offer(&driver, STATS_QUEUE, &buffer, 1);
        driver_kick(&driver, STATS_QUEUE);
        assert_int_equal(driver_done(&driver, STATS_QUEUE), round); /* held */
        hv_vm_guest_stats(vm, &stats);
        assert_int_equal(stats.free_bytes, 0x1000 + 0x10000 * round);
        assert_int_equal(hv_balloon_of(vm)->stats_known, 1u << HV_STAT_FREE);
        hv_vm_balloon_ask(vm);
        hv_vm_balloon_ask(vm); /* once is enough */
        assert_int_equal(driver_done(&driver, STATS_QUEUE), round + 1);
    }
    touch_send(&driver, TOUCH_INFLATE, (uint32_t[]){PPN(0), PPN(1), PPN(0)}, 3);
    assert_int_equal(vm->counts.balloon_pages, 2);
    driver_store(&driver, 0x070, 0);
    assert_int_equal(vm->counts.balloon_pages, 0);
    hv_world_free(world);
}

/* The specification numbers reporting 4; Linux counts the queues that there are. Each set of
 * features has its queues densely. */
static void queues_are_dense(void **state)
{
    (void)state;
    static const struct {
        uint32_t features;
        unsigned reporting; /* the queue that is for it */
    } rows[] = {{REPORTING, 2}, {STATS | REPORTING, 3}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hv_world *world = rig_world(false, 1);
        struct driver driver;
        struct hv_vm *vm = touch_vm(world, &driver, ALL);
        const struct driver_buffer buffer = {PAGE(0), HV_PAGE_BYTES, true};
        touch_store(vm, PAGE(0), 1);
        driver_start(&driver, vm, &hv_virtio_balloon, rows[i].features, rows[i].reporting + 1);
        driver_offer(&driver, rows[i].reporting, &buffer, 1);
        driver_kick(&driver, rows[i].reporting);
        assert_int_equal(hv_balloon_of(vm)->reported, 1);
        assert_int_equal(touch_load(vm, PAGE(0)), 0);
        hv_world_free(world);
    }
}

/* A kick before DRIVER_OK is not lost: Linux fills the statistics queue while it probes. */
static void an_early_bell_is_heard(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct driver driver;
    struct hv_vm *vm = touch_vm(world, &driver, ALL);
    const struct driver_buffer buffer = {BUFFER, 10, false};
    driver_store(&driver, 0x070, 1 | 2 | 8);
    driver_offer(&driver, STATS_QUEUE, &buffer, 1);
    driver_kick(&driver, STATS_QUEUE);
    assert_false(hv_balloon_of(vm)->stats_held);
    driver_store(&driver, 0x070, 1 | 2 | 8 | 4);
    assert_true(hv_balloon_of(vm)->stats_held);
    hv_world_free(world);
}

/* Its own rings and its own code into the balloon; lists that are too long; reports of no page. */
static void drivers_that_lie(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 2);
    struct driver driver, other;
    struct hv_vm *vm = touch_vm(world, &driver, ALL), *neighbour = touch_vm(world, &other, ALL);
    static uint32_t everything[PAGES];
    touch_store(neighbour, PAGE(1), 77);
    for (unsigned i = 0; i < PAGES; i++)
        everything[i] = (uint32_t)(HV_RAM_BASE >> HV_PAGE_SHIFT) + i;
    uint64_t list = HV_RAM_BASE + PAGES * HV_PAGE_BYTES - sizeof everything; /* goes last */
    const struct driver_buffer all = {list, sizeof everything, false},
                               part = {PAGE(0) + 1, HV_PAGE_BYTES, true};
    driver_offer(&driver, REPORTING_QUEUE, &part, 1); /* parts of two pages, none whole */
    driver_kick(&driver, REPORTING_QUEUE);
    assert_int_equal(hv_balloon_of(vm)->refused, 1);
    assert_true(hv_guest_write(vm, list, everything, sizeof everything));
    driver_offer(&driver, TOUCH_INFLATE, &all, 1);
    driver_kick(&driver, TOUCH_INFLATE);
    assert_true(vm->counts.balloon_pages >= PAGES - 16);
    assert_null(hv_world_check(world));
    driver_start(&driver, vm, &hv_virtio_balloon, ALL, 4);
    assert_int_equal(vm->counts.balloon_pages, 0);
    for (unsigned i = 0; i < 3; i++) { /* as many as may be; one more; half a million */
        const uint32_t nbytes[] = {4 * 16384, 4 * 16384 + 4, PAGES * HV_PAGE_BYTES};
        const struct driver_buffer list_of = {HV_RAM_BASE, nbytes[i], false};
        driver_start(&driver, vm, &hv_virtio_balloon, ALL, 4);
        driver_offer(&driver, TOUCH_INFLATE, &list_of, 1);
        driver_kick(&driver, TOUCH_INFLATE);
        assert_int_equal((driver_load(&driver, 0x070) & DRIVER_NEEDS_RESET) != 0, i > 0);
    }
    assert_int_equal(touch_load(neighbour, PAGE(1)), 77);
    assert_null(hv_world_check(world));
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_a_model),        cmocka_unit_test(memory_goes_back),
        cmocka_unit_test(as_linux_drives_it),     cmocka_unit_test(queues_are_dense),
        cmocka_unit_test(an_early_bell_is_heard), cmocka_unit_test(drivers_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
