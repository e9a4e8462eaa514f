/* SPDX-License-Identifier: MIT */
/* hvrun: guests on the tiny VMM, their pages shared live. */
#include <string.h>

#include "hvrun.h"

static const char usage[] =
    "usage: hvrun boot [options]          boots guests, runs a workload, shows what is shared\n"
    "       hvrun console [options]       one guest at this terminal; Ctrl-A X leaves\n"
    "       hvrun overcommit SCENARIO [options]   VMs that want more memory than there is\n"
    "       hvrun COMMAND --control SOCKET, to an hvrun boot --control SOCKET:\n"
    "         dump VM FILE                its memory as an ELF core, for pageshare measure\n"
    "         walk VM VA                  one address through every table\n"
    "         step                        one merge, narrated\n"
    "         step break VM VA            one copy-on-write break, narrated\n"
    "         share-now                   scans until nothing is left to share\n"
    "         stop VM|all, resume VM|all  stopped VMs stand still; all: the scanner, too\n"
    "         stats [json]                the table of now\n"
    "         balloon VM [SIZE]           shows the balloon; asks the guest to give up SIZE\n"
    "         check                       audits every table: slow\n"
    "       hvrun --help | SUBCOMMAND --help\n"
    "\n"
    "options of boot, and of console but for --vms, --control, --format and --settle:\n"
    "  --vms N               how many (1)\n"
    "  --memory SIZE         of each, as 64M (64M)\n"
    "  --kernel FILE         Linux Image, ELF or flat binary (the built guest's)\n"
    "  --initrd FILE         initramfs (the built guest's, with its kernel)\n"
    "  --para                paravirtualized guests: our own kernel, and no shadow page tables\n"
    "  --append TEXT         more kernel command line\n"
    "  --workload NAME       idle, files, compute, touch, forks, sweep, reads, shell\n"
    "                        (idle); our own kernel: idle, touch, forks, compute, mix,\n"
    "                        signal\n"
    "  --rounds N            of the workload, then idle (0: for ever)\n"
    "  --touch KIB           how much touch, sweep and reads use (4096)\n"
    "  --share off|on        (on)\n"
    "  --groups N            VM i is of group i modulo N: pages are shared within a group (1)\n"
    "  --scan-rate PAGES     looked at per virtual second, in all (10000)\n"
    "  --seconds S           of virtual time (until all VMs ended)\n"
    "  --settle              shares all that can be shared before the last figures\n"
    "  --format table|json   of the last figures (table)\n"
    "  --control SOCKET      answers commands there, and keeps to the clock's time\n"
    "  --log DIR             keeps what VM N prints in DIR/vm-N.log\n"
    "  --seed N              of everything random (1)\n"
    "  --same-seed           all VMs get the same seed and start together\n"
    "  --start-offset MS     each VM starts so much later than the one before (37)\n"
    "  --disk SIZE           a blank disk for each VM: /dev/vda (none)\n"
    "  --machine SIZE        memory of the host for guests (what they can need)\n"
    "  --isa NAME            rv64imafdc, or rv64imac: without F and D (rv64imafdc)\n"
    "  --threads N           runs VMs at the same time, the scanner beside them; figures then\n"
    "                        differ a little from run to run (0: one thread, always the same)\n"
    "  --scattered           machine memory as non-contiguous as possible\n"
    "\n"
    "hvrun overcommit SCENARIO: VMs on a host with less memory than they want, by a JSON file:\n"
    "  memory, vms [{memory, ...}], seconds      what there is, who wants it, for how long\n"
    "  policy      none, shares, working-set or idle-tax (none); tax, slack; period (1 s)\n"
    "  sharing, scan_rate, census                false, 10000, false (the truth, to compare)\n"
    "  of a VM     name, memory, min, shares, workload, disk, active, balloon\n"
    "  events      [{at, tax}, {at, vm, active}] the tax or a VM's memory in use changes\n"
    "options of overcommit:\n"
    "  --policy NAME, --tax T, --seconds S       instead of the file's; T as 0.5, 50%, default\n"
    "                                            (75 %), taught (50 %) or none; 100 % is refused\n"
    "  --format table|json|csv, --plot FILE      every period; a picture as .svg or .png\n"
    "  --log DIR, --kernel FILE, --initrd FILE   as above\n"
    "ESX's figures as scenarios: hv-adapter/experiments/figure2, figure6, figure7, rise.\n"
    "\n"
    "Virtual time: 100 million ticks a second; a tick is an instruction, or part of what an\n"
    "event costs (charges.h; printed with --format json). Same options, same figures.\n"
    "\n"
    "Exit codes: 0 done; 1 could not, or a VM failed; 2 wrong usage.\n"
    "The guest is built by hv-adapter/guest/build.\n"
    "Example: hvrun boot --vms 10 --workload files --seconds 20\n";

int main(int argc, char **argv)
{
    static const char *const commands[] = {"dump",   "walk",  "step",  "share-now", "stop",
                                           "resume", "stats", "check", "balloon"};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "boot") == 0)
        return hvrun_boot(argc - 1, argv + 1);
    if (strcmp(name, "overcommit") == 0)
        return hvrun_overcommit(argc - 1, argv + 1);
    if (strcmp(name, "console") == 0)
        return hvrun_console(argc - 1, argv + 1);
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i]) == 0)
            return hvrun_client(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "hvrun: no such subcommand: %s\n", name);
    fputs(usage, stderr);
    return 2;
}
