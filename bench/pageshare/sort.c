/* SPDX-License-Identifier: MIT */
/* See sort.h. */
#include "sort.h"
#include <string.h>

#define DIGIT_BITS 8u
#define DIGITS     (1u << DIGIT_BITS)
#define FEW        24u /* sorted by insertion: a digit costs two passes over DIGITS counters */

/* Records, and the digit that comes next: the `bits` lowest bits of `word` are not sorted by. */
struct part {
    uint64_t *at;
    size_t count;
    unsigned width; /* words a record */
    struct sort_key key;
};

static unsigned shift_of(const struct part *part)
{
    return part->key.bits > DIGIT_BITS ? part->key.bits - DIGIT_BITS : 0;
}

static unsigned digit_of(const uint64_t *record, unsigned word, unsigned shift, unsigned mask)
{
    return (unsigned)(record[word] >> shift) & mask;
}

static unsigned mask_of(const struct part *part)
{
    return part->key.bits >= DIGIT_BITS ? DIGITS - 1 : (1u << part->key.bits) - 1;
}

/* The key behind this digit. False: it was the last one. */
static bool next_key(const struct part *part, struct sort_key *key)
{
    *key = part->key;
    key->bits = shift_of(part);
    if (key->bits == 0) {
        key->word++;
        key->bits = 64;
    }
    return key->word < part->width;
}

static void swap_records(uint64_t *a, uint64_t *b, unsigned width)
{
    for (unsigned w = 0; w < width; w++) {
        uint64_t word = a[w];
        a[w] = b[w];
        b[w] = word;
    }
}

static bool is_less(const uint64_t *a, const uint64_t *b, unsigned word, unsigned width)
{
    while (word + 1 < width && a[word] == b[word])
        word++;
    return a[word] < b[word];
}

/* The whole words are compared: what is above the key's bits is the same in all. */
static void insert_all(const struct part *part)
{
    unsigned width = part->width;
    uint64_t one[3];
    for (size_t i = 1; i < part->count; i++) {
        uint64_t *at = part->at + i * width;
        if (!is_less(at, at - width, part->key.word, width))
            continue;
        memcpy(one, at, width * sizeof *one);
        do {
            memcpy(at, at - width, width * sizeof *at);
            at -= width;
        } while (at > part->at && is_less(one, at - width, part->key.word, width));
        memcpy(at, one, width * sizeof *at);
    }
}

/* Sorts by one digit; end[d] is where those of digit d end. */
static void split(const struct part *part, size_t *end)
{
    const unsigned word = part->key.word, shift = shift_of(part), mask = mask_of(part);
    const unsigned width = part->width;
    size_t next[DIGITS];
    memset(end, 0, DIGITS * sizeof *end);
    for (size_t i = 0; i < part->count; i++)
        end[digit_of(part->at + i * width, word, shift, mask)]++;
    for (size_t d = 0, sum = 0; d < DIGITS; d++) {
        next[d] = sum;
        sum += end[d];
        end[d] = sum;
    }
    for (unsigned d = 0; d < DIGITS; d++)
        while (next[d] < end[d]) {
            uint64_t *record = part->at + next[d] * width;
            unsigned to = digit_of(record, word, shift, mask);
            if (to != d)
                swap_records(record, part->at + next[to] * width, width);
            next[to]++;
        }
}

static void sort_part(const struct part *part)
{
    size_t end[DIGITS];
    struct part inner = *part;
    if (part->count <= FEW) {
        insert_all(part);
        return;
    }
    split(part, end);
    if (!next_key(part, &inner.key))
        return;
    for (size_t d = 0, begin = 0; d < DIGITS; begin = end[d++]) {
        inner.at = part->at + begin * part->width;
        inner.count = end[d] - begin;
        if (inner.count > 1)
            sort_part(&inner);
    }
}

struct job {
    struct part part; /* what is in it is already sorted by one digit */
    size_t end[DIGITS];
    atomic_uint next; /* digit */
};

static void sort_some(struct worker *worker, void *ctx)
{
    struct job *job = ctx;
    struct part part = job->part;
    (void)worker;
    for (unsigned d; (d = atomic_fetch_add(&job->next, 1)) < DIGITS;) {
        size_t begin = d ? job->end[d - 1] : 0;
        part.at = job->part.at + begin * part.width;
        part.count = job->end[d] - begin;
        if (part.count > 1)
            sort_part(&part);
    }
}

void sort_records(struct crew *crew, struct records *records, struct sort_key key)
{
    struct job job = {.part = {records->word, records->count, records->width, key}};
    split(&job.part, job.end);
    if (next_key(&job.part, &job.part.key))
        crew_run(crew, sort_some, &job);
}
