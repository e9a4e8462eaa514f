/* SPDX-License-Identifier: MIT */
/*
 * Three pictures in one file, through gnuplot: savings with 1..N sources (as figure 4 of the ESX
 * paper), how many contents have how many references, and what sources have in common.
 */
#include "report.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LABEL_CHARS 24

/* Labels and file names go into quoted gnuplot strings: nothing in them may end the string. */
static void print_quoted(FILE *out, const char *text, size_t chars)
{
    fputc('"', out);
    for (; *text && chars; text++, chars--) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc((unsigned char)*text < ' ' || *text == '`' ? '?' : *text, out);
    }
    fputc('"', out);
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
    fprintf(out, "$refs << EOD\n");
    for (size_t i = 0; i < figures->refs_counts; i++)
        fprintf(out, "%" PRIu64 " %" PRIu64 "\n", figures->refs[i].count, figures->refs[i].contents);
    fprintf(out, "EOD\n"
                 "set title 'contents by number of pages that have them'\n"
                 "set xlabel 'pages of one content'\nset ylabel 'contents'\n"
                 "set logscale xy\nset xtics autofreq\nset xrange [0.8:*]\nset yrange [0.5:*]\n"
                 "plot $refs using 1:2 with impulses lw 3 notitle, '' with points pt 7 notitle\n"
                 "unset logscale\n");
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
    fprintf(out, "EOD\nset title '%% of the row''s non-zero contents that the column has, too'\n"
                 "set xlabel ''\nset ylabel ''\nset xrange [-0.5:%f]\nset yrange [%f:-0.5]\n"
                 "set cbrange [0:100]\nset palette defined (0 'white', 100 'dark-blue')\n"
                 "unset key\nset xtics rotate by 45 right (",
            (double)n - 0.5, (double)n - 0.5);
    for (size_t s = 0; s < n; s++) {
        print_quoted(out, set->source[s].name, LABEL_CHARS);
        fprintf(out, " %zu%s", s, s + 1 < n ? ", " : ")\nset ytics (");
    }
    for (size_t s = 0; s < n; s++) {
        print_quoted(out, set->source[s].name, LABEL_CHARS);
        fprintf(out, " %zu%s", s, s + 1 < n ? ", " : ")\n");
    }
    fprintf(out, "plot $common using 1:2:3 with image\n");
}

static bool gnuplot_exists(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

bool report_plot(const struct set *set, const struct figures *figures, const char *file,
                 struct ds_error *error)
{
    bool svg = strcmp(file + strlen(file) - 4, ".svg") == 0;
    if (!gnuplot_exists()) {
        snprintf(error->text, sizeof error->text,
                 "%s: cannot draw: gnuplot is not installed (Debian: gnuplot-nox)", file);
        return false;
    }
    FILE *probe = fopen(file, "ab"); /* gnuplot's own message would name no reason */
    if (!probe) {
        snprintf(error->text, sizeof error->text, "%s: cannot write: %s", file, strerror(errno));
        return false;
    }
    fclose(probe);
    signal(SIGPIPE, SIG_IGN);
    FILE *out = popen("gnuplot 2>&1 >/dev/null", "w");
    if (!out) {
        snprintf(error->text, sizeof error->text, "gnuplot: %s", strerror(errno));
        return false;
    }
    fprintf(out, svg ? "set terminal svg size 1500,480 noenhanced background 'white'\n"
                     : "set terminal png size 1500,480 noenhanced\n");
    fprintf(out, "set output ");
    print_quoted(out, file, strlen(file));
    fprintf(out, "\nset multiplot layout 1,3\n");
    print_growth(out, figures);
    print_refs(out, figures);
    print_matrix(out, set, figures);
    fprintf(out, "unset multiplot\n");
    if (pclose(out) != 0) {
        snprintf(error->text, sizeof error->text, "%s: gnuplot failed", file);
        return false;
    }
    return true;
}
