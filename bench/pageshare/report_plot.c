/* SPDX-License-Identifier: MIT */
/*
 * Three pictures in one file, through gnuplot: savings with 1..N sources (as figure 4 of the ESX
 * paper), how many contents have how many references, and what sources have in common.
 *
 * gnuplot reads a script and writes the picture, both in memory; the file is written only when the
 * picture is whole. gnuplot itself never sees a file name, and of labels only what is quoted here.
 */
#include "report.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LABEL_CHARS 24
#define LABELS_MAX  40 /* along an axis; more would lie over each other */

/* A label in single quotes, where gnuplot expands nothing but the quote itself; it then formats
 * labels like numbers, hence the '%'. */
static void print_quoted(FILE *out, const char *label)
{
    char clean[4 * LABEL_CHARS + 1];
    text_clean(clean, sizeof clean, label, LABEL_CHARS);
    fputc('\'', out);
    for (const char *c = clean; *c; c++) {
        if (*c == '\'' || *c == '%')
            fputc(*c, out);
        fputc(*c, out);
    }
    fputc('\'', out);
}

static void print_growth(FILE *out, const struct figures *figures)
{
    fprintf(out, "$growth << EOD\n");
    for (size_t s = 0; s < figures->sources; s++) {
        const struct growth_point *point = &figures->growth[s];
        double mib = SHARE_PAGE_SIZE / 1048576.0;
        fprintf(out, "%zu %f %f %f\n", s + 1, (double)point->pages * mib,
                (double)point->shared_pages * mib, (double)point->reclaimed_pages * mib);
    }
    fprintf(out,
            "EOD\n"
            "set title 'memory of the first N sources'\n"
            "set xlabel 'sources'\nset ylabel 'MiB'\nset xtics 1,%zu\n"
            "set xrange [0.5:%f]\nset yrange [0:*]\nset key top left\n"
            "plot $growth using 1:2 with linespoints lw 2 pt 7 title 'all', "
            "'' using 1:3 with linespoints lw 2 pt 5 title 'shared', "
            "'' using 1:4 with linespoints lw 2 pt 9 title 'reclaimed'\n",
            figures->sources / 10 + 1, (double)figures->sources + 0.5);
}

static void print_refs(FILE *out, const struct figures *figures)
{
    if (!figures->refs_counts) { /* no pages: nothing for a logarithmic scale */
        fprintf(out, "set multiplot next\n");
        return;
    }
    fprintf(out, "$refs << EOD\n");
    for (size_t i = 0; i < figures->refs_counts; i++)
        fprintf(out, "%" PRIu64 " %" PRIu64 "\n", figures->refs[i].count,
                figures->refs[i].contents);
    fprintf(out,
            "EOD\n"
            "set title 'contents by number of pages that have them'\n"
            "set xlabel 'pages of one content'\nset ylabel 'contents'\n"
            "set logscale xy\nset xtics autofreq\nset xrange [0.8:*]\nset yrange [0.5:*]\n"
            "plot $refs using 1:2 with impulses lw 3 notitle, '' with points pt 7 notitle\n"
            "unset logscale\n");
}

static void print_tics(FILE *out, const char *axis, const struct set *set)
{
    size_t step = set->sources / LABELS_MAX + 1;
    fprintf(out, "set %s (", axis);
    for (size_t s = 0; s < set->sources; s += step) {
        fputs(s ? ", " : "", out);
        print_quoted(out, set->source[s].name);
        fprintf(out, " %zu", s);
    }
    fprintf(out, ")\n");
}

static void print_matrix(FILE *out, const struct set *set, const struct figures *figures)
{
    size_t n = figures->sources;
    fprintf(out, "$common << EOD\n");
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            uint64_t own = figures->common[i * n + i];
            double part = own ? 100.0 * (double)figures->common[i * n + j] / (double)own : 0;
            fprintf(out, "%zu %zu %f\n", j, i, part);
        }
    fprintf(out,
            "EOD\nset title '%% of the row''s non-zero contents that the column has, too'\n"
            "set xlabel ''\nset ylabel ''\nset xrange [-0.5:%f]\nset yrange [%f:-0.5]\n"
            "set cbrange [0:100]\nset palette defined (0 'white', 100 'dark-blue')\nunset key\n",
            (double)n - 0.5, (double)n - 0.5);
    print_tics(out, "xtics rotate by 45 right", set);
    print_tics(out, "ytics", set);
    /* An image has at least two rows. */
    fprintf(out, n > 1 ? "plot $common using 1:2:3 with image\n"
                       : "plot $common using 1:2:(0.5):(0.5):3 with boxxyerror fill solid "
                         "fillcolor palette\n");
}

static void print_script(FILE *out, const struct set *set, const struct figures *figures, bool svg)
{
    fprintf(out, "set encoding utf8\n%s\nset multiplot layout 1,3\n",
            svg ? "set terminal svg size 1500,480 noenhanced background 'white'"
                : "set terminal png size 1500,480 noenhanced");
    print_growth(out, figures);
    print_refs(out, figures);
    print_matrix(out, set, figures);
    fprintf(out, "unset multiplot\n");
}

/* ------------------------------------------------------------------------------- running it -- */

struct plot {
    FILE *script, *picture, *messages; /* in memory */
};

static FILE *memory_file(void)
{
    int fd = memfd_create("pageshare-plot", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    if (!file && fd >= 0)
        close(fd);
    return file;
}

static bool plot_init(struct plot *plot)
{
    *plot = (struct plot){memory_file(), memory_file(), memory_file()};
    return plot->script && plot->picture && plot->messages;
}

static void plot_fini(struct plot *plot)
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

static bool draw(struct plot *plot, const char *file, struct ds_error *error)
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

bool report_plot(const struct set *set, const struct figures *figures, const char *file,
                 struct ds_error *error)
{
    struct plot plot;
    bool ok = plot_init(&plot);
    if (ok) {
        print_script(plot.script, set, figures, strcmp(file + strlen(file) - 4, ".svg") == 0);
        ok = !ferror(plot.script) && fflush(plot.script) == 0 &&
             lseek(fileno(plot.script), 0, SEEK_SET) == 0;
    }
    if (!ok)
        snprintf(error->text, sizeof error->text, "cannot draw: %s", strerror(errno));
    ok = ok && draw(&plot, file, error);
    plot_fini(&plot);
    return ok;
}
