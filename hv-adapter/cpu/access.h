/* SPDX-License-Identifier: MIT */
/*
 * How guest memory is touched: the only place where a guest's load or store becomes a host access.
 *
 * Aligned accesses of 1, 2, 4 and 8 bytes are relaxed C11 atomics: on common hosts they are plain
 * moves, and they keep guest races from being races of the VMM when several threads run vCPUs,
 * devices and a scanner. Misaligned accesses go byte by byte, each byte atomic: the ISA promises
 * no more (volume I, 2.6).
 */
#ifndef HV_CPU_ACCESS_H
#define HV_CPU_ACCESS_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "guest words are read as host words");

/* Guest memory has no C type: any of these may alias any other. */
typedef uint16_t __attribute__((may_alias)) hv_u16;
typedef uint32_t __attribute__((may_alias)) hv_u32;
typedef uint64_t __attribute__((may_alias)) hv_u64;

/* p is a multiple of nbytes; nbytes is a constant 1, 2, 4 or 8 wherever speed matters. */
static inline uint64_t hv_mem_load(const void *p, unsigned nbytes)
{
    switch (nbytes) {
    case 1:
        return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const hv_u16 *)p, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const hv_u32 *)p, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const hv_u64 *)p, __ATOMIC_RELAXED);
    }
}

static inline void hv_mem_store(void *p, unsigned nbytes, uint64_t value)
{
    switch (nbytes) {
    case 1:
        __atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((hv_u16 *)p, (uint16_t)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((hv_u32 *)p, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((hv_u64 *)p, value, __ATOMIC_RELAXED);
        break;
    }
}

/* Any alignment, 0..8 bytes. */
static inline uint64_t hv_mem_load_bytes(const void *p, unsigned nbytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < nbytes; i++)
        value |= hv_mem_load((const uint8_t *)p + i, 1) << (8 * i);
    return value;
}

static inline void hv_mem_store_bytes(void *p, unsigned nbytes, uint64_t value)
{
    for (unsigned i = 0; i < nbytes; i++)
        hv_mem_store((uint8_t *)p + i, 1, value >> (8 * i));
}

/*
 * The guest's FENCE: accesses that are relaxed on the host order nothing by themselves. The light
 * one does not order an earlier store before a later load, and costs nothing on x86.
 */
#if defined(__GNUC__) && !defined(__clang__) && defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan" /* tsan sees atomics on both sides: order is moot there */
#endif
static inline void hv_mem_fence_light(void)
{
    __atomic_thread_fence(__ATOMIC_ACQ_REL);
}

static inline void hv_mem_fence_full(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#if defined(__GNUC__) && !defined(__clang__) && defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic pop
#endif

#endif
