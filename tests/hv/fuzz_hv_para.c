/* SPDX-License-Identifier: MIT */
/* Hostile hypercalls: the steps of para_model.h out of bytes. */
#include "fuzz_bytes.h"
#include "para_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, data + (size < 4096 ? size : 4096)};
    struct para_model model;
    para_model_init(&model, (struct para_source){fuzz_below, fuzz_word, &in});
    while (in.at < in.end)
        para_model_step(&model);
    para_model_fini(&model);
    return 0;
}
