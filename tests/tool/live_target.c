/* SPDX-License-Identifier: MIT */
/*
 * A process with memory that a test knows: `live_target PAGES SEED` fills PAGES pages (the second
 * half repeats the first, every eighth page is zero), says "ready", and waits for its input to end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

static void fill(uint8_t *page, uint64_t content)
{
    for (size_t i = 0; i < PAGE; i += sizeof content) {
        uint64_t word = content % 8 == 0 ? 0 : content * 0x9e3779b97f4a7c15u + i;
        memcpy(page + i, &word, sizeof word);
    }
}

int main(int argc, char **argv)
{
    size_t pages = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    if (pages < 2)
        return 2;
    uint8_t *memory =
        mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < pages; i++)
        fill(memory + i * PAGE, seed + i % (pages / 2));
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
