/* SPDX-License-Identifier: MIT */
/* Sorts doubles with qsort, sums them in several ways, multiplies matrices of floats. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 50000, SIDE = 48 };

static double values[COUNT];
static float a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static int by_value(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

static double any(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005 + 1442695040888963407;
    return (double)(int64_t)state / (double)(1 + (state >> 40));
}

static void multiply(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++)
            for (int n = 0; n < SIDE; n++)
                c[i][k] += a[i][n] * b[n][k];
}

int main(void)
{
    double sum = 0, lost = 0, plain = 0;
    for (int i = 0; i < COUNT; i++)
        values[i] = any();
    qsort(values, COUNT, sizeof *values, by_value);
    for (int i = 0; i < COUNT; i++) { /* Kahan */
        double y = values[i] - lost, t = sum + y;
        lost = (t - sum) - y;
        sum = t;
        plain += values[i];
        if (i % 1000 == 0)
            printf("%d %.17g\n", i, values[i]);
    }
    printf("%.17g %.17g %a\n", sum, plain, lost);
    for (int i = 0; i < SIDE * SIDE; i++)
        a[i / SIDE][i % SIDE] = (float)any(), b[i / SIDE][i % SIDE] = (float)(1 / any());
    multiply();
    for (int i = 0; i < SIDE; i++)
        printf("%.9g %a\n", (double)c[i][i], (double)c[i][SIDE - 1 - i]);
    return 0;
}
