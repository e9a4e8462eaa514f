/* SPDX-License-Identifier: MIT */
/* The options of hvrun, a row each: the command line is parsed by the table, and --help prints it.
 */
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hvrun.h"
#include "overcommit/policy/policy.h"

enum { VMS_MAX = 1024, THREADS_MAX = 256 };
enum { HELP_COLUMN = 28 /* where a row's help begins */ };

/* Subcommands that take options. */
enum { BOOT = 1, CONSOLE = 2, OVERCOMMIT = 4 };

struct row;
/* Takes the option's argument, NULL if it has none; false after a message. */
typedef bool taker(struct hvrun_options *options, const struct row *row, const char *text);

struct row {
    unsigned of; /* the subcommands that take it */
    const char *name;
    const char *argument; /* what --help calls it; "off|on": one of two words; NULL: takes none */
    const char *help;     /* one line */
    taker *take;
    size_t at;            /* where in struct hvrun_options its value goes */
    uint64_t least, most; /* of a number */
};

void hvrun_options_init(struct hvrun_options *options)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *options = (struct hvrun_options){
        .vms = 1,
        .groups = 1,
        .memory_bytes = UINT64_C(64) << 20,
        .append = "",
        .workload = "idle",
        .sharing = true,
        .scan_rate = 10000,
        .seed = 1,
        .touch_kib = 4096,
        .start_ms = 37,
        .has_fp = true,
    };
    bool given = cache && *cache;
    const char *base = given ? cache : home ? home : "";
    const char *middle = given ? "" : "/.cache";
    snprintf(options->kernel, sizeof options->kernel, "%s%s/libshare/guest/Image", base, middle);
    snprintf(options->initrd, sizeof options->initrd, "%s%s/libshare/guest/initrd.cpio", base,
             middle);
}

static bool bad(const char *option, const char *text, const char *expected)
{
    fprintf(stderr, "hvrun: --%s: expected %s, found \"%s\"\n", option, expected, text);
    return false;
}

bool hvrun_size(const char *text, uint64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    uint64_t n = strtoull(text, &end, 0);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    *value = n << shift;
    return end[shift ? 1 : 0] == 0 && n <= UINT64_MAX >> shift;
}

static bool number(const struct row *row, const char *text, uint64_t *value)
{
    char expected[96];
    if (*text < '0' || *text > '9')
        return bad(row->name, text, "a number");
    if (hvrun_size(text, value) && *value >= row->least && *value <= row->most)
        return true;
    snprintf(expected, sizeof expected, "a number from %llu to %llu (K, M, G allowed)",
             (unsigned long long)row->least, (unsigned long long)row->most);
    return bad(row->name, text, expected);
}

static void *place(struct hvrun_options *options, const struct row *row)
{
    return (char *)options + row->at;
}

static bool take_number(struct hvrun_options *options, const struct row *row, const char *text)
{
    return number(row, text, place(options, row));
}

static bool take_count(struct hvrun_options *options, const struct row *row, const char *text)
{
    uint64_t n = 0;
    bool right = number(row, text, &n);
    *(unsigned *)place(options, row) = (unsigned)n;
    return right;
}

/* Disks, as 16M or 16M,1G. */
static bool take_disks(struct hvrun_options *options, const struct row *row, const char *text)
{
    char one[32], expected[64];
    unsigned count = 0;
    for (const char *at = text; *at && count < HV_DISKS_MAX; at += *at == ',') {
        size_t length = strcspn(at, ",");
        snprintf(one, sizeof one, "%.*s", (int)length, at);
        at += length;
        if (!number(row, one, &options->disk_bytes[count++]))
            return false;
        if (!*at)
            return true;
    }
    snprintf(expected, sizeof expected, "sizes of at most %d disks", HV_DISKS_MAX);
    return bad(row->name, text, expected);
}

static bool take_seconds(struct hvrun_options *options, const struct row *row, const char *text)
{
    char *end;
    double *value = place(options, row);
    *value = strtod(text, &end);
    return (end != text && !*end && *value > 0 && *value < 1e9) ||
           bad(row->name, text, "seconds above 0");
}

static bool take_text(struct hvrun_options *options, const struct row *row, const char *text)
{
    *(const char **)place(options, row) = text;
    return true;
}

static bool take_flag(struct hvrun_options *options, const struct row *row, const char *text)
{
    (void)text;
    *(bool *)place(options, row) = true;
    return true;
}

/* Of the two words in row->argument the second one is true. */
static bool take_word(struct hvrun_options *options, const struct row *row, const char *text)
{
    char expected[64];
    const char *no = row->argument, *yes = strchr(no, '|') + 1;
    int no_length = (int)(yes - no) - 1;
    bool *value = place(options, row);
    *value = strcmp(text, yes) == 0;
    if (*value || (strncmp(text, no, (size_t)no_length) == 0 && !text[no_length]))
        return true;
    snprintf(expected, sizeof expected, "%.*s or %s", no_length, no, yes);
    return bad(row->name, text, expected);
}

/* The place of a word among those of row->argument. */
static bool take_format(struct hvrun_options *options, const struct row *row, const char *text)
{
    size_t length = strlen(text);
    unsigned place = 0;
    for (const char *at = row->argument; at; place++) {
        size_t word = strcspn(at, "|");
        if (word == length && strncmp(at, text, word) == 0) {
            options->format = (enum hvrun_format)place;
            return true;
        }
        at = at[word] ? at + word + 1 : NULL;
    }
    return bad(row->name, text, row->argument);
}

static bool path(const char *option, char *to, size_t room, const char *text)
{
    return (size_t)snprintf(to, room, "%s", text) < room || bad(option, text, "a shorter path");
}

static bool take_kernel(struct hvrun_options *options, const struct row *row, const char *text)
{
    options->kernel_given = true;
    if (!options->initrd_given)
        options->initrd[0] = 0; /* ours is for our kernel */
    return path(row->name, options->kernel, sizeof options->kernel, text);
}

static bool take_initrd(struct hvrun_options *options, const struct row *row, const char *text)
{
    options->initrd_given = true;
    return path(row->name, options->initrd, sizeof options->initrd, text);
}

/* The ends of rows: how an option is taken, and into which field. */
#define INTO(take, field)         take, offsetof(struct hvrun_options, field), 0, 0
#define COUNT(field, least, most) take_count, offsetof(struct hvrun_options, field), least, most
#define NUMBER(field, most)       take_number, offsetof(struct hvrun_options, field), 0, most
#define BY(take)                  take, 0, 0, 0

#define BYTES_MAX (UINT64_C(1) << 46)
#define BOOTS     (BOOT | CONSOLE)
#define ALL       (BOOT | CONSOLE | OVERCOMMIT)

/* Rows of the same subcommands stand together: --help prints them under one heading. */
/* clang-format off */
static const struct row rows[] = {
    {ALL, "kernel", "FILE", "Linux Image, ELF or flat binary (the built guest's)", BY(take_kernel)},
    {ALL, "initrd", "FILE", "initramfs (the built guest's, with its kernel)", BY(take_initrd)},
    {ALL, "log", "DIR", "keeps what VM N prints in DIR/vm-N.log", INTO(take_text, log)},
    {ALL, "para", NULL, "paravirtualized: our own kernel, and no shadow page tables",
     INTO(take_flag, para)},
    {ALL, "threads", "N", "run VMs at the same time; figures then differ (0: always the same)",
     COUNT(threads, 0, THREADS_MAX)},

    {BOOT | OVERCOMMIT, "control", "SOCKET",
     "answers commands there, and keeps to the clock's time", INTO(take_text, control)},

    {BOOTS, "memory", "SIZE", "of each VM, as 64M (64M)",
     NUMBER(memory_bytes, BYTES_MAX)},
    {BOOTS, "disk", "SIZE[,SIZE]", "blank disks for each VM: /dev/vda and so on (none)",
     take_disks, 0, 0, BYTES_MAX},
    {BOOTS, "machine", "SIZE", "memory of the host for guests (what they can need)",
     NUMBER(machine_bytes, BYTES_MAX)},
    {BOOTS, "scattered", NULL, "machine memory as non-contiguous as possible",
     INTO(take_flag, scattered)},
    {BOOTS, "isa", "rv64imac|rv64imafdc", "without F and D, or with them (rv64imafdc)",
     INTO(take_word, has_fp)},
    {BOOTS, "append", "TEXT", "more kernel command line", INTO(take_text, append)},
    {BOOTS, "workload", "NAME", "one of those below (idle; console: shell)",
     INTO(take_text, workload)},
    {BOOTS, "rounds", "N", "of the workload, then idle (0: for ever)",
     COUNT(rounds, 0, 1000000000)},
    {BOOTS, "touch", "KIB", "how much touch, sweep and reads use (4096)",
     COUNT(touch_kib, 0, 1 << 30)},
    {BOOTS, "share", "off|on", "whether pages are shared (on)", INTO(take_word, sharing)},
    {BOOTS, "groups", "N", "VM i is of group i modulo N: pages are shared within a group (1)",
     COUNT(groups, 1, HV_GROUPS_MAX)},
    {BOOTS, "scan-rate", "PAGES", "looked at per virtual second, in all (10000)",
     NUMBER(scan_rate, UINT64_C(1) << 32)},
    {BOOTS, "seconds", "S", "of virtual time (until all VMs ended)", INTO(take_seconds, seconds)},
    {BOOTS, "seed", "N", "of everything random (1)", NUMBER(seed, BYTES_MAX)},
    {BOOTS, "same-seed", NULL, "all VMs get the same seed and start together",
     INTO(take_flag, same_seed)},
    {BOOTS, "start-offset", "MS", "each VM starts so much later than the one before (37)",
     COUNT(start_ms, 0, 1000000)},

    {BOOT, "vms", "N", "how many (1)", COUNT(vms, 1, VMS_MAX)},
    {BOOT, "settle", NULL, "shares all that can be shared before the last figures",
     INTO(take_flag, settle)},
    {BOOT, "format", "table|json", "of the last figures (table)", BY(take_format)},

    {OVERCOMMIT, "policy", "NAME", "one of those below, instead of the file's",
     INTO(take_text, policy)},
    {OVERCOMMIT, "tax", "T", "0.5, 50%, default (75 %), taught (50 %) or none; 100 % is refused",
     INTO(take_text, tax)},
    {OVERCOMMIT, "seconds", "S", "of virtual time, instead of the file's",
     INTO(take_seconds, seconds)},
    {OVERCOMMIT, "format", "table|json|csv", "of every period's figures (table)",
     BY(take_format)},
    {OVERCOMMIT, "plot", "FILE", "a picture as .svg or .png", INTO(take_text, plot)},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof *rows, ROW = 256 /* beyond all letters */ };

/* guest/userland/init.c and guest/mini/main.c */
static const char linux_knows[] = "idle, files, compute, touch, forks, sweep, reads or shell",
                  mini_knows[] = "idle, touch, forks, compute, mix, signal or sweep";

const char *hvrun_workload_unknown(const struct hvrun_options *options, const char *name)
{
    const char *known = options->para ? mini_knows : linux_knows;
    size_t length = strlen(name);
    bool found = options->kernel_given; /* who knows what that one does */
    for (const char *at = known; *at && !found; at += strspn(at, ", ")) {
        size_t word = strcspn(at, ", ");
        found = word == length && strncmp(at, name, word) == 0 && strcmp(name, "or") != 0;
        at += word;
    }
    return found ? NULL : known;
}

/* [i]: of the bit 1 << i. */
static const char *const subcommands[] = {"boot", "console", "overcommit"};
enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

/* " of boot, console" */
static void print_subcommands(FILE *stream, unsigned of)
{
    const char *between = " of ";
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        if (of & 1u << i) {
            fprintf(stream, "%s%s", between, subcommands[i]);
            between = ", ";
        }
}

static unsigned bit_of(const char *subcommand)
{
    unsigned i = 0;
    while (i < SUBCOMMANDS && strcmp(subcommands[i], subcommand) != 0)
        i++;
    return 1u << i;
}

static void print_row(FILE *stream, const struct row *row)
{
    int used = fprintf(stream, "  --%s%s%s", row->name, row->argument ? " " : "",
                       row->argument ? row->argument : "");
    if (used > HELP_COLUMN - 2)
        used = fprintf(stream, "\n") - 1;
    fprintf(stream, "%*s%s\n", HELP_COLUMN - used, "", row->help);
}

void hvrun_options_help(FILE *stream)
{
    for (const struct row *row = rows; row < rows + ROWS; row++) {
        if (row == rows || row->of != row[-1].of) {
            fprintf(stream, "\noptions");
            print_subcommands(stream, row->of);
            fprintf(stream, ":\n");
        }
        print_row(stream, row);
    }
    fprintf(stream, "\n  %-*sthis text\n", HELP_COLUMN - 2, "--help");
    fprintf(stream, "\nworkloads: %s;\nof our own kernel: %s\n", linux_knows, mini_knows);
    fprintf(stream, "\npolicies:\n  %-*s%s\n", HELP_COLUMN - 2, "none", "memory stays where it is");
    for (const struct hv_policy *const *at = hv_policies; *at; at++)
        fprintf(stream, "  %-*s%s\n", HELP_COLUMN - 2, (*at)->name, (*at)->does);
}

/* The paravirtualized kernel was built with this program, and lies beside it. */
static void find_para_kernel(struct hvrun_options *o)
{
    static const char beside[] = "/../guest/mini-para";
    if (!o->initrd_given)
        o->initrd[0] = 0;
    ssize_t length = readlink("/proc/self/exe", o->kernel, sizeof o->kernel - sizeof beside);
    o->kernel[length > 0 ? length : 0] = 0;
    char *slash = strrchr(o->kernel, '/');
    strcpy(slash ? slash : o->kernel, slash ? beside : beside + 4);
}

/* getopt's table: the subcommand's rows, then an empty one. getopt returns ROW and a row's number.
 */
static void grammar_init(struct option grammar[ROWS + 1], unsigned of)
{
    unsigned count = 0;
    memset(grammar, 0, (ROWS + 1) * sizeof *grammar);
    for (int i = 0; i < ROWS; i++)
        if (rows[i].of & of) {
            int argument = rows[i].argument ? required_argument : no_argument;
            grammar[count++] = (struct option){rows[i].name, argument, NULL, ROW + i};
        }
}

/* The subcommands that have an option which this one has not. */
static unsigned others_have(const char *word)
{
    unsigned of = 0;
    size_t length = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;
    for (int i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, word + 2, length) == 0)
            of |= rows[i].of;
    return of;
}

/* What getopt did not understand: `result` is ':' if an argument is missing. */
static bool wrong_option(int result, char **argv)
{
    const char letter[] = {'-', (char)optopt, 0};
    const char *word = optopt > 0 && optopt < ROW ? letter : argv[optind - 1];
    unsigned of = optopt ? 0 : others_have(word);
    const char *what = result == ':'   ? "expected an argument"
                       : optopt >= ROW ? "expected no argument"
                                       : "no such option";
    fprintf(stderr, "hvrun: %s: %s: %s", argv[0], word, of ? "is an option" : what);
    print_subcommands(stderr, of);
    fprintf(stderr, "\n");
    return false;
}

/* What stands on the command line besides options. */
static bool operands(struct hvrun_options *options, unsigned of, int argc, char **argv)
{
    if (of & OVERCOMMIT) {
        options->scenario = argv[optind];
        if (optind + 1 == argc)
            return true;
        fprintf(stderr, "hvrun: overcommit: expected one scenario file\n");
        return false;
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "hvrun: unexpected argument \"%s\"\n", argv[optind]);
    return false;
}

bool hvrun_options_parse(struct hvrun_options *options, int argc, char **argv)
{
    struct option grammar[ROWS + 1];
    unsigned of = bit_of(argv[0]);
    int result;
    grammar_init(grammar, of);
    optind = 1;
    opterr = 0;
    while ((result = getopt_long(argc, argv, ":", grammar, NULL)) != -1) {
        if (result == '?' || result == ':')
            return wrong_option(result, argv);
        const struct row *row = &rows[result - ROW];
        if (!row->take(options, row, optarg))
            return false;
    }
    if (options->para && !options->kernel_given)
        find_para_kernel(options);
    if (!operands(options, of, argc, argv))
        return false;
    const char *known = of & OVERCOMMIT ? NULL : hvrun_workload_unknown(options, options->workload);
    return !known || bad("workload", options->workload, known);
}
