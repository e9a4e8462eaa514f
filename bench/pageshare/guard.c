/* SPDX-License-Identifier: MIT */
/* See guard.h. */
#include "guard.h"
#include "say.h"
#include "text.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct guarded {
    const char *spec;
    const uint8_t *bytes;
    size_t nbytes;
};

static _Thread_local struct guarded runs[GUARD_EYES * GUARD_RUNS];
static _Thread_local unsigned turn[GUARD_EYES]; /* the next of an eye's runs */
static _Thread_local const char *opening;

/* The source that the address belongs to, as given on the command line. */
static const char *source_at(const uint8_t *address)
{
    for (unsigned i = 0; i < GUARD_EYES * GUARD_RUNS; i++)
        if (runs[i].spec && address >= runs[i].bytes && address < runs[i].bytes + runs[i].nbytes)
            return runs[i].spec;
    return opening ? opening : "a source";
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
    static const char prefix[] = "pageshare: ", reason[] = ": became shorter while it was read\n";
    char line[512];
    size_t used = sizeof prefix - 1;
    (void)signal_number;
    (void)context;
    memcpy(line, prefix, used);
    text_clean(line + used, sizeof line - used - sizeof reason, source_at(info->si_addr),
               sizeof line);
    used = strlen(line);
    memcpy(line + used, reason, sizeof reason - 1);
    if (write(STDERR_FILENO, line, used + sizeof reason - 1) < 0)
        _exit(EXIT_SOURCE);
    _exit(EXIT_SOURCE);
}

void guard_start(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
}

void guard_open(const char *spec)
{
    opening = spec;
}

void guard_run(unsigned eye, const char *spec, const uint8_t *bytes, size_t nbytes)
{
    runs[eye * GUARD_RUNS + turn[eye]++ % GUARD_RUNS] = (struct guarded){spec, bytes, nbytes};
}

void guard_forget(void)
{
    memset(runs, 0, sizeof runs);
    opening = NULL;
}
