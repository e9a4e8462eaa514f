/* SPDX-License-Identifier: MIT */
/*
 * pageshare: what content-based page sharing would save on real memory.
 *
 * Sources are opened first, so that a bad one is known before anything is measured, and everything is
 * printed at the end, so that nothing on stdout looks whole that is not.
 */
#include "measure.h"
#include "options.h"
#include "report.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_SOURCE = 1, EXIT_USAGE = 2 };

/* A dump that is truncated while it is mapped raises SIGBUS; nothing was printed yet. */
static void on_sigbus(int signal_number)
{
    static const char text[] = "pageshare: a source became shorter while it was read\n";
    (void)signal_number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_SOURCE);
    _exit(EXIT_SOURCE);
}

static void complain(const char *text)
{
    fprintf(stderr, "pageshare: %s\n", text);
}

static void reading(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    struct progress *progress = ctx;
    progress->total_nbytes = total_nbytes;
    progress_at(progress, done_nbytes);
}

/* False: a source failed, and the run must end. */
static bool open_sources(struct set *set, struct options *options, struct progress *progress)
{
    options->read.progress = reading;
    options->read.progress_ctx = progress;
    for (int i = 0; i < options->sources; i++) {
        progress_start(progress, "reading", 0);
        bool opened = set_open(set, options->source[i], &options->read);
        progress_end(progress);
        if (opened)
            continue;
        complain(set->failure[set->failures - 1].error.text);
        if (!options->keep_going)
            return false;
    }
    return set->sources != 0 && set_finish(set);
}

static bool print_figures(const struct options *options, const struct set *set,
                          const struct figures *figures)
{
    bool ok = true;
    if (options->format == FORMAT_JSON)
        ok = report_json(set, figures);
    else if (options->format == FORMAT_CSV)
        report_csv(set, figures);
    else
        report_table(set, figures);
    if (ok && fflush(stdout) == 0)
        return true;
    complain("cannot write the result");
    return false;
}

static bool measure(const struct options *options, struct set *set, struct progress *progress)
{
    struct figures figures;
    struct ds_error error;
    struct measure_options how = {options->threads, options->isolate, progress};
    if (!measure_set(set, &how, &figures, &error)) {
        complain(error.text);
        return false;
    }
    bool ok = !options->plot || report_plot(set, &figures, options->plot, &error);
    if (!ok)
        complain(error.text);
    else
        ok = print_figures(options, set, &figures);
    figures_free(&figures);
    return ok;
}

static bool info(const struct options *options, const struct set *set)
{
    if (options->format == FORMAT_JSON)
        return report_info_json(set);
    report_info_table(set);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    struct options options;
    switch (options_parse(&options, argc, argv)) {
    case PARSED_DONE:
        return 0;
    case PARSED_WRONG:
        return EXIT_USAGE;
    case PARSED_RUN:
        break;
    }
    signal(SIGBUS, on_sigbus);
    struct set set = {0};
    struct progress progress = {0};
    bool ok = open_sources(&set, &options, &progress) &&
              (options.command == COMMAND_INFO ? info(&options, &set)
                                               : measure(&options, &set, &progress));
    ok = ok && !set.failures;
    set_free(&set);
    return ok ? 0 : EXIT_SOURCE;
}
