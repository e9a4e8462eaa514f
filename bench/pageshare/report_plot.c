/* SPDX-License-Identifier: MIT */
/*
 * Three pictures in one file, through gnuplot: savings with 1..N sources (as figure 4 of the ESX
 * paper), how many contents have how many references, and what sources have in common: a matrix, or
 * with many sources the sets of them that save most. Of labels gnuplot sees only what is quoted
 * here.
 */
#include "report_plot.h"
#include "report.h"
#include "text.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LABEL_CHARS 24
#define SETS_MAX    20 /* bars of sets of sources */
#define SET_CHARS   16 /* of a set's first source */
#define POINTS_MAX  1000
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

/* A point a source, or with many sources of some, the last one among them. */
static void print_growth(FILE *out, const struct figures *figures)
{
    const size_t step = figures->sources / POINTS_MAX + 1;
    fprintf(out, "$growth << EOD\n");
    for (size_t s = (figures->sources - 1) % step; s < figures->sources; s += step) {
        const struct growth_point *point = &figures->growth[s];
        double mib = DS_PAGE_SIZE / 1048576.0;
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

/* "a + 3": its first source, and how many others. */
static void print_set_name(FILE *out, const struct set *set, const struct holder_set *holders)
{
    char clean[4 * SET_CHARS + 1], name[sizeof clean + 24];
    const char *first = set->source[holders->source[0]].name;
    size_t nbytes = strlen(first);
    first += nbytes > SET_CHARS ? nbytes - SET_CHARS : 0; /* paths differ at their ends */
    text_clean(clean, sizeof clean, first, SET_CHARS);
    snprintf(name, sizeof name, holders->holders > 1 ? "%s + %zu" : "%s", clean,
             holders->holders - 1);
    print_quoted(out, name);
}

/* A bar for each set of sources that saves most, the first on top. */
static void print_sets(FILE *out, const struct set *set, const struct holders *holders)
{
    size_t n = holders->sets < SETS_MAX ? holders->sets : SETS_MAX;
    if (!n) {
        fprintf(out, "set multiplot next\n");
        return;
    }
    fprintf(out, "$sets << EOD\n");
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%zu %f\n", i,
                (double)(holders->set[i].pages - holders->set[i].contents) * DS_PAGE_SIZE /
                    1048576);
    fprintf(out,
            "EOD\nset title 'what sets of sources save'\nset xlabel 'MiB'\nset ylabel ''\n"
            "set xtics autofreq rotate by 45 right\nset xrange [0:*]\nset yrange [%f:-0.5]\nset "
            "ytics (",
            (double)n - 0.5);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", out);
        print_set_name(out, set, &holders->set[i]);
        fprintf(out, " %zu", i);
    }
    fprintf(out,
            ")\nunset key\n"
            "plot $sets using ($2/2):1:($2/2):(0.4) with boxxyerror fill solid 0.6\n");
}

static void print_script(FILE *out, const struct set *set, const struct figures *figures, bool svg)
{
    fprintf(out, "set encoding utf8\n%s\nset multiplot layout 1,3\n",
            svg ? "set terminal svg size 1500,480 noenhanced background 'white'"
                : "set terminal png size 1500,480 noenhanced");
    print_growth(out, figures);
    print_refs(out, figures);
    if (figures->common)
        print_matrix(out, set, figures);
    else
        print_sets(out, set, &figures->holders);
    fprintf(out, "unset multiplot\n");
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
    ok = ok && plot_draw(&plot, file, error);
    plot_fini(&plot);
    return ok;
}
