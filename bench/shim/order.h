/* SPDX-License-Identifier: MIT */
/* Order statistics. */
#ifndef BENCH_SHIM_ORDER_H
#define BENCH_SHIM_ORDER_H

#include <stddef.h>

void order_sort(double *values, size_t count);
/* Of sorted values, at least one. */
double order_median(const double *sorted, size_t count);
/* The smallest value that at least `part` of them (0..1) do not exceed. */
double order_quantile(const double *sorted, size_t count, double part);

#endif
