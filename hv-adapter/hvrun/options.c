/* SPDX-License-Identifier: MIT */
/* The options of boot and console. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hvrun.h"

enum { VMS_MAX = 1024, THREADS_MAX = 256 };

enum {
    OPT_VMS = 256,
    OPT_MEMORY,
    OPT_KERNEL,
    OPT_INITRD,
    OPT_APPEND,
    OPT_WORKLOAD,
    OPT_SHARE,
    OPT_SCAN_RATE,
    OPT_SECONDS,
    OPT_CONTROL,
    OPT_FORMAT,
    OPT_LOG,
    OPT_SEED,
    OPT_SAME_SEED,
    OPT_SCATTERED,
    OPT_SETTLE,
    OPT_ROUNDS,
    OPT_TOUCH,
    OPT_START,
    OPT_MACHINE,
    OPT_THREADS,
    OPT_DISK,
    OPT_ISA,
    OPT_PARA,
    OPT_GROUPS,
};

static const struct option words[] = {
    {"vms", required_argument, NULL, OPT_VMS},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"kernel", required_argument, NULL, OPT_KERNEL},
    {"initrd", required_argument, NULL, OPT_INITRD},
    {"append", required_argument, NULL, OPT_APPEND},
    {"workload", required_argument, NULL, OPT_WORKLOAD},
    {"share", required_argument, NULL, OPT_SHARE},
    {"scan-rate", required_argument, NULL, OPT_SCAN_RATE},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"log", required_argument, NULL, OPT_LOG},
    {"seed", required_argument, NULL, OPT_SEED},
    {"same-seed", no_argument, NULL, OPT_SAME_SEED},
    {"scattered", no_argument, NULL, OPT_SCATTERED},
    {"settle", no_argument, NULL, OPT_SETTLE},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"touch", required_argument, NULL, OPT_TOUCH},
    {"start-offset", required_argument, NULL, OPT_START},
    {"machine", required_argument, NULL, OPT_MACHINE},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"disk", required_argument, NULL, OPT_DISK},
    {"isa", required_argument, NULL, OPT_ISA},
    {"para", no_argument, NULL, OPT_PARA},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {NULL, 0, NULL, 0},
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

static bool number(const char *option, const char *text, uint64_t max, uint64_t *value)
{
    if (*text < '0' || *text > '9')
        return bad(option, text, "a number");
    return (hvrun_size(text, value) && *value <= max) ||
           bad(option, text, "a number (K, M, G allowed) within its limit");
}

static bool small(const char *option, const char *text, unsigned max, unsigned *value)
{
    uint64_t n = 0;
    bool right = number(option, text, max, &n);
    *value = (unsigned)n;
    return right;
}

static bool word(const char *option, const char *text, const char *no, const char *yes, bool *value)
{
    char expected[64];
    *value = strcmp(text, yes) == 0;
    if (*value || strcmp(text, no) == 0)
        return true;
    snprintf(expected, sizeof expected, "%s or %s", no, yes);
    return bad(option, text, expected);
}

static bool path(const char *option, char *to, size_t room, const char *text)
{
    return (size_t)snprintf(to, room, "%s", text) < room || bad(option, text, "a shorter path");
}

bool hvrun_options_kernel(struct hvrun_options *options, const char *text)
{
    options->kernel_given = true;
    if (!options->initrd_given)
        options->initrd[0] = 0; /* ours is for our kernel */
    return path("kernel", options->kernel, sizeof options->kernel, text);
}

bool hvrun_options_initrd(struct hvrun_options *options, const char *text)
{
    options->initrd_given = true;
    return path("initrd", options->initrd, sizeof options->initrd, text);
}

const char *hvrun_workload_unknown(const struct hvrun_options *options, const char *name)
{
    /* guest/userland/init.c and guest/mini/main.c */
    static const char linux_knows[] = "idle, files, compute, touch, forks, sweep, reads or shell",
                      mini_knows[] = "idle, touch, forks, compute, mix or signal";
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

static bool seconds(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return (end != text && !*end && *value > 0 && *value < 1e9) ||
           bad("seconds", text, "seconds above 0");
}

static bool set(struct hvrun_options *o, int option, const char *name, const char *text)
{
    uint64_t big = UINT64_C(1) << 46;
    if (option == OPT_VMS || option == OPT_CONTROL || option == OPT_FORMAT || option == OPT_SETTLE)
        o->boot_only = name;
    switch (option) {
    case OPT_VMS:
        return small(name, text, VMS_MAX, &o->vms) && (o->vms || bad(name, text, "at least 1"));
    case OPT_MEMORY:
        return number(name, text, big, &o->memory_bytes);
    case OPT_MACHINE:
        return number(name, text, big, &o->machine_bytes);
    case OPT_DISK:
        return number(name, text, big, &o->disk_bytes);
    case OPT_KERNEL:
        return hvrun_options_kernel(o, text);
    case OPT_INITRD:
        return hvrun_options_initrd(o, text);
    case OPT_APPEND:
        o->append = text;
        return true;
    case OPT_WORKLOAD:
        o->workload = text;
        return true;
    case OPT_SHARE:
        return word(name, text, "off", "on", &o->sharing);
    case OPT_SCAN_RATE:
        return number(name, text, UINT64_C(1) << 32, &o->scan_rate);
    case OPT_SECONDS:
        return seconds(text, &o->seconds);
    case OPT_CONTROL:
        o->control = text;
        return true;
    case OPT_FORMAT:
        return word(name, text, "table", "json", &o->json);
    case OPT_LOG:
        o->log = text;
        return true;
    case OPT_SEED:
        return number(name, text, big, &o->seed);
    case OPT_SAME_SEED:
        o->same_seed = true;
        return true;
    case OPT_SCATTERED:
        o->scattered = true;
        return true;
    case OPT_ISA:
        return word(name, text, "rv64imac", "rv64imafdc", &o->has_fp);
    case OPT_SETTLE:
        o->settle = true;
        return true;
    case OPT_ROUNDS:
        return small(name, text, 1000000000, &o->rounds);
    case OPT_TOUCH:
        return small(name, text, 1 << 30, &o->touch_kib);
    case OPT_THREADS:
        return small(name, text, THREADS_MAX, &o->threads);
    case OPT_START:
        return small(name, text, 1000000, &o->start_ms);
    case OPT_PARA:
        o->para = true;
        return true;
    case OPT_GROUPS:
        return small(name, text, HV_GROUPS_MAX, &o->groups) &&
               (o->groups || bad(name, text, "at least 1"));
    default:
        return false;
    }
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

bool hvrun_options_parse(struct hvrun_options *options, int argc, char **argv)
{
    int option, index = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", words, &index)) != -1)
        if (option == '?' || !set(options, option, words[index].name, optarg))
            return false;
    if (options->para && !options->kernel_given)
        find_para_kernel(options);
    if (optind < argc) {
        fprintf(stderr, "hvrun: unexpected argument \"%s\"\n", argv[optind]);
        return false;
    }
    const char *known = hvrun_workload_unknown(options, options->workload);
    return !known || bad("workload", options->workload, known);
}
