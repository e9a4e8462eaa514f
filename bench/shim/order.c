/* SPDX-License-Identifier: MIT */
#include "order.h"
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void order_sort(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
}

double order_median(const double *sorted, size_t count)
{
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double order_quantile(const double *sorted, size_t count, double part)
{
    size_t below = (size_t)(part * (double)count);
    return sorted[below < count ? below : count - 1];
}
