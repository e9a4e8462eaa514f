/* SPDX-License-Identifier: MIT */
/* The one C++ file: Google Benchmark behind a C interface. */
#include "bench.h"
#include <benchmark/benchmark.h>

struct bench {
    benchmark::State &state;
};

static bool failed;

void bench_register(const char *name, bench_fn fn, void *ctx)
{
    benchmark::RegisterBenchmark(name, [fn, ctx](benchmark::State &state) {
        bench run{state};
        fn(&run, ctx);
    })->Unit(benchmark::kMillisecond);
}

bool bench_next(struct bench *bench)
{
    return bench->state.KeepRunning();
}

void bench_pause(struct bench *bench)
{
    bench->state.PauseTiming();
}

void bench_resume(struct bench *bench)
{
    bench->state.ResumeTiming();
}

void bench_bytes(struct bench *bench, uint64_t nbytes_each)
{
    bench->state.SetBytesProcessed(bench->state.iterations() * static_cast<int64_t>(nbytes_each));
}

void bench_items(struct bench *bench, uint64_t items_each)
{
    bench->state.SetItemsProcessed(bench->state.iterations() * static_cast<int64_t>(items_each));
}

void bench_counter(struct bench *bench, const char *name, double value)
{
    bench->state.counters[name] = value;
}

void bench_fail(struct bench *bench, const char *reason)
{
    failed = true;
    bench->state.SkipWithError(reason);
}

extern "C" void bench_register_once(const char *name, bench_fn fn, void *ctx)
{
    benchmark::RegisterBenchmark(name,
                                 [fn, ctx](benchmark::State &state) {
                                     bench run{state};
                                     fn(&run, ctx);
                                 })
        ->Unit(benchmark::kMillisecond)
        ->Iterations(1);
}

int bench_run(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return failed ? 1 : 0;
}
