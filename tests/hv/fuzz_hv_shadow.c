/* SPDX-License-Identifier: MIT */
/* Hostile page tables: the steps of shadow_model.h out of bytes. The first byte is the bound of the
 * shadow page tables. */
#include "fuzz_bytes.h"
#include "shadow_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, data + (size < 8192 ? size : 8192)};
    struct shadow_model model;
    uint32_t nodes = (uint32_t)fuzz_below(&in, 256);
    shadow_model_init(&model, (struct shadow_source){fuzz_below, fuzz_word, &in}, nodes, true);
    while (in.at < in.end)
        shadow_model_step(&model);
    shadow_model_fini(&model);
    return 0;
}
