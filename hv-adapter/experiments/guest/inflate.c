/* SPDX-License-Identifier: MIT */
/*
 * Inflates a raw DEFLATE stream (RFC 1951). Prints a checksum of what came out.
 *
 * Canonical Huffman codes are decoded a bit at a time, by counts of codes per length: small, and as
 * unpredictable for a CPU as such code is.
 */
#include <string.h>

#include "input.h"

enum { LENGTH_MAX = 15, LITERALS = 288, DISTANCES = 30, OUT_MAX = 16 << 20 };

struct bits {
    const uint8_t *at, *end;
    uint64_t held; /* the next bit lowest */
    unsigned count;
};

struct code {
    uint16_t count[LENGTH_MAX + 1]; /* codes of each length */
    uint16_t symbol[LITERALS];      /* ordered by code */
};

struct output {
    uint8_t *bytes;
    size_t nbytes;
};

static void corrupt(void)
{
    puts("corrupt input");
    exit(1);
}

static unsigned take(struct bits *in, unsigned count)
{
    while (in->count < count) {
        if (in->at == in->end)
            corrupt();
        in->held |= (uint64_t)*in->at++ << in->count;
        in->count += 8;
    }
    unsigned value = (unsigned)(in->held & ((1u << count) - 1));
    in->held >>= count;
    in->count -= count;
    return value;
}

static void make_code(struct code *code, const uint8_t *lengths, unsigned symbols)
{
    uint16_t next[LENGTH_MAX + 2] = {0};
    memset(code->count, 0, sizeof code->count);
    for (unsigned i = 0; i < symbols; i++)
        code->count[lengths[i]]++;
    code->count[0] = 0;
    for (unsigned length = 1; length <= LENGTH_MAX; length++)
        next[length + 1] = (uint16_t)(next[length] + code->count[length]);
    for (unsigned i = 0; i < symbols; i++)
        if (lengths[i])
            code->symbol[next[lengths[i]]++] = (uint16_t)i;
}

static unsigned decode(struct bits *in, const struct code *code)
{
    int value = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= LENGTH_MAX; length++) {
        value |= (int)take(in, 1);
        int count = code->count[length];
        if (value - count < first)
            return code->symbol[index + value - first];
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    corrupt();
    return 0;
}

static void copy(struct output *out, size_t distance, size_t length)
{
    if (distance > out->nbytes || length > OUT_MAX - out->nbytes)
        corrupt();
    for (; length > 0; length--, out->nbytes++)
        out->bytes[out->nbytes] = out->bytes[out->nbytes - distance];
}

static void inflate_codes(struct bits *in, struct output *out, const struct code *literals,
                          const struct code *distances)
{
    static const uint16_t base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                      15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                      67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                      2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    for (;;) {
        unsigned symbol = decode(in, literals);
        if (symbol == 256)
            return;
        if (symbol < 256) {
            if (out->nbytes == OUT_MAX)
                corrupt();
            out->bytes[out->nbytes++] = (uint8_t)symbol;
            continue;
        }
        if (symbol > 285)
            corrupt();
        size_t length = base[symbol - 257] + take(in, extra[symbol - 257]);
        unsigned where = decode(in, distances);
        unsigned low = where < 4 ? 0 : where / 2 - 1; /* so many bits follow */
        size_t distance = where < 4 ? where + 1 : ((2 + where % 2) << low) + 1;
        copy(out, distance + take(in, low), length);
    }
}

static void read_codes(struct bits *in, struct code *literals, struct code *distances)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES + 138] = {0};
    unsigned literal_count = take(in, 5) + 257, distance_count = take(in, 5) + 1;
    unsigned order_count = take(in, 4) + 4;
    for (unsigned i = 0; i < order_count; i++)
        lengths[order[i]] = (uint8_t)take(in, 3);
    make_code(literals, lengths, 19);
    for (unsigned i = 0; i < literal_count + distance_count;) {
        unsigned symbol = decode(in, literals), repeat = 1;
        uint8_t length = (uint8_t)symbol;
        if (symbol == 16)
            length = i ? lengths[i - 1] : 0, repeat = 3 + take(in, 2);
        else if (symbol == 17)
            length = 0, repeat = 3 + take(in, 3);
        else if (symbol == 18)
            length = 0, repeat = 11 + take(in, 7);
        memset(lengths + i, length, repeat);
        i += repeat;
    }
    make_code(distances, lengths + literal_count, distance_count);
    make_code(literals, lengths, literal_count);
}

static void fixed_codes(struct code *literals, struct code *distances)
{
    uint8_t lengths[LITERALS];
    for (unsigned i = 0; i < LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    make_code(literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCES);
    make_code(distances, lengths, DISTANCES);
}

static void stored(struct bits *in, struct output *out)
{
    take(in, in->count % 8);
    unsigned nbytes = take(in, 16);
    take(in, 16);
    while (nbytes-- > 0 && out->nbytes < OUT_MAX)
        out->bytes[out->nbytes++] = (uint8_t)take(in, 8);
}

static void inflate(struct bits in, struct output *out)
{
    struct code literals, distances;
    for (unsigned last = 0; !last;) {
        last = take(&in, 1);
        unsigned type = take(&in, 2);
        if (type == 0) {
            stored(&in, out);
            continue;
        }
        if (type == 3)
            corrupt();
        if (type == 1)
            fixed_codes(&literals, &distances);
        else
            read_codes(&in, &literals, &distances);
        inflate_codes(&in, out, &literals, &distances);
    }
}

int main(int argc, char **argv)
{
    struct input input = read_input(argc, argv);
    struct output out = {malloc(OUT_MAX), 0};
    if (!out.bytes)
        return 1;
    begin("inflate");
    for (int round = 0; round < input.rounds; round++) {
        out.nbytes = 0;
        inflate((struct bits){input.bytes, input.bytes + input.nbytes, 0, 0}, &out);
    }
    printf("@@end inflate %zu:%016llx\n", out.nbytes,
           (unsigned long long)checksum(out.bytes, out.nbytes));
    return 0;
}
