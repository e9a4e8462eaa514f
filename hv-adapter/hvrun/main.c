/* SPDX-License-Identifier: MIT */
/* hvrun: guests on the tiny VMM, their pages shared live. The subcommands, a row each; those that
 * run in an hvrun boot are rows of commands.c. */
#include <errno.h>
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
    "              {at, arrive: {memory, ...}}, {at, leave: NUMBER}: a VM comes, or is ended\n"
    "  swap        size of the paging file (as large as need be); swap_file: its name (none)\n"
    "ESX's figures as scenarios: hv-adapter/experiments/figure2, figure6, figure7, rise.\n";

static const char ending[] =
    "\n"
    "Virtual time: 100 million ticks a second; a tick is an instruction, or part of what an\n"
    "event costs (charges.h; printed with --format json). Same options, same figures.\n"
    "\n"
    "Exit codes: 0 done; 1 could not, or a VM failed or was refused; 2 wrong usage; 3 a VM waited\n"
    "for memory for more than a second.\n"
    "The guest is built by hv-adapter/guest/build.\n"
    "Example: hvrun boot --vms 10 --workload files --seconds 20\n";

static void print_help(FILE *stream)
{
    const char *before = "usage:";
    for (unsigned i = 0; i < SUBCOMMANDS; i++) {
        fprintf(stream, "%-6s hvrun %s %s\n", before, subcommands[i].name,
                subcommands[i].arguments);
        before = "";
    }
    fprintf(stream, "       hvrun COMMAND --control SOCKET\n       hvrun --help\n\n");
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        fprintf(stream, "%-*s%s\n", HELP_COLUMN, subcommands[i].name, subcommands[i].does);
    fprintf(stream, "\nCOMMAND, to an hvrun boot --control SOCKET:\n");
    for (const struct hvrun_command *at = hvrun_commands; at->name; at++) {
        int used = fprintf(stream, "    %s %s", at->name, at->arguments);
        fprintf(stream, "%*s%s\n", HELP_COLUMN - used, "", at->does);
    }
    hvrun_options_help(stream);
    fputs(scenario, stream);
    fputs(ending, stream);
}

/* What was printed has arrived, unless the device is full. */
static int printed(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "hvrun: standard output: %s\n", strerror(errno ? errno : EIO));
    return code ? code : 1;
}

static int run(int argc, char **argv)
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
    for (const struct hvrun_command *at = hvrun_commands; at->name; at++)
        if (strcmp(name, at->name) == 0)
            return hvrun_client(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "hvrun: no such subcommand: %s\n", name);
    print_help(stderr);
    return 2;
}

int main(int argc, char **argv)
{
    return printed(run(argc, argv));
}
