/* SPDX-License-Identifier: MIT */
/*
 * Floating-point state across processes and signals: two children compute at the same time, each
 * in a rounding mode of its own, yield often, and are interrupted by a timer whose handler computes
 * something else in another mode. Each prints what it would have got alone.
 */
#include <fenv.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum { STEPS = 300000, YIELD_EVERY = 64, SIGNALS = 20 };

static volatile sig_atomic_t signals;
static volatile double spoiled = 1;

static void spoil(int number)
{
    (void)number;
    fesetround(FE_TOWARDZERO);
    feraiseexcept(FE_DIVBYZERO);
    for (int i = 1; i < 40; i++)
        spoiled = spoiled / i + sqrt(i) * spoiled;
    signals = signals + 1;
}

/* Everything lives in registers from yield to yield. */
static void compute(double start, int mode, double out[4])
{
    double x = start, y = start / 3, z = 1, sum = 0;
    fesetround(mode);
    feclearexcept(FE_ALL_EXCEPT);
    for (long i = 1; i < STEPS || signals < SIGNALS; i++) {
        if (i < STEPS) {
            x = 3.7 * x * (1 - x);
            y = fma(x, y, 1 / (double)i);
            z = sqrt(z * x + 1);
            sum += x * y - z;
        }
        if (i % YIELD_EVERY == 0)
            sched_yield();
    }
    out[0] = x, out[1] = y, out[2] = z, out[3] = sum;
}

static void report(double start, int mode)
{
    struct itimerval every = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    double out[4];
    signal(SIGALRM, spoil);
    setitimer(ITIMER_REAL, &every, NULL);
    compute(start, mode, out);
    int flags = fetestexcept(FE_ALL_EXCEPT), kept = fegetround() == mode;
    setitimer(ITIMER_REAL, &never, NULL);
    fesetround(FE_TONEAREST);
    printf("%a %a %a %a flags %x mode kept %d\n", out[0], out[1], out[2], out[3], (unsigned)flags,
           kept);
}

/* A process that reports into the pipe whose reading end comes back. */
static int start_worker(double start, int mode)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    if (fork() == 0) {
        dup2(ends[1], STDOUT_FILENO);
        report(start, mode);
        exit(0);
    }
    close(ends[1]);
    return ends[0];
}

int main(void)
{
    int workers[2] = {start_worker(0.3, FE_UPWARD), start_worker(0.6, FE_DOWNWARD)};
    for (int i = 0; i < 2; i++) {
        char line[256];
        ssize_t nbytes = read(workers[i], line, sizeof line);
        printf("%.*s", (int)nbytes, line);
    }
    return 0;
}
