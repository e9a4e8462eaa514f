/* SPDX-License-Identifier: MIT */
/* hvrun: guests on the tiny VMM, their pages shared live. The subcommands, a row each. */
#include <string.h>

#include "hvrun.h"

struct subcommand {
    const char *name;
    const char *arguments;             /* what stands behind its name on the command line */
    const char *does;                  /* one line */
    int (*run)(int argc, char **argv); /* argv[0] is its name; returns the exit code */
};

/* clang-format off */
static const struct subcommand subcommands[] = {
    {"boot", "[OPTION...]", "boots guests, runs a workload, shows what is shared", hvrun_boot},
    {"console", "[OPTION...]", "one guest at this terminal; Ctrl-A X leaves", hvrun_console},
    {"overcommit", "SCENARIO [OPTION...]", "VMs that want more memory than there is",
     hvrun_overcommit},
    /* These run in an hvrun boot: commands.c. */
    {"dump", "VM FILE", "its memory as an ELF core, for pageshare measure", hvrun_client},
    {"walk", "VM VA", "one address through every table", hvrun_client},
    {"step", "[break VM VA]", "one merge, or one copy-on-write break, narrated", hvrun_client},
    {"share-now", "", "scans until nothing is left to share", hvrun_client},
    {"stop", "VM|all", "stopped VMs stand still; all: the scanner, too", hvrun_client},
    {"resume", "VM|all", "they go on", hvrun_client},
    {"stats", "[json]", "the table of now", hvrun_client},
    {"balloon", "VM [SIZE]", "shows the balloon; asks the guest to give up SIZE", hvrun_client},
    {"check", "", "audits every table: slow", hvrun_client},
};
/* clang-format on */
enum { HELP_COLUMN = 28 /* where what a subcommand does begins */ };
enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static const char scenario[] =
    "\n"
    "SCENARIO is a JSON file: VMs on a host with less memory than they want\n"
    "  memory, vms [{memory, ...}], seconds      what there is, who wants it, for how long\n"
    "  policy      by its name (none); tax, slack; period (1 s)\n"
    "  sharing, scan_rate, census                false, 10000, false (the truth, to compare)\n"
    "  of a VM     name, memory, min, shares, workload, disk, active, balloon\n"
    "  events      [{at, tax}, {at, vm, active}] the tax or a VM's memory in use changes\n"
    "ESX's figures as scenarios: hv-adapter/experiments/figure2, figure6, figure7, rise.\n";

static const char ending[] =
    "\n"
    "Virtual time: 100 million ticks a second; a tick is an instruction, or part of what an\n"
    "event costs (charges.h; printed with --format json). Same options, same figures.\n"
    "\n"
    "Exit codes: 0 done; 1 could not, or a VM failed; 2 wrong usage.\n"
    "The guest is built by hv-adapter/guest/build.\n"
    "Example: hvrun boot --vms 10 --workload files --seconds 20\n";

static void print_help(FILE *stream)
{
    const char *before = "usage:";
    const struct subcommand *end = subcommands + SUBCOMMANDS;
    for (const struct subcommand *at = subcommands; at < end && at->run != hvrun_client; at++) {
        fprintf(stream, "%-6s hvrun %s %s\n", before, at->name, at->arguments);
        before = "";
    }
    fprintf(stream, "       hvrun COMMAND --control SOCKET\n       hvrun --help\n\n");
    for (const struct subcommand *at = subcommands; at < end; at++) {
        bool is_command = at->run == hvrun_client;
        if (is_command && at[-1].run != hvrun_client)
            fprintf(stream, "\nCOMMAND, to an hvrun boot --control SOCKET:\n");
        int used =
            fprintf(stream, "%s%s%s%s", is_command ? "    " : "", at->name,
                    is_command && *at->arguments ? " " : "", is_command ? at->arguments : "");
        fprintf(stream, "%*s%s\n", HELP_COLUMN - used, "", at->does);
    }
    hvrun_options_help(stream);
    fputs(scenario, stream);
    fputs(ending, stream);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return 0;
        }
    const char *name = argc > 1 ? argv[1] : "";
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "hvrun: no such subcommand: %s\n", name);
    print_help(stderr);
    return 2;
}
