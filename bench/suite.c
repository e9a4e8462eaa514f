/* SPDX-License-Identifier: MIT */
/* The benchmark suite's command line: Google Benchmark's, and --quick and --set. */
#include "suite.h"
#include "restore.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef BENCH_JEMALLOC
#include "share_jemalloc.h"
#endif

static int usage(void)
{
    fprintf(
        stderr,
        "usage: share-bench [--quick] [--set NAME=SOURCE[,SOURCE...]]... [BENCHMARK OPTION]...\n"
        "--quick: a quarter of the memory, a third of the rounds. --set: dumps, or processes as\n"
        "pid:N, whose pages KSM and ours share as well, at most %d sets. Then Google\n"
        "Benchmark's: --benchmark_filter=REGEX, --benchmark_format=json, ...\n",
        SUITE_SETS_MAX);
    return 2;
}

/* NAME=SOURCES, which is taken apart. */
static bool add_set(struct suite *suite, char *text)
{
    char *sources = text ? strchr(text, '=') : NULL;
    if (!sources || sources == text || !sources[1] || suite->sets == SUITE_SETS_MAX)
        return false;
    *sources++ = 0;
    suite->set[suite->sets++] = (struct suite_set){text, sources};
    return true;
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
        args[count++] = argv[i];
    int status = bench_run(count, args);
    free(args);
    return status;
}

int main(int argc, char **argv)
{
    struct suite suite = {0};
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            suite.quick = true;
        else if (strcmp(argv[i], "--set") != 0)
            argv[kept++] = argv[i];
        else if (!add_set(&suite, argv[++i])) /* argv ends with NULL */
            return usage();
    }
    if (!restore_start())
        fprintf(stderr, "no process to guard the kernel's settings: none will be changed\n");
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
    suite_learning(&suite);
    suite_adopt(&suite);
    suite_overcommit(&suite);
    suite_measure(&suite);
    suite_against_ksm(&suite);
    suite_wait(&suite);
    suite_breaks(&suite);
    suite_neighbour(&suite);
    return run(kept, argv, suite.quick);
}
