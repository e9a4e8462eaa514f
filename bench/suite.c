/* SPDX-License-Identifier: MIT */
/* The benchmark suite's command line: Google Benchmark's, and --quick. */
#include "suite.h"
#include <string.h>
#ifdef BENCH_JEMALLOC
#include "share_jemalloc.h"
#endif

int main(int argc, char **argv)
{
    struct suite suite = {0};
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            suite.quick = true;
        else
            argv[kept++] = argv[i];
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
    return bench_run(kept, argv);
}
