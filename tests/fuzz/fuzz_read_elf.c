/* SPDX-License-Identifier: MIT */
/* ELF cores: the input is the file's start, followed by as many pages as the first byte that
 * follows the magic's place says, so that segments of a short input have something to point at. */
#include "fuzz_read_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    if (size < 4)
        return 0;
    size_t tail_nbytes = (size_t)(data[0] % 16) * DS_PAGE_SIZE;
    size_t total = size + tail_nbytes;
    uint8_t *file = malloc(total);
    FUZZ_CHECK(file);
    memcpy(file, data, size);
    memcpy(file, magic, sizeof magic);
    for (size_t i = size; i < total; i++)
        file[i] = (uint8_t)(i / DS_PAGE_SIZE % 3); /* some pages alike, for aliases */
    fuzz_open(fuzz_file(file, total), NULL);
    free(file);
    return 0;
}
