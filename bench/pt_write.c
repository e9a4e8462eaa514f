/* SPDX-License-Identifier: MIT */
/*
 * What does a page-table entry cost a guest: a trapped write, or a hypercall?
 *
 * Sides in turn, each fills a table of 512 entries and reads one page in sixteen that it mapped:
 * `trapped` stores them under full virtualization, where the S-PT follows write by write (the
 * base); `hypercall` asks for each by UpdatePT; `hypercall_batched` for 128 at a time. Per entry.
 */
#include "guest.h"
#include "guest/hypercall.h"
#include "suite.h"

#define READ_EACH 16u
#define LAPS      8u /* tables a pass */
#define TICKS_MAX 100000u

static struct {
    struct guest full, para; /* made at first use */
    uint64_t laps;
} set;

/* The window maps 512 data pages, other ones than in the lap before. */
static uint64_t first_page(void)
{
    return GUEST_DATA + set.laps % 2 * GUEST_SLOTS;
}

/* What both programs take: where to read, and what to add to get to the next page to be read. */
static void set_reader(const struct guest *guest)
{
    guest_set(guest, GUEST_T2, 0);
    guest_set(guest, GUEST_A2, guest_window_va(READ_EACH - 1));
    guest_set(guest, GUEST_T5, READ_EACH * HV_PAGE_BYTES);
    hv_hart_tlb_flush(guest->vm->hart); /* it may know what the window mapped before */
}

/* The pages read, and every entry: frames and rights as asked for. */
static bool is_right(const struct guest *guest)
{
    uint64_t entries[GUEST_SLOTS], first = first_page();
    bool ok = guest_get(guest, GUEST_T2) ==
                  guest_words(first + READ_EACH - 1, first + GUEST_SLOTS, READ_EACH) &&
              hv_guest_read(guest->vm, guest_gpa(GUEST_WINDOW), entries, sizeof entries);
    for (unsigned slot = 0; slot < GUEST_SLOTS && ok; slot++)
        ok = entries[slot] == guest_entry(guest, first + slot);
    return ok;
}

/* --------------------------------------------------------------------------------- trapped -- */

static double lap_trapped(void)
{
    const struct guest *guest = &set.full;
    guest_set(guest, GUEST_T0, guest_entry(guest, first_page()));
    guest_set(guest, GUEST_T4, UINT64_C(1) << 10);
    guest_set(guest, GUEST_S0, guest_gpa(GUEST_WINDOW));
    guest_set(guest, GUEST_S4, guest_gpa(GUEST_WINDOW) + GUEST_SLOTS * 8);
    guest_set(guest, GUEST_S5, READ_EACH);
    set_reader(guest);
    uint64_t traps = guest->vm->counts.pt_write_traps;
    double start = bench_start();
    bool ok = guest_run(guest, TICKS_MAX);
    double seconds = bench_stop(start, GUEST_SLOTS);
    /* the first lap of all finds an ordinary page: nothing was read through it yet */
    ok = ok && (set.laps == 0 || guest->vm->counts.pt_write_traps - traps == GUEST_SLOTS);
    return ok && is_right(guest) ? seconds : -1;
}

static bool init_full(void)
{
    static const uint32_t loop[] = {
        0x000a8e13, /* group: mv t3,s5 */
        0x00543023, /* entry: sd t0,0(s0) */
        0x00840413, /* addi s0,s0,8 */
        0x01d282b3, /* add t0,t0,t4 */
        0xfffe0e13, /* addi t3,t3,-1 */
        0xfe0e18e3, /* bnez t3,entry */
        0x00063303, /* ld t1,0(a2) */
        0x006383b3, /* add t2,t2,t1 */
        0x01e60633, /* add a2,a2,t5 */
        0xfd446ee3, /* bltu s0,s4,group */
        0x10500073, /* wfi */
    };
    return guest_init(&set.full, false) && guest_load(&set.full, loop, sizeof loop / sizeof *loop);
}

/* ------------------------------------------------------------------------------- hypercall -- */

static bool init_para(void)
{
    static const uint32_t loop[] = {
        0x000a8e13, /* group: mv t3,s5 */
        0x00040513, /* call: mv a0,s0 */
        0x00048593, /* mv a1,s1 */
        0x00000073, /* ecall */
        0x00a96933, /* or s2,s2,a0 */
        0x01340433, /* add s0,s0,s3 */
        0xfffe0e13, /* addi t3,t3,-1 */
        0xfe0e14e3, /* bnez t3,call */
        0x000b0e13, /* mv t3,s6 */
        0x00063303, /* load: ld t1,0(a2) */
        0x006383b3, /* add t2,t2,t1 */
        0x01e60633, /* add a2,a2,t5 */
        0xfffe0e13, /* addi t3,t3,-1 */
        0xfe0e18e3, /* bnez t3,load */
        0xfd4464e3, /* bltu s0,s4,group */
        0x10500073, /* wfi */
    };
    return guest_init(&set.para, true) && guest_load(&set.para, loop, sizeof loop / sizeof *loop);
}

static bool write_updates(const struct guest *guest)
{
    struct hv_para_update updates[GUEST_SLOTS];
    for (unsigned slot = 0; slot < GUEST_SLOTS; slot++) {
        uint64_t page = first_page() + slot;
        updates[slot] =
            (struct hv_para_update){guest_gpa(GUEST_WINDOW) + slot * 8, guest_entry(guest, page),
                                    guest_gpa(page) >> HV_PAGE_SHIFT};
    }
    return hv_guest_write(guest->vm, guest_gpa(GUEST_BATCH), updates, sizeof updates);
}

/* `batch` entries a call; as many calls and reads in turn as keep both in step. */
static double lap_hypercall(unsigned batch)
{
    const struct guest *guest = &set.para;
    bool ok = write_updates(guest);
    guest_set(guest, GUEST_A6, HV_PARA_UPDATE_PT);
    guest_set(guest, GUEST_A7, HV_PARA_EXTENSION);
    guest_set(guest, GUEST_S0, guest_gpa(GUEST_BATCH));
    guest_set(guest, GUEST_S1, batch);
    guest_set(guest, GUEST_S2, HV_PARA_OK);
    guest_set(guest, GUEST_S3, batch * sizeof(struct hv_para_update));
    guest_set(guest, GUEST_S4,
              guest_gpa(GUEST_BATCH) + GUEST_SLOTS * sizeof(struct hv_para_update));
    guest_set(guest, GUEST_S5, batch < READ_EACH ? READ_EACH / batch : 1);
    guest_set(guest, GUEST_S6, batch < READ_EACH ? 1 : batch / READ_EACH);
    set_reader(guest);
    uint64_t updates = guest->vm->para->stats.updates;
    double start = bench_start();
    ok = ok && guest_run(guest, TICKS_MAX);
    double seconds = bench_stop(start, GUEST_SLOTS);
    ok = ok && guest->vm->para->stats.updates - updates == GUEST_SLOTS &&
         guest_get(guest, GUEST_S2) == HV_PARA_OK;
    return ok && is_right(guest) ? seconds : -1;
}

static double lap_single(void)
{
    return lap_hypercall(1);
}

static double lap_batched(void)
{
    return lap_hypercall(HV_PARA_BATCH_MAX);
}

/* ------------------------------------------------------------------------------------ pass -- */

static double pass(double (*lap)(void))
{
    double sum = 0;
    if (!set.full.world && !(init_full() && init_para()))
        return -1;
    for (unsigned i = 0; i < LAPS; i++, set.laps++) {
        double seconds = lap();
        if (seconds < 0)
            return -1;
        sum += seconds;
    }
    return sum;
}

static double pass_trapped(void *ctx)
{
    (void)ctx;
    return pass(lap_trapped);
}

static double pass_single(void *ctx)
{
    (void)ctx;
    return pass(lap_single);
}

static double pass_batched(void *ctx)
{
    (void)ctx;
    return pass(lap_batched);
}

void suite_pt_write(const struct suite *suite)
{
    static const struct bench_side others[] = {{"hypercall", pass_single},
                                               {"hypercall_batched", pass_batched}};
    bench_pair("vmm/pt_write", (struct bench_side){"trapped", pass_trapped}, others, 2, NULL,
               suite->quick ? 15 : 51);
}
