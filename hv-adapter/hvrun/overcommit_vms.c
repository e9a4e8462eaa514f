/* SPDX-License-Identifier: MIT */
/* The VMs of a scenario come, go, and wait for memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "overcommit_run.h"

/* ---- what they print */

static void end_line(struct run_vm *vm)
{
    static const char begin[] = "workload ";
    vm->line[vm->line_length] = 0;
    if (strncmp(vm->line, begin, sizeof begin - 1) == 0 && strstr(vm->line, " round ") != NULL)
        vm->rounds++;
    vm->line_length = 0;
}

/* Counts the rounds that it tells of, and keeps a copy. */
static void listen(void *ctx, struct hv_vm *of, const char *bytes, size_t nbytes)
{
    struct run_vm *vm = ctx;
    (void)of;
    if (vm->log)
        fwrite(bytes, 1, nbytes, vm->log);
    for (size_t i = 0; i < nbytes; i++) {
        if (bytes[i] == '\n')
            end_line(vm);
        else if (vm->line_length + 1 < sizeof vm->line)
            vm->line[vm->line_length++] = bytes[i];
    }
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
    runner->run.vms[i].log = fopen(path, "w");
    if (!runner->run.vms[i].log)
        fprintf(stderr, "hvrun: %s: %s\n", path, strerror(errno));
    return runner->run.vms[i].log != NULL;
}

/* ---- coming */

/* What the guest's workload needs to know of the events, in time of its own: "0:8192,5000:0". NULL:
 * out of memory. Owned by the caller. */
static char *plan_of(const struct scenario *scenario, unsigned vm, double now)
{
    char *plan = NULL;
    size_t nbytes;
    FILE *out = open_memstream(&plan, &nbytes);
    if (!out)
        return NULL;
    fprintf(out, "0:%llu", (unsigned long long)scenario->vms[vm].active_kib);
    for (unsigned i = 0; i < scenario->events_count; i++) {
        const struct scenario_event *event = &scenario->events[i];
        if (event->what == SCENARIO_ACTIVE && event->vm == vm)
            fprintf(out, ",%llu:%llu", (unsigned long long)((event->at - now) * 1000),
                    (unsigned long long)event->active_kib);
    }
    return fclose(out) == 0 ? plan : NULL;
}

/* A zone of so few pages must not raise its watermarks by a whole block of pages because small ones
 * were taken from it, as Linux does: with megabytes free it would be out of memory, and panic when
 * its balloon has nothing left to give. */
#define SMALL_ZONES "sysctl.vm.watermark_boost_factor=0"

static struct hv_vm *new_vm(struct runner *runner, unsigned i, struct hv_error *error)
{
    const struct scenario_vm *vm = &runner->run.scenario.vms[i];
    const struct hvrun_options *guest = &runner->options;
    char *plan = plan_of(&runner->run.scenario, i, overcommit_seconds(runner)), *append = NULL;
    if (!plan || asprintf(&append,
                          "console=hvc0 panic=-1 " SMALL_ZONES
                          " HV_ROUNDS=0 HV_WORKLOAD=%s HV_SEED=%u HV_NAME=%s HV_PLAN=%s",
                          vm->workload, i + 1, vm->name, plan) < 0) {
        free(plan);
        snprintf(error->text, sizeof error->text, "out of host memory");
        return NULL;
    }
    struct hv_vm_config config = {.memory_bytes = vm->memory_bytes,
                                  .kernel = guest->kernel,
                                  .initrd = guest->initrd[0] ? guest->initrd : NULL,
                                  .append = append,
                                  .seed = i + 1,
                                  .para = guest->para,
                                  .disk_bytes = {vm->disk_bytes},
                                  .output = listen,
                                  .output_ctx = &runner->run.vms[i]};
    struct hv_vm *made = hv_vm_new(runner->world, &config, error);
    free(plan);
    free(append);
    return made;
}

/* Machine pages that a VM has when it is loaded, at most. */
static uint64_t loaded_pages(const struct hvrun_options *guest)
{
    struct stat kernel = {.st_size = 0}, initrd = {.st_size = 0};
    (void)!stat(guest->kernel, &kernel);
    if (guest->initrd[0])
        (void)!stat(guest->initrd, &initrd);
    return ((uint64_t)kernel.st_size + (uint64_t)initrd.st_size) / HV_PAGE_BYTES + 16;
}

static bool refuse(struct runner *runner, unsigned i, const char *why)
{
    struct run_vm *vm = &runner->run.vms[i];
    vm->state = RUN_REFUSED;
    snprintf(vm->why, sizeof vm->why, "%s", why);
    fprintf(stderr, "hvrun: %s: at %.1f s VM %u (%s) does not start: %s\n",
            runner->options.scenario, overcommit_seconds(runner), i,
            runner->run.scenario.vms[i].name, why);
    return false;
}

bool overcommit_arrive(struct runner *runner, unsigned i)
{
    const struct scenario_vm *wanted = &runner->run.scenario.vms[i];
    struct run_vm *vm = &runner->run.vms[i];
    struct hv_error error;
    struct hv_overcommit_claim claim = {.min_pages = wanted->min_bytes / HV_PAGE_BYTES,
                                        .shares = wanted->shares,
                                        .balloon_pages = wanted->balloon_bytes / HV_PAGE_BYTES};
    if (!open_log(runner, i))
        return refuse(runner, i, "its output cannot be kept");
    if (!hv_overcommit_admits(runner->overcommit, wanted->memory_bytes / HV_PAGE_BYTES, &claim,
                              &error))
        return refuse(runner, i, error.text);
    (void)hv_overcommit_make_room(runner->overcommit, loaded_pages(&runner->options));
    vm->vm = new_vm(runner, i, &error);
    if (!vm->vm)
        return refuse(runner, i, error.text);
    vm->state = RUN_PRESENT;
    return hv_overcommit_add(runner->overcommit, vm->vm, &claim) ||
           refuse(runner, i, "out of host memory");
}

/* ---- going */

static void give_back(struct run_vm *vm, enum run_state state, const char *why)
{
    vm->state = state;
    snprintf(vm->why, sizeof vm->why, "%s", why);
    hv_vm_exit(vm->vm);
}

void overcommit_leave(struct runner *runner, unsigned i)
{
    struct run_vm *vm = &runner->run.vms[i];
    if (vm->state != RUN_PRESENT)
        return;
    give_back(vm, RUN_ENDED, "left");
    hv_overcommit_divide(runner->overcommit);
}

bool overcommit_collect(struct runner *runner)
{
    bool any = false, gone = false;
    for (unsigned i = 0; i < runner->run.scenario.vms_count; i++) {
        struct run_vm *vm = &runner->run.vms[i];
        if (vm->state != RUN_PRESENT)
            continue;
        enum hv_state state = hv_vm_state(vm->vm);
        any |= state < HV_ENDED;
        if (state < HV_ENDED)
            continue;
        gone = true;
        hvrun_screen_leave(&runner->screen);
        fprintf(stderr, "hvrun: at %.1f s VM %u (%s): %s\n", overcommit_seconds(runner), i,
                runner->run.scenario.vms[i].name, hv_vm_reason(vm->vm));
        if (state == HV_FAILED)
            hvrun_report_last_lines(stderr, vm->vm);
        give_back(vm, state == HV_FAILED ? RUN_FAILED : RUN_ENDED, hv_vm_reason(vm->vm));
    }
    if (gone && any)
        hv_overcommit_divide(runner->overcommit);
    return any;
}

/* ---- waiting */

void overcommit_note_waits(struct runner *runner)
{
    for (unsigned i = 0; i < runner->run.scenario.vms_count; i++) {
        struct run_vm *vm = &runner->run.vms[i];
        struct hv_overcommit_vm found;
        if (vm->state != RUN_PRESENT)
            continue;
        hv_overcommit_look(runner->overcommit, vm->vm, &found);
        if (found.waits_ticks <= OVERCOMMIT_WAITS_TICKS)
            continue;
        if (found.waits_ticks > vm->longest_wait_ticks)
            vm->longest_wait_ticks = found.waits_ticks;
        (void)hv_overcommit_why(runner->overcommit, vm->waited_for, sizeof vm->waited_for);
    }
}

int overcommit_verdict(const struct runner *runner)
{
    bool failed = false, waited = false;
    for (unsigned i = 0; i < runner->run.scenario.vms_count; i++) {
        const struct run_vm *vm = &runner->run.vms[i];
        failed |= vm->state == RUN_FAILED || vm->state == RUN_REFUSED;
        if (!vm->longest_wait_ticks)
            continue;
        waited = true;
        fprintf(stderr, "hvrun: VM %u (%s) waited for memory for %.1f s: %s\n", i,
                runner->run.scenario.vms[i].name,
                (double)vm->longest_wait_ticks / (double)HV_TICKS_PER_SECOND, vm->waited_for);
    }
    return failed ? 1 : waited ? 3 : 0;
}
