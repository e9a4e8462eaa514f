/* SPDX-License-Identifier: MIT */
/* The device tree that tells a guest what machine it is on. */
#ifndef HV_PLATFORM_FDT_H
#define HV_PLATFORM_FDT_H

#include <stddef.h>
#include <stdint.h>

struct hv_fdt {
    uint64_t ram_base, ram_nbytes;
    uint64_t initrd_begin, initrd_end; /* equal: none */
    const char *append;                /* kernel command line */
    const char *isa;                   /* as rv64imafdc */
    const uint8_t *rng_seed;           /* 32 bytes */
};

enum { HV_FDT_MAX = 16384 };

/* Builds it into `blob` of HV_FDT_MAX bytes; 0 or libfdt's error. */
int hv_fdt_build(const struct hv_fdt *what, void *blob);

#endif
