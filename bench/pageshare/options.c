/* SPDX-License-Identifier: MIT */
/* pageshare's options, a row each. See options.h. */
#include "options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take_format(struct options *options, const char *argument)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(argument, names[i]) == 0) {
            options->format = (enum format)i;
            return true;
        }
    return false;
}

static bool take_threads(struct options *options, const char *argument)
{
    char *end;
    unsigned long n = strtoul(argument, &end, 10);
    options->threads = (unsigned)n;
    return *argument >= '0' && *argument <= '9' && !*end && n >= 1 && n <= OPTIONS_THREADS_MAX;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t name_nbytes = strlen(name), ending_nbytes = strlen(ending);
    return name_nbytes > ending_nbytes && strcmp(name + name_nbytes - ending_nbytes, ending) == 0;
}

static bool take_plot(struct options *options, const char *argument)
{
    options->plot = argument;
    return ends_in(argument, ".svg") || ends_in(argument, ".png");
}

static bool take_isolate(struct options *options, const char *argument)
{
    (void)argument;
    options->isolate = true;
    return true;
}

static bool take_verify(struct options *options, const char *argument)
{
    options->hash_only = strcmp(argument, "hash") == 0;
    return options->hash_only || strcmp(argument, "bytes") == 0;
}

static bool take_files_from(struct options *options, const char *argument)
{
    options->files_from = argument;
    return *argument != 0;
}

static bool take_null(struct options *options, const char *argument)
{
    (void)argument;
    options->files_end = 0;
    return true;
}

static bool take_keep_going(struct options *options, const char *argument)
{
    (void)argument;
    options->keep_going = true;
    return true;
}

static bool take_as(struct options *options, const char *argument)
{
    options->read.as_raw = true;
    return strcmp(argument, "raw") == 0;
}

static bool take_holes(struct options *options, const char *argument)
{
    options->read.holes_zero = true;
    return strcmp(argument, "zero") == 0;
}

static bool take_partial(struct options *options, const char *argument)
{
    (void)argument;
    options->read.partial = true;
    return true;
}

static bool take_freeze(struct options *options, const char *argument)
{
    (void)argument;
    options->read.freeze = true;
    return true;
}

static bool take_help(struct options *options, const char *argument)
{
    (void)argument;
    options_help();
    options->done = true;
    return true;
}

static bool take_version(struct options *options, const char *argument)
{
    (void)argument;
    options->version = true;
    return true;
}

static bool take_json(struct options *options, const char *argument)
{
    (void)argument;
    options->format = FORMAT_JSON;
    return true;
}

/* Rows of the same commands stand together: --help prints them under one heading. */
/* clang-format off */
const struct option_row option_rows[] = {
    {"format", 0, "table|json|csv", "table, json or csv", "measure, info",
     "how to print (default: table; csv: measure only)", take_format},
    {"as", 0, "raw", "raw", "measure, info",
     "read as flat raw memory whatever the content looks like", take_as},
    {"holes", 0, "zero", "zero", "measure, info",
     "holes of a sparse raw file are zero pages (default: absent)", take_holes},
    {"partial", 0, NULL, NULL, "measure, info",
     "of a truncated dump, read what is there", take_partial},
    {"freeze", 0, NULL, NULL, "measure, info",
     "stop a process while it is copied", take_freeze},
    {"keep-going", 0, NULL, NULL, "measure, info",
     "go on with the other sources if one fails (the exit code stays 1)", take_keep_going},
    {"files-from", 0, "FILE", "the name of a file, or -", "measure, info",
     "also read the SOURCEs that FILE names, one a line (- for standard input)", take_files_from},
    {"null", '0', NULL, NULL, "measure, info",
     "in FILE each ends with a NUL instead of a newline", take_null},
    {"threads", 0, "N", "a number from 1 to 256", "measure, info",
     "use N threads (default: one a processor)", take_threads},

    {"plot", 0, "FILE.svg|.png", "a file name ending in .svg or .png", "measure",
     "also draw growth, reference counts and who shares with whom", take_plot},
    {"verify", 0, "bytes|hash", "bytes or hash", "measure",
     "what tells that pages are equal: bytes (default), or an estimate by hashes",
     take_verify},
    {"isolate", 0, NULL, NULL, "measure",
     "also price tenant isolation: each source shares with itself alone", take_isolate},

    {"help", 'h', NULL, NULL, "", "this text", take_help},
    {"version", 'V', NULL, NULL, "", "the version; with --json also what can be read", take_version},
    {"json", 0, NULL, NULL, "", "the same as --format json", take_json},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL},
};
/* clang-format on */
