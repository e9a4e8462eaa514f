/* SPDX-License-Identifier: MIT */
/* hvrun overcommit: runs a scenario, looks at it once a period, shows what came of it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvrun.h"
#include "overcommit_run.h"

/* One VM's output: the rounds that it tells of, and a copy. */
struct listener {
    char line[32]; /* the beginning of the line of now */
    unsigned length;
    uint64_t rounds;
    FILE *log; /* NULL: not kept */
};

struct runner {
    struct overcommit_run run;
    struct hvrun_options options;
    struct hv_world *world;
    struct hv_overcommit *overcommit;
    struct listener listeners[SCENARIO_VMS_MAX];
    double tax;        /* of now */
    unsigned happened; /* events */
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void end_line(struct listener *listener)
{
    static const char begin[] = "workload ";
    listener->line[listener->length] = 0;
    if (strncmp(listener->line, begin, sizeof begin - 1) == 0 &&
        strstr(listener->line, " round ") != NULL)
        listener->rounds++;
    listener->length = 0;
}

static void listen(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    struct listener *listener = ctx;
    (void)vm;
    if (listener->log)
        fwrite(bytes, 1, nbytes, listener->log);
    for (size_t i = 0; i < nbytes; i++) {
        if (bytes[i] == '\n')
            end_line(listener);
        else if (listener->length + 1 < sizeof listener->line)
            listener->line[listener->length++] = bytes[i];
    }
}

/* What the guest's workload needs to know of the events: "0:8192,5000:0". */
static bool plan_of(const struct scenario *scenario, unsigned vm, char *plan, size_t room)
{
    size_t at =
        (size_t)snprintf(plan, room, "0:%llu", (unsigned long long)scenario->vms[vm].active_kib);
    for (unsigned i = 0; i < scenario->events_count && at < room; i++) {
        const struct scenario_event *event = &scenario->events[i];
        if (!event->is_tax && event->vm == vm)
            at += (size_t)snprintf(plan + at, room - at, ",%llu:%llu",
                                   (unsigned long long)(event->at * 1000),
                                   (unsigned long long)event->active_kib);
    }
    return at < room;
}

static bool add_vm(struct runner *runner, unsigned i)
{
    const struct scenario_vm *vm = &runner->run.scenario.vms[i];
    const struct hvrun_options *guest = &runner->options;
    char plan[1024], append[1400];
    struct hv_error error;
    if (!plan_of(&runner->run.scenario, i, plan, sizeof plan)) {
        fprintf(stderr, "hvrun: VM %u: too many events\n", i);
        return false;
    }
    snprintf(append, sizeof append,
             "console=hvc0 panic=-1 HV_WORKLOAD=%s HV_SEED=%u HV_NAME=%s HV_PLAN=%s", vm->workload,
             i + 1, vm->name, plan);
    struct hv_vm_config config = {.memory_bytes = vm->memory_bytes,
                                  .kernel = guest->kernel,
                                  .initrd = guest->initrd[0] ? guest->initrd : NULL,
                                  .append = append,
                                  .seed = i + 1,
                                  .disk_bytes = {vm->disk_bytes},
                                  .output = listen,
                                  .output_ctx = &runner->listeners[i]};
    if (hv_vm_new(runner->world, &config, &error))
        return true;
    fprintf(stderr, "hvrun: VM %u (%s): %s\n", i, vm->name, error.text);
    return false;
}

static bool open_log(struct runner *runner, unsigned i)
{
    const char *dir = runner->options.log;
    char path[600];
    if (!dir)
        return true;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        fprintf(stderr, "hvrun: %s: %s\n", dir, strerror(errno));
    snprintf(path, sizeof path, "%s/vm-%u.log", dir, i);
    runner->listeners[i].log = fopen(path, "w");
    if (!runner->listeners[i].log)
        fprintf(stderr, "hvrun: %s: %s\n", path, strerror(errno));
    return runner->listeners[i].log != NULL;
}

static bool start_policy(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    struct hv_overcommit_claim claims[SCENARIO_VMS_MAX];
    struct hv_error error;
    struct hv_overcommit_config config = {
        .policy = scenario->policy,
        .memory_pages = scenario->memory_bytes / HV_PAGE_BYTES,
        .period_ticks = (uint64_t)(scenario->period * (double)HV_TICKS_PER_SECOND),
        .tax = scenario->tax,
        .slack = scenario->slack,
        .census = scenario->census,
    };
    for (unsigned i = 0; i < scenario->vms_count; i++)
        claims[i] = (struct hv_overcommit_claim){
            .min_pages = scenario->vms[i].min_bytes / HV_PAGE_BYTES,
            .shares = scenario->vms[i].shares,
            .balloon_pages = scenario->vms[i].balloon_bytes / HV_PAGE_BYTES,
        };
    runner->overcommit = hv_overcommit_new(runner->world, &config, claims, &error);
    if (!runner->overcommit)
        fprintf(stderr, "hvrun: %s: %s\n", runner->options.scenario, error.text);
    return runner->overcommit != NULL;
}

static bool start(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    struct hv_error error;
    runner->run.machine_pages = hv_overcommit_machine_pages(scenario->memory_bytes / HV_PAGE_BYTES);
    struct hv_world_config config = {.machine_pages = runner->run.machine_pages,
                                     .sharing = scenario->sharing,
                                     .scan_rate = scenario->scan_rate,
                                     .seed = 1};
    runner->world = hv_world_new(&config, &error);
    if (!runner->world) {
        fprintf(stderr, "hvrun: %s\n", error.text);
        return false;
    }
    runner->tax = scenario->tax;
    for (unsigned i = 0; i < scenario->vms_count; i++)
        if (!open_log(runner, i) || !add_vm(runner, i))
            return false;
    return start_policy(runner);
}

static bool look(struct runner *runner)
{
    struct overcommit_run *run = &runner->run;
    unsigned vms = run->scenario.vms_count;
    if (run->count == run->room) {
        run->room = run->room ? 2 * run->room : 256;
        struct sight *more = realloc(run->sights, run->room * sizeof *more);
        if (!more)
            return false;
        run->sights = more;
    }
    struct sight *sight = &run->sights[run->count];
    *sight = (struct sight){
        .seconds = (double)hv_world_ticks(runner->world) / (double)HV_TICKS_PER_SECOND,
        .tax = runner->tax,
        .memory = hv_overcommit_state(runner->overcommit),
        .vms = calloc(vms, sizeof *sight->vms),
    };
    if (!sight->vms)
        return false;
    run->count++;
    for (unsigned i = 0; i < vms; i++) {
        struct hv_vm *vm = hv_world_vm(runner->world, i);
        struct sight_vm *seen = &sight->vms[i];
        hv_overcommit_look(runner->overcommit, i, &seen->found);
        hv_vm_figures(vm, &seen->figures);
        seen->rounds = runner->listeners[i].rounds;
        seen->state = hv_vm_state(vm);
        struct hv_active active;
        hv_vm_active(vm, &active);
        seen->sampling_ticks = active.cost_ticks;
    }
    struct hv_figures all;
    hv_world_figures(runner->world, &all);
    sight->free_pages = run->machine_pages - (all.touched_pages - all.reclaimed_pages);
    return true;
}

static bool set_tax(struct runner *runner, unsigned event)
{
    struct hv_error error;
    double tax = runner->run.scenario.events[event].tax;
    if (hv_overcommit_set_tax(runner->overcommit, tax, &error))
        return true;
    fprintf(stderr, "hvrun: %s: event %u: %s\n", runner->options.scenario, event, error.text);
    return false;
}

/* What a policy would refuse later is refused now. */
static bool try_taxes(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    struct hv_error error;
    for (unsigned i = 0; i < scenario->events_count; i++)
        if (scenario->events[i].is_tax && !set_tax(runner, i))
            return false;
    return hv_overcommit_set_tax(runner->overcommit, scenario->tax, &error);
}

/* A VM's events are in its plan already. */
static bool let_happen(struct runner *runner, double now)
{
    const struct scenario *scenario = &runner->run.scenario;
    for (; runner->happened < scenario->events_count; runner->happened++) {
        const struct scenario_event *event = &scenario->events[runner->happened];
        if (event->at > now)
            return true;
        if (!event->is_tax)
            continue;
        if (!set_tax(runner, runner->happened))
            return false;
        runner->tax = event->tax;
    }
    return true;
}

/* A VM that failed ends the run: its figures would mean nothing. */
static bool all_well(const struct runner *runner)
{
    for (unsigned i = 0; i < runner->run.scenario.vms_count; i++) {
        struct hv_vm *vm = hv_world_vm(runner->world, i);
        if (hv_vm_state(vm) != HV_FAILED)
            continue;
        fprintf(stderr, "hvrun: VM %u (%s): %s\n", i, runner->run.scenario.vms[i].name,
                hv_vm_reason(vm));
        hvrun_report_last_lines(stderr, vm);
        return false;
    }
    return true;
}

static bool run_scenario(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    const uint64_t turn = HV_TICKS_PER_SECOND / 1000;
    uint64_t period = (uint64_t)(scenario->period * (double)HV_TICKS_PER_SECOND), next = period;
    uint64_t end = (uint64_t)(scenario->seconds * (double)HV_TICKS_PER_SECOND);
    while (!interrupted && hv_world_ticks(runner->world) < end) {
        hv_world_run(runner->world, turn, NULL, NULL);
        uint64_t now = hv_world_ticks(runner->world);
        if (now >= next) { /* before the period's end changes anything */
            next += period;
            if (!look(runner) || !all_well(runner))
                return false;
            if (runner->run.live)
                overcommit_live(stdout, &runner->run);
        }
        if (!let_happen(runner, (double)now / (double)HV_TICKS_PER_SECOND))
            return false;
        (void)hv_overcommit_turn(runner->overcommit);
    }
    return true;
}

static bool report(struct runner *runner)
{
    const struct hvrun_options *options = &runner->options;
    if (options->format == HVRUN_JSON)
        overcommit_json(stdout, &runner->run);
    else if (options->format == HVRUN_CSV)
        overcommit_csv(stdout, &runner->run);
    else if (!runner->run.live)
        overcommit_live(stdout, &runner->run);
    return !options->plot || overcommit_plot(options->plot, &runner->run);
}

static void clean_up(struct runner *runner)
{
    hv_overcommit_free(runner->overcommit);
    hv_world_free(runner->world);
    for (unsigned i = 0; i < SCENARIO_VMS_MAX; i++)
        if (runner->listeners[i].log)
            fclose(runner->listeners[i].log);
    for (size_t i = 0; i < runner->run.count; i++)
        free(runner->run.sights[i].vms);
    free(runner->run.sights);
    free(runner);
}

static bool bad(const char *option, const char *expected, const char *found)
{
    fprintf(stderr, "hvrun: overcommit: --%s: expected %s, found \"%s\"\n", option, expected,
            found);
    return false;
}

/* What the command line says goes before the file. */
static bool override(struct runner *runner)
{
    const struct hvrun_options *options = &runner->options;
    struct scenario *scenario = &runner->run.scenario;
    char names[128];
    if (options->policy && !scenario_policy(options->policy, &scenario->policy))
        return bad("policy", hv_policy_names(names, sizeof names), options->policy);
    if (options->tax && !scenario_tax(options->tax, &scenario->tax))
        return bad("tax", "a fraction, 50%, default, taught or none", options->tax);
    if (options->seconds > 0)
        scenario->seconds = options->seconds;
    for (unsigned i = 0; i < scenario->vms_count; i++) {
        const struct scenario_vm *vm = &scenario->vms[i];
        const char *known = hvrun_workload_unknown(options, vm->workload);
        if (!known)
            continue;
        fprintf(stderr, "hvrun: %s: VM %u: \"workload\": expected %s, found \"%s\"\n",
                options->scenario, i, known, vm->workload);
        return false;
    }
    if (access(options->kernel, R_OK) == 0)
        return true;
    fprintf(stderr, "hvrun: %s: %s: run hv-adapter/guest/build, or name a kernel by --kernel\n",
            options->kernel, strerror(errno));
    return false;
}

int hvrun_overcommit(int argc, char **argv)
{
    struct runner *runner = calloc(1, sizeof *runner);
    int code = 2;
    if (!runner)
        return 1;
    hvrun_options_init(&runner->options);
    if (hvrun_options_parse(&runner->options, argc, argv)) {
        runner->run.live = runner->options.format == HVRUN_TABLE && isatty(STDOUT_FILENO) == 1;
        signal(SIGINT, interrupt);
        signal(SIGTERM, interrupt);
        bool done = scenario_read(&runner->run.scenario, runner->options.scenario) &&
                    override(runner) && start(runner) && try_taxes(runner) &&
                    run_scenario(runner) && report(runner);
        code = done ? 0 : 1;
    }
    clean_up(runner);
    return code;
}
