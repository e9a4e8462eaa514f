/* SPDX-License-Identifier: MIT */
/*
 * Drawing by gnuplot: it reads a script and writes the picture, both in memory; the file is written
 * only when the picture is whole. gnuplot itself never sees a file name.
 */
#ifndef MEASURE_REPORT_PLOT_H
#define MEASURE_REPORT_PLOT_H

#include "source.h"
#include <stdio.h>

struct plot {
    FILE *script, *picture, *messages; /* in memory */
};

/* False: errno says why. plot_fini in any case. */
bool plot_init(struct plot *plot);
void plot_fini(struct plot *plot);

/* Draws what plot->script says into a file. False: one line in `error`. */
bool plot_draw(struct plot *plot, const char *file, struct ds_error *error);

#endif
