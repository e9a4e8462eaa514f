/* SPDX-License-Identifier: MIT */
/* The benchmark suite's command line: Google Benchmark's, and --quick and --set. */
#include "suite.h"
#include <stdio.h>
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
#ifdef BENCH_JEMALLOC
    struct share_alloc arena;
    if (share_jemalloc_init(&arena))
        suite.alloc = &arena;
#endif
    suite_cold_pass(&suite);
    suite_threads(&suite);
    suite_metadata(&suite);
    suite_measure(&suite);
    suite_against_ksm(&suite);
    suite_breaks(&suite);
    suite_neighbour(&suite);
    return bench_run(kept, argv);
}
