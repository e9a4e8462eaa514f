/* SPDX-License-Identifier: MIT */
/* The programs that do the work: a toucher, a forker, a checksum worker. What each returns depends
 * on its seed alone. */
#include "user.h"

enum { WORDS = PAGE_BYTES / 8 };

/* Every second page is the same in all VMs; then every word is read back. */
uint64_t touch_main(uint64_t seed)
{
    uint64_t kib = param(PARAM_TOUCH_KIB), sum = 0;
    uint64_t pages = (kib < HEAP_KIB ? kib : HEAP_KIB) / 4;
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t state = page % 2 ? seed + page : page;
        for (unsigned word = 0; word < WORDS; word++)
            HEAP[page * WORDS + word] = random_next(&state);
    }
    for (uint64_t word = 0; word < pages * WORDS; word++)
        sum = mix(sum, HEAP[word]);
    return sum;
}

/* A child writes to some of the pages it shares with its parent, sums them all, and ends. */
static uint64_t child(uint64_t seed, unsigned number)
{
    enum { PAGES = 32, WRITES = 6 };
    uint64_t sum = 0;
    for (unsigned i = 0; i < WRITES; i++)
        HEAP[random_next(&seed) % (PAGES * WORDS)] ^= number;
    for (unsigned word = 0; word < PAGES * WORDS; word += 64)
        sum = mix(sum, HEAP[word]);
    return sum;
}

/* A fork storm: eight children at a time. */
uint64_t forks_main(uint64_t seed)
{
    enum { CHILDREN = 64, AT_A_TIME = 8, PAGES = 32 };
    uint64_t sum = 0, code, state = seed;
    unsigned running = 0;
    for (unsigned word = 0; word < PAGES * WORDS; word += 16)
        HEAP[word] = random_next(&state);
    for (unsigned number = 0; number < CHILDREN; number++) {
        uint64_t pid = call(CALL_FORK, 0, 0);
        if (pid == 0)
            call(CALL_EXIT, child(seed + number, number), 0);
        running += pid != UINT64_MAX;
        if (running == AT_A_TIME && wait(&code) > 0)
            sum += mix(2, code), running--;
    }
    while (wait(&code) > 0)
        sum += mix(2, code);
    return sum;
}

static uint32_t crc32(const unsigned char *bytes, unsigned nbytes)
{
    uint32_t crc = UINT32_MAX;
    for (unsigned i = 0; i < nbytes; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* Shell sort (D. Shell, 1959), gaps of a third. */
static void sort(uint64_t *words, unsigned count)
{
    unsigned gap = 1;
    while (gap < count / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3)
        for (unsigned i = gap; i < count; i++) {
            uint64_t word = words[i];
            unsigned at = i;
            for (; at >= gap && words[at - gap] > word; at -= gap)
                words[at] = words[at - gap];
            words[at] = word;
        }
}

uint64_t compute_main(uint64_t seed)
{
    enum { COUNT = 16 * WORDS, TIMES = 8 };
    uint64_t sum = 0, state = seed;
    for (unsigned time = 0; time < TIMES; time++) {
        for (unsigned i = 0; i < COUNT; i++)
            HEAP[i] = random_next(&state);
        sort(HEAP, COUNT);
        sum = mix(sum, crc32((const unsigned char *)HEAP, COUNT * 8));
    }
    return sum;
}
