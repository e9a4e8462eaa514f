/* SPDX-License-Identifier: MIT */
/* Runs gnuplot. See report_plot.h. */
#include "report_plot.h"
#include "text.h"
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *memory_file(void)
{
    int fd = memfd_create("pageshare-plot", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    if (!file && fd >= 0)
        close(fd);
    return file;
}

bool plot_init(struct plot *plot)
{
    *plot = (struct plot){memory_file(), memory_file(), memory_file()};
    return plot->script && plot->picture && plot->messages;
}

void plot_fini(struct plot *plot)
{
    FILE *files[] = {plot->script, plot->picture, plot->messages};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i])
            fclose(files[i]);
}

/* 0, or an errno; *status as wait gives it. */
static int run_gnuplot(const struct plot *plot, int *status)
{
    extern char **environ;
    static const char *const argv[] = {"gnuplot", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawn_file_actions_adddup2(&actions, fileno(plot->script), STDIN_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, fileno(plot->picture), STDOUT_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, fileno(plot->messages), STDERR_FILENO);
    if (!failed)
        failed =
            posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    while (!failed && waitpid(pid, status, 0) < 0)
        failed = errno == EINTR ? 0 : errno;
    return failed;
}

/* The first line of gnuplot's messages that says something. */
static void read_reason(FILE *messages, char *reason, size_t reason_nbytes)
{
    char line[256];
    snprintf(reason, reason_nbytes, "no reason given");
    rewind(messages);
    while (fgets(line, sizeof line, messages)) {
        const char *text = line + strspn(line, " \t^");
        size_t length = strcspn(text, "\n");
        if (length && !strstr(text, "warning") && strncmp(text, "multiplot>", 10) != 0) {
            line[(size_t)(text - line) + length] = 0;
            text_clean(reason, reason_nbytes, text, reason_nbytes);
            return;
        }
    }
}

static bool save(FILE *picture, const char *file)
{
    char buffer[1 << 14];
    FILE *out = fopen(file, "wbe");
    if (!out)
        return false;
    rewind(picture);
    bool ok = true;
    for (size_t n; ok && (n = fread(buffer, 1, sizeof buffer, picture)) > 0;)
        ok = fwrite(buffer, 1, n, out) == n;
    return (fclose(out) == 0) & ok;
}

bool plot_draw(struct plot *plot, const char *file, struct ds_error *error)
{
    int status = 0, failed = run_gnuplot(plot, &status);
    char name[256], reason[128];
    text_clean(name, sizeof name, file, sizeof name);
    if (failed == ENOENT)
        snprintf(error->text, sizeof error->text,
                 "%s: cannot draw: gnuplot is not installed (Debian: gnuplot-nox)", name);
    else if (failed)
        snprintf(error->text, sizeof error->text, "%s: cannot run gnuplot: %s", name,
                 strerror(failed));
    else if (status != 0) {
        read_reason(plot->messages, reason, sizeof reason);
        snprintf(error->text, sizeof error->text, "%s: gnuplot failed: %s", name, reason);
    } else if (!save(plot->picture, file))
        snprintf(error->text, sizeof error->text, "%s: cannot write: %s", name, strerror(errno));
    else
        return true;
    return false;
}
