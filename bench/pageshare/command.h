/* SPDX-License-Identifier: MIT */
/*
 * The subcommands of pageshare. A new one is a file command_NAME.c that defines its row, a line in
 * commands.c, and the names of the options that it takes in options.c.
 */
#ifndef MEASURE_COMMAND_H
#define MEASURE_COMMAND_H

struct options;

/* --help prints the first three. */
struct command {
    const char *name;
    const char *arguments;               /* what stands behind its name on the command line */
    const char *does;                    /* one line */
    int sources_min;                     /* it refuses fewer SOURCEs than this */
    int (*run)(struct options *options); /* returns pageshare's exit code */
};

extern const struct command command_measure, command_info;

/* All of them, ended by NULL; one by its name, or NULL. */
extern const struct command *const commands[];
const struct command *command_find(const char *name);

#endif
