/* SPDX-License-Identifier: MIT */
/*
 * Workloads with a known need of memory, for experiments with balloons and working sets.
 *   sweep: writes a word into each page of an anonymous area, over and over
 *   reads: looks up random pages of a set on /dev/vda, mapped: a page that is not in memory costs a
 *          disk request, so that the more memory, the more lookups
 * How many KiB are in use follows HV_PLAN: "0:8192,5000:0,9000:4096" is 8 MiB from the start of the
 * VM, nothing from 5 s on, 4 MiB from 9 s on. Without it: HV_TOUCH_KIB.
 */
#include "sys.h"
#include "workloads.h"

enum {
    PAGE = 4096,
    WORDS = PAGE / 8,
    SWEEPS = 64,              /* of a round */
    LOOKUPS = 256,            /* of a round */
    LOOKUP_WORDS = WORDS - 1, /* that a lookup reads: all of the page */
    IDLE_MS = 200,
};

static uint64_t digits(const char **at)
{
    uint64_t value = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = value * 10 + (uint64_t)(**at - '0');
    return value;
}

/* What the plan says for `ms`; *most: the largest it ever says. */
static uint64_t planned_kib(const struct work *work, uint64_t ms, uint64_t *most)
{
    const char *at = work->plan;
    uint64_t kib = *at ? 0 : work->touch_kib;
    *most = kib;
    while (*at) {
        uint64_t from = digits(&at);
        at += *at == ':';
        uint64_t value = digits(&at);
        if (from <= ms)
            kib = value;
        *most = value > *most ? value : *most;
        if (*at && *at++ != ',')
            break;
    }
    return kib;
}

/* The pages in use now; sleeps while the plan says none. */
static size_t pages_now(const struct work *work)
{
    uint64_t most, kib;
    while ((kib = planned_kib(work, sys_now_ms(), &most)) == 0)
        sys_sleep_ms(IDLE_MS);
    return kib * 1024 / PAGE;
}

static size_t pages_most(const struct work *work)
{
    uint64_t most;
    (void)planned_kib(work, 0, &most);
    return most * 1024 / PAGE;
}

uint64_t work_sweep(const struct work *work)
{
    static uint64_t *memory; /* kept over rounds */
    if (!memory && !(memory = sys_map(pages_most(work) * PAGE)))
        return 0;
    size_t pages = 0;
    for (unsigned n = 0; n < SWEEPS; n++) {
        pages = pages_now(work);
        for (size_t i = 0; i < pages; i++)
            memory[i * WORDS] = work->seed + i;
    }
    uint64_t checksum = CHECKSUM_EMPTY;
    for (size_t i = 0; i < pages; i += 64)
        checksum = checksum_add(checksum, &memory[i * WORDS], 8);
    return checksum;
}

/* Every page of the set says which it is. */
static void make_page(uint64_t *page, uint64_t seed, uint64_t number)
{
    uint64_t state = seed * 1000003 + number;
    page[0] = number;
    for (size_t i = 1; i < WORDS; i++)
        page[i] = random_next(&state);
}

static const uint64_t *make_set(const struct work *work)
{
    static uint64_t page[WORDS];
    size_t pages = pages_most(work);
    int fd = (int)sys_open("/dev/vda", SYS_RDWR, 0);
    if (fd < 0)
        return NULL;
    for (size_t i = 0; i < pages; i++) {
        make_page(page, work->seed, i);
        if (sys_write(fd, page, PAGE) != PAGE)
            return NULL;
    }
    sys_sync(fd);
    return sys_map_random(fd, pages * PAGE);
}

uint64_t work_reads(const struct work *work)
{
    static const uint64_t *set;
    static uint64_t state;
    if (!set && !(set = make_set(work))) {
        print_words("reads: /dev/vda is missing or too small\n", NULL);
        sys_exit(1);
    }
    uint64_t sum = 0;
    size_t pages = pages_now(work);
    for (unsigned i = 0; i < LOOKUPS; i++) {
        size_t number = random_next(&state) % pages;
        const uint64_t *page = set + number * WORDS;
        if (page[0] != number) {
            print_words("reads: a page of the set has other content\n", NULL);
            sys_exit(1);
        }
        for (size_t k = 1; k <= LOOKUP_WORDS; k++)
            sum = sum * 31 + page[k];
    }
    return checksum_add(CHECKSUM_EMPTY, &sum, sizeof sum);
}
