/* SPDX-License-Identifier: MIT */
/*
 * LZO1X: what the library packs comes out as it was, whatever it is; and what is cut or changed
 * stays inside its buffers, whose ends the address sanitizer watches.
 */
#include "lzo.h"

#include <lzo1x.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 1 << 17, PACKED_ROOM = ROOM + ROOM / 16 + 67 };

static uint64_t state_of_random = 7;

static uint32_t next(uint32_t bound)
{
    state_of_random = state_of_random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(state_of_random >> 33) % bound;
}

/* Bytes at random, and copies of what stands before, near and far, short and long. */
static void fill(uint8_t *bytes, size_t nbytes, uint32_t letters)
{
    for (size_t at = 0; at < nbytes;) {
        uint32_t some = 1 + next(next(8) ? 12 : 5000), distance = 1 + next(next(3) ? 3000 : 60000);
        bool copies = at > distance && next(3);
        for (; some && at < nbytes; some--, at++)
            bytes[at] = copies ? bytes[at - distance] : (uint8_t)next(letters);
    }
}

/* The packed bytes lie at the end of their buffer. */
static bool unpack(const uint8_t *packed, size_t packed_nbytes, uint8_t *to, size_t nbytes)
{
    uint8_t *copy = malloc(packed_nbytes + !packed_nbytes);
    assert_non_null(copy);
    memcpy(copy, packed, packed_nbytes);
    bool unpacked = ds_lzo_unpack(copy, packed_nbytes, to, nbytes);
    free(copy);
    return unpacked;
}

static size_t pack(const uint8_t *bytes, size_t nbytes, uint8_t *packed, bool best)
{
    static _Alignas(16)
        uint8_t work[LZO1X_999_MEM_COMPRESS > LZO1X_1_MEM_COMPRESS ? LZO1X_999_MEM_COMPRESS
                                                                   : LZO1X_1_MEM_COMPRESS];
    lzo_uint packed_nbytes = PACKED_ROOM;
    int result =
        (best ? lzo1x_999_compress : lzo1x_1_compress)(bytes, nbytes, packed, &packed_nbytes, work);
    assert_int_equal(result, LZO_E_OK);
    return packed_nbytes;
}

static void what_is_packed_comes_out(void **state)
{
    static uint8_t bytes[ROOM], packed[PACKED_ROOM];
    static const size_t sizes[] = {1, 2, 3, 4, 5, 18, 19, 238, 239, 4095, 4096, 65536, ROOM};
    static const uint32_t letters[] = {1, 2, 40, 256};
    (void)state;
    assert_int_equal(lzo_init(), LZO_E_OK);
    for (unsigned i = 0; i < 400; i++) {
        size_t nbytes = i < 52 ? sizes[i / 4] : 1 + next(i % 7 ? 4096 : ROOM);
        fill(bytes, nbytes, letters[i % 4]);
        size_t packed_nbytes = pack(bytes, nbytes, packed, i % 3 == 0);
        uint8_t *to = malloc(nbytes);
        assert_true(unpack(packed, packed_nbytes, to, nbytes));
        assert_memory_equal(to, bytes, nbytes);
        free(to);
    }
}

static void what_is_cut_or_changed_stays_inside(void **state)
{
    enum { NBYTES = 4096 };
    static uint8_t bytes[NBYTES], packed[PACKED_ROOM];
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        fill(bytes, NBYTES, 30);
        size_t packed_nbytes = pack(bytes, NBYTES, packed, i % 2);
        uint8_t *to = malloc(NBYTES);
        assert_false(unpack(packed, next((uint32_t)packed_nbytes), to, NBYTES));
        assert_false(unpack(packed, packed_nbytes, to, NBYTES - 1 - next(NBYTES - 1)));
        for (unsigned changes = 1 + next(4); changes; changes--)
            packed[next((uint32_t)packed_nbytes)] = (uint8_t)next(256);
        (void)unpack(packed, packed_nbytes, to, NBYTES);
        free(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_out),
        cmocka_unit_test(what_is_cut_or_changed_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
