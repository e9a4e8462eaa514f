/* SPDX-License-Identifier: MIT */
/* Opens what the command line names. See inputs.h. */
#include "inputs.h"
#include "say.h"
#include "text.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct set *opened; /* for on_sigbus alone */
static const char *opening;

/* The source that the address belongs to, as given on the command line. */
static const char *source_at(const uint8_t *address)
{
    for (size_t s = 0; opened && s < opened->sources; s++) {
        const struct ds_info *info = opened->source[s].info;
        for (size_t e = 0; e < info->extents; e++) {
            const struct ds_extent *extent = &info->extent[e];
            if (extent->state == DS_DATA && address >= extent->bytes &&
                address < extent->bytes + extent->pages * DS_PAGE_SIZE)
                return info->spec;
        }
    }
    return opening ? opening : "a source";
}

/* A dump that is truncated while it is mapped. Nothing was printed yet. */
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

static void catch_sigbus(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
}

/* With its label in front, if it has one. */
static void complain_of(const struct set_failure *failure, const char *argument)
{
    char label[256];
    bool labelled = strcmp(failure->name, argument) != 0;
    text_clean(label, sizeof label, labelled ? failure->name : "", sizeof label);
    fprintf(stderr, "pageshare: %s%s%s\n", label, labelled ? "=" : "", failure->error.text);
}

static void reading(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    struct progress *progress = ctx;
    progress->total_nbytes = total_nbytes;
    progress_at(progress, done_nbytes);
}

bool inputs_open(struct set *set, struct options *options, struct progress *progress)
{
    catch_sigbus();
    options->read.progress = reading;
    options->read.progress_ctx = progress;
    for (int i = 0; i < options->sources; i++) {
        progress_start(progress, "reading", 0);
        opening = options->source[i];
        bool ok = set_open(set, options->source[i], &options->read);
        opening = NULL;
        progress_end(progress);
        if (ok)
            continue;
        complain_of(&set->failure[set->failures - 1], options->source[i]);
        if (!options->keep_going)
            return false;
    }
    if (!set->sources)
        return false;
    if (!set_finish(set)) {
        say("out of memory");
        return false;
    }
    opened = set;
    return true;
}

bool inputs_close(struct set *set)
{
    bool all = set->failures == 0;
    opened = NULL;
    set_free(set);
    return all;
}
