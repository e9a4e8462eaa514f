/* SPDX-License-Identifier: MIT */
/* LiME and AVML dumps: the first byte chooses which, and whether they may end early. */
#include "fuzz_read_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 9)
        return 0;
    struct ds_options options = {.partial = data[0] & 2};
    uint8_t *file = malloc(size - 1);
    FUZZ_CHECK(file);
    memcpy(file, data + 1, size - 1);
    memcpy(file, data[0] & 1 ? "AVML\2\0\0\0" : "EMiL\1\0\0\0", 8);
    fuzz_open(fuzz_file(file, size - 1), &options);
    free(file);
    return 0;
}
