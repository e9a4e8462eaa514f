/* SPDX-License-Identifier: MIT */
/* The jemalloc arena: what arrays that grow leave behind is used again, and all of it goes. */
#include "share_jemalloc.h"
#include "test.h"
#include <stdio.h>

#define ARRAYS 64u
#define STEPS  16u
#define MIB    (UINT64_C(1) << 20)

static uint64_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return (uint64_t)resident * 4096;
}

/* As the partitions of a table grow, in turn, and go. */
static void grow_and_free(const struct share_alloc *alloc)
{
    void *array[ARRAYS];
    size_t nbytes[ARRAYS];
    for (unsigned i = 0; i < ARRAYS; i++) {
        nbytes[i] = 128;
        array[i] = alloc->alloc(alloc->ctx, nbytes[i], 64);
        assert_non_null(array[i]);
    }
    for (unsigned step = 0; step < STEPS; step++)
        for (unsigned i = 0; i < ARRAYS; i++) {
            size_t larger = nbytes[i] / 2 * 3 / 64 * 64 + 64;
            void *fresh = alloc->alloc(alloc->ctx, larger, 64);
            assert_non_null(fresh);
            memset(fresh, 1, larger);
            alloc->free(alloc->ctx, array[i], nbytes[i]);
            array[i] = fresh;
            nbytes[i] = larger;
        }
    for (unsigned i = 0; i < ARRAYS; i++)
        alloc->free(alloc->ctx, array[i], nbytes[i]);
}

static void freed_memory_is_used_again(void **state)
{
    (void)state;
    struct share_alloc alloc;
    assert_true(share_jemalloc_init(&alloc));
    for (unsigned cycle = 0; cycle < 2; cycle++)
        grow_and_free(&alloc);
    uint64_t before = resident_bytes();
    for (unsigned cycle = 0; cycle < 10; cycle++)
        grow_and_free(&alloc);
    assert_true(resident_bytes() < before + 2 * MIB); /* else it is ten and more */
    before = resident_bytes();
    share_jemalloc_fini(&alloc);
    assert_true(resident_bytes() + 4 * MIB < before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_memory_is_used_again),
    };
    return RUN(tests);
}
