/* SPDX-License-Identifier: MIT */
/* Flattened dumps, and what is in them: the input is records behind the header. */
#include "fuzz_read_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEADER = 4096 };
    if (size < 1)
        return 0;
    uint8_t *file = calloc(1, HEADER + size);
    FUZZ_CHECK(file);
    memcpy(file, "makedumpfile", 12);
    memcpy(file + HEADER, data, size);
    fuzz_open(fuzz_file(file, HEADER + size), NULL);
    free(file);
    return 0;
}
