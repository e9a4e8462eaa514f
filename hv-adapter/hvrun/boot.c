/* SPDX-License-Identifier: MIT */
/* hvrun boot: runs guests for a time, shows their figures, answers commands meanwhile. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "hvrun.h"
#include "screen.h"

enum { STEPS_PER_SECOND = 20 };

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

struct boot {
    struct hvrun_options options;
    struct hv_world *world;
    struct hvrun_control *control; /* NULL without --control */
    double started;                /* wall */
    double drawn;                  /* wall: when the table was last drawn */
    struct hvrun_screen screen;
    uint64_t printed; /* whole virtual seconds with a line */
    bool *told;       /* per VM: its end was told */
    bool failed;      /* a VM has */
    bool terminal;
};

/* VMs that ended give everything back; the others go on. Whether any is left. */
static bool collect(struct boot *boot)
{
    bool any = false;
    for (unsigned i = 0; i < hv_world_vms(boot->world); i++) {
        struct hv_vm *vm = hv_world_vm(boot->world, i);
        if (hv_vm_state(vm) < HV_ENDED) {
            any = true;
            continue;
        }
        if (boot->told[i])
            continue;
        boot->told[i] = true;
        fprintf(stderr, "VM %u: %s\n", i, hv_vm_reason(vm));
        if (hv_vm_state(vm) == HV_FAILED) {
            hvrun_report_last_lines(stderr, vm);
            boot->failed = true;
        }
        hv_vm_exit(vm);
        hvrun_screen_leave(&boot->screen);
    }
    return any;
}

static void print_table(FILE *stream, struct hv_world *world)
{
    hvrun_report_header(stream);
    hvrun_report_rows(stream, world);
}

static void draw(struct boot *boot)
{
    char *text = NULL;
    size_t nbytes;
    FILE *stream = open_memstream(&text, &nbytes);
    if (!stream)
        return;
    print_table(stream, boot->world);
    if (fclose(stream) == 0)
        hvrun_screen_draw(&boot->screen, text);
    free(text);
}

static void show(struct boot *boot)
{
    uint64_t second = hv_world_ticks(boot->world) / HV_TICKS_PER_SECOND;
    if (boot->options.format == HVRUN_JSON)
        return;
    if (!boot->terminal) {
        if (second > boot->printed)
            hvrun_report_lines(stdout, boot->world);
        boot->printed = second;
        return;
    }
    if (hvrun_wall_seconds() - boot->drawn < 0.25)
        return;
    boot->drawn = hvrun_wall_seconds();
    draw(boot);
}

static void run(struct boot *boot)
{
    double seconds = boot->options.seconds;
    uint64_t end = seconds > 0 ? (uint64_t)(seconds * (double)HV_TICKS_PER_SECOND) : UINT64_MAX;
    while (!interrupted && hv_world_ticks(boot->world) < end) {
        uint64_t step = HV_TICKS_PER_SECOND / STEPS_PER_SECOND;
        uint64_t left = end - hv_world_ticks(boot->world);
        hv_world_run(boot->world, step < left ? step : left, NULL, NULL);
        if (!collect(boot))
            return;
        show(boot);
        hvrun_control_keep_pace(boot->control, boot->started, &interrupted);
    }
}

static void finish(struct boot *boot)
{
    if (boot->options.settle && boot->options.sharing && !hv_world_share_now(boot->world))
        fprintf(stderr, "hvrun: sharing did not settle\n");
    if (boot->options.format == HVRUN_JSON) {
        hvrun_report_json(stdout, boot->world);
        return;
    }
    if (boot->terminal)
        draw(boot);
    else
        print_table(stdout, boot->world);
}

int hvrun_boot(int argc, char **argv)
{
    struct boot boot = {.terminal = isatty(STDOUT_FILENO) == 1};
    hvrun_screen_init(&boot.screen, stdout);
    hvrun_options_init(&boot.options);
    if (!hvrun_options_parse(&boot.options, argc, argv))
        return 2;
    struct hvrun_guests *guests = hvrun_guests_new(&boot.options, NULL, NULL);
    if (!guests)
        return 1;
    int code = 1;
    boot.world = hvrun_guests_world(guests);
    boot.told = calloc(boot.options.vms, sizeof *boot.told);
    if (boot.options.control)
        boot.control = hvrun_control_new(boot.options.control, boot.world);
    if (boot.told && (boot.control || !boot.options.control)) {
        signal(SIGINT, interrupt);
        signal(SIGTERM, interrupt);
        signal(SIGPIPE, SIG_IGN);
        boot.started = hvrun_wall_seconds();
        run(&boot);
        finish(&boot);
        code = boot.failed ? 1 : 0;
    }
    hvrun_control_free(boot.control);
    hvrun_screen_fini(&boot.screen);
    free(boot.told);
    hvrun_guests_free(guests);
    return code;
}
