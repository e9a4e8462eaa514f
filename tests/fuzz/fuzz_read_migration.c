/* SPDX-License-Identifier: MIT */
/* QEMU migration streams: a good beginning, then records as the input says. The first byte chooses
 * whether it is whole files that are made up, and whether they may end early. */
#include "fuzz_read_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t head[] =
        "QEVM\0\0\0\3\7\0\0\0\1m\1\0\0\0\2\3ram\0\0\0\0\0\0\0\4"
        "\0\0\0\0\0\0\x40\4\1a\0\0\0\0\0\0\x20\0\1b\0\0\0\0\0\0\x20\0";
    if (size < 5)
        return 0;
    struct ds_options options = {.partial = data[0] & 2};
    size_t head_nbytes = data[0] & 1 ? 4 : sizeof head - 1;
    uint8_t *file = malloc(head_nbytes + size - 1);
    FUZZ_CHECK(file);
    memcpy(file, head, head_nbytes);
    memcpy(file + head_nbytes, data + 1, size - 1);
    fuzz_open(fuzz_file(file, head_nbytes + size - 1), &options);
    free(file);
    return 0;
}
