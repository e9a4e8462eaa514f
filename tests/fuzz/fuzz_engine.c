/* SPDX-License-Identifier: MIT */
/* The engine against the model of tests/model, its operations out of bytes: the first says how weak
 * the hash is, the rest is what model_step asks for. */
#include "model.h"

struct input {
    const uint8_t *at, *end;
};

/* Bounds above 256 take two bytes. At the end all is zero. */
static uint32_t below(void *ctx, uint32_t bound)
{
    struct input *in = ctx;
    uint32_t value = in->at < in->end ? *in->at++ : 0;
    if (bound > 256 && in->at < in->end)
        value = value << 8 | *in->at++;
    return value % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t masks[] = {~UINT64_C(0), 0, UINT64_C(0xe000000000000000), 0x0f,
                                     UINT64_C(0x8000000000000001)};
    struct input in = {data, data + (size < 4096 ? size : 4096)};
    struct model model;
    uint64_t mask = masks[below(&in, sizeof masks / sizeof *masks)];
    model_init(&model, (struct model_source){below, &in}, 1, mask);
    while (in.at < in.end)
        model_step(&model);
    model.failing = 0;
    model_share_now(&model);
    model_check(&model);
    model_fini(&model);
    return 0;
}
