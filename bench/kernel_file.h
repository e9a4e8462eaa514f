/* SPDX-License-Identifier: MIT */
/* Files in which the kernel shows, or lets be set, a line or two of text. */
#ifndef BENCH_KERNEL_FILE_H
#define BENCH_KERNEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text, ended by 0, cut off after size - 1 bytes. False, and an empty text: it cannot be read.
 */
bool kernel_file_read(const char *path, char *text, size_t size);

/* The number that the file begins with; 0 if it cannot be read. */
uint64_t kernel_file_number(const char *path);

/* False: it cannot be written, or the kernel refuses the value. */
bool kernel_file_write(const char *path, const char *value);

#endif
