/* SPDX-License-Identifier: MIT */
/* Opens what the command line names. See inputs.h. */
#include "inputs.h"
#include "file_list.h"
#include "guard.h"
#include "say.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

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

/* What opens them. */
struct opening {
    struct set *set;
    const struct options *options;
    struct progress *progress;
};

static bool open_one(void *ctx, const char *argument)
{
    struct opening *opening = ctx;
    struct set *set = opening->set;
    progress_count(opening->progress, "opening sources:", set->sources + set->failures);
    progress_start(opening->progress, "reading", 0);
    guard_open(argument);
    bool ok = set_open(set, argument, &opening->options->read);
    guard_forget();
    if (!ok) {
        progress_end(opening->progress);
        complain_of(&set->failure[set->failures - 1], argument);
    }
    return ok || opening->options->keep_going;
}

static bool open_listed(struct opening *opening)
{
    struct ds_error error;
    const struct options *options = opening->options;
    error.text[0] = 0;
    bool ok = file_list_each(options->files_from, options->files_end, open_one, opening, &error);
    if (error.text[0]) {
        progress_end(opening->progress);
        say(error.text);
    }
    return ok;
}

bool inputs_open(struct set *set, struct options *options, struct progress *progress)
{
    struct opening opening = {set, options, progress};
    guard_start();
    set->keep_going = options->keep_going;
    options->read.progress = reading;
    options->read.progress_ctx = progress;
    for (int i = 0; i < options->sources; i++)
        if (!open_one(&opening, options->source[i]))
            return false;
    if (options->files_from && !open_listed(&opening))
        return false;
    progress_end(progress);
    if (!set->sources && !set->failures)
        say("no SOURCE is named: the list is empty");
    set_finish(set);
    return set->sources > 0;
}

bool inputs_close(struct set *set)
{
    bool all = set->failures == 0;
    set_free(set);
    return all;
}
