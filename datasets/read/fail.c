/* SPDX-License-Identifier: MIT */
/* Error text: one line that names the source, the offset, what was expected and what was found. */
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A file name may hold anything; the line stays one line of printable text. */
static void keep_one_line(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* Where in a source something is wrong. */
struct where {
    const char *unpacked; /* " (decompressed)", or nothing */
    char offset[48];
};

static bool fail(const struct ds_source *source, struct ds_error *error, const struct where *where,
                 const char *format, va_list args)
{
    char reason[384]; /* leaves room for a name, of which a long one keeps its end */
    vsnprintf(reason, sizeof reason, format, args);
    const char *spec = *source->spec ? source->spec : "''";
    const char *what = strcmp(spec, "-") == 0 ? " (standard input)" : "";
    size_t room = sizeof error->text - 1 - strlen(reason) - strlen(where->offset) - strlen(what) -
                  strlen(where->unpacked) - 2;
    size_t spec_nbytes = strlen(spec);
    const char *dots = spec_nbytes > room ? "..." : "";
    if (spec_nbytes > room)
        spec += spec_nbytes - (room - 3);
    snprintf(error->text, sizeof error->text, "%s%s%s%s: %s%s", dots, spec, what, where->unpacked,
             where->offset, reason);
    keep_one_line(error->text);
    return false;
}

static struct where at(const char *unpacked, uint64_t offset)
{
    struct where where = {.unpacked = unpacked};
    snprintf(where.offset, sizeof where.offset, "at offset 0x%llx: ", (unsigned long long)offset);
    return where;
}

static const char *unpacked(const struct ds_source *source)
{
    return source->packing ? " (decompressed)" : "";
}

bool ds_fail(struct ds_source *source, const char *format, ...)
{
    struct where where = {.unpacked = unpacked(source)};
    va_list args;
    va_start(args, format);
    fail(source, source->error, &where, format, args);
    va_end(args);
    return false;
}

bool ds_fail_at(struct ds_source *source, uint64_t offset, const char *format, ...)
{
    struct where where = at(unpacked(source), offset);
    va_list args;
    va_start(args, format);
    fail(source, source->error, &where, format, args);
    va_end(args);
    return false;
}

bool ds_fail_packed_at(struct ds_source *source, uint64_t offset, const char *format, ...)
{
    struct where where = at("", offset);
    va_list args;
    va_start(args, format);
    fail(source, source->error, &where, format, args);
    va_end(args);
    return false;
}

bool ds_fail_look(const struct ds_source *source, struct ds_error *error, const char *format, ...)
{
    struct where where = {.unpacked = ""};
    va_list args;
    va_start(args, format);
    fail(source, error, &where, format, args);
    va_end(args);
    return false;
}
