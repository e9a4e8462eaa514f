/* SPDX-License-Identifier: MIT */
/* pageshare measure: what content-based page sharing would save. Everything is printed at the end,
 * so that nothing on stdout looks whole that is not. */
#include "inputs.h"
#include "measure.h"
#include "report.h"
#include "say.h"
#include <errno.h>

static bool print_figures(const struct options *options, const struct set *set,
                          const struct figures *figures)
{
    errno = 0;
    if (options->format == FORMAT_JSON)
        return say_end(report_json(set, figures));
    if (options->format == FORMAT_CSV)
        report_csv(set, figures);
    else
        report_table(set, figures);
    return say_end(true);
}

static bool measure(const struct options *options, struct set *set, struct progress *progress)
{
    struct figures figures;
    struct ds_error error;
    struct measure_options how = {.threads = options->threads,
                                  .isolate = options->isolate,
                                  .hash_only = options->hash_only,
                                  .progress = progress,
                                  .root = ""};
    if (!measure_set(set, &how, &figures, &error)) {
        say(error.text);
        return false;
    }
    bool ok = !options->plot || report_plot(set, &figures, options->plot, &error);
    if (!ok)
        say(error.text);
    else
        ok = print_figures(options, set, &figures);
    figures_free(&figures);
    return ok;
}

static int run(struct options *options)
{
    struct set set = {0};
    struct progress progress = {0};
    bool ok = inputs_open(&set, options, &progress) && measure(options, &set, &progress);
    bool all = inputs_close(&set);
    return ok && all ? 0 : EXIT_SOURCE;
}

const struct command command_measure = {
    .name = "measure",
    .arguments = "[OPTION...] SOURCE...",
    .does = "what content-based page sharing would save on this memory, every byte compared",
    .sources_min = 1,
    .run = run,
};
