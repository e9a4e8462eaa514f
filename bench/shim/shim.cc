/* SPDX-License-Identifier: MIT */
/* The one C++ file: Google Benchmark behind a C interface. */
#include "lap.h"
#include <benchmark/benchmark.h>
#include <string>
#include <vector>

struct bench {
    benchmark::State &state;
    struct lap_sums *laps; /* NULL: the loop is timed */
    double told_s;         /* of the laps' seconds */
};

static bool failed;

static void run_laps(benchmark::State &state, bench_fn fn, void *ctx)
{
    struct perf perf;
    struct lap_sums sums = {};
    bench run{state, &sums, 0};
    perf_open(&perf);
    lap_begin(&perf, &sums);
    fn(&run, ctx);
    lap_begin(nullptr, nullptr);
    state.SetItemsProcessed(static_cast<int64_t>(sums.items));
    lap_report(&run, "", &perf, &sums);
    perf_close(&perf);
}

void bench_register(const char *name, bench_fn fn, void *ctx)
{
    benchmark::RegisterBenchmark(name, [fn, ctx](benchmark::State &state) {
        bench run{state, nullptr, 0};
        fn(&run, ctx);
    })->Unit(benchmark::kMillisecond);
}

void bench_register_laps(const char *name, bench_fn fn, void *ctx, const struct bench_values *args,
                         size_t args_count)
{
    std::vector<std::string> names;
    std::vector<std::vector<int64_t>> values;
    for (size_t i = 0; i < args_count; i++) {
        names.push_back(args[i].name);
        values.emplace_back(args[i].values, args[i].values + args[i].count);
    }
    auto *made = benchmark::RegisterBenchmark(
        name, [fn, ctx](benchmark::State &state) { run_laps(state, fn, ctx); });
    made->Unit(benchmark::kMillisecond)->UseManualTime();
    if (args_count)
        made->ArgsProduct(values)->ArgNames(names);
}

int64_t bench_arg(const struct bench *bench, unsigned i)
{
    return bench->state.range(i);
}

bool bench_next(struct bench *bench)
{
    if (bench->laps) {
        bench->state.SetIterationTime(bench->laps->seconds - bench->told_s);
        bench->told_s = bench->laps->seconds;
    }
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
                                     bench run{state, nullptr, 0};
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
    struct perf perf;
    perf_open(&perf);
    benchmark::AddCustomContext("counters", perf.kind);
    perf_close(&perf);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return failed ? 1 : 0;
}
