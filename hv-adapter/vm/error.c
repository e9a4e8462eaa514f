/* SPDX-License-Identifier: MIT */
/* Reasons for people. */
#include <stdarg.h>
#include <stdio.h>

#include "vm/vm.h"

void hv_error_set(struct hv_error *error, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    vsnprintf(error->text, sizeof error->text, format, words);
    va_end(words);
}
