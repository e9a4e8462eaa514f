/* SPDX-License-Identifier: MIT */
/* pageshare info: what each source is. */
#include "inputs.h"
#include "report.h"
#include "say.h"
#include <errno.h>

/* What is in a sequential source shows at its end. */
static bool complete_all(const struct set *set)
{
    struct ds_error error;
    for (size_t s = 0; s < set->sources; s++)
        if (!set_complete(&set->source[s], &error)) {
            say(error.text);
            return false;
        }
    return true;
}

static bool info(const struct options *options, const struct set *set)
{
    errno = 0;
    if (options->format == FORMAT_JSON)
        return say_end(report_info_json(set));
    report_info_table(set);
    return say_end(true);
}

static int run(struct options *options)
{
    struct set set = {0};
    struct progress progress = {0};
    if (options->format == FORMAT_CSV)
        return say_usage("info: --format takes table or json, not", "csv");
    bool ok = inputs_open(&set, options, &progress) && complete_all(&set) && info(options, &set);
    bool all = inputs_close(&set);
    return ok && all ? 0 : EXIT_SOURCE;
}

const struct command command_info = {
    .name = "info",
    .arguments = "[OPTION...] SOURCE...",
    .does = "what each source is, and what is in it",
    .sources_min = 1,
    .run = run,
};
