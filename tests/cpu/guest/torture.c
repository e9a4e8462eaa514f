/* SPDX-License-Identifier: MIT */
/*
 * Random programs: writes instructions into a buffer, executes them, prints a hash of all
 * registers and of the memory that they touched. Checks decoding of every register and immediate
 * field, straight runs of all shapes, code that crosses pages, and fence.i after each rewriting.
 *
 * gp holds the data buffer's address and tp that of the register file in memory; generated code
 * writes neither. Everything else is fair game.
 */
#include "user.h"

enum { GP = 3, TP = 4, INSTRUCTIONS = 64, ROUNDS = 4000 };

struct frame {
    u64 regs[32];      /* loaded before, stored after */
    u64 host_regs[13]; /* ra, sp, gp, tp of the caller, and more to spare */
    u64 fregs[32];     /* loaded before, stored after, with fcsr */
    u64 fcsr;
};

static _Alignas(4096) u8 code[3 * 4096];
static _Alignas(4096) u8 data[2 * 4096];
static struct frame frame;

void run(void *entry);
extern u8 run_end[];

/* Loads the registers, jumps to the code, which comes back to run_end with t6 stored at 248(tp). */
__asm__(
    ".option push\n.option arch, +d\n.option norvc\n.option norelax\n.text\n.balign 4\n.globl run, "
    "run_end\n"
    "run:\n"
    "  addi sp, sp, -256\n"
    "  .irp n, 8,9,18,19,20,21,22,23,24,25,26,27\n  sd x\\n, (\\n*8)(sp)\n  .endr\n"
    "  sd ra, 0(sp)\n  sd gp, 8(sp)\n  sd tp, 16(sp)\n"
    "  lla tp, frame\n  sd sp, 256(tp)\n  mv t6, a0\n  sd t6, 264(tp)\n"
    "  lla gp, data+4096\n"
    "  .irp n, "
    "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "  fld f\\n, (360+\\n*8)(tp)\n  .endr\n"
    "  ld t0, 616(tp)\n  fscsr t0\n"
    "  .irp n, 1,2,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
    "  ld x\\n, (\\n*8)(tp)\n  .endr\n"
    "  jr t6\n"
    "run_end:\n"
    "  .irp n, 1,2,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
    "  sd x\\n, (\\n*8)(tp)\n  .endr\n"
    "  .irp n, "
    "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "  fsd f\\n, (360+\\n*8)(tp)\n  .endr\n"
    "  frcsr t0\n  sd t0, 616(tp)\n"
    "  ld sp, 256(tp)\n"
    "  .irp n, 8,9,18,19,20,21,22,23,24,25,26,27\n  ld x\\n, (\\n*8)(sp)\n  .endr\n"
    "  ld ra, 0(sp)\n  ld gp, 8(sp)\n  ld tp, 16(sp)\n"
    "  addi sp, sp, 256\n"
    "  ret\n.option pop\n");

static u64 seed = 1;

static u32 any(u32 below)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return (u32)((seed >> 33) % below);
}

static u8 *at; /* where the next instruction goes */

static void put16(u32 bits)
{
    at[0] = (u8)bits;
    at[1] = (u8)(bits >> 8);
    at += 2;
}

static void put32(u32 bits)
{
    put16(bits);
    put16(bits >> 16);
}

static u32 source(void)
{
    return any(32);
}

static u32 target(void)
{
    u32 rd = any(32);
    return rd == GP || rd == TP ? 5 : rd;
}

static u32 short_reg(void)
{
    return any(8);
}

static void register_form(void)
{
    static const u32 ops[] = {0x33, 0x3b};
    static const u8 word_ok[] = {0, 1, 5}; /* funct3 of OP-32 */
    static const u8 word_mul_ok[] = {0, 4, 5, 6, 7};
    u32 wide = any(2), funct3 = any(8), kind = any(3), funct7 = kind == 2;
    if (wide && funct7)
        funct3 = word_mul_ok[any(5)];
    else if (wide)
        funct3 = word_ok[any(3)];
    if (kind == 1 && (funct3 == 0 || funct3 == 5))
        funct7 = 0x20;
    put32(funct7 << 25 | source() << 20 | source() << 15 | funct3 << 12 | target() << 7 |
          ops[wide]);
}

static void immediate_form(void)
{
    u32 funct3 = any(8), word = any(4) == 0, imm = any(4096);
    if (word)
        funct3 = any(3) == 0 ? 0 : any(2) ? 1 : 5;
    if (funct3 == 1)
        imm &= word ? 31 : 63;
    if (funct3 == 5)
        imm = (imm & (word ? 31 : 63)) | (any(2) ? 0x400 : 0);
    put32(imm << 20 | source() << 15 | funct3 << 12 | target() << 7 | (word ? 0x1b : 0x13));
}

static void upper_form(void)
{
    put32(any(1 << 20) << 12 | target() << 7 | (any(2) ? 0x37 : 0x17));
}

static void load_form(void)
{
    put32(any(4096) << 20 | GP << 15 | any(7) << 12 | target() << 7 | 0x03);
}

static void store_form(void)
{
    put32(any(128) << 25 | source() << 20 | GP << 15 | any(4) << 12 | any(32) << 7 | 0x23);
}

static void atomic_form(void)
{
    static const u8 funct5[] = {0, 1, 4, 8, 12, 16, 20, 24, 28};
    put32((u32)funct5[any(9)] << 27 | any(4) << 25 | source() << 20 | GP << 15 |
          (2 + any(2)) << 12 | target() << 7 | 0x2f);
}

/* Always both and of one width: what an sc does without its lr is the implementation's choice. */
static void reserved_form(void)
{
    u32 width = (2 + any(2)) << 12;
    put32(2u << 27 | GP << 15 | width | target() << 7 | 0x2f);
    if (any(2))
        store_form();
    put32(3u << 27 | source() << 20 | GP << 15 | width | target() << 7 | 0x2f);
}

static u32 rounding(void)
{
    return any(6) == 5 ? 7 : any(5);
}

/* OP-FP's rows: funct7 of the single form, whether bits 12 to 14 round or choose, what rs2 may be,
 * whether the result goes to a general register. */
static void float_form(void)
{
    static const struct {
        u8 funct7, choices, rs2_below, to_general;
    } rows[] = {
        {0x00, 0, 32, 0}, {0x04, 0, 32, 0}, {0x08, 0, 32, 0}, {0x0c, 0, 32, 0},
        {0x2c, 0, 1, 0},  {0x10, 3, 32, 0}, {0x14, 2, 32, 0}, {0x50, 3, 32, 1},
        {0x60, 0, 4, 1},  {0x68, 0, 4, 0},  {0x70, 2, 1, 1},  {0x78, 1, 1, 0},
    };
    u32 row = any(sizeof rows / sizeof rows[0]), is_double = any(2);
    u32 middle = rows[row].choices ? any(rows[row].choices) : rounding();
    u32 rd = rows[row].to_general ? target() : any(32);
    put32((rows[row].funct7 | is_double) << 25 | any(rows[row].rs2_below) << 20 | source() << 15 |
          middle << 12 | rd << 7 | 0x53);
}

/* Fused, between the formats, loads and stores, and the mode that dynamic ones round in. */
static void other_float_form(void)
{
    u32 wide = any(2);
    switch (any(5)) {
    case 0:
        put32(any(32) << 27 | wide << 25 | any(32) << 20 | any(32) << 15 | rounding() << 12 |
              any(32) << 7 | 0x43 | any(4) << 2);
        break;
    case 1:
        put32((0x20 | wide) << 25 | !wide << 20 | any(32) << 15 | rounding() << 12 | any(32) << 7 |
              0x53);
        break;
    case 2:
        put32(any(4096) << 20 | GP << 15 | (2 + wide) << 12 | any(32) << 7 | 0x07);
        break;
    case 3:
        put32(any(128) << 25 | any(32) << 20 | GP << 15 | (2 + wide) << 12 | any(32) << 7 | 0x27);
        break;
    default:
        put32(0x002u << 20 | any(5) << 15 | 5 << 12 | target() << 7 | 0x73); /* csrrwi frm */
        break;
    }
}

static void compressed_form(void)
{
    u32 rd = target(), rs2 = 1 + any(31), imm = any(32), top = any(2);
    rd = rd ? rd : 1;
    switch (any(8)) {
    case 0: /* c.addi, c.addiw, c.li */
        put16(any(3) << 13 | top << 12 | rd << 7 | imm << 2 | 1);
        break;
    case 1: /* c.lui */
        put16(3 << 13 | top << 12 | (rd == 2 ? 1 : rd) << 7 | (imm | 1) << 2 | 1);
        break;
    case 2: /* c.srli, c.srai, c.andi */
        put16(4 << 13 | top << 12 | any(3) << 10 | short_reg() << 7 | imm << 2 | 1);
        break;
    case 3: /* c.sub, c.xor, c.or, c.and */
        put16(4 << 13 | 3 << 10 | short_reg() << 7 | any(4) << 5 | short_reg() << 2 | 1);
        break;
    case 4: /* c.subw, c.addw */
        put16(4 << 13 | 1 << 12 | 3 << 10 | short_reg() << 7 | any(2) << 5 | short_reg() << 2 | 1);
        break;
    case 5: /* c.slli */
        put16(top << 12 | rd << 7 | imm << 2 | 2);
        break;
    case 6: /* c.addi4spn */
        put16((1 + any(255)) << 5 | short_reg() << 2);
        break;
    default: /* c.mv, c.add */
        put16(4 << 13 | top << 12 | rd << 7 | rs2 << 2 | 2);
        break;
    }
}

static u32 branch_bits(u32 distance)
{
    return (distance >> 5 & 63) << 25 | (distance >> 1 & 15) << 8 | (distance >> 11 & 1) << 7;
}

/* Over the next few instructions, which are generated first. */
static void skip_form(void (*generate)(void))
{
    static const u8 funct3[] = {0, 1, 4, 5, 6, 7};
    u8 *from = at, *to;
    u32 kind = any(4), rd = target(), rs1 = source(), rs2 = source(), condition = funct3[any(6)];
    u32 reg = short_reg(), on = any(2);
    at += kind == 3 ? 2 : 4;
    for (u32 n = 1 + any(4); n > 0; n--)
        generate();
    to = at;
    at = from;
    u32 distance = (u32)(to - from);
    if (kind == 0) /* jal */
        put32((distance >> 1 & 0x3ff) << 21 | rd << 7 | 0x6f);
    else if (kind == 3) /* c.beqz, c.bnez */
        put16((6 + on) << 13 | (distance >> 3 & 3) << 10 | reg << 7 | (distance >> 6 & 3) << 5 |
              (distance >> 1 & 3) << 3 | (distance >> 5 & 1) << 2 | 1);
    else
        put32(branch_bits(distance) | rs2 << 20 | rs1 << 15 | condition << 12 | 0x63);
    at = to;
}

static void straight_form(void)
{
    static void (*const forms[])(void) = {
        register_form, immediate_form,  upper_form,      load_form,  store_form,      atomic_form,
        reserved_form, compressed_form, compressed_form, float_form, other_float_form};
    forms[any(sizeof forms / sizeof forms[0])]();
}

/* A random program at a random place, and the way back. */
static void *generate(void)
{
    u8 *start = code + 2 * any(4096);
    if (any(2)) /* often across a page's end */
        start = code + 4096 - 2 * any(128);
    at = start;
    for (u32 i = 0; i < INSTRUCTIONS; i++) {
        if (any(6) == 0)
            skip_form(straight_form);
        else
            straight_form();
    }
    put32(248 / 32 << 25 | 31 << 20 | TP << 15 | 3 << 12 | 248 % 32 << 7 | 0x23); /* sd t6 */
    put32((u32)272 << 20 | TP << 15 | 3 << 12 | 31 << 7 | 0x03);                  /* ld t6 */
    put32(31 << 15 | 0x67);                                                       /* jr t6 */
    return start;
}

static u64 hash(u64 h, u64 value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15;
    return h ^ h >> 29;
}

/* A double or a single, boxed, near 1 or anywhere. */
static u64 any_float(void)
{
    u64 bits = (u64)any(1u << 31) << 33 ^ (u64)any(1u << 31) << 10 ^ any(1024);
    u64 near = any(8);
    if (any(2))
        return any(2) ? bits : (bits & 0x800fffffffffffff) | (1020 + near) << 52;
    bits &= 0xffffffff;
    return 0xffffffff00000000 | (any(2) ? bits : (bits & 0x807fffff) | (124 + near) << 23);
}

void _start(void)
{
    enum { MPROTECT = 226, READ_WRITE_EXEC = 7 };
    system_call(MPROTECT, (long)code, sizeof code, READ_WRITE_EXEC);
    for (u64 i = 0; i < sizeof data; i++)
        data[i] = (u8)any(256);
    for (u64 round = 0; round < ROUNDS; round++) {
        void *entry = generate();
        u64 h = round;
        for (int i = 0; i < 32; i++)
            frame.regs[i] = any(4) ? (u64)any(1u << 31) << 33 ^ any(1u << 31) : (u64)-1 << any(64);
        for (int i = 0; i < 32; i++)
            frame.fregs[i] = any_float();
        frame.fcsr = any(5) << 5;
        frame.host_regs[2] = (u64)run_end;
        __asm__ volatile("fence.i" ::: "memory");
        run(entry);
        for (int i = 1; i < 32; i++) {
            if (i != GP && i != TP)
                h = hash(h, frame.regs[i]);
        }
        for (int i = 0; i < 32; i++)
            h = hash(h, frame.fregs[i]);
        h = hash(h, frame.fcsr);
        for (u64 i = 0; i < sizeof data; i += 8)
            h = hash(h, *(u64 *)(void *)(data + i));
        put_hex(round);
        put_hex(h);
        put_char('\n');
    }
    finish(0);
}
