/* SPDX-License-Identifier: MIT */
/* The test board: loading, running, SBI and system calls. See board.h. */
#include "board.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/access.h"
#include "cpu/sv39.h"

enum { REG_SP = 2, REG_A0 = 10, REG_A1, REG_A2, REG_A6 = 16, REG_A7 };
enum { CSR_SSTATUS = 0x100, CSR_STVEC = 0x105, CSR_SEPC = 0x141, CSR_SCAUSE = 0x142 };
enum { CSR_SCOUNTEREN = 0x106, CSR_STVAL = 0x143 };

#define SSTATUS_FS_INITIAL (UINT64_C(1) << 13)

/* Below a user guest: its S mode. Every trap comes to the ecall, which comes to board_ecall. */
static const uint32_t trampoline[] = {0x00000073 /* ecall */, 0x10200073 /* sret */};
#define TRAMPOLINE UINT64_C(0x1000)

/* The host address of guest-physical bytes; NULL if they are not all memory. */
static uint8_t *ram_at(const struct board *board, uint64_t gpa, uint64_t nbytes)
{
    uint64_t offset = gpa - board->ram_base;
    if (gpa < board->ram_base || offset >= board->ram_nbytes || nbytes > board->ram_nbytes - offset)
        return NULL;
    return board->ram + offset;
}

static bool read_pte(void *ctx, uint64_t gpa, uint64_t *pte)
{
    uint8_t *at = ram_at(ctx, gpa, 8);
    if (at)
        *pte = hv_mem_load(at, 8);
    return at != NULL;
}

static bool update_pte(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
    uint8_t *at = ram_at(ctx, gpa, 8);
    if (at)
        __atomic_compare_exchange_n((hv_u64 *)(void *)at, (hv_u64 *)expected, desired, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return at != NULL;
}

static enum hv_cause access_fault(enum hv_access access)
{
    return access == HV_ACCESS_FETCH  ? HV_CAUSE_FETCH_ACCESS
           : access == HV_ACCESS_LOAD ? HV_CAUSE_LOAD_ACCESS
                                      : HV_CAUSE_STORE_ACCESS;
}

static enum hv_fill board_fill(void *ctx, uint64_t va, enum hv_access access,
                               struct hv_tlb_fill *out)
{
    static const struct hv_sv39_ops ops = {read_pte, update_pte};
    struct board *board = ctx;
    struct hv_mmu mmu = hv_hart_mmu(board->hart);
    struct hv_sv39_walk walk;
    unsigned cause = hv_sv39_walk(&ops, board, &mmu, va, access, &walk);
    if (cause) {
        out->cause = (enum hv_cause)cause;
        return HV_FILL_FAULT;
    }
    out->gpa = walk.gpa;
    out->page = ram_at(board, walk.gpa & ~UINT64_C(4095), 4096);
    out->allow = walk.allow;
    out->span_bits = (uint8_t)hv_sv39_span_bits(walk.level);
    out->cause = access_fault(access);
    return out->page ? HV_FILL_PAGE : HV_FILL_FAULT;
}

static bool no_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value)
{
    (void)ctx, (void)gpa, (void)nbytes, (void)value;
    return false;
}

static bool no_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value)
{
    (void)ctx, (void)gpa, (void)nbytes, (void)value;
    return false;
}

static bool board_satp(void *ctx, uint64_t satp)
{
    (void)ctx, (void)satp;
    return true;
}

static void board_sfence(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid)
{
    (void)ctx, (void)has_va, (void)va, (void)has_asid, (void)asid;
}

static uint64_t board_time(void *ctx)
{
    struct board *board = ctx;
    return hv_hart_stats(board->hart).ticks + board->skipped;
}

static void print(struct board *board, const void *text, size_t nbytes)
{
    if (board->output_nbytes + nbytes > board->output_room) {
        size_t room = 2 * (board->output_nbytes + nbytes) + 4096;
        char *output = realloc(board->output, room);
        if (!output) {
            board->failure = "out of memory for its output";
            return;
        }
        board->output = output;
        board->output_room = room;
    }
    memcpy(board->output + board->output_nbytes, text, nbytes);
    board->output_nbytes += nbytes;
}

static enum hv_ecall end(struct board *board, int exit_code)
{
    board->ended = true;
    board->exit_code = exit_code;
    return HV_ECALL_STOP;
}

static enum hv_ecall fail(struct board *board, const char *why)
{
    board->failure = why;
    return HV_ECALL_STOP;
}

/* The trampoline's ecall: what brought the user guest there? */
static enum hv_ecall syscall_of_user(struct board *board)
{
    enum { WRITE = 64, EXIT = 93, EXIT_GROUP = 94, MPROTECT = 226 };
    struct hv_hart *hart = board->hart;
    uint64_t cause = 0, sepc = 0, stval = 0, text = hv_hart_reg(hart, REG_A1);
    uint64_t nbytes = hv_hart_reg(hart, REG_A2);
    hv_hart_csr_read(hart, CSR_SCAUSE, &cause);
    hv_hart_csr_read(hart, CSR_SEPC, &sepc);
    hv_hart_csr_read(hart, CSR_STVAL, &stval);
    if (cause != HV_CAUSE_ECALL_U) {
        fprintf(stderr, "user guest: exception %llu at %#llx, stval %#llx\n",
                (unsigned long long)cause, (unsigned long long)sepc, (unsigned long long)stval);
        return fail(board, "exception");
    }
    hv_hart_csr_write(hart, CSR_SEPC, sepc + 4);
    switch (hv_hart_reg(hart, REG_A7)) {
    case WRITE:
        if (!ram_at(board, text, nbytes))
            return fail(board, "write from no memory");
        print(board, ram_at(board, text, nbytes), nbytes);
        hv_hart_set_reg(hart, REG_A0, nbytes);
        return HV_ECALL_DONE;
    case MPROTECT: /* all memory is everything already */
        hv_hart_set_reg(hart, REG_A0, 0);
        return HV_ECALL_DONE;
    case EXIT:
    case EXIT_GROUP:
        return end(board, (int)hv_hart_reg(hart, REG_A0));
    default:
        return fail(board, "unknown system call");
    }
}

static void set_timer(struct board *board, uint64_t when)
{
    board->timer = when;
    hv_hart_set_irq(board->hart, HV_IRQ_TIMER, when <= board_time(board));
}

static enum hv_ecall sbi_call(struct board *board)
{
    enum { SET_TIMER = 0, PUTCHAR = 1, SHUTDOWN = 8, TIME = 0x54494d45 };
    struct hv_hart *hart = board->hart;
    uint64_t a0 = hv_hart_reg(hart, REG_A0);
    switch (hv_hart_reg(hart, REG_A7)) {
    case PUTCHAR:
        print(board, &(char){(char)a0}, 1);
        hv_hart_set_reg(hart, REG_A0, 0);
        return HV_ECALL_DONE;
    case TIME:
        hv_hart_set_reg(hart, REG_A1, 0);
        /* fallthrough */
    case SET_TIMER:
        set_timer(board, a0);
        hv_hart_set_reg(hart, REG_A0, 0);
        return HV_ECALL_STOP; /* the slice may have become shorter */
    case SHUTDOWN:
        return end(board, 0);
    default:
        hv_hart_set_reg(hart, REG_A0, (uint64_t)-2);
        return HV_ECALL_DONE;
    }
}

static enum hv_ecall board_ecall(void *ctx)
{
    struct board *board = ctx;
    return board->user ? syscall_of_user(board) : sbi_call(board);
}

bool board_init(struct board *board, uint64_t ram_base, uint64_t ram_nbytes)
{
    static const struct hv_hart_ops ops = {board_fill, no_load,      no_store,   board_ecall,
                                           board_satp, board_sfence, board_time, NULL};
    *board = (struct board){.ram_base = ram_base, .ram_nbytes = ram_nbytes, .timer = UINT64_MAX};
    board->ram = aligned_alloc(4096, ram_nbytes);
    board->hart = hv_hart_new(&ops, board, NULL, 64);
    if (!board->ram || !board->hart) {
        fprintf(stderr, "board: out of memory\n");
        board_fini(board);
        return false;
    }
    memset(board->ram, 0, ram_nbytes);
    return true;
}

void board_fini(struct board *board)
{
    hv_hart_free(board->hart);
    free(board->ram);
    free(board->output);
    *board = (struct board){.ram = NULL};
}

/* The user guest's S mode, entered at its sret. */
static void enter_user(struct board *board, uint64_t entry)
{
    struct hv_hart *hart = board->hart;
    memcpy(ram_at(board, TRAMPOLINE, sizeof trampoline), trampoline, sizeof trampoline);
    hv_hart_csr_write(hart, CSR_STVEC, TRAMPOLINE);
    hv_hart_csr_write(hart, CSR_SEPC, entry);
    hv_hart_csr_write(hart, CSR_SSTATUS, SSTATUS_FS_INITIAL);
    hv_hart_csr_write(hart, CSR_SCOUNTEREN, 7);
    hv_hart_set_reg(hart, REG_SP, board->ram_base + board->ram_nbytes - 64);
    hv_hart_set_pc(hart, TRAMPOLINE + 4);
}

static bool load_segments(struct board *board, Elf *elf, GElf_Ehdr *header)
{
    size_t count = 0, nbytes = 0;
    const char *file = elf_rawfile(elf, &nbytes);
    if (!file || !gelf_getehdr(elf, header) || elf_getphdrnum(elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (!gelf_getphdr(elf, (int)i, &segment))
            return false;
        if (segment.p_type != PT_LOAD)
            continue;
        uint8_t *at =
            ram_at(board, board->user ? segment.p_vaddr : segment.p_paddr, segment.p_memsz);
        if (!at || segment.p_filesz > segment.p_memsz || segment.p_offset > nbytes ||
            segment.p_filesz > nbytes - segment.p_offset)
            return false;
        memcpy(at, file + segment.p_offset, segment.p_filesz);
    }
    return true;
}

bool board_load(struct board *board, const char *path, bool user)
{
    GElf_Ehdr header = {.e_entry = 0};
    board->user = user;
    elf_version(EV_CURRENT);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    bool loaded = elf && load_segments(board, elf, &header);
    if (!loaded)
        fprintf(stderr, "%s: not an ELF program that fits into memory\n", path);
    else if (user)
        enter_user(board, header.e_entry);
    else
        hv_hart_set_pc(board->hart, header.e_entry);
    elf_end(elf);
    if (fd >= 0)
        close(fd);
    return loaded;
}

/* Raises STIP when its time has come; else how many ticks that takes. */
static uint64_t ticks_to_timer(struct board *board)
{
    uint64_t now = board_time(board);
    if (board->timer > now)
        return board->timer - now;
    hv_hart_set_irq(board->hart, HV_IRQ_TIMER, true);
    return UINT64_MAX;
}

bool board_run(struct board *board, uint64_t ticks_max)
{
    while (!board->ended && !board->failure) {
        uint64_t used = hv_hart_stats(board->hart).ticks;
        if (used >= ticks_max)
            return false;
        uint64_t budget = ticks_to_timer(board);
        if (budget > ticks_max - used)
            budget = ticks_max - used;
        if (hv_hart_run(board->hart, budget) != HV_STOP_WFI)
            continue;
        if (board->timer == UINT64_MAX)
            board->failure = "waits for an interrupt that never comes";
        else if (board->timer > board_time(board))
            board->skipped += board->timer - board_time(board);
    }
    return board->ended;
}
