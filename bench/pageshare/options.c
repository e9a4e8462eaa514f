/* SPDX-License-Identifier: MIT */
/* pageshare's options and help. */
#include "options.h"
#include "share.h"
#include "text.h"
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 256

enum { /* beyond all letters, of which there are two: h and V */
       OPTION_FORMAT = 256,
       OPTION_PLOT,
       OPTION_THREADS,
       OPTION_AS,
       OPTION_HOLES,
       OPTION_ISOLATE,
       OPTION_KEEP_GOING,
       OPTION_FREEZE
};

static const char help[] =
    "usage: pageshare measure [options] SOURCE...\n"
    "       pageshare info [--format table|json] [--as raw] [--holes zero] [--freeze] SOURCE...\n"
    "       pageshare --help | --version\n"
    "\n"
    "measure  what content-based page sharing would save on this memory, every byte compared\n"
    "info     what each source is, and what is in it\n"
    "\n"
    "SOURCE   a dump (flat raw memory, ELF core; either compressed with zstd),\n"
    "         - for standard input, or pid:N for the live private memory of a process.\n"
    "         name=SOURCE labels it (no '/' in the name). The content tells the format.\n"
    "\n"
    "  --format table|json|csv  how to print (default: table)\n"
    "  --plot FILE.svg|.png     also draw growth, reference counts and who shares with whom\n"
    "  --isolate                also price tenant isolation: each source shares with itself alone\n"
    "  --threads N              use N threads (default: one a processor)\n"
    "  --keep-going             measure the other sources if one fails (the exit code stays 1)\n"
    "  --as raw                 read as flat raw memory whatever the content looks like\n"
    "  --holes zero             holes of a sparse raw file are zero pages (default: absent)\n"
    "  --freeze                 stop a process while it is copied\n"
    "  -h, --help               this text\n"
    "  -V, --version            the version\n"
    "\n"
    "Exit codes: 0 measured; 1 a source failed; 2 wrong usage.\n"
    "Percentages are of pages present; absent pages and holes never count as zero pages.\n"
    "Example: pageshare measure vm1=one.elf vm2=two.elf.zst python=pid:4711 --plot saved.svg\n";

static enum parsed wrong(const char *what, const char *value)
{
    char clean[256];
    text_clean(clean, sizeof clean, value ? value : "", sizeof clean);
    fprintf(stderr, "pageshare: %s%s%s; see 'pageshare --help'\n", what, value ? ": " : "", clean);
    return PARSED_WRONG;
}

/* What getopt did not understand: `result` is ':' if an argument is missing. */
static enum parsed wrong_option(int result, char **argv)
{
    const char letter[] = {'-', (char)optopt, 0};
    bool is_letter = optopt > 0 && optopt < OPTION_FORMAT;
    return wrong(result == ':' ? "an argument is missing for the option" : "unknown option",
                 is_letter ? letter : argv[optind - 1]);
}

static bool parse_format(const char *value, enum format *format)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
            *format = (enum format)i;
            return true;
        }
    return false;
}

static bool parse_threads(const char *value, unsigned *threads)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    *threads = (unsigned)n;
    return *value >= '0' && *value <= '9' && !*end && n >= 1 && n <= THREADS_MAX;
}

/* As many as there are processors that this process may use. */
static unsigned default_threads(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < THREADS_MAX ? (unsigned)count : THREADS_MAX;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t name_nbytes = strlen(name), ending_nbytes = strlen(ending);
    return name_nbytes > ending_nbytes && strcmp(name + name_nbytes - ending_nbytes, ending) == 0;
}

static enum parsed parse_one(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPTION_FORMAT:
        return parse_format(value, &options->format)
                   ? PARSED_RUN
                   : wrong("--format takes table, json or csv, not", value);
    case OPTION_PLOT:
        options->plot = value;
        return ends_in(value, ".svg") || ends_in(value, ".png")
                   ? PARSED_RUN
                   : wrong("--plot takes a file name ending in .svg or .png, not", value);
    case OPTION_THREADS:
        return parse_threads(value, &options->threads)
                   ? PARSED_RUN
                   : wrong("--threads takes a number from 1 to 256, not", value);
    case OPTION_AS:
        options->read.as_raw = true;
        return strcmp(value, "raw") == 0 ? PARSED_RUN : wrong("--as takes raw, not", value);
    case OPTION_HOLES:
        options->read.holes_zero = true;
        return strcmp(value, "zero") == 0 ? PARSED_RUN : wrong("--holes takes zero, not", value);
    case OPTION_ISOLATE:
        options->isolate = true;
        return PARSED_RUN;
    case OPTION_KEEP_GOING:
        options->keep_going = true;
        return PARSED_RUN;
    case OPTION_FREEZE:
        options->read.freeze = true;
        return PARSED_RUN;
    case 'h':
        fputs(help, stdout);
        return PARSED_DONE;
    case 'V':
        printf("pageshare %s\n", share_version());
        return PARSED_DONE;
    default:
        return PARSED_WRONG;
    }
}

static enum parsed check(const struct options *options)
{
    bool measure = options->command == COMMAND_MEASURE;
    if (!options->sources)
        return wrong(measure ? "measure needs a SOURCE" : "info needs a SOURCE", NULL);
    if (!measure && (options->plot || options->isolate || options->format == FORMAT_CSV))
        return wrong("info takes none of --plot, --isolate and --format csv", NULL);
    return PARSED_RUN;
}

enum parsed options_parse(struct options *options, int argc, char **argv)
{
    static const struct option longs[] = {
        {"format", required_argument, NULL, OPTION_FORMAT},
        {"plot", required_argument, NULL, OPTION_PLOT},
        {"threads", required_argument, NULL, OPTION_THREADS},
        {"as", required_argument, NULL, OPTION_AS},
        {"holes", required_argument, NULL, OPTION_HOLES},
        {"isolate", no_argument, NULL, OPTION_ISOLATE},
        {"keep-going", no_argument, NULL, OPTION_KEEP_GOING},
        {"freeze", no_argument, NULL, OPTION_FREEZE},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.threads = default_threads()};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":hV", longs, NULL)) != -1;) {
        enum parsed parsed = option == '?' || option == ':' ? wrong_option(option, argv)
                                                            : parse_one(options, option, optarg);
        if (parsed != PARSED_RUN)
            return parsed;
    }
    if (optind == argc)
        return wrong("no command", NULL);
    const char *command = argv[optind++];
    if (strcmp(command, "info") == 0)
        options->command = COMMAND_INFO;
    else if (strcmp(command, "measure") != 0)
        return wrong("no such command", command);
    options->source = argv + optind;
    options->sources = argc - optind;
    return check(options);
}
