/* SPDX-License-Identifier: MIT */
/* See file_list.h. */
#include "file_list.h"
#include "text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(const char *path, struct ds_error *error)
{
    char name[256];
    text_clean(name, sizeof name, path, sizeof name);
    snprintf(error->text, sizeof error->text, "%s: cannot read the list of sources: %s", name,
             strerror(errno));
    return false;
}

static bool read_all(FILE *file, char end, bool (*each)(void *ctx, const char *source), void *ctx)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t nbytes;
    bool ok = true;
    while (ok && (nbytes = getdelim(&line, &room, end, file)) > 0) {
        if (line[nbytes - 1] == end) /* the last one may lack it */
            line[nbytes - 1] = 0;
        ok = !*line || each(ctx, line);
    }
    free(line);
    return ok;
}

bool file_list_each(const char *path, char end, bool (*each)(void *ctx, const char *source),
                    void *ctx, struct ds_error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file)
        return fail(path, error);
    bool ok = read_all(file, end, each, ctx);
    if (ferror(file))
        ok = fail(path, error);
    if (file != stdin)
        fclose(file);
    return ok;
}
