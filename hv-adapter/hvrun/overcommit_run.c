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

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static bool start_policy(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    struct hv_error error;
    struct hv_overcommit_config config = {
        .policy = scenario->policy,
        .memory_pages = scenario->memory_bytes / HV_PAGE_BYTES,
        .period_ticks = (uint64_t)(scenario->period * (double)HV_TICKS_PER_SECOND),
        .tax = scenario->tax,
        .slack = scenario->slack,
        .census = scenario->census,
    };
    runner->overcommit = hv_overcommit_new(runner->world, &config, &error);
    if (!runner->overcommit)
        fprintf(stderr, "hvrun: %s: %s\n", runner->options.scenario, error.text);
    return runner->overcommit != NULL;
}

static bool start_world(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    struct hv_error error;
    runner->run.machine_pages = hv_overcommit_machine_pages(scenario->memory_bytes / HV_PAGE_BYTES);
    struct hv_world_config config = {.machine_pages = runner->run.machine_pages,
                                     .sharing = scenario->sharing,
                                     .scan_rate = scenario->scan_rate,
                                     .swap_file = scenario->swap_file,
                                     .swap_bytes = scenario->swap_bytes,
                                     .threads = runner->options.threads,
                                     .seed = 1};
    runner->world = hv_world_new(&config, &error);
    if (!runner->world)
        fprintf(stderr, "hvrun: %s\n", error.text);
    return runner->world != NULL;
}

/* With the VMs that are there from the start: all of them, or none. */
static bool start(struct runner *runner)
{
    const struct scenario *scenario = &runner->run.scenario;
    runner->tax = scenario->tax;
    runner->run.vms = calloc(scenario->vms_count, sizeof *runner->run.vms);
    if (!runner->run.vms || !start_world(runner) || !start_policy(runner))
        return false;
    for (unsigned i = 0; i < scenario->vms_count; i++)
        if (!scenario->vms[i].arrives && !overcommit_arrive(runner, i))
            return false;
    hv_overcommit_divide(runner->overcommit);
    const char *socket = runner->options.control;
    if (socket && !(runner->control = hvrun_control_new(socket, runner->world)))
        return false;
    runner->started = hvrun_wall_seconds();
    return true;
}

/* What is to be seen of a VM now. */
static void look_at(const struct runner *runner, const struct run_vm *vm, struct sight_vm *seen)
{
    struct hv_active active;
    seen->state = vm->state;
    seen->rounds = vm->rounds;
    if (!vm->vm)
        return;
    hv_overcommit_look(runner->overcommit, vm->vm, &seen->found);
    hv_vm_figures(vm->vm, &seen->figures);
    hv_vm_active(vm->vm, &active);
    seen->stopped = hv_vm_state(vm->vm) == HV_STOPPED && !seen->found.blocked;
    seen->sampling_ticks = active.cost_ticks;
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
        .seconds = overcommit_seconds(runner),
        .tax = runner->tax,
        .memory = hv_overcommit_state(runner->overcommit),
        .vms = calloc(vms, sizeof *sight->vms),
    };
    if (!sight->vms)
        return false;
    run->count++;
    for (unsigned i = 0; i < vms; i++)
        look_at(runner, &run->vms[i], &sight->vms[i]);
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
        if (scenario->events[i].what == SCENARIO_TAX && !set_tax(runner, i))
            return false;
    return hv_overcommit_set_tax(runner->overcommit, scenario->tax, &error);
}

static bool let_happen(struct runner *runner, unsigned number)
{
    const struct scenario_event *event = &runner->run.scenario.events[number];
    switch (event->what) {
    case SCENARIO_ACTIVE: /* is in the VM's plan already */
        return true;
    case SCENARIO_ARRIVE:
        if (overcommit_arrive(runner, event->vm))
            hv_overcommit_divide(runner->overcommit);
        return true; /* the others go on */
    case SCENARIO_LEAVE:
        overcommit_leave(runner, event->vm);
        return true;
    case SCENARIO_TAX:
        runner->tax = event->tax;
        return set_tax(runner, number);
    }
    return true;
}

static bool let_all_happen(struct runner *runner, double now)
{
    const struct scenario *scenario = &runner->run.scenario;
    for (; runner->happened < scenario->events_count; runner->happened++) {
        if (scenario->events[runner->happened].at > now)
            return true;
        if (!let_happen(runner, runner->happened))
            return false;
    }
    return true;
}

/* Is a VM still to come? */
static bool any_comes(const struct runner *runner)
{
    for (unsigned i = 0; i < runner->run.scenario.vms_count; i++)
        if (runner->run.vms[i].state == RUN_ABSENT)
            return true;
    return false;
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
        bool over = !overcommit_collect(runner) && !any_comes(runner);
        overcommit_note_waits(runner);
        if (now >= next || over) { /* before the period's end changes anything */
            next += period;
            if (!look(runner))
                return false;
            if (runner->live)
                overcommit_draw(&runner->screen, &runner->run);
        }
        if (over) /* nobody is left */
            return true;
        hvrun_control_keep_pace(runner->control, runner->started, &interrupted);
        if (!let_all_happen(runner, (double)now / (double)HV_TICKS_PER_SECOND))
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
    else if (!runner->live)
        overcommit_table(stdout, &runner->run);
    return !options->plot || overcommit_plot(options->plot, &runner->run);
}

static void clean_up(struct runner *runner)
{
    hvrun_control_free(runner->control);
    hvrun_screen_fini(&runner->screen);
    hv_overcommit_free(runner->overcommit);
    hv_world_free(runner->world);
    for (unsigned i = 0; runner->run.vms && i < runner->run.scenario.vms_count; i++)
        if (runner->run.vms[i].log)
            fclose(runner->run.vms[i].log);
    free(runner->run.vms);
    scenario_fini(&runner->run.scenario);
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
        runner->live = runner->options.format == HVRUN_TABLE && isatty(STDOUT_FILENO) == 1;
        hvrun_screen_init(&runner->screen, stdout);
        signal(SIGINT, interrupt);
        signal(SIGTERM, interrupt);
        signal(SIGXFSZ, SIG_IGN); /* a limit on the paging file's size is a fault of the file */
        bool done = scenario_read(&runner->run.scenario, runner->options.scenario) &&
                    override(runner) && start(runner) && try_taxes(runner) &&
                    run_scenario(runner) && report(runner);
        code = done ? overcommit_verdict(runner) : 1;
    }
    clean_up(runner);
    return code;
}
