/* SPDX-License-Identifier: MIT */
/* Shadow page tables against a naive walker, by random steps. */
#include "rig.h"

#include "shadow_model.h"

enum { STEPS = 60000, CHECK_EVERY = 997 };

static uint64_t word(void *ctx)
{
    return random_next(ctx);
}

static uint64_t below(void *ctx, uint64_t bound)
{
    return random_next(ctx) % bound;
}

static void run(uint32_t nodes, bool sharing)
{
    struct shadow_model model;
    uint64_t random = rig_seed();
    shadow_model_init(&model, (struct shadow_source){below, word, &random}, nodes, sharing);
    for (unsigned step = 0; step < STEPS; step++) {
        shadow_model_step(&model);
        if (step % CHECK_EVERY == 0)
            shadow_model_check(&model);
    }
    printf("seed %llu: %llu pages, %llu faults, %llu trapped writes, %llu evictions\n",
           (unsigned long long)rig_seed(), (unsigned long long)model.pages,
           (unsigned long long)model.faults, (unsigned long long)model.watched,
           (unsigned long long)model.vm->shadow.stats.spaces_evicted);
    assert_true(model.pages > STEPS / 10 && model.watched > STEPS / 100);
    assert_true(nodes || model.vm->shadow.stats.tables_flooded > 0); /* few nodes go before that */
    shadow_model_fini(&model);
}

static void agrees_with_a_naive_walker(void **state)
{
    (void)state;
    run(0, false);
}

static void agrees_while_pages_are_shared(void **state)
{
    (void)state;
    run(0, true);
}

static void agrees_with_few_nodes(void **state)
{
    (void)state;
    run(HV_SHADOW_NODES_MIN, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_walker),
        cmocka_unit_test(agrees_while_pages_are_shared),
        cmocka_unit_test(agrees_with_few_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
