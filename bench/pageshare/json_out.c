/* SPDX-License-Identifier: MIT */
/* See json_out.h. jansson knows how strings are written. */
#include "json_out.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void new_line(const struct json_out *out)
{
    if (!out->compact)
        printf("\n%*s", 2 * (int)out->depth, "");
}

/* What stands before a value. */
static void begin(struct json_out *out, const char *key)
{
    if (out->follows)
        putchar(',');
    if (out->depth)
        new_line(out);
    if (key)
        printf("\"%s\":%s", key, out->compact ? "" : " ");
    out->follows = true;
}

void out_open(struct json_out *out, const char *key, char bracket)
{
    begin(out, key);
    putchar(bracket);
    out->depth++;
    out->follows = false;
}

void out_close(struct json_out *out, char bracket)
{
    out->depth--;
    if (out->follows)
        new_line(out);
    putchar(bracket);
    out->follows = true;
}

void out_number(struct json_out *out, const char *key, uint64_t value)
{
    begin(out, key);
    printf("%" PRIu64, value);
}

void out_signed(struct json_out *out, const char *key, int64_t value)
{
    begin(out, key);
    printf("%" PRId64, value);
}

void out_real(struct json_out *out, const char *key, double value)
{
    begin(out, key);
    printf("%.3g", value);
}

void out_word(struct json_out *out, const char *key, const char *word)
{
    begin(out, key);
    fputs(word, stdout);
}

static json_t *string_of(const char *bytes)
{
    json_t *string = json_string(bytes);
    if (string)
        return string;
    char *utf8 = malloc(2 * strlen(bytes) + 1), *at = utf8;
    for (; utf8 && *bytes; bytes++) {
        unsigned char c = (unsigned char)*bytes;
        if (c >= 0x80)
            *at++ = (char)(0xc0 | c >> 6);
        *at++ = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
    }
    if (utf8)
        *at = 0;
    string = utf8 ? json_string(utf8) : NULL;
    free(utf8);
    return string;
}

void out_text(struct json_out *out, const char *key, const char *text)
{
    json_t *string = string_of(text);
    char *printed = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    begin(out, key);
    out->failed |= !printed;
    fputs(printed ? printed : "null", stdout);
    free(printed);
    json_decref(string);
}

bool out_end(struct json_out *out)
{
    putchar('\n');
    return !out->failed && !ferror(stdout);
}
