/* SPDX-License-Identifier: MIT */
/* A hostile paravirtualized guest against a model, from a seed. See para_model.h. */
#include "rig.h"

#include "must.h"
#include "para_model.h"

static uint64_t below(void *random, uint64_t bound)
{
    return random_next(random) % bound;
}

static uint64_t word(void *random)
{
    return random_next(random);
}

static void every_call_answers_as_the_model_says(void **state)
{
    (void)state;
    enum { ROUNDS = 6, STEPS = 30000, CHECK_EVERY = 499 };
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t random = rig_seed() + round;
        char note[64];
        snprintf(note, sizeof note, "HV_TEST_SEED=%llu", (unsigned long long)random);
        must_note = note;
        struct para_model model;
        para_model_init(&model, (struct para_source){below, word, &random});
        for (unsigned step = 0; step < STEPS; step++) {
            para_model_step(&model);
            if (step % CHECK_EVERY == 0)
                para_model_check(&model);
        }
        printf("%s: %llu updates, %llu refusals, %llu accesses, %llu faults, %llu executed\n", note,
               (unsigned long long)model.updates, (unsigned long long)model.refused,
               (unsigned long long)model.accesses, (unsigned long long)model.faults,
               (unsigned long long)model.executed);
        assert_true(model.updates > STEPS / 20 && model.accesses > STEPS / 200);
        para_model_fini(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_answers_as_the_model_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
