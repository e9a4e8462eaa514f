/* SPDX-License-Identifier: MIT */
/*
 * How much of its memory a VM uses, out of what samples say: pure arithmetic.
 *
 * A period of n sampled pages of which t were touched says t / n, with a standard deviation of
 * sqrt(f (1 - f) / n): 5 % at worst for 100 pages. Three averages are kept, and the largest counts:
 *   - fast follows a change by half of it in a period. An average of gain g leaves g / (2 - g) of
 *     a sample's variance: 1/3, so 3 % at worst.
 *   - slow goes an eighth of the way: it holds half of what fell for 5 periods (7/8 to the 5th is
 *     0.51), and has 1/15 of the variance.
 *   - current is fast with what the period of now has found so far: it only rises within it.
 * So a rise is seen within a period, a fall is believed after many: to give memory back too late
 * costs others little, to take it too early costs its owner page faults.
 *
 * Source: C. A. Waldspurger, OSDI 2002, 5.3. The gains are ours: the paper does not give its own.
 */
#ifndef HV_ESTIMATE_H
#define HV_ESTIMATE_H

#include <stdbool.h>

#define HV_GAIN_FAST 0.5
#define HV_GAIN_SLOW 0.125

struct hv_estimate {
    double slow, fast; /* fractions of the pages sampled; 0 before the first period */
    bool started;      /* a period has ended */
};

/* A period has ended: this fraction of its sample was touched. The first one is all there is. */
static inline void hv_estimate_period(struct hv_estimate *estimate, double touched)
{
    if (!estimate->started)
        *estimate = (struct hv_estimate){touched, touched, true};
    estimate->slow += HV_GAIN_SLOW * (touched - estimate->slow);
    estimate->fast += HV_GAIN_FAST * (touched - estimate->fast);
}

/* `so_far`: the fraction of the sample of now that was touched until now. */
static inline double hv_estimate_current(const struct hv_estimate *estimate, double so_far)
{
    return estimate->fast + HV_GAIN_FAST * (so_far - estimate->fast);
}

/* The largest of the three. */
static inline double hv_estimate_active(const struct hv_estimate *estimate, double so_far)
{
    double most = hv_estimate_current(estimate, so_far);
    most = estimate->fast > most ? estimate->fast : most;
    return estimate->slow > most ? estimate->slow : most;
}

#endif
