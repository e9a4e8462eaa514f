/* SPDX-License-Identifier: MIT */
/* What the measured programs read: `PROGRAM FILE ROUNDS`. Included once a program. */
#ifndef EXPERIMENTS_INPUT_H
#define EXPERIMENTS_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct input {
    uint8_t *bytes;
    size_t nbytes;
    int rounds;
};

static struct input read_input(int argc, char **argv)
{
    enum { ROOM = 16 << 20 };
    struct input input = {malloc(ROOM), 0, argc > 2 ? atoi(argv[2]) : 1};
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (file && input.bytes)
        input.nbytes = fread(input.bytes, 1, ROOM, file);
    if (input.nbytes == 0)
        exit(1);
    fclose(file);
    return input;
}

/* From here on, until the line "@@end NAME ANSWER", time counts. */
static void begin(const char *name)
{
    printf("@@begin %s\n", name);
    fflush(stdout);
}

/* FNV-1a of an answer too long to print. */
static inline uint64_t checksum(const void *bytes, size_t nbytes)
{
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < nbytes; i++)
        sum = (sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
    return sum;
}

#endif
