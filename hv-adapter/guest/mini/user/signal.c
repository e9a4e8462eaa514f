/* SPDX-License-Identifier: MIT */
/*
 * A covert channel through merging: two VMs that may not talk to each other try to.
 *
 * Both know a codebook: for each round and bit, the content of one page. The sender holds that page
 * if the bit is 1, and one that nobody else has if it is 0. The receiver holds all pages of the
 * codebook. After the scanner had time to merge, the receiver stores to each of its pages and reads
 * the clock before and after: a store that broke a sharing took a copy of a page longer.
 *
 * Source: K. Suzaki et al., Memory Deduplication as a Threat to the Guest OS, EuroSec 2011.
 */
#include "user.h"

enum {
    BITS = 256,
    WORDS = PAGE_BYTES / 8,
    SLOW = 60, /* of the clock: between a TLB miss (3) and a break (150) */
    CLOCK_PER_MS = 10000,
};

/* What both know; in the world it would be agreed on. */
static void codebook_page(uint64_t *page, uint64_t round, unsigned bit)
{
    uint64_t state = UINT64_C(0x5ec7e7) + round * BITS + bit;
    for (unsigned word = 0; word < WORDS; word++)
        page[word] = random_next(&state);
}

/* The message: what the sender knows, and the receiver only compares with at the end. */
static unsigned message_bit(uint64_t round, unsigned bit)
{
    uint64_t state = UINT64_C(0xfeed) + round * BITS + bit;
    return random_next(&state) & 1;
}

static void send(uint64_t round)
{
    for (unsigned bit = 0; bit < BITS; bit++) {
        uint64_t *page = HEAP + bit * WORDS;
        codebook_page(page, round, bit);
        if (!message_bit(round, bit))
            page[0] = ~page[0];
    }
}

static uint64_t time_of_store(volatile uint64_t *word)
{
    uint64_t before = time_now();
    *word += 1;
    return time_now() - before;
}

/* Of the bits sent as 0 and as 1. */
struct tally {
    uint64_t bits[2], seen[2], time[2];
};

static void receive(uint64_t round, struct tally *tally)
{
    for (unsigned bit = 0; bit < BITS; bit++) {
        uint64_t time = time_of_store(HEAP + bit * WORDS);
        unsigned sent = message_bit(round, bit);
        tally->bits[sent]++;
        tally->seen[sent] += time >= SLOW;
        tally->time[sent] += time;
    }
}

static void say_tally(const struct tally *tally, uint64_t period_ms)
{
    for (unsigned sent = 2; sent-- > 0;) {
        say("signal: sent as ");
        say_number(sent);
        say(": ");
        say_number(tally->bits[sent]);
        say(" bits, slow ");
        say_number(tally->seen[sent]);
        say(", clock ");
        say_number(tally->time[sent]);
        say("\n");
    }
    say("signal: ");
    say_number(BITS * 1000 / period_ms);
    say(" bits a second\n");
}

/* A round begins at a multiple of the period; nine tenths later the receiver looks. */
uint64_t signal_main(uint64_t seed)
{
    uint64_t rounds = param(PARAM_ROUNDS), period_ms = param(PARAM_PERIOD_MS);
    struct tally tally = {{0}, {0}, {0}};
    uint64_t period = period_ms * CLOCK_PER_MS;
    uint64_t begin = (time_now() / period + 2) * period;
    bool sender = param(PARAM_SENDER);
    for (uint64_t round = 0; round < rounds; round++, begin += period) {
        call(CALL_SLEEP, begin, 0);
        if (sender) {
            send(round);
            continue;
        }
        for (unsigned bit = 0; bit < BITS; bit++)
            codebook_page(HEAP + bit * WORDS, round, bit);
        call(CALL_SLEEP, begin + period / 10 * 9, 0);
        receive(round, &tally);
    }
    if (!sender)
        say_tally(&tally, period_ms);
    return seed;
}
