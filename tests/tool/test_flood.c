/* SPDX-License-Identifier: MIT */
/*
 * A dump whose pages were made to meet in the engine's table under the salt that pageshare uses
 * first: more of them than the table takes. The figures are exact all the same.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Last words of pages that are zero before: the top 26 bits of their XXH3 under the secret of salt
 * 0 and group 0 are zero. Found by trying. */
static const uint64_t crafted[] = {
    34614017,     94299071,     232875901,    354471876,    362101924,    397240530,
    412073952,    513521610,    675340393,    997648635,    1009637600,   1066698533,
    1159516357,   1179365952,   1292068460,   1416204727,   1457493263,   1710979313,
    1768515418,   1828250809,   1877904337,   1890181569,   1905110697,   1917021917,
    1969779681,   2023100352,   2023581746,   2066483568,   2256310527,   2257181585,
    2295130785,   2399306239,   2422404621,   2461394124,   2507801108,   2564333426,
    100027057749, 100129404720, 100143084721, 100164020967, 100184693788, 100193747626,
    100207955179, 100416614578, 100501151304, 100511888750, 100533641142, 100567272172,
    100620633715, 100842516929, 100914137954, 101030555489, 101057213004, 101078682334,
    101126912540, 101178226311, 101200315909, 101217754445, 101380496382, 101399528845,
    101521204508, 101524985210, 101564022705, 101593633037, 101701797681, 101767645942,
    101775931038, 101864389165, 101866018303, 101981254565, 102005013650, 102159239408,
    102164462391, 102178934470, 102225725189, 102226260206,
};
#define CRAFTED (sizeof crafted / sizeof *crafted)

static void put_crafted(struct bytes *bytes, uint64_t last)
{
    unsigned char page[4096] = {0};
    memcpy(page + sizeof page - sizeof last, &last, sizeof last);
    bytes_put(bytes, page, sizeof page);
}

static void figures_are_exact(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    for (unsigned copy = 0; copy < 2; copy++)
        for (size_t i = 0; i < CRAFTED; i++)
            put_crafted(&bytes, crafted[i]);
    const char *path = write_file("crafted", bytes.at, bytes.size);
    json_t *exact = check_exact((const char *[]){NULL}, (const char *[]){path, NULL});
    assert_int_equal(number(exact, "total", "pages"), 2 * CRAFTED);
    json_decref(exact);
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures_are_exact)};
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
