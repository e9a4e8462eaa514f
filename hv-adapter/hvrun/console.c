/* SPDX-License-Identifier: MIT */
/* hvrun console: one guest at the terminal, at the terminal's time. Ctrl-A X leaves. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "hvrun.h"

enum { ESCAPE = 1 /* Ctrl-A */, STEP_MS = 10 };

static void output(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    (void)ctx, (void)vm;
    fwrite(bytes, 1, nbytes, stdout);
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Hands over what was typed; false when the person leaves or the input ends. */
static bool type(struct hv_vm *vm, bool *escaped)
{
    char bytes[64];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++) {
        if (*escaped && (bytes[i] == 'x' || bytes[i] == 'X'))
            return false;
        bool is_escape = bytes[i] == ESCAPE && !*escaped;
        if (!is_escape)
            hv_vm_type(vm, &bytes[i], 1);
        *escaped = is_escape;
    }
    return got > 0;
}

/* Runs the guest, at most as fast as the clock; what is typed goes in between. */
static void run(struct hv_world *world, struct hv_vm *vm)
{
    double started = wall_seconds();
    bool escaped = false, open = true;
    while (hv_vm_state(vm) < HV_ENDED) {
        hv_world_run(world, HV_TICKS_PER_SECOND * STEP_MS / 1000, NULL, NULL);
        hv_vm_flush(vm);
        fflush(stdout);
        double ahead = (double)hv_world_ticks(world) / (double)HV_TICKS_PER_SECOND -
                       (wall_seconds() - started);
        struct pollfd in = {.fd = open ? STDIN_FILENO : -1, .events = POLLIN};
        if (poll(&in, 1, ahead > 0 ? (int)(ahead * 1000) + 1 : 0) < 1)
            continue;
        if (!type(vm, &escaped)) {
            if (isatty(STDIN_FILENO))
                return;
            open = false; /* a script's end: the guest goes on until it ends itself */
        }
    }
}

int hvrun_console(int argc, char **argv)
{
    struct hvrun_options options;
    struct termios before;
    hvrun_options_init(&options);
    options.workload = "shell";
    if (!hvrun_options_parse(&options, argc, argv))
        return 2;
    options.vms = 1;
    struct hvrun_guests *guests = hvrun_guests_new(&options, output, NULL);
    if (!guests)
        return 1;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        struct termios raw = before;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        printf("Ctrl-A X leaves.\r\n");
    }
    struct hv_vm *vm = hv_world_vm(hvrun_guests_world(guests), 0);
    run(hvrun_guests_world(guests), vm);
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    printf("\n%s\n", hv_vm_reason(vm));
    int code = hv_vm_state(vm) == HV_FAILED;
    hvrun_guests_free(guests);
    return code;
}
