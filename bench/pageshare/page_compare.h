/* SPDX-License-Identifier: MIT */
/*
 * Comparing pages, six pairs abreast.
 *
 * Pages of pairs lie anywhere in memory, and reading one after the other waits for each one's page
 * walk and first lines. Line by line over some pairs, as many of them are in flight: 530 ns a pair
 * instead of 950 where this was written, with vectors of 64 bytes. Where vectors are short it gains
 * nothing, and pairs are compared one by one.
 */
#ifndef MEASURE_PAGE_COMPARE_H
#define MEASURE_PAGE_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_PAIRS 6u

/* Bit i: the pages a[i] and b[i] differ, of DS_PAGE_SIZE bytes each and any alignment. With fewer
 * than PAGE_PAIRS pairs the others are not looked at. */
unsigned page_compare(const uint8_t *const *a, const uint8_t *const *b, unsigned pairs);

/* PAGE_PAIRS pairs; whoever calls one by its name has asked the processor. */
#if defined(__x86_64__)
unsigned page_compare_avx2(const uint8_t *const *a, const uint8_t *const *b);
unsigned page_compare_avx512(const uint8_t *const *a, const uint8_t *const *b);
#endif

#endif
