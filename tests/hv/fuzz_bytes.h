/* SPDX-License-Identifier: MIT */
/* A fuzzer's bytes as numbers. At the end all is zero. */
#ifndef TESTS_HV_FUZZ_BYTES_H
#define TESTS_HV_FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_bytes {
    const uint8_t *at, *end;
};

static inline uint64_t fuzz_number(struct fuzz_bytes *in, unsigned nbytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < nbytes && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << (8 * i);
    return value;
}

/* In [0, bound), from as few bytes as that takes. */
static inline uint64_t fuzz_below(void *in, uint64_t bound)
{
    unsigned nbytes = bound <= 256 ? 1 : bound <= 65536 ? 2 : 8;
    return fuzz_number(in, nbytes) % bound;
}

static inline uint64_t fuzz_word(void *in)
{
    return fuzz_number(in, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
