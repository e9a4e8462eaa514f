/* SPDX-License-Identifier: MIT */
/* The benchmark suite's command line: Google Benchmark's, and --quick. */
#include "suite.h"
#include <stdlib.h>
#include <string.h>
#ifdef BENCH_JEMALLOC
#include "share_jemalloc.h"
#endif

static bool is_quick(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0)
            return true;
    return false;
}

/* Google Benchmark's command line. Half a second each, its default, is too long for so many: ours
 * comes first, and what the user says counts. */
static int run(int argc, char **argv, bool quick)
{
    char min_time[] = "--benchmark_min_time=0.10", quick_time[] = "--benchmark_min_time=0.01";
    char **args = calloc((size_t)argc + 2, sizeof *args);
    int count = 0;
    if (!args)
        return 1;
    args[count++] = argv[0];
    args[count++] = quick ? quick_time : min_time;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") != 0)
            args[count++] = argv[i];
    int status = bench_run(count, args);
    free(args);
    return status;
}

int main(int argc, char **argv)
{
    struct suite suite = {.quick = is_quick(argc, argv)};
#ifdef BENCH_JEMALLOC
    struct share_alloc arena;
    if (share_jemalloc_init(&arena))
        suite.alloc = &arena;
#endif
    suite_hash(&suite);
    suite_table(&suite);
    suite_compare(&suite);
    suite_steps(&suite);
    suite_cold_pass(&suite);
    suite_warm_pass(&suite);
    suite_groups(&suite);
    suite_check(&suite);
    suite_vmm(&suite);
    suite_pt_write(&suite);
    suite_threads(&suite);
    suite_metadata(&suite);
    suite_measure(&suite);
    suite_against_ksm(&suite);
    return run(argc, argv, suite.quick);
}
