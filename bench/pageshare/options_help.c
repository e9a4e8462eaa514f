/* SPDX-License-Identifier: MIT */
/* What pageshare --help prints: the tables of subcommands and of options, and what they share. */
#include "options.h"
#include <stdio.h>
#include <string.h>

enum { OPTION_COLUMN = 27 }; /* where an option's help begins */

static const char sources[] =
    "SOURCE   a dump (flat raw memory, ELF core, kdump, QEMU migration stream, libvirt save,\n"
    "         LiME, AVML; any of them packed by zstd, gzip, xz, lz4 or bzip2), - for standard\n"
    "         input, a FIFO, pid:N for the live private memory of a process,\n"
    "         diff:BASE+DIFF[+DIFF...] for snapshots that hold what changed since BASE, or\n"
    "         split:PART+PART[+PART...] for a kdump in several files.\n"
    "         name=SOURCE labels it (no '/' in the name). The content tells the format.\n"
    "         A pipe is read once, by way of an unnamed file in $TMPDIR or /var/tmp.\n";

static const char ending[] =
    "\n"
    "Exit codes: 0 measured; 1 a source failed; 2 wrong usage.\n"
    "Percentages are of pages present; absent pages and holes never count as zero pages.\n"
    "Example: pageshare measure vm1=one.elf vm2=two.elf.zst python=pid:4711 --plot saved.svg\n";

static void print_row(const struct option_row *row)
{
    char letter[] = {'-', row->letter, ',', ' ', 0};
    int used = printf("  %s--%s%s%s", row->letter ? letter : "", row->name,
                      row->argument ? " " : "", row->argument ? row->argument : "");
    if (used > OPTION_COLUMN - 2)
        used = printf("\n") - 1;
    printf("%*s%s\n", OPTION_COLUMN - used, "", row->help);
}

static void print_options(void)
{
    const char *heading = NULL;
    for (const struct option_row *row = option_rows; row->name; row++) {
        if (!heading || strcmp(heading, row->commands) != 0)
            printf("\noptions%s%s:\n", *row->commands ? " of " : "", row->commands);
        heading = row->commands;
        print_row(row);
    }
}

void options_help(void)
{
    const char *before = "usage:";
    for (const struct command *const *at = commands; *at; at++) {
        printf("%-6s pageshare %s %s\n", before, (*at)->name, (*at)->arguments);
        before = "";
    }
    printf("       pageshare --help | --version [--json]\n\n");
    for (const struct command *const *at = commands; *at; at++)
        printf("%-8s %s\n", (*at)->name, (*at)->does);
    printf("\n%s", sources);
    print_options();
    fputs(ending, stdout);
}
