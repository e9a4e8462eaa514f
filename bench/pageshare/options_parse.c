/* SPDX-License-Identifier: MIT */
/* Reads the command line by the table of options. See options.h. */
#include "options.h"
#include "say.h"
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* getopt's value for row i is ROW + i: beyond all letters. */
enum { ROW = 256, ROWS_MAX = 64 };

/* What getopt needs to know, made from the rows. */
struct grammar {
    struct option longs[ROWS_MAX + 1];
    char letters[ROWS_MAX + 2];
};

static void grammar_init(struct grammar *grammar)
{
    char *letter = grammar->letters;
    *grammar = (struct grammar){0};
    *letter++ = ':'; /* getopt tells apart what is unknown and what lacks its argument */
    for (int i = 0; option_rows[i].name && i < ROWS_MAX; i++) {
        const struct option_row *row = &option_rows[i];
        int argument = row->argument ? required_argument : no_argument;
        grammar->longs[i] = (struct option){row->name, argument, NULL, ROW + i};
        if (row->letter)
            *letter++ = row->letter;
    }
}

/* The row of what getopt returned. */
static const struct option_row *row_of(int result)
{
    const struct option_row *row = option_rows;
    if (result >= ROW)
        return row + (result - ROW);
    while (row->letter != result)
        row++;
    return row;
}

static enum parsed wrong(const char *what, const char *value)
{
    (void)say_usage(what, value);
    return PARSED_WRONG;
}

/* What getopt did not understand: `result` is ':' if an argument is missing. */
static enum parsed wrong_option(int result, char **argv)
{
    const char letter[] = {'-', (char)optopt, 0};
    bool is_letter = optopt > 0 && optopt < ROW;
    return wrong(result == ':' ? "an argument is missing for the option" : "unknown option",
                 is_letter ? letter : argv[optind - 1]);
}

static enum parsed take(struct options *options, const struct option_row *row)
{
    char what[128];
    if (row->take(options, optarg))
        return options->done ? PARSED_DONE : PARSED_RUN;
    snprintf(what, sizeof what, "--%s takes %s, not", row->name, row->expects);
    return wrong(what, optarg);
}

/* As many as there are processors that this process may use. */
static unsigned default_threads(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < OPTIONS_THREADS_MAX ? (unsigned)count : OPTIONS_THREADS_MAX;
}

/* Whether `name` is one of the words of `list`: "measure, info". */
static bool names(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at; at += strspn(at, ", ")) {
        size_t word = strcspn(at, ", ");
        if (word == length && strncmp(at, name, word) == 0)
            return true;
        at += word;
    }
    return !*list;
}

/* The command's name, its sources, and whether it takes the options that were given. */
static enum parsed take_command(struct options *options, const bool *given, int argc, char **argv)
{
    char what[128];
    if (optind == argc)
        return wrong("no command", NULL);
    options->command = command_find(argv[optind]);
    if (!options->command)
        return wrong("no such command", argv[optind]);
    const struct command *command = options->command;
    options->source = argv + optind + 1;
    options->sources = argc - optind - 1;
    if (options->sources < command->sources_min && !options->files_from) {
        snprintf(what, sizeof what, "%s needs a SOURCE", command->name);
        return wrong(what, NULL);
    }
    for (const struct option_row *row = option_rows; row->name; row++)
        if (given[row - option_rows] && !names(row->commands, command->name)) {
            snprintf(what, sizeof what, "%s takes no --%s: that is of %s", command->name, row->name,
                     row->commands);
            return wrong(what, NULL);
        }
    return PARSED_RUN;
}

enum parsed options_parse(struct options *options, int argc, char **argv)
{
    struct grammar grammar;
    bool given[ROWS_MAX] = {false};
    grammar_init(&grammar);
    *options = (struct options){.threads = default_threads(), .files_end = '\n'};
    opterr = 0;
    for (int result;
         (result = getopt_long(argc, argv, grammar.letters, grammar.longs, NULL)) != -1;) {
        if (result == '?' || result == ':')
            return wrong_option(result, argv);
        const struct option_row *row = row_of(result);
        enum parsed parsed = take(options, row);
        if (parsed != PARSED_RUN)
            return parsed;
        given[row - option_rows] = true;
    }
    if (options->version) {
        options_version(options);
        return PARSED_DONE;
    }
    return take_command(options, given, argc, argv);
}
