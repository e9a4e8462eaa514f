/* SPDX-License-Identifier: MIT */
/* See say.h. */
#include "say.h"
#include "text.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

void say(const char *text)
{
    fprintf(stderr, "pageshare: %s\n", text);
}

int say_usage(const char *what, const char *value)
{
    char clean[256];
    text_clean(clean, sizeof clean, value ? value : "", sizeof clean);
    fprintf(stderr, "pageshare: %s%s%s; see 'pageshare --help'\n", what, value ? ": " : "", clean);
    return EXIT_USAGE;
}

bool say_end(bool ok)
{
    if (ok && !ferror(stdout) && fflush(stdout) == 0)
        return true;
    char line[128];
    snprintf(line, sizeof line, "cannot write the result: %s",
             errno ? strerror(errno) : "no memory");
    say(line);
    return false;
}
