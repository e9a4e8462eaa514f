/* SPDX-License-Identifier: MIT */
/* Writes a word into each page that the plan of this VM wants in use, over and over: the need of
 * memory is known, and changes when the plan says so. */
#include "user.h"

enum { WORDS = PAGE_BYTES / 8, SWEEPS = 64 /* of a round */, CLOCK_PER_MS = 10000, IDLE_MS = 200 };

/* The pages in use now; sleeps while the plan says none. */
static uint64_t pages_now(void)
{
    for (;;) {
        uint64_t now = time_now(), kib = call(CALL_PLAN, now / CLOCK_PER_MS, 0);
        if (kib)
            return (kib < HEAP_KIB ? kib : HEAP_KIB) / 4;
        call(CALL_SLEEP, now + IDLE_MS * CLOCK_PER_MS, 0);
    }
}

static uint64_t sweep(uint64_t seed)
{
    uint64_t pages = 0, sum = 0;
    for (unsigned n = 0; n < SWEEPS; n++) {
        pages = pages_now();
        for (uint64_t page = 0; page < pages; page++)
            HEAP[page * WORDS] = seed + page;
    }
    for (uint64_t page = 0; page < pages; page += 64)
        sum = mix(sum, HEAP[page * WORDS]);
    return sum;
}

uint64_t sweep_main(uint64_t seed)
{
    uint64_t rounds = param(PARAM_ROUNDS), sum = 0;
    for (uint64_t round = 0; rounds == 0 || round < rounds; round++) {
        sum = mix(sum, sweep(seed));
        say("workload sweep round ");
        say_number(round);
        say(" checksum ");
        say_hex(sum);
        say("\n");
    }
    return sum;
}
