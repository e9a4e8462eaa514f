/* SPDX-License-Identifier: MIT */
/* The lock: who wants it sleeps. */
#include "lock.h"
#include "test.h"
#include <pthread.h>
#include <unistd.h>

enum { WANTING = 3 };
static struct share_lock lock;

static void *want(void *ctx)
{
    (void)ctx;
    share_lock_take(&lock);
    share_lock_drop(&lock);
    return NULL;
}

/* Long enough for all of them to sleep; one that was not woken would sleep for ever. */
static void a_lock_that_is_dropped_wakes_all_who_want_it_in_turn(void **state)
{
    pthread_t thread[WANTING];
    (void)state;
    share_lock_take(&lock);
    for (unsigned i = 0; i < WANTING; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, want, NULL), 0);
    usleep(20000);
    share_lock_drop(&lock);
    for (unsigned i = 0; i < WANTING; i++)
        pthread_join(thread[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_that_is_dropped_wakes_all_who_want_it_in_turn),
    };
    return RUN(tests);
}
