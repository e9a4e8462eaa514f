/* SPDX-License-Identifier: MIT */
/*
 * Every floating-point instruction on edge operands and on random ones near each other, in every
 * rounding mode. Prints hashes of results and flags: a line an instruction, mode and first operand.
 */
#include "user.h"

struct result {
    u64 value, flags;
};

struct stub {
    struct result (*call)(u64 a, u64 b, u64 c, u64 flags);
    const char *name;
    u8 operands, count, dynamic; /* as fp.S names them */
};
extern const struct stub __start_fp_stubs[], __stop_fp_stubs[];

enum { SINGLES, DOUBLES, WORDS, RANDOM_LINES = 20, RANDOM_A_LINE = 50 };

#define BOX(bits) (0xffffffff00000000 | (bits))

/* Both formats: zeros, smallest and largest of all kinds, halves and ties, integers' limits, NaNs.
 */
static const u64 singles[] = {
    BOX(0x00000000), BOX(0x80000000), BOX(0x00000001), BOX(0x807fffff), BOX(0x007fffff),
    BOX(0x00800000), BOX(0x80800001), BOX(0x3f800000), BOX(0xbf800001), BOX(0x3f7fffff),
    BOX(0x3f000000), BOX(0xbfc00000), BOX(0x40200000), BOX(0x40490fdb), BOX(0x4b000001),
    BOX(0xcf000000), BOX(0x4effffff), BOX(0x4f800000), BOX(0x5f000000), BOX(0xdf000001),
    BOX(0x5f7fffff), BOX(0x7f7fffff), BOX(0xff7fffff), BOX(0x7f800000), BOX(0xff800000),
    BOX(0x7fc00000), BOX(0xffc12345), BOX(0x7f800001), BOX(0x1f800001), 0x3f800000,
};
static const u64 doubles[] = {
    0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x800fffffffffffff,
    0x000fffffffffffff, 0x0010000000000000, 0x8010000000000001, 0x3ff0000000000000,
    0xbff0000000000001, 0x3fefffffffffffff, 0x3fe0000000000000, 0xbff8000000000000,
    0x4004000000000000, 0x400921fb54442d18, 0x4330000000000001, 0xc1e0000000200000,
    0x41dfffffffe00000, 0x41efffffffffffff, 0x43e0000000000000, 0xc3e0000000000001,
    0x43efffffffffffff, 0x7fefffffffffffff, 0xffefffffffffffff, 0x7ff0000000000000,
    0xfff0000000000000, 0x7ff8000000000000, 0xfff8123456789abc, 0x7ff0000000000001,
    0x1ff0000000000001, 0x36a0000000000001, 0x47efffffefffffff, 0x380fffffe0000000,
};
static const u64 words[] = {
    0,
    1,
    7,
    0x7f,
    0xff,
    0x1000001,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x1000000000000,
    0x20000000000001,
    0x3fffffffffffff,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000401,
    0xfffffffffffffbff,
    0xffffffffffffffff,
    0x0123456789abcdef,
};
static const struct {
    const u64 *values;
    u32 count;
} edges[] = {
    {singles, sizeof singles / 8}, {doubles, sizeof doubles / 8}, {words, sizeof words / 8}};

static u64 seed = 1;

static u64 any(void)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return seed >> 33;
}

static u64 hash(u64 h, u64 value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15;
    return h ^ h >> 29;
}

static u64 hash_call(u64 h, const struct stub *stub, u64 a, u64 b, u64 c)
{
    for (u64 flags = 0; flags < 2; flags++) { /* emulators may be quicker once NX is set */
        struct result result = stub->call(a, b, c, flags);
        h = hash(hash(h, result.value), result.flags);
    }
    return h;
}

static void show(const struct stub *stub, u64 frm, u64 first, u64 h)
{
    put_text(stub->name);
    put_char(':');
    put_hex(frm);
    put_hex(first);
    put_text(" =");
    put_hex(h);
    put_char('\n');
}

static void try_edges(const struct stub *stub, u64 frm)
{
    const u64 *values = edges[stub->operands].values;
    u32 count = edges[stub->operands].count;
    for (u32 i = 0; i < count; i++) {
        u64 h = 0;
        for (u32 k = 0; k < (stub->count > 1 ? count : 1); k++)
            for (u32 l = 0; l < (stub->count > 2 ? count : 1); l++)
                h = hash_call(h, stub, values[i], values[k], values[l]);
        show(stub, frm, values[i], h);
    }
}

/* Exponents close together, fractions with long runs: where rounding and cancellation happen. */
static u64 any_near(u32 operands, u64 exponent)
{
    u64 fraction = any() << 31 ^ any(), run = (u64)-1 << any() % 64, sign = any() & 1;
    fraction = any() & 1 ? fraction & run : fraction | run;
    exponent += any() % 8;
    if (operands == WORDS)
        return fraction >> any() % 64;
    if (operands == SINGLES)
        return BOX(sign << 31 | (exponent & 255) << 23 | (fraction & 0x7fffff));
    return sign << 63 | (exponent & 2047) << 52 | (fraction & 0xfffffffffffff);
}

static void try_random(const struct stub *stub, u64 frm)
{
    u64 one = stub->operands == SINGLES ? 127 : 1023;
    for (u64 line = 0; line < RANDOM_LINES; line++) {
        u64 h = 0;
        for (int i = 0; i < RANDOM_A_LINE; i++) {
            u64 ea = any() & 1 ? one : any(), eb = any() & 1 ? one : any();
            /* the sum near the product */
            h = hash_call(h, stub, any_near(stub->operands, ea), any_near(stub->operands, eb),
                          any_near(stub->operands, any() & 1 ? ea : ea + eb - one));
        }
        show(stub, frm, line, h);
    }
}

static void set_frm(u64 frm)
{
    __asm__ volatile("csrw 0x002, %0" ::"r"(frm));
}

void _start(void)
{
    for (const struct stub *stub = __start_fp_stubs; stub < __stop_fp_stubs; stub++) {
        for (u64 frm = 0; frm < (stub->dynamic ? 5 : 1); frm++) {
            set_frm(frm);
            try_edges(stub, frm);
            try_random(stub, frm);
        }
        set_frm(0);
    }
    finish(0);
}
