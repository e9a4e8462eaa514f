/* SPDX-License-Identifier: MIT */
/* Doubles and floats through the C library: printing, parsing, the mathematical functions. */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(double value)
{
    char text[64];
    printf("%.17g %e %a %.3f %.40g\n", value, value, value, value, value);
    snprintf(text, sizeof text, "%.17g", value);
    double back = strtod(text, NULL);
    if (memcmp(&back, &value, sizeof value) != 0 && !isnan(value))
        printf("read back as %a\n", back);
    printf("%a %Lg %d\n", (double)(float)value, (long double)value * 3, isnormal(value) != 0);
}

static void show_functions(double x)
{
    printf("%a %a %a %a %a\n", sin(x), cos(x), tan(x), atan(x), exp(x));
    printf("%a %a %a %a %a\n", log(fabs(x)), sqrt(fabs(x)), cbrt(x), pow(fabs(x), 0.3), tgamma(x));
    printf("%a %a %a %ld %ld\n", floor(x), rint(x), fmod(x, 0.7), lrint(fmod(x, 1e9)),
           lround(fmod(x, 1e9)));
    printf("%a %a %a\n", (double)sinf((float)x), (double)expf((float)x),
           (double)hypotf((float)x, 2));
}

int main(void)
{
    static const double edges[] = {0.0,    -0.0,     1,       -1.5, 1.0 / 3,       1e300, -1e-300,
                                   5e-324, 2.2e-308, 1.7e308, M_PI, 123456789.125, 1e22,  0.1};
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    double x = 0.7;
    for (unsigned i = 0; i < sizeof edges / sizeof *edges; i++)
        show(edges[i]);
    show(INFINITY);
    show(-NAN);
    for (unsigned mode = 0; mode < 4; mode++) {
        fesetround(modes[mode]);
        feclearexcept(FE_ALL_EXCEPT);
        for (int i = 0; i < 200; i++) {
            x = 3.9 * x * (1 - x);
            show(x * pow(10, i - 100));
            show_functions((x - 0.5) * i);
        }
        printf("mode %u flags %x\n", mode, (unsigned)fetestexcept(FE_ALL_EXCEPT));
    }
    return 0;
}
