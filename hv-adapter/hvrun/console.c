/* SPDX-License-Identifier: MIT */
/* hvrun console: one guest at the terminal, at the terminal's time. Ctrl-A X leaves. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "hvrun.h"

enum { ESCAPE = 1 /* Ctrl-A */, STEP_MS = 10 };

struct keyboard {
    char typed[4096]; /* that the guest has no room for yet */
    size_t typed_nbytes;
    bool terminal;
    bool open;    /* more may come */
    bool escaped; /* the last was Ctrl-A */
};

static void output(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    (void)ctx, (void)vm;
    fwrite(bytes, 1, nbytes, stdout);
}

/* A script waits until the guest has taken what it typed. A person is always listened to, or a
 * guest that hangs could not be left; what is too much for it is lost. */
static bool listens(const struct keyboard *keyboard)
{
    return keyboard->open && (keyboard->terminal || keyboard->typed_nbytes == 0);
}

static void hand_over(struct keyboard *keyboard, struct hv_vm *vm)
{
    size_t taken = hv_vm_type(vm, keyboard->typed, keyboard->typed_nbytes);
    keyboard->typed_nbytes -= taken;
    memmove(keyboard->typed, keyboard->typed + taken, keyboard->typed_nbytes);
}

/* Reads what was typed; false when the person leaves. */
static bool listen(struct keyboard *keyboard)
{
    char bytes[64];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++) {
        if (keyboard->escaped && (bytes[i] == 'x' || bytes[i] == 'X'))
            return false;
        keyboard->escaped = bytes[i] == ESCAPE && !keyboard->escaped;
        if (!keyboard->escaped && keyboard->typed_nbytes < sizeof keyboard->typed)
            keyboard->typed[keyboard->typed_nbytes++] = bytes[i];
    }
    keyboard->open = got > 0; /* a script's end: the guest goes on until it ends itself */
    return keyboard->open || !keyboard->terminal;
}

/* Runs the guest, at most as fast as the clock; what is typed goes in between. */
static void run(struct hv_world *world, struct hv_vm *vm, struct keyboard *keyboard, double seconds)
{
    double started = hvrun_wall_seconds(), now = 0;
    while (hv_vm_state(vm) < HV_ENDED && (seconds <= 0 || now < seconds)) {
        hv_world_run(world, HV_TICKS_PER_SECOND * STEP_MS / 1000, NULL, NULL);
        hv_vm_flush(vm);
        fflush(stdout);
        now = (double)hv_world_ticks(world) / (double)HV_TICKS_PER_SECOND;
        double ahead = now - (hvrun_wall_seconds() - started);
        struct pollfd in = {.fd = listens(keyboard) ? STDIN_FILENO : -1, .events = POLLIN};
        if (poll(&in, 1, ahead > 0 ? (int)(ahead * 1000) + 1 : 0) == 1 && !listen(keyboard))
            return;
        hand_over(keyboard, vm);
    }
}

static bool parse(struct hvrun_options *options, int argc, char **argv)
{
    hvrun_options_init(options);
    options->workload = "shell";
    return hvrun_options_parse(options, argc, argv);
}

int hvrun_console(int argc, char **argv)
{
    struct hvrun_options options;
    struct termios before;
    if (!parse(&options, argc, argv))
        return 2;
    struct hvrun_guests *guests = hvrun_guests_new(&options, output, NULL);
    if (!guests)
        return 1;
    struct keyboard keyboard = {.open = true};
    keyboard.terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (keyboard.terminal) {
        struct termios raw = before;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        printf("Ctrl-A X leaves.\r\n");
    }
    struct hv_vm *vm = hv_world_vm(hvrun_guests_world(guests), 0);
    run(hvrun_guests_world(guests), vm, &keyboard, options.seconds);
    if (keyboard.terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    printf("\n%s\n", hv_vm_reason(vm));
    int code = hv_vm_state(vm) == HV_FAILED;
    hvrun_guests_free(guests);
    return code;
}
