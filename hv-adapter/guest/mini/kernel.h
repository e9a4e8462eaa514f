/* SPDX-License-Identifier: MIT */
/*
 * Our guest kernel: what its files offer each other.
 *
 * Idea: one hart, processes with a page table each, copy-on-write fork, a round-robin scheduler. It
 * exists to do the same work under full virtualization and under paravirtualization: all that
 * differs is tables_full.c and tables_para.c. The kernel is not preempted and keeps nothing on its
 * stack between traps: every trap ends in resume().
 *
 * Addresses: the kernel lies where it is in physical memory, and so do all pages that it touches
 * ("linear map", RAM from 2 GiB on). Processes have [0, USER_END). A page is known by its number.
 */
#ifndef MINI_KERNEL_H
#define MINI_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/calls.h"

enum {
    PAGE_SHIFT = 12,
    PAGE_BYTES = 4096,
    SLOTS = 512,
    LEVELS = 3,
    PROCS_MAX = 64,
    QUANTUM = 50000, /* of the time CSR: 5 ms */
};
#define RAM_BASE    UINT64_C(0x80000000)
#define RAM_END_MAX (RAM_BASE + (UINT64_C(1) << 30))
#define USER_BASE   UINT64_C(0x10000)  /* programs */
#define USER_HEAP   UINT64_C(0x200000) /* from here up; the stack below it */
#define USER_END    UINT64_C(0x4000000)

enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_A = 64, PTE_D = 128 };

typedef uint32_t ppn_t; /* 0: none */

static inline void *page_at(ppn_t ppn)
{
    return (void *)((uint64_t)ppn << PAGE_SHIFT);
}

static inline ppn_t page_of(const void *at)
{
    return (ppn_t)((uint64_t)at >> PAGE_SHIFT);
}

/* ---- machine.c: SBI, CSRs */
struct sbi_answer {
    int64_t error;
    uint64_t value;
};
struct sbi_answer sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1);
void console_write(const char *bytes, size_t nbytes); /* bytes in the linear map */
void console_say(const char *text);
void console_number(uint64_t value);
_Noreturn void power_off(void);
_Noreturn void panic(const char *why);
void timer_set(uint64_t when);
uint64_t time_now(void);
void *memset(void *to, int byte, size_t nbytes);
void *memcpy(void *to, const void *from, size_t nbytes);

/* ---- fdt.c: the boot's device tree. */
struct boot {
    uint64_t ram_end;
    uint64_t fdt;
    char append[1024]; /* kernel command line */
};
/* Fills a boot of zeros. False: there is no whole tree of at most so many bytes. */
bool boot_read(const void *fdt, uint32_t nbytes_max, struct boot *boot);
/* The value of NAME= as a number; `otherwise` if it is not there. */
uint64_t boot_number(const struct boot *boot, const char *name, uint64_t otherwise);
/* What HV_PLAN="0:8192,5000:0" says for `ms`: 8 MiB at first, nothing from 5 s on; `otherwise` if
 * it is not there. */
uint64_t boot_planned_kib(const struct boot *boot, uint64_t ms, uint64_t otherwise);
/* Whether NAME=value is there. */
bool boot_is(const struct boot *boot, const char *name, const char *value);

/* ---- pages.c: physical pages, with reference counts */
void pages_init(uint64_t begin, uint64_t end); /* of the memory that may be given out */
uint64_t pages_begin(void);                    /* after the memory that it took for itself */
/* Zeroed, in the linear map, one reference; 0: none left. */
ppn_t page_alloc(void);
void page_get(ppn_t ppn);
void page_put(ppn_t ppn);
unsigned page_refs(ppn_t ppn);
/* A page of zeros that is not in the linear map, for ever without reference count; 0: none left. */
ppn_t page_take(void);
/* Pages that could still be given out. */
uint64_t pages_free(void);
/* Pages for the balloon: out of the linear map. How many there were, at most count. */
unsigned pages_lend(ppn_t *ppns, unsigned count);
/* The last of those lent, and back with them. */
unsigned pages_lent(ppn_t *ppns, unsigned count);
void pages_return(const ppn_t *ppns, unsigned count);

/* ---- tables_full.c or tables_para.c: all that depends on the mode */
extern const char tables_mode[];
void tables_init(void);
/* An empty table of a level; 0: no page left. */
ppn_t table_new(unsigned level);
/* Nothing names it. */
void table_free(ppn_t table);
/* The kernel's first tables were made before there was a linear map. */
void table_adopt(ppn_t table);
/* One entry; flags 0 clears. Takes effect with entries_commit at the latest. */
void entry_set(ppn_t table, unsigned slot, ppn_t ppn, uint64_t flags);
void entries_commit(void);
void tables_switch(ppn_t root);
void tlb_flush(uint64_t va, uint64_t pages); /* 0 pages: all */
void devices_map(ppn_t root);
/* Entries set since the boot. */
extern uint64_t tables_updates;

/* ---- space.c: address spaces */
struct space {
    ppn_t root, middle;
    ppn_t leaf[USER_END >> 21];
};
void kernel_space_init(uint64_t ram_end);
void kernel_space_use(void);
/* Pages in the linear map, with these rights; 0: out of it. */
void linear_set(ppn_t ppn, uint64_t pages, uint64_t flags);
/* One of them, without entries_commit and tlb_flush. */
void linear_entry(ppn_t ppn, uint64_t flags);
bool space_init(struct space *space);
void space_fini(struct space *space); /* is not in use */
bool space_set(struct space *space, uint64_t va, ppn_t ppn, uint64_t flags);

/* ---- proc.c: processes */
enum proc_state { PROC_FREE, PROC_READY, PROC_WAITING, PROC_ZOMBIE };

struct frame {
    uint64_t x[32]; /* x[0]: pc */
};

enum {
    MAP_PAGES = PAGE_BYTES / sizeof(uint32_t),
    MAP_CHUNKS = (USER_END >> PAGE_SHIFT) / MAP_PAGES
};
enum { MAP_WRITE = 1u << 31, MAP_TEXT = 1u << 30, MAP_PPN = (1u << 30) - 1 };

struct proc {
    struct frame frame;
    unsigned pid, parent;
    enum proc_state state;
    uint64_t wake; /* READY, but not before this time */
    uint64_t code; /* ZOMBIE: what it exited with */
    struct space space;
    uint32_t *map[MAP_CHUNKS]; /* owned pages: per user page, PPN and MAP_*; 0: not mapped */
};

extern struct proc *current;
extern uint64_t forks, switches;
bool proc_spawn(unsigned program, uint64_t argument, unsigned *pid);
int64_t proc_fork(void);
void proc_exit(uint64_t code);
int64_t proc_wait(uint64_t *code); /* pid; -1: no children; 0: not yet, to be asked again */
/* A page fault of the current process; false: it has no right to it. */
bool proc_fault(uint64_t va, bool store);
/* Copies from its memory; false if it is not all there. */
bool proc_read(uint64_t va, void *bytes, size_t nbytes);
_Noreturn void proc_run_next(void);

/* ---- balloon.c */
void balloon_init(void);
/* Does what the VMM has asked for by an interrupt, if it has. */
void balloon_poll(void);
/* Takes pages back because there are none left; false: the balloon is empty. */
bool balloon_relieve(void);

/* ---- main.c */
extern struct boot boot_params;
_Noreturn void kernel_main(const void *fdt);
_Noreturn void kernel_trap(struct frame *frame);
_Noreturn void kernel_died(uint64_t cause, uint64_t pc, uint64_t va);

/* ---- start.S, kernel.lds */
_Noreturn void resume(struct frame *frame);
extern char kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];
extern char programs[], programs_end[];

#endif
