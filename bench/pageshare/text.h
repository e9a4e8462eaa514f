/* SPDX-License-Identifier: MIT */
/*
 * Names from outside, made fit to print.
 */
#ifndef MEASURE_TEXT_H
#define MEASURE_TEXT_H

#include <stddef.h>

/* Copies up to `chars` characters of `from`, and as many as fit whole into to_nbytes (at least 1),
 * the NUL included. Control characters and bytes that are no UTF-8 become '?'. Returns characters.
 */
size_t text_clean(char *to, size_t to_nbytes, const char *from, size_t chars);

#endif
