/* SPDX-License-Identifier: MIT */
/*
 * Calls every stub with edge operands and prints what came out. The stubs are in the .S files, in
 * the table that the linker makes of their stubs sections.
 */
#include "user.h"

struct stub {
    u64 (*call)(u64 a, u64 b);
    const char *name;
    u64 kind; /* as stub.inc numbers them */
};
extern const struct stub __start_stubs[], __stop_stubs[];

static const u64 edges[] = {
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xffffffff80000000,
    0xffffffffffffffff,
    0xfffffffffffffffe,
    0x0123456789abcdef,
    0xfedcba9876543210,
};
enum { EDGES = sizeof edges / sizeof edges[0] };

static _Alignas(4096) u8 memory[4 * 4096];

static u64 bytes_at(const u8 *at)
{
    u64 value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | *(volatile const u8 *)(at + i);
    return value;
}

static void fill_memory(u64 start, u64 nbytes)
{
    for (u64 i = start; i < start + nbytes; i++)
        memory[i] = (u8)(i * 0x9d + (i >> 8) + 0x71);
}

static void show(const struct stub *stub, u64 a, u64 b, u64 result)
{
    put_text(stub->name);
    put_char(':');
    put_hex(a);
    put_hex(b);
    put_text(" =");
    put_hex(result);
}

static void try_values(const struct stub *stub)
{
    for (int i = 0; i < EDGES; i++) {
        for (int k = 0; k < EDGES; k++) {
            show(stub, edges[i], edges[k], stub->call(edges[i], edges[k]));
            put_char('\n');
        }
    }
}

/* Offsets 0..16 of a page, and around the next page's start. */
static u64 offset_of(int i)
{
    return 4096 + (i < 17 ? (u64)i : (u64)(4096 - 9 + i - 17));
}

static void try_addresses(const struct stub *stub)
{
    for (int i = 0; i < 17 + 18; i++) {
        show(stub, offset_of(i), 0, stub->call((u64)memory + offset_of(i), 0));
        put_char('\n');
    }
}

static void show_around(const u8 *at)
{
    put_hex(bytes_at(at - 8));
    put_hex(bytes_at(at));
    put_hex(bytes_at(at + 8));
    put_char('\n');
}

static void try_stores(const struct stub *stub)
{
    for (int i = 0; i < 17 + 18; i++) {
        u8 *at = memory + offset_of(i);
        fill_memory(offset_of(i) - 16, 48);
        stub->call((u64)at, 0xfedcba9876543210);
        show(stub, offset_of(i), 0, 0);
        show_around(at);
    }
}

/* Words at both halves of a doubleword, doublewords at the lower. */
static void try_atomics(const struct stub *stub)
{
    for (int i = 0; i < EDGES * EDGES; i++) {
        u8 *at = memory + 4096;
        *(u64 *)(void *)at = edges[i / EDGES];
        *(u64 *)(void *)(at + 64) = edges[i / EDGES];
        show(stub, edges[i / EDGES], edges[i % EDGES], stub->call((u64)at, edges[i % EDGES]));
        put_hex(bytes_at(at + 64));
        show_around(at);
    }
}

void _start(void)
{
    static void (*const try[])(const struct stub *) = {try_values, try_addresses, try_stores,
                                                       try_atomics};
    for (const struct stub *stub = __start_stubs; stub < __stop_stubs; stub++) {
        fill_memory(0, sizeof memory);
        try[stub->kind](stub);
    }
    finish(0);
}
