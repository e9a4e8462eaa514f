/* SPDX-License-Identifier: MIT */
/*
 * JSON as it is printed, value by value: nothing is held, however many sources there are.
 *
 * Indented it looks as jansson's JSON_INDENT(2) does; compact it is one line.
 */
#ifndef MEASURE_JSON_OUT_H
#define MEASURE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

struct json_out {
    bool compact;
    unsigned depth;
    bool follows; /* there is a value before the next one: a comma goes between */
    bool failed;  /* no memory, or stdout failed */
};

/* `key` is NULL in an array, and for the outermost value. */
void out_open(struct json_out *out, const char *key, char bracket); /* '{' or '[' */
void out_close(struct json_out *out, char bracket);                 /* '}' or ']' */
void out_number(struct json_out *out, const char *key, uint64_t value);
void out_signed(struct json_out *out, const char *key, int64_t value);
void out_real(struct json_out *out, const char *key, double value);
void out_word(struct json_out *out, const char *key, const char *word); /* true, false, null */

/* A string; bytes that are no UTF-8 are written as Latin-1. */
void out_text(struct json_out *out, const char *key, const char *text);

/* Ends the last line; whether all went well. */
bool out_end(struct json_out *out);

#endif
