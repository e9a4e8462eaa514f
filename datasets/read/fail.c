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

static bool fail(struct ds_source *source, const char *where, const char *format, va_list args)
{
    char reason[384]; /* leaves room for a name, of which a long one keeps its end */
    vsnprintf(reason, sizeof reason, format, args);
    const char *spec = *source->spec ? source->spec : "''";
    const char *what = strcmp(spec, "-") == 0 ? " (standard input)" : "";
    const char *unpacked = source->unpacked ? " (decompressed)" : "";
    size_t room = sizeof source->error->text - 1 - strlen(reason) - strlen(where) - strlen(what) -
                  strlen(unpacked) - 2;
    size_t spec_nbytes = strlen(spec);
    const char *dots = spec_nbytes > room ? "..." : "";
    if (spec_nbytes > room)
        spec += spec_nbytes - (room - 3);
    snprintf(source->error->text, sizeof source->error->text, "%s%s%s%s: %s%s", dots, spec, what,
             unpacked, where, reason);
    keep_one_line(source->error->text);
    return false;
}

bool ds_fail(struct ds_source *source, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(source, "", format, args);
    va_end(args);
    return false;
}

bool ds_fail_at(struct ds_source *source, uint64_t offset, const char *format, ...)
{
    char where[48];
    snprintf(where, sizeof where, "at offset 0x%llx: ", (unsigned long long)offset);
    va_list args;
    va_start(args, format);
    fail(source, where, format, args);
    va_end(args);
    return false;
}
