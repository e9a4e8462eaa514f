/* SPDX-License-Identifier: MIT */
/*
 * Sv39: permissions, A and D, levels, malformed entries, addresses, crossing accesses, sfence.vma.
 *
 * The guest runs identity-mapped by one 1 GiB entry. The page under test is at TEST, in tables of
 * three levels. User code is the guest's own text, mapped once more for U at USER_TEXT.
 */
#include "sbi.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128 };

#define TEST       0x40000000ul
#define USER_TEXT  (TEST + 0x100000)
#define TEXT       0x80200000ul
#define TEXT_PAGES 16

static _Alignas(4096) u64 root[512], other_root[512], middle[512], lower[512], spare[512];
static _Alignas(4096) u8 frames[4][4096];

static u64 entry(const void *to, u64 flags)
{
    return (u64)to >> 12 << 10 | flags;
}

static void flush(void)
{
    __asm__ volatile("sfence.vma" ::: "memory");
}

static void flush_page(u64 va)
{
    __asm__ volatile("sfence.vma %0" ::"r"(va) : "memory");
}

SNIPPET(do_load, "ld a0, 0(a0)");
SNIPPET(do_store, "sd a1, 0(a0)");
SNIPPET(do_amo, "amoadd.d a0, a1, (a0)");
SNIPPET(do_lr, "lr.d a0, (a0)");
SNIPPET(do_lr_sc, "lr.d a1, (a0)\n sc.d a0, a1, (a0)");
SNIPPET(do_jump, "jr a0");

static struct visit try(const u8 *snippet, enum mode mode, u64 sstatus, u64 va)
{
    const u8 *from = mode == USER ? snippet - TEXT + USER_TEXT : snippet;
    return go(from, mode, sstatus, va, 0x5a5a5a5a5a5a5a5a);
}

/* ebreak (3) is success. stval must be the address, except that an ebreak may leave any. */
static void show_try(const struct visit *v, u64 va)
{
    put_hex(v->cause);
    if (v->cause != 3 && v->tval != va)
        put_text("!");
}

static void set_up(void)
{
    root[1] = entry(middle, V);
    root[2] = entry((void *)0x80000000, V | R | W | X | A | D);
    middle[0] = entry(lower, V);
    for (u64 i = 0; i < TEXT_PAGES; i++)
        lower[256 + i] = entry((u8 *)TEXT + i * 4096, V | R | X | U | A | D);
    for (u64 i = 0; i < 4; i++) {
        for (u64 k = 0; k < 4096; k += 8)
            *(u64 *)(void *)(frames[i] + k) = 0x9002900290029002; /* c.ebreak */
    }
    WRITE_CSR(satp, 8ul << 60 | (u64)root >> 12);
    flush();
}

static void permissions(void)
{
    static const struct {
        const char *name;
        u64 sstatus;
        enum mode mode;
    } contexts[] = {
        {" S", 0, SUPERVISOR},
        {" S+SUM", SSTATUS_SUM, SUPERVISOR},
        {" S+MXR", SSTATUS_MXR, SUPERVISOR},
        {" S+SUM+MXR", SSTATUS_SUM | SSTATUS_MXR, SUPERVISOR},
        {" U", 0, USER},
        {" U+MXR", SSTATUS_MXR, USER},
    };
    static const struct {
        const char *name;
        const u8 *snippet;
    } accesses[] = {{" load", do_load},
                    {" store", do_store},
                    {" fetch", do_jump},
                    {" amo", do_amo},
                    {" lr", do_lr}};
    for (u64 flags = 0; flags < 256; flags++) {
        if ((flags & G) || (!(flags & V) && flags != 0xde))
            continue;
        for (int c = 0; c < 6; c++) {
            put_text("flags");
            put_hex(flags);
            put_text(contexts[c].name);
            for (int k = 0; k < 5; k++) {
                lower[0] = entry(frames[0], flags);
                flush_page(TEST);
                struct visit v =
                    try(accesses[k].snippet, contexts[c].mode, contexts[c].sstatus, TEST);
                put_text(accesses[k].name);
                if (accesses[k].snippet == do_amo && v.cause != 3) {
                    put_text(" refused"); /* QEMU reads first: load page fault, and A is set */
                    continue;
                }
                show_try(&v, TEST);
                put_text(" ->");
                put_hex(lower[0] & 0x3ff);
            }
            put_char('\n');
            *(u64 *)(void *)frames[0] = 0x9002900290029002;
        }
    }
}

static void show_load(const char *name, u64 va)
{
    struct visit v = try(do_load, SUPERVISOR, 0, va);
    put_text(name);
    show_try(&v, va);
    v = try(do_store, SUPERVISOR, 0, va);
    show_try(&v, va);
    v = try(do_jump, SUPERVISOR, 0, va);
    show_try(&v, va);
    put_char('\n');
}

/* What QEMU answers when a table lies in no memory is a page fault; the specification wants an
 * access fault. Both are shown as one. */
static void show_refused(const char *name, u64 va)
{
    struct visit v = try(do_load, SUPERVISOR, 0, va);
    put_text(name);
    put_text(v.cause == 13 || v.cause == 5 ? " refused" : " went through");
    put_text(v.tval == va ? "\n" : " elsewhere\n");
}

static void levels(void)
{
    const u64 all = V | R | W | X | A | D, nowhere = 1ul << 40;
    u64 in_gigapage = (u64)frames[1] - 0x80000000, in_megapage = (u64)frames[1] & 0x1fffff;
    u64 megapage = (u64)frames[1] & ~0x1ffffful;

    root[3] = entry((void *)0x80000000, all);
    flush();
    show_load("1 GiB", 0xc0000000 + in_gigapage);
    for (u64 bit = 0; bit < 18; bit++) {
        root[3] = entry((void *)0x80000000, all) | 1ul << (10 + bit);
        flush();
        show_load("1 GiB misaligned", 0xc0000000 + in_gigapage);
    }
    root[3] = 0;
    middle[1] = entry((void *)megapage, all);
    flush();
    show_load("2 MiB", TEST + 0x200000 + in_megapage);
    for (u64 bit = 0; bit < 9; bit++) {
        middle[1] = entry((void *)megapage, all) | 1ul << (10 + bit);
        flush();
        show_load("2 MiB misaligned", TEST + 0x200000 + in_megapage);
    }
    for (u64 flags = 0; flags < 256; flags += 2) {
        if (flags & (R | X))
            continue;
        middle[1] = entry(lower, flags | V);
        flush();
        put_hex(flags);
        show_load(" pointer with flags", TEST + 0x200000 + 256 * 4096);
    }
    for (u64 bit = 54; bit < 64; bit++) {
        middle[1] = entry(lower, V) | 1ul << bit;
        flush();
        show_load("pointer with reserved bit", TEST + 0x200000 + 256 * 4096);
        lower[0] = entry(frames[0], all) | 1ul << bit;
        flush();
        show_load("leaf with reserved bit", TEST);
    }
    lower[0] = entry(spare, V);
    flush();
    show_load("pointer at level 0", TEST);
    lower[0] = entry((void *)nowhere, all);
    flush();
    show_load("leaf to nowhere", TEST);
    middle[1] = entry((void *)nowhere, V);
    flush();
    show_refused("table nowhere", TEST + 0x200000);
    middle[1] = 0;
}

static void addresses(void)
{
    static const u64 some[] = {0,
                               0x3fffffffff,
                               0x3ffffffff8,
                               0x4000000000,
                               0x7ffffffff8,
                               0x8000000000,
                               TEST | 1ul << 39,
                               TEST | 1ul << 63,
                               0xffffffbffffffff8,
                               0xffffffc000000000,
                               0xfffffffffffffff8};
    lower[0] = entry(frames[0], V | R | W | X | A | D);
    flush();
    for (u64 i = 0; i < sizeof some / sizeof some[0]; i++) {
        put_hex(some[i]);
        show_load(" address", some[i] & ~1ul);
    }
}

static void crossing(void)
{
    const u64 all = V | R | W | X | A | D, border = TEST + 4096;
    for (u64 present = 0; present < 4; present++) {
        for (u64 before = 1; before < 8; before++) {
            u64 va = border - before;
            for (u64 k = 0; k < 4096; k += 8) {
                *(u64 *)(void *)(frames[0] + k) = 0x1111111111111111;
                *(u64 *)(void *)(frames[1] + k) = 0x2222222222222222;
            }
            lower[0] = present & 1 ? entry(frames[0], all) : 0;
            lower[1] = present & 2 ? entry(frames[1], all) : 0;
            flush();
            struct visit v = try(do_load, SUPERVISOR, 0, va);
            put_text("crossing");
            put_hex(present);
            put_hex(before);
            put_text(" load");
            put_hex(v.cause);
            put_hex(v.cause == 3 ? v.result : v.tval);
            v = try(do_store, SUPERVISOR, 0, va);
            put_text(" store");
            put_hex(v.cause);
            put_hex(v.cause == 3 ? 0 : v.tval);
            put_hex(*(u64 *)(void *)(frames[0] + 4088));
            put_hex(*(u64 *)(void *)frames[1]);
            put_char('\n');
        }
    }
    /* A long instruction in two pages: li a0, 0x123 and then ebreak. */
    for (u64 present = 0; present < 4; present++) {
        *(volatile u8 *)(frames[0] + 4094) = 0x13;
        *(volatile u8 *)(frames[0] + 4095) = 0x05;
        *(volatile u32 *)(void *)frames[1] = 0x90021230;
        lower[0] = present & 1 ? entry(frames[0], all) : 0;
        lower[1] = present & 2 ? entry(frames[1], all) : 0;
        flush();
        __asm__ volatile("fence.i" ::: "memory");
        struct visit v = try(do_jump, SUPERVISOR, 0, border - 2);
        put_text("straddling");
        put_hex(present);
        put_hex(v.cause);
        put_hex(v.cause == 3 ? v.result : v.tval);
        put_hex(v.epc);
        put_char('\n');
    }
}

static void load_value(const char *name, u64 va)
{
    struct visit v = try(do_load, SUPERVISOR, 0, va);
    put_text(name);
    put_hex(v.cause);
    put_hex(v.cause == 3 ? v.result : 0);
    put_char('\n');
}

/* What sfence.vma must make visible, and what must be visible without it. */
static void fences(void)
{
    const u64 all = V | R | W | X | A | D;
    u64 megapage = (u64)frames[0] & ~0x1ffffful, inside = (u64)frames[0] & 0x1fffff;
    for (u64 i = 0; i < 4; i++)
        *(u64 *)(void *)frames[i] = 0x1000 + i;
    lower[0] = entry(frames[0], all);
    flush_page(TEST);
    load_value("frame 0", TEST);
    lower[0] = entry(frames[1], all);
    flush_page(TEST + 0x123);
    load_value("frame 1 after a page fence", TEST);
    lower[0] = entry(frames[2], all);
    flush();
    load_value("frame 2 after a full fence", TEST);
    lower[0] = 0;
    flush_page(TEST);
    load_value("gone", TEST);
    lower[0] = entry(frames[3], all);
    flush_page(TEST);
    load_value("here again", TEST);

    middle[1] = entry((void *)megapage, all);
    flush();
    load_value("in a 2 MiB page", TEST + 0x200000 + inside);
    load_value("and the next", TEST + 0x200000 + inside + 4096);
    for (u64 i = 0; i < 512; i++)
        spare[i] = entry(frames[3], all);
    middle[1] = entry(spare, V);
    flush_page(TEST + 0x200000 + inside);
    load_value("split", TEST + 0x200000 + inside);
    load_value("all of it by one fence", TEST + 0x200000 + inside + 4096);
    middle[1] = 0;
    flush();

    /* sstatus works at once. */
    lower[0] = entry(frames[0], all | U);
    flush_page(TEST);
    for (int i = 0; i < 6; i++) {
        struct visit v = try(do_load, SUPERVISOR, i & 1 ? SSTATUS_SUM : 0, TEST);
        show("SUM back and forth", v.cause);
    }
    lower[0] = entry(frames[0], V | X | A);
    flush_page(TEST);
    for (int i = 0; i < 6; i++) {
        struct visit v = try(do_load, SUPERVISOR, i & 1 ? SSTATUS_MXR : 0, TEST);
        show("MXR back and forth", v.cause);
    }
    /* D is set by the first store, though loads went before. */
    lower[0] = entry(frames[0], V | R | W);
    flush_page(TEST);
    try(do_load, SUPERVISOR, 0, TEST);
    show("A after a load", lower[0] & 0x3ff);
    try(do_store, SUPERVISOR, 0, TEST);
    show("D after a store", lower[0] & 0x3ff);
    lower[0] = entry(frames[0], V | R | W);
    flush_page(TEST);
    struct visit v = try(do_lr_sc, SUPERVISOR, 0, TEST);
    show_visit("lr and sc", &v);
    show("D after sc", lower[0] & 0x3ff);
}

static void two_roots(void)
{
    const u64 all = V | R | W | X | A | D;
    for (u64 i = 0; i < 512; i++)
        other_root[i] = root[i];
    other_root[1] = entry(spare, V);
    for (u64 i = 0; i < 512; i++)
        spare[i] = 0;
    spare[0] = entry((void *)((u64)frames[0] & ~0x1ffffful), all);
    lower[0] = entry(frames[1], all);
    for (int i = 0; i < 4; i++) {
        WRITE_CSR(satp, 8ul << 60 | (u64)(i & 1 ? other_root : root) >> 12);
        flush();
        load_value("root", i & 1 ? TEST + ((u64)frames[0] & 0x1fffff) : TEST);
    }
    WRITE_CSR(satp, 0);
    flush();
    load_value("bare", (u64)frames[1]);
}

void guest_main(void)
{
    put_text("@@begin\n");
    set_up();
    permissions();
    levels();
    addresses();
    crossing();
    fences();
    two_roots();
}
