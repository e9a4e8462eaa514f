/* SPDX-License-Identifier: MIT */
/* Sleeping on a word. */
#include "test.h"
#include "wait.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { WANTING = 3 };

static void a_wait_keeps_errno(void **state)
{
    _Atomic uint32_t word = 1;
    (void)state;
    errno = 123;
    share_sleep(&word, 2); /* it is another one by now */
    share_wake_all(&word);
    assert_int_equal(errno, 123);
}

static _Atomic uint32_t count_down = 1;

static void *sleep_until_none(void *ctx)
{
    (void)ctx;
    share_sleep_until_none(&count_down);
    return NULL;
}

static void all_sleepers_are_woken(void **state)
{
    pthread_t thread[WANTING];
    (void)state;
    for (unsigned i = 0; i < WANTING; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sleep_until_none, NULL), 0);
    usleep(20000);
    atomic_store(&count_down, 0);
    share_wake_all(&count_down);
    for (unsigned i = 0; i < WANTING; i++)
        pthread_join(thread[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_keeps_errno),
        cmocka_unit_test(all_sleepers_are_woken),
    };
    return RUN(tests);
}
