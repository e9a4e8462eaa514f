/* SPDX-License-Identifier: MIT */
/*
 * A source of several files, "KIND:A+B[+C...]".
 *
 * File names may have '+' in them: of all ways to split the argument, that is taken by which all
 * parts are files.
 */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLUS_MAX 12 /* 4096 ways */

/* One way to split: '+' number i separates if bit i is set. */
struct split {
    char *list; /* owned: the argument, NUL for each '+' that separates */
    size_t parts;
};

static struct split split_by(const char *argument, unsigned ways)
{
    struct split split = {strdup(argument), 1};
    unsigned plus = 0;
    for (char *at = split.list; at && *at; at++) {
        if (*at == '+' && ways >> plus++ & 1) {
            *at = '\0';
            split.parts++;
        }
    }
    return split;
}

static bool all_exist(const struct split *split)
{
    const char *at = split->list;
    for (size_t i = 0; i < split->parts; i++, at += strlen(at) + 1) {
        if (!*at || access(at, F_OK) != 0)
            return false;
    }
    return true;
}

/* The way by which all parts exist; more than one is an error. */
static bool find_split(struct ds_source *source, const char *argument, const char *form,
                       struct split *found)
{
    unsigned plus = 0;
    for (const char *at = argument; *at; at++)
        plus += *at == '+';
    if (plus == 0 || plus > PLUS_MAX)
        return ds_fail(source, "expected %s with up to %d '+', found %u", form, PLUS_MAX, plus);
    for (unsigned ways = 1; ways < 1u << plus; ways++) {
        struct split split = split_by(argument, ways);
        if (!split.list)
            return ds_fail(source, "out of memory");
        bool exist = all_exist(&split);
        if (exist && found->list)
            ds_fail(source,
                    "expected one way to split it into files, found two: the first is %.100s, or "
                    "%.100s (give a file another name)",
                    found->list, split.list);
        if (exist && !found->list) {
            *found = split;
            continue;
        }
        free(split.list);
        if (exist)
            return false;
    }
    return found->list != NULL ||
           ds_fail(source, "expected %s of files that exist, found no way to split it into such",
                   form);
}

static bool open_part(struct ds_source *source, const char *path)
{
    struct ds_part *part = &source->part[source->parts];
    struct stat st;
    part->path = strdup(path);
    part->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    source->parts++;
    if (!part->path || part->fd < 0 || fstat(part->fd, &st) != 0)
        return ds_fail(source, "cannot open %.200s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ds_fail(source, "expected a regular file, found something else in %.200s", path);
    ds_identity_of(&st, &part->identity);
    return true;
}

static bool open_parts(struct ds_source *source, const struct split *split)
{
    const char *at = split->list;
    source->part = calloc(split->parts, sizeof *source->part);
    if (!source->part)
        return ds_fail(source, "out of memory");
    for (size_t i = 0; i < split->parts; i++, at += strlen(at) + 1) {
        if (!open_part(source, at))
            return false;
    }
    return true;
}

bool ds_parts_open(struct ds_source *source, const char *form)
{
    struct split split = {0};
    bool ok = find_split(source, strchr(source->spec, ':') + 1, form, &split) &&
              open_parts(source, &split);
    free(split.list);
    return ok;
}

void ds_parts_close(struct ds_source *source)
{
    for (size_t i = 0; i < source->parts; i++) {
        if (source->part[i].fd >= 0)
            close(source->part[i].fd);
        source->part[i].fd = -1;
    }
}
