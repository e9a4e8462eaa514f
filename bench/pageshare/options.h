/* SPDX-License-Identifier: MIT */
/*
 * The command line of pageshare.
 */
#ifndef MEASURE_OPTIONS_H
#define MEASURE_OPTIONS_H

#include "source.h"

enum command { COMMAND_MEASURE, COMMAND_INFO };
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct options {
    enum command command;
    enum format format;
    struct ds_options read;
    unsigned threads;
    bool isolate;
    bool keep_going;
    const char *plot; /* a file ending in .svg or .png, or NULL */
    char **source;    /* borrowed from argv */
    int sources;
};

enum parsed { PARSED_RUN, PARSED_DONE /* help or version was printed */, PARSED_WRONG };

/* Reads argv. WRONG: one line on stderr said why. */
enum parsed options_parse(struct options *options, int argc, char **argv);

#endif
