/* SPDX-License-Identifier: MIT */
/*
 * Compressed streams, as they are, and what is in them: bit 0 of the first byte chooses whether the
 * input is taken as a zstd stream or is compressed first, so that the content is fuzzed, too; bit 1
 * whether zeros up to a whole page, and one page more, follow that content.
 */
#include "fuzz_read_util.h"

#include <zstd.h>

static void open_compressed(const uint8_t *data, size_t size)
{
    size_t room = ZSTD_compressBound(size);
    uint8_t *frame = malloc(room);
    FUZZ_CHECK(frame);
    size_t frame_nbytes = ZSTD_compress(frame, room, data, size, 1);
    FUZZ_CHECK(!ZSTD_isError(frame_nbytes));
    fuzz_open(fuzz_file(frame, frame_nbytes), NULL);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    if (data[0] & 1) {
        size_t content_nbytes = size - 1;
        if (data[0] & 2)
            content_nbytes = (size / DS_PAGE_SIZE + 2) * DS_PAGE_SIZE;
        uint8_t *content = calloc(1, content_nbytes);
        FUZZ_CHECK(content);
        memcpy(content, data + 1, size - 1);
        open_compressed(content, content_nbytes);
        free(content);
        return 0;
    }
    uint8_t *file = malloc(size - 1);
    FUZZ_CHECK(file);
    memcpy(file, data + 1, size - 1);
    memcpy(file, "\x28\xb5\x2f\xfd", 4);
    fuzz_open(fuzz_file(file, size - 1), NULL);
    free(file);
    return 0;
}
