/* SPDX-License-Identifier: MIT */
/* A scenario over time, through gnuplot, in four panes. gnuplot writes the picture to its standard
 * output and never sees a file name; names of VMs are words (scenario.h). */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "overcommit_run.h"

extern char **environ;

enum { PANES = 4 };

static double value_of(const struct sight_vm *vm, unsigned pane)
{
    const double mib = (double)HV_PAGE_BYTES / 0x1p20;
    switch (pane) {
    case 0:
        return (double)vm->found.allocated_pages * mib;
    case 1:
        return (double)vm->figures.balloon_pages * mib;
    case 2:
        return (double)vm->figures.shared_pages * mib;
    default:
        return vm->found.active * (double)vm->found.allocated_pages * mib;
    }
}

/* The top of a pane, a little above all it shows; above 0, which gnuplot would complain of. */
static double top_of(const struct overcommit_run *run, unsigned pane)
{
    double top = 1;
    for (size_t n = 0; n < run->count; n++)
        for (unsigned i = 0; i < run->scenario.vms_count; i++) {
            double value = value_of(&run->sights[n].vms[i], pane);
            top = value > top ? value : top;
        }
    return top * 1.1;
}

/* What a census found of the active memory, or a word that gnuplot skips. */
static void print_truth(FILE *out, const struct sight_vm *vm)
{
    if (vm->found.truth < 0)
        fprintf(out, " NaN");
    else
        fprintf(out, " %f",
                vm->found.truth * (double)vm->found.allocated_pages * (double)HV_PAGE_BYTES /
                    0x1p20);
}

static void print_pane(FILE *out, const struct overcommit_run *run, unsigned pane)
{
    static const char *const titles[PANES] = {"allocated", "in the balloon", "shared",
                                              "active (estimate)"};
    unsigned vms = run->scenario.vms_count;
    bool truth = pane == PANES - 1 && run->scenario.census;
    fprintf(out, "$pane%u << EOD\n", pane);
    for (size_t n = 0; n < run->count; n++) {
        fprintf(out, "%f", run->sights[n].seconds);
        for (unsigned i = 0; i < vms; i++)
            fprintf(out, " %f", value_of(&run->sights[n].vms[i], pane));
        for (unsigned i = 0; truth && i < vms; i++)
            print_truth(out, &run->sights[n].vms[i]);
        fprintf(out, "\n");
    }
    fprintf(out, "EOD\nset title '%s'\nset yrange [0:%f]\nplot ", titles[pane], top_of(run, pane));
    for (unsigned i = 0; i < vms; i++)
        fprintf(out, "%s$pane%u using 1:%u with lines lw 2 lc %u title '%s'", i ? ", " : "", pane,
                i + 2, i + 1, run->scenario.vms[i].name);
    for (unsigned i = 0; truth && i < vms; i++)
        fprintf(out, ", $pane%u using 1:%u with lines dt 2 lc %u title '%s: truth'", pane,
                vms + i + 2, i + 1, run->scenario.vms[i].name);
    fprintf(out, "\n");
}

static void print_script(FILE *out, const struct overcommit_run *run, const char *terminal)
{
    fprintf(out,
            "set terminal %s size 900,1000\nset multiplot layout %d,1\nset xlabel 'virtual "
            "seconds'\nset ylabel 'MiB'\nset key outside right\n",
            terminal, PANES);
    for (unsigned pane = 0; pane < PANES; pane++)
        print_pane(out, run, pane);
    fprintf(out, "unset multiplot\n");
}

/* Runs gnuplot from `script` into `picture`. */
static bool draw(int script, int picture)
{
    char *const argv[] = {(char[]){"gnuplot"}, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 1;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, picture, STDOUT_FILENO);
    int spawned = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (spawned != 0) {
        fprintf(stderr, "hvrun: gnuplot: %s (Debian: gnuplot-nox)\n", strerror(spawned));
        return false;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool overcommit_plot(const char *path, const struct overcommit_run *run)
{
    const char *end = strrchr(path, '.');
    const char *terminal = end && strcmp(end, ".png") == 0 ? "pngcairo" : "svg";
    FILE *script = tmpfile();
    int picture = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool drawn = false;
    if (!script || picture < 0) {
        fprintf(stderr, "hvrun: %s: %s\n", path, strerror(errno));
    } else {
        print_script(script, run, terminal);
        drawn = fflush(script) == 0 && lseek(fileno(script), 0, SEEK_SET) == 0 &&
                draw(fileno(script), picture);
        if (!drawn)
            fprintf(stderr, "hvrun: %s: gnuplot could not draw it\n", path);
    }
    if (script)
        fclose(script);
    if (picture >= 0)
        close(picture);
    return drawn;
}
