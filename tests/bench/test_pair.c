/* SPDX-License-Identifier: MIT */
/* Paired benchmarks close what they opened, whether their answers are right or wrong. Each used to
 * keep its counters' descriptors until the program ended. */
#include "shim/bench.h"
#include "test.h"
#include <dirent.h>

static double right(void *ctx)
{
    (void)ctx;
    return 1e-6;
}

static double wrong(void *ctx)
{
    (void)ctx;
    return -1;
}

static void count_descriptors(struct bench *bench, void *ctx)
{
    unsigned *count = ctx;
    while (bench_next(bench)) {
        DIR *open = opendir("/proc/self/fd");
        assert_non_null(open);
        while (readdir(open))
            ++*count;
        closedir(open);
    }
}

static void no_descriptor_stays(void **state)
{
    const struct bench_side other_right = {"other", right}, other_wrong = {"other", wrong};
    unsigned before = 0, after = 0;
    char name[] = "test_pair", *args[] = {name, NULL};
    bench_register_once("before", count_descriptors, &before);
    bench_pair("right", (struct bench_side){"base", right}, &other_right, 1, NULL, 7);
    bench_pair("wrong", (struct bench_side){"base", right}, &other_wrong, 1, NULL, 7);
    bench_register_once("after", count_descriptors, &after);
    assert_int_equal(bench_run(1, args), 1); /* one was wrong */
    assert_int_not_equal(before, 0);
    assert_int_equal(after, before);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_descriptor_stays)};
    return RUN(tests);
}
