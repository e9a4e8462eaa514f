/* SPDX-License-Identifier: MIT */
/* What came of a scenario: a table for people, CSV and JSON for programs. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hvrun.h"
#include "overcommit_run.h"

static double mib(uint64_t pages)
{
    return (double)pages * (double)HV_PAGE_BYTES / 0x1p20;
}

static bool waits(const struct sight_vm *vm)
{
    return vm->state == RUN_PRESENT && vm->found.waits_ticks > OVERCOMMIT_WAITS_TICKS;
}

static const char *state_of(const struct sight_vm *vm)
{
    static const char *const names[] = {[RUN_ABSENT] = "absent",
                                        [RUN_REFUSED] = "refused",
                                        [RUN_PRESENT] = "running",
                                        [RUN_ENDED] = "ended",
                                        [RUN_FAILED] = "failed"};
    if (waits(vm))
        return "waiting";
    if (vm->found.blocked && vm->state == RUN_PRESENT)
        return "blocked";
    return vm->stopped ? "stopped" : names[vm->state];
}

/* Rounds a second over the last quarter of the run, at least one period. */
static double speed_of(const struct overcommit_run *run, unsigned vm)
{
    size_t last = run->count - 1, first = last - (last + 3) / 4;
    double seconds = run->sights[last].seconds - run->sights[first].seconds;
    uint64_t rounds = run->sights[last].vms[vm].rounds - run->sights[first].vms[vm].rounds;
    return seconds > 0 ? (double)rounds / seconds : 0;
}

static double sampling_percent(const struct overcommit_run *run, unsigned vm)
{
    if (run->count == 0)
        return 0;
    const struct sight_vm *seen = &run->sights[run->count - 1].vms[vm];
    uint64_t instructions = seen->figures.instructions;
    return instructions ? 100.0 * (double)seen->sampling_ticks / (double)instructions : 0;
}

static void rows(FILE *stream, const struct overcommit_run *run)
{
    const struct sight *sight = &run->sights[run->count - 1];
    fprintf(stream, "%-12s %8s %8s %8s %8s %8s %8s %8s %8s %8s %9s %9s\n", "VM", "state", "MiB",
            "target", "actual", "balloon", "touched", "shared", "swapped", "active", "rounds/s",
            "sampling");
    for (unsigned i = 0; i < run->scenario.vms_count; i++) {
        const struct sight_vm *vm = &sight->vms[i];
        fprintf(stream,
                "%-12s %8s %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f %7.1f%% %9.1f %8.3f%%\n",
                run->scenario.vms[i].name, state_of(vm), mib(vm->found.size_pages),
                mib(vm->found.target_pages), mib(vm->found.allocated_pages),
                mib(vm->figures.balloon_pages), mib(vm->figures.touched_pages),
                mib(vm->figures.shared_pages), mib(vm->figures.swapped_pages),
                100 * vm->found.active, speed_of(run, i), sampling_percent(run, i));
    }
}

/* A line for each VM that waits for memory, or has failed. */
static void remarks(FILE *stream, const struct overcommit_run *run)
{
    const struct sight *sight = &run->sights[run->count - 1];
    for (unsigned i = 0; i < run->scenario.vms_count; i++) {
        const struct sight_vm *vm = &sight->vms[i];
        const char *name = run->scenario.vms[i].name;
        if (waits(vm))
            fprintf(stream, "%s waits for memory for %.1f s: %s\n", name,
                    (double)vm->found.waits_ticks / (double)HV_TICKS_PER_SECOND,
                    run->vms[i].waited_for);
        else if (vm->state == RUN_PRESENT && vm->found.taken_back_pages)
            fprintf(stream, "%s was out of memory: took %.1f MiB back out of its balloon\n", name,
                    mib(vm->found.taken_back_pages));
        else if (vm->state == RUN_FAILED || vm->state == RUN_REFUSED)
            fprintf(stream, "%s: %s\n", name, run->vms[i].why);
    }
}

void overcommit_table(FILE *stream, const struct overcommit_run *run)
{
    const struct sight *sight = run->count ? &run->sights[run->count - 1] : NULL;
    if (!sight)
        return;
    fprintf(stream, "%.1f s: policy %s, tax %.6g %%, memory %s, %.1f MiB of %.1f free\n",
            sight->seconds, run->scenario.policy ? run->scenario.policy->name : "none",
            100 * sight->tax, hv_memory_state_name(sight->memory), mib(sight->free_pages),
            mib(run->machine_pages));
    rows(stream, run);
    remarks(stream, run);
}

void overcommit_draw(struct hvrun_screen *screen, const struct overcommit_run *run)
{
    char *text = NULL;
    size_t nbytes;
    FILE *stream = open_memstream(&text, &nbytes);
    if (!stream)
        return;
    overcommit_table(stream, run);
    if (fclose(stream) == 0)
        hvrun_screen_draw(screen, text);
    free(text);
}

static void csv_pages(FILE *stream, const struct sight_vm *vm)
{
    const uint64_t all[] = {vm->found.size_pages,      vm->found.target_pages,
                            vm->found.allocated_pages, vm->figures.balloon_pages,
                            vm->figures.touched_pages, vm->figures.shared_pages,
                            vm->figures.swapped_pages};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        fprintf(stream, "%llu,", (unsigned long long)all[i]);
}

void overcommit_csv(FILE *stream, const struct overcommit_run *run)
{
    fprintf(stream,
            "seconds,tax,memory,free_pages,vm,name,state,size_pages,target_pages,allocated_pages,"
            "balloon_pages,touched_pages,shared_pages,swapped_pages,active,truth,rounds,"
            "sampling_ticks,instructions\n");
    for (size_t n = 0; n < run->count; n++)
        for (unsigned i = 0; i < run->scenario.vms_count; i++) {
            const struct sight *sight = &run->sights[n];
            const struct sight_vm *vm = &sight->vms[i];
            fprintf(stream, "%.6f,%g,%s,%llu,%u,%s,%s,", sight->seconds, sight->tax,
                    hv_memory_state_name(sight->memory), (unsigned long long)sight->free_pages, i,
                    run->scenario.vms[i].name, state_of(vm));
            csv_pages(stream, vm);
            fprintf(stream, "%.17g,%.17g,%llu,%llu,%llu\n", vm->found.active, vm->found.truth,
                    (unsigned long long)vm->rounds, (unsigned long long)vm->sampling_ticks,
                    (unsigned long long)vm->figures.instructions);
        }
}

static json_t *sight_json(const struct overcommit_run *run, const struct sight *sight)
{
    json_t *vms = json_array();
    for (unsigned i = 0; i < run->scenario.vms_count; i++) {
        const struct sight_vm *vm = &sight->vms[i];
        json_array_append_new(
            vms,
            json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:I, s:I, s:I}",
                      "state", state_of(vm), "waits_seconds",
                      (double)vm->found.waits_ticks / (double)HV_TICKS_PER_SECOND, "target_pages",
                      (json_int_t)vm->found.target_pages, "allocated_pages",
                      (json_int_t)vm->found.allocated_pages, "balloon_pages",
                      (json_int_t)vm->figures.balloon_pages, "balloon_target_pages",
                      (json_int_t)vm->figures.balloon_target_pages, "balloon_taken_back_pages",
                      (json_int_t)vm->found.taken_back_pages, "touched_pages",
                      (json_int_t)vm->figures.touched_pages, "shared_pages",
                      (json_int_t)vm->figures.shared_pages, "swapped_pages",
                      (json_int_t)vm->figures.swapped_pages, "active", vm->found.active, "truth",
                      vm->found.truth < 0 ? json_null() : json_real(vm->found.truth), "rounds",
                      (json_int_t)vm->rounds, "sampling_ticks", (json_int_t)vm->sampling_ticks,
                      "instructions", (json_int_t)vm->figures.instructions));
    }
    return json_pack("{s:f, s:f, s:s, s:I, s:o}", "seconds", sight->seconds, "tax", sight->tax,
                     "memory", hv_memory_state_name(sight->memory), "free_pages",
                     (json_int_t)sight->free_pages, "vms", vms);
}

static json_t *vms_json(const struct overcommit_run *run)
{
    json_t *vms = json_array();
    for (unsigned i = 0; i < run->scenario.vms_count; i++) {
        const struct scenario_vm *vm = &run->scenario.vms[i];
        json_array_append_new(
            vms,
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:s*, s:s*, s:f}", "name", vm->name,
                      "workload", vm->workload, "size_pages",
                      (json_int_t)(vm->memory_bytes / HV_PAGE_BYTES), "min_pages",
                      (json_int_t)(vm->min_bytes / HV_PAGE_BYTES), "shares", (json_int_t)vm->shares,
                      "sampling_percent_of_instructions", sampling_percent(run, i), "reason",
                      run->vms[i].why[0] ? run->vms[i].why : NULL, "waited_for",
                      run->vms[i].waited_for[0] ? run->vms[i].waited_for : NULL,
                      "longest_wait_seconds",
                      (double)run->vms[i].longest_wait_ticks / (double)HV_TICKS_PER_SECOND));
    }
    return vms;
}

static json_t *costs_json(const struct hvrun_cost *costs)
{
    json_t *object = json_object();
    for (const struct hvrun_cost *cost = costs; cost->name; cost++)
        json_object_set_new(object, cost->name, json_integer(cost->ticks));
    return object;
}

void overcommit_json(FILE *stream, const struct overcommit_run *run)
{
    const struct scenario *scenario = &run->scenario;
    json_t *sights = json_array();
    for (size_t n = 0; n < run->count; n++)
        json_array_append_new(sights, sight_json(run, &run->sights[n]));
    json_t *root =
        json_pack("{s:s, s:s, s:f, s:f, s:I, s:I, s:b, s:o, s:o, s:o, s:o}", "title",
                  scenario->title, "policy", scenario->policy ? scenario->policy->name : "none",
                  "slack", scenario->slack, "period_seconds", scenario->period, "memory_pages",
                  (json_int_t)(scenario->memory_bytes / HV_PAGE_BYTES), "machine_pages",
                  (json_int_t)run->machine_pages, "sharing", (int)scenario->sharing,
                  "charges_ticks", costs_json(hvrun_charges), "latencies_ticks",
                  costs_json(hvrun_latencies), "vms", vms_json(run), "periods", sights);
    json_dumpf(root, stream, JSON_INDENT(1));
    fputc('\n', stream);
    json_decref(root);
}
