/* SPDX-License-Identifier: MIT */
/* Packed streams of each kind but zstd: the first byte chooses whose magic the rest begins with. */
#include "fuzz_read_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *bytes;
        size_t nbytes;
    } magic[] = {{"\x1f\x8b\x08", 3}, {"\xfd\x37zXZ\0", 6}, {"\x04\x22\x4d\x18", 4}, {"BZh", 3}};
    if (size < 16)
        return 0;
    uint8_t *file = malloc(size - 1);
    FUZZ_CHECK(file);
    memcpy(file, data + 1, size - 1);
    memcpy(file, magic[data[0] % 4].bytes, magic[data[0] % 4].nbytes);
    fuzz_open(fuzz_file(file, size - 1), NULL);
    free(file);
    return 0;
}
