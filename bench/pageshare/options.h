/* SPDX-License-Identifier: MIT */
/*
 * The command line of pageshare. Each option is one row of one table (options.c): parsing, --help
 * and errors of usage all read it.
 */
#ifndef MEASURE_OPTIONS_H
#define MEASURE_OPTIONS_H

#include "command.h"
#include "source.h"

enum { OPTIONS_THREADS_MAX = 256 };
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct options {
    const struct command *command;
    enum format format;
    struct ds_options read;
    unsigned threads;
    bool isolate;
    bool keep_going;
    bool hash_only;
    const char *files_from; /* a file that names further sources, "-": standard input; or NULL */
    char files_end;         /* what ends each name there */
    bool version;           /* is all that is asked for */
    bool done;              /* help or version was printed: nothing is left to do */
    const char *plot;       /* a file ending in .svg or .png, or NULL */
    char **source;          /* borrowed from argv */
    int sources;
};

struct option_row {
    const char *name;
    char letter;          /* its short form; 0: none */
    const char *argument; /* what --help calls its argument; NULL: it takes none */
    const char *expects;  /* of the argument, for errors: "--name takes EXPECTS, not: found" */
    const char *commands; /* that take it, in one way of writing: "measure, info"; "": all */
    const char *help;     /* one line */
    bool (*take)(struct options *options, const char *argument); /* false: not what it expects */
};

/* Ended by a row without a name. */
extern const struct option_row option_rows[];

enum parsed { PARSED_RUN, PARSED_DONE /* help or version was printed */, PARSED_WRONG };

/* Reads argv. WRONG: one line on stderr said why. */
enum parsed options_parse(struct options *options, int argc, char **argv);

/* Prints what --help prints. */
void options_help(void);

/* Prints what --version prints. */
void options_version(const struct options *options);

#endif
