/* SPDX-License-Identifier: MIT */
/* Random operations on the engine and on the model of model.h: --seed N --steps N. */
#include "model.h"
#include "random.h"
#include <string.h>

static uint32_t below(void *ctx, uint32_t bound)
{
    return random_to(ctx, bound);
}

/* The full hash; collisions now and then, often, and always; equal in the 36 bits that an entry
 * keeps but not in all. */
static const uint64_t masks[] = {
    ~UINT64_C(0),
    ~UINT64_C(0),
    UINT64_C(0xe000000000000000),
    0,
    UINT64_C(0x0f),
    UINT64_C(0x8000000000000001),
};

static void run(uint64_t seed, uint64_t steps)
{
    static char note[128];
    struct model model;
    uint64_t state = seed;
    uint64_t mask = masks[random_to(&state, sizeof masks / sizeof *masks)];
    snprintf(note, sizeof note, "again: --seed %llu --steps %llu", (unsigned long long)seed,
             (unsigned long long)steps);
    must_note = note;
    model_init(&model, (struct model_source){below, &state}, random_next(&state), mask);
    for (uint64_t i = 0; i < steps; i++)
        model_step(&model);
    model.failing = 0;
    model_share_now(&model);
    model_check(&model);
    model_fini(&model);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, steps = 600, runs = 60;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 0);
        if (strcmp(argv[i], "--seed") == 0) {
            seed = value;
            runs = 1;
        } else if (strcmp(argv[i], "--steps") == 0) {
            steps = value;
        } else if (strcmp(argv[i], "--runs") == 0) {
            runs = value;
        }
    }
    printf("seeds %llu to %llu, %llu steps each\n", (unsigned long long)seed,
           (unsigned long long)(seed + runs - 1), (unsigned long long)steps);
    for (uint64_t i = 0; i < runs; i++)
        run(seed + i, steps);
    return 0;
}
