/* SPDX-License-Identifier: MIT */
/*
 * How much memory there is for this program, the page cache included: what the machine has
 * available, or less where a control group allows less (v1 and v2, each group up to the root).
 */
#ifndef MEASURE_MEMORY_H
#define MEASURE_MEMORY_H

#include <stdint.h>

/* `root` stands before /proc and /sys: "" outside of tests. UINT64_MAX: nothing says. */
uint64_t memory_available(const char *root);

#endif
