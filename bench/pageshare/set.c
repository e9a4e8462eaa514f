/* SPDX-License-Identifier: MIT */
/* See set.h. */
#include "set.h"
#include "seen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that has '=' in its name, and nothing that is labelled. */
static bool is_file_name(const char *argument, const char *source)
{
    bool special = strcmp(source, "-") == 0 || strncmp(source, "pid:", 4) == 0 ||
                   strncmp(source, "diff:", 5) == 0 || strncmp(source, "split:", 6) == 0;
    return !special && access(source, F_OK) != 0 && access(argument, F_OK) == 0;
}

/* "name=source", where the left side has no '/'; else the argument names itself. */
static const char *split(const char *argument, char **name)
{
    const char *equals = strchr(argument, '=');
    const char *slash = strchr(argument, '/');
    if (equals && equals != argument && (!slash || slash > equals) &&
        !is_file_name(argument, equals + 1)) {
        *name = strndup(argument, (size_t)(equals - argument));
        return equals + 1;
    }
    *name = strdup(argument);
    return argument;
}

/* An array with room for one item more. */
static void *grown(void *array, size_t count, size_t *room, size_t item_nbytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room + *room / 4 + 1 : 16;
    void *larger = realloc(array, *room * item_nbytes);
    if (!larger)
        abort(); /* a few bytes per argument */
    return larger;
}

static void add_failure(struct set *set, char *name, const struct ds_error *error)
{
    set->failure = grown(set->failure, set->failures, &set->failure_room, sizeof *set->failure);
    set->failure[set->failures++] = (struct set_failure){name, *error};
}

static bool open_new(struct set *set, const char *spec, const struct ds_options *options,
                     struct set_source *source, struct ds_error *error)
{
    if (!ds_source_open(spec, options, &source->source, error))
        return false;
    source->info = ds_source_info(source->source);
    if (set->keep_going && !set_complete(source, error)) {
        ds_source_free(source->source);
        return false;
    }
    if (!set->seen)
        set->seen = seen_new();
    const char *before = seen_add(set->seen, source->info);
    if (!before)
        return true;
    snprintf(error->text, sizeof error->text, "%.200s: is the same file as %.200s", spec, before);
    ds_source_free(source->source);
    return false;
}

bool set_open(struct set *set, const char *argument, const struct ds_options *options)
{
    struct set_source source = {0};
    struct ds_error error;
    const char *spec = split(argument, &source.name);
    if (!open_new(set, spec, options, &source, &error)) {
        add_failure(set, source.name, &error);
        return false;
    }
    set->source = grown(set->source, set->sources, &set->source_room, sizeof *set->source);
    set->source[set->sources++] = source;
    return true;
}

void set_finish(struct set *set)
{
    unsigned source_bits = 1;
    while (source_bits < 63 && set->sources >> source_bits)
        source_bits++;
    set->index_bits = 64 - source_bits;
    seen_free(set->seen);
    set->seen = NULL;
}

void set_free(struct set *set)
{
    for (size_t s = 0; s < set->sources; s++) {
        ds_source_free(set->source[s].source);
        free(set->source[s].name);
    }
    for (size_t f = 0; f < set->failures; f++)
        free(set->failure[f].name);
    free(set->source);
    free(set->failure);
    seen_free(set->seen);
    *set = (struct set){0};
}

uint64_t set_source_pages(const struct set_source *source)
{
    return source->info->pages[DS_DATA] + source->info->pages[DS_ZERO];
}

bool set_complete(const struct set_source *source, struct ds_error *error)
{
    enum { RUN_PAGES = 64 };
    if (source->info->complete)
        return true;
    struct ds_look *look = ds_look_new(source->source, error);
    struct ds_run run = {0};
    bool ok = look != NULL;
    do
        ok = ok && ds_look_at(look, run.index + run.pages, RUN_PAGES, &run, error);
    while (ok && run.pages);
    ds_look_free(look);
    return ok;
}

uint64_t set_known_pages(const struct set *set, bool *more)
{
    uint64_t pages = 0;
    *more = false;
    for (size_t s = 0; s < set->sources; s++) {
        pages += set->source[s].info->data_pages;
        *more |= !set->source[s].info->complete;
    }
    return pages;
}

uint64_t set_number(struct set *set)
{
    uint64_t pages = 0;
    for (size_t s = 0; s < set->sources; s++) {
        set->source[s].first = pages;
        pages += set->source[s].info->data_pages;
    }
    return pages;
}

size_t set_source_of(const struct set *set, uint64_t page)
{
    size_t low = 0, high = set->sources;
    while (high - low > 1) { /* source[low].first <= page, source[high].first is above it */
        size_t middle = low + (high - low) / 2;
        if (set->source[middle].first <= page)
            low = middle;
        else
            high = middle;
    }
    return low;
}
