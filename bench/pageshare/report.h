/* SPDX-License-Identifier: MIT */
/*
 * Printing what was measured.
 */
#ifndef MEASURE_REPORT_H
#define MEASURE_REPORT_H

#include "figures.h"

/* For people; colour only if stdout is a terminal. */
void report_table(const struct set *set, const struct figures *figures);

/* Stable keys; see the man page. False: no memory, or stdout failed. */
bool report_json(const struct set *set, const struct figures *figures);

/* A row a source, failed ones behind the others, then total; the names of the JSON keys. */
void report_csv(const struct set *set, const struct figures *figures);

/* Draws into a file ending in .svg or .png, through gnuplot. False: one line in `error`. */
bool report_plot(const struct set *set, const struct figures *figures, const char *file,
                 struct ds_error *error);

/* What each source is. */
void report_info_table(const struct set *set);
bool report_info_json(const struct set *set);

#endif
