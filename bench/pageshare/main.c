/* SPDX-License-Identifier: MIT */
/*
 * pageshare: what content-based page sharing would save on real memory.
 *
 * Sources are opened first, so that a bad one is known before anything is measured, and everything
 * is printed at the end, so that nothing on stdout looks whole that is not.
 */
#include "measure.h"
#include "options.h"
#include "report.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_SOURCE = 1, EXIT_USAGE = 2 };

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

/* Else a source could be opened as standard output, and the result be written into it. */
static void fill_standard_fds(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            exit(EXIT_SOURCE);
}

static void complain(const char *text)
{
    fprintf(stderr, "pageshare: %s\n", text);
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

/* False: a source failed, and the run must end. */
static bool open_sources(struct set *set, struct options *options, struct progress *progress)
{
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
        complain("out of memory");
        return false;
    }
    opened = set;
    return true;
}

/* All that was printed must have arrived. */
static bool end_output(bool ok)
{
    if (ok && !ferror(stdout) && fflush(stdout) == 0)
        return true;
    char line[128];
    snprintf(line, sizeof line, "cannot write the result: %s",
             errno ? strerror(errno) : "no memory");
    complain(line);
    return false;
}

static bool print_figures(const struct options *options, const struct set *set,
                          const struct figures *figures)
{
    errno = 0;
    if (options->format == FORMAT_JSON)
        return end_output(report_json(set, figures));
    if (options->format == FORMAT_CSV)
        report_csv(set, figures);
    else
        report_table(set, figures);
    return end_output(true);
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
    errno = 0;
    if (options->format == FORMAT_JSON)
        return end_output(report_info_json(set));
    report_info_table(set);
    return end_output(true);
}

int main(int argc, char **argv)
{
    struct options options;
    fill_standard_fds();
    switch (options_parse(&options, argc, argv)) {
    case PARSED_DONE:
        return end_output(true) ? 0 : EXIT_SOURCE;
    case PARSED_WRONG:
        return EXIT_USAGE;
    case PARSED_RUN:
        break;
    }
    catch_sigbus();
    struct set set = {0};
    struct progress progress = {0};
    bool ok = open_sources(&set, &options, &progress) &&
              (options.command == COMMAND_INFO ? info(&options, &set)
                                               : measure(&options, &set, &progress));
    ok = ok && !set.failures;
    opened = NULL;
    set_free(&set);
    return ok ? 0 : EXIT_SOURCE;
}
