/* SPDX-License-Identifier: MIT */
/* The C library's qsort of a file's doublewords. Prints a checksum of the sorted ones. */
#include <string.h>

#include "input.h"

static int by_value(const void *left, const void *right)
{
    const uint64_t *l = left, *r = right;
    return (*l > *r) - (*l < *r);
}

int main(int argc, char **argv)
{
    struct input input = read_input(argc, argv);
    size_t words = input.nbytes / sizeof(uint64_t);
    uint64_t *sorted = malloc(input.nbytes), sum = 0;
    if (!sorted)
        return 1;
    begin("sort");
    for (int round = 0; round < input.rounds; round++) {
        memcpy(sorted, input.bytes, input.nbytes);
        qsort(sorted, words, sizeof *sorted, by_value);
    }
    sum = checksum(sorted, words * sizeof *sorted);
    printf("@@end sort %016llx\n", (unsigned long long)sum);
    return 0;
}
