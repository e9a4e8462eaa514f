/* SPDX-License-Identifier: MIT */
/* UTF-8 as terminals, gnuplot and XML take it: nothing else, and no control characters. */
#include "text.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The length of the UTF-8 character at `at`, and its code; 0 if there is none. */
static size_t decode(const unsigned char *at, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t nbytes = at[0] < 0x80             ? 1
                    : (at[0] & 0xe0) == 0xc0 ? 2
                    : (at[0] & 0xf0) == 0xe0 ? 3
                    : (at[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    *code = nbytes < 2 ? at[0] : at[0] & (0x7fu >> nbytes);
    for (size_t i = 1; i < nbytes; i++) { /* a NUL ends this, too */
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return nbytes && *code >= smallest[nbytes] && *code <= 0x10ffff && !surrogate ? nbytes : 0;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfffe || code == 0xffff;
}

size_t text_clean(char *to, size_t to_nbytes, const char *from, size_t chars)
{
    size_t done = 0, used = 0;
    for (; *from && done < chars; done++) {
        uint32_t code;
        size_t nbytes = decode((const unsigned char *)from, &code);
        bool fit = nbytes && !is_control(code);
        size_t out_nbytes = fit ? nbytes : 1;
        if (used + out_nbytes + 1 > to_nbytes)
            break;
        memcpy(to + used, fit ? from : "?", out_nbytes);
        used += out_nbytes;
        from += nbytes ? nbytes : 1;
    }
    to[used] = 0;
    return done;
}
