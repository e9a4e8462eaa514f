/* SPDX-License-Identifier: MIT */
/* Threads start on processors of their own, and may go anywhere from there. */
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HELPERS = 5 };

/* Where the maker is, and where it puts its helpers: both calls are wrapped by the linker. */
static int maker;
static cpu_set_t asked[2 * HELPERS];
static unsigned asked_count;

int __wrap_sched_getcpu(void);
int __wrap_sched_getcpu(void)
{
    return maker;
}

int __real_pthread_setaffinity_np(pthread_t thread, size_t nbytes, const cpu_set_t *set);
int __wrap_pthread_setaffinity_np(pthread_t thread, size_t nbytes, const cpu_set_t *set);
int __wrap_pthread_setaffinity_np(pthread_t thread, size_t nbytes, const cpu_set_t *set)
{
    if (asked_count < 2 * HELPERS)
        asked[asked_count++] = *set;
    return __real_pthread_setaffinity_np(thread, nbytes, set);
}

static int first_allowed(const cpu_set_t *allowed)
{
    int cpu = 0;
    while (!CPU_ISSET((size_t)cpu, allowed))
        cpu++;
    return cpu;
}

static void the_next_processor_is_an_allowed_one(void **state)
{
    (void)state;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    CPU_SET(1, &allowed);
    CPU_SET(3, &allowed);
    CPU_SET(CPU_SETSIZE - 1, &allowed);
    assert_int_equal(helpers_processor(1, 1, &allowed), 3);
    assert_int_equal(helpers_processor(1, 2, &allowed), CPU_SETSIZE - 1);
    assert_int_equal(helpers_processor(1, 3, &allowed), 1);
    assert_int_equal(helpers_processor(3, 5, &allowed), 1);
    assert_int_equal(helpers_processor(2, 1, &allowed), 3);
}

static void one_processor_is_enough(void **state)
{
    (void)state;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    CPU_SET(2, &allowed);
    assert_int_equal(helpers_processor(2, 1, &allowed), 2);
    assert_int_equal(helpers_processor(2, 7, &allowed), 2);
}

struct meeting {
    pthread_barrier_t started; /* all of them */
    cpu_set_t expected;
    _Atomic unsigned free;
};

static void *look_where_it_may_run(void *ctx)
{
    struct meeting *meeting = ctx;
    cpu_set_t allowed;
    pthread_barrier_wait(&meeting->started);
    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) == 0 &&
        CPU_EQUAL(&allowed, &meeting->expected))
        meeting->free++;
    return NULL;
}

static void each_starts_on_the_next_processor_and_may_leave_it(void **state)
{
    (void)state;
    struct meeting meeting = {.free = 0};
    struct helpers helpers;
    assert_int_equal(sched_getaffinity(0, sizeof meeting.expected, &meeting.expected), 0);
    maker = first_allowed(&meeting.expected);
    pthread_barrier_init(&meeting.started, NULL, HELPERS + 1);
    helpers_start(&helpers, HELPERS, look_where_it_may_run, &meeting);
    assert_int_equal(helpers.count, HELPERS);
    pthread_barrier_wait(&meeting.started);
    helpers_join(&helpers);
    pthread_barrier_destroy(&meeting.started);
    assert_int_equal(meeting.free, HELPERS);
    assert_int_equal(asked_count, 2 * HELPERS);
    for (unsigned i = 0; i < HELPERS; i++) {
        size_t cpu = helpers_processor((size_t)maker, i + 1, &meeting.expected);
        assert_int_equal(CPU_COUNT(&asked[2 * i]), 1);
        assert_true(CPU_ISSET(cpu, &asked[2 * i]));
    }
}

static void none_are_none(void **state)
{
    (void)state;
    struct helpers helpers;
    helpers_start(&helpers, 0, look_where_it_may_run, NULL);
    assert_int_equal(helpers.count, 0);
    helpers_join(&helpers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_processor_is_an_allowed_one),
        cmocka_unit_test(one_processor_is_enough),
        cmocka_unit_test(each_starts_on_the_next_processor_and_may_leave_it),
        cmocka_unit_test(none_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
