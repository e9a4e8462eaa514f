/* SPDX-License-Identifier: MIT */
/*
 * Processes: made from the programs' image or by fork, run in turns, ended.
 *
 * What a process maps is noted in `map` (page number and rights), in either mode: the tables say
 * the same to the hardware. Code pages are the image's own, data pages are copied when they are
 * first written: a page of two references is read-only in both tables, and MAP_WRITE says that it
 * may become writable.
 */
#include "kernel.h"

static struct proc procs[PROCS_MAX];
struct proc *current;
uint64_t forks, switches;
static unsigned last_pid;
static ppn_t root_in_use; /* 0: the kernel's */

static uint32_t *slot_of(struct proc *proc, uint64_t va, bool make)
{
    uint64_t page = va >> PAGE_SHIFT;
    uint32_t **chunk = &proc->map[page / MAP_PAGES];
    if (!*chunk && make) {
        ppn_t ppn = page_alloc();
        *chunk = ppn ? page_at(ppn) : NULL;
    }
    return *chunk ? &(*chunk)[page % MAP_PAGES] : NULL;
}

static bool map_page(struct proc *proc, uint64_t va, ppn_t ppn, uint32_t how)
{
    uint32_t *slot = slot_of(proc, va, true);
    uint64_t flags = how & MAP_TEXT ? PTE_R | PTE_X : PTE_R;
    if ((how & MAP_WRITE) && page_refs(ppn) == 1)
        flags |= PTE_W;
    if (!slot || !space_set(&proc->space, va, ppn, flags))
        return false;
    *slot = ppn | how;
    return true;
}

static struct proc *new_proc(void)
{
    for (struct proc *proc = procs; proc < procs + PROCS_MAX; proc++) {
        if (proc->state != PROC_FREE)
            continue;
        memset(proc, 0, sizeof *proc);
        if (!space_init(&proc->space))
            return NULL;
        proc->pid = ++last_pid;
        proc->parent = current ? current->pid : 0;
        return proc;
    }
    return NULL;
}

/* Its space is not the one in use. */
static void release(struct proc *proc)
{
    space_fini(&proc->space);
    for (unsigned i = 0; i < MAP_CHUNKS; i++) {
        if (!proc->map[i])
            continue;
        for (unsigned k = 0; k < MAP_PAGES; k++)
            if (proc->map[i][k] && !(proc->map[i][k] & MAP_TEXT))
                page_put(proc->map[i][k] & MAP_PPN);
        page_put(page_of(proc->map[i]));
    }
    proc->state = PROC_FREE;
}

static bool load(struct proc *proc)
{
    const struct image_header *header = (const struct image_header *)(const void *)programs;
    uint64_t va = USER_BASE;
    ppn_t ppn = page_of(programs);
    for (uint64_t i = 0; i < header->text_pages; i++, va += PAGE_BYTES)
        if (!map_page(proc, va, ppn++, MAP_TEXT))
            return false;
    for (uint64_t i = 0; i < header->data_pages; i++, va += PAGE_BYTES) {
        ppn_t copy = page_alloc();
        if (!copy)
            return false;
        memcpy(page_at(copy), page_at(ppn++), PAGE_BYTES);
        if (!map_page(proc, va, copy, MAP_WRITE)) {
            page_put(copy);
            return false;
        }
    }
    proc->frame.x[0] = header->entry;
    proc->frame.x[2] = USER_HEAP; /* sp */
    return true;
}

bool proc_spawn(unsigned program, uint64_t argument, unsigned *pid)
{
    struct proc *proc = new_proc();
    if (!proc)
        return false;
    bool loaded = load(proc);
    entries_commit();
    if (!loaded) {
        release(proc);
        return false;
    }
    proc->frame.x[10] = program;
    proc->frame.x[11] = argument;
    proc->state = PROC_READY;
    *pid = proc->pid;
    return true;
}

/* One page of a fork: both map it, nobody may write it any more. */
static bool share_page(struct proc *child, uint64_t va, uint32_t entry)
{
    ppn_t ppn = entry & MAP_PPN;
    if (entry & MAP_TEXT)
        return map_page(child, va, ppn, MAP_TEXT);
    page_get(ppn);
    if (page_refs(ppn) == 2 && !space_set(&current->space, va, ppn, PTE_R))
        panic("a mapped page has no table");
    if (map_page(child, va, ppn, entry & MAP_WRITE))
        return true;
    page_put(ppn);
    return false;
}

static bool share_all(struct proc *child)
{
    for (unsigned i = 0; i < MAP_CHUNKS; i++)
        for (unsigned k = 0; current->map[i] && k < MAP_PAGES; k++) {
            uint64_t va = ((uint64_t)i * MAP_PAGES + k) << PAGE_SHIFT;
            if (current->map[i][k] && !share_page(child, va, current->map[i][k]))
                return false;
        }
    return true;
}

int64_t proc_fork(void)
{
    struct proc *child = new_proc();
    if (!child)
        return -1;
    forks++;
    bool shared = share_all(child);
    entries_commit();
    tlb_flush(0, 0); /* rights were taken from the parent */
    if (!shared) {
        release(child);
        return -1;
    }
    child->frame = current->frame;
    child->frame.x[10] = 0;
    child->state = PROC_READY;
    return (int64_t)child->pid;
}

static void use_kernel_space(void)
{
    if (root_in_use)
        kernel_space_use();
    root_in_use = 0;
}

void proc_exit(uint64_t code)
{
    struct proc *self = current;
    use_kernel_space();
    release(self);
    self->state = PROC_ZOMBIE;
    self->code = code;
    for (struct proc *proc = procs; proc < procs + PROCS_MAX; proc++) {
        if (proc->state == PROC_WAITING && proc->pid == self->parent)
            proc->state = PROC_READY;
        if (proc->parent == self->pid)
            proc->parent = 1;
    }
}

int64_t proc_wait(uint64_t *code)
{
    bool any = false;
    for (struct proc *proc = procs; proc < procs + PROCS_MAX; proc++) {
        if (proc->state == PROC_FREE || proc->parent != current->pid)
            continue;
        any = true;
        if (proc->state != PROC_ZOMBIE)
            continue;
        *code = proc->code;
        proc->state = PROC_FREE;
        return (int64_t)proc->pid;
    }
    if (!any)
        return -1;
    current->state = PROC_WAITING;
    return 0;
}

/* The heap, and the stack below it, are there when they are touched. */
static bool first_touch(uint64_t va)
{
    ppn_t ppn = page_alloc();
    if (ppn && map_page(current, va, ppn, MAP_WRITE)) {
        entries_commit();
        return true;
    }
    if (ppn)
        page_put(ppn);
    return false;
}

/* Copy on write, unless nobody else has the page any more. */
static bool make_private(uint64_t va, uint32_t entry)
{
    ppn_t old = entry & MAP_PPN, ppn = old;
    if (page_refs(old) > 1) {
        ppn = page_alloc();
        if (!ppn)
            return false;
        memcpy(page_at(ppn), page_at(old), PAGE_BYTES);
        page_put(old);
    }
    bool mapped = map_page(current, va, ppn, MAP_WRITE);
    entries_commit();
    tlb_flush(va, 1);
    return mapped;
}

bool proc_fault(uint64_t va, bool store)
{
    const struct image_header *header = (const struct image_header *)(const void *)programs;
    uint64_t image_end = USER_BASE + (header->text_pages << PAGE_SHIFT);
    va &= ~(uint64_t)(PAGE_BYTES - 1);
    if (va < USER_BASE || va >= USER_END)
        return false;
    const uint32_t *slot = slot_of(current, va, false);
    if (!slot || !*slot)
        return va >= image_end && first_touch(va);
    return store && (*slot & MAP_WRITE) && make_private(va, *slot);
}

bool proc_read(uint64_t va, void *bytes, size_t nbytes)
{
    for (size_t done = 0, part; done < nbytes; done += part, va += part) {
        uint64_t offset = va % PAGE_BYTES;
        const uint32_t *slot = va < USER_END ? slot_of(current, va, false) : NULL;
        part = nbytes - done < PAGE_BYTES - offset ? nbytes - done : PAGE_BYTES - offset;
        if (!slot || !*slot)
            return false;
        memcpy((char *)bytes + done, (char *)page_at(*slot & MAP_PPN) + offset, part);
    }
    return true;
}

/* The next one that is ready, after the current; NULL: none, and *when is the first to wake. */
static struct proc *pick(uint64_t now, uint64_t *when)
{
    unsigned from = current ? (unsigned)(current - procs) : 0;
    *when = UINT64_MAX;
    for (unsigned i = 1; i <= PROCS_MAX; i++) {
        struct proc *proc = &procs[(from + i) % PROCS_MAX];
        if (proc->state != PROC_READY)
            continue;
        if (proc->wake <= now)
            return proc;
        if (proc->wake < *when)
            *when = proc->wake;
    }
    return NULL;
}

_Noreturn void proc_run_next(void)
{
    struct proc *next;
    uint64_t when;
    for (balloon_poll(); !(next = pick(time_now(), &when)); balloon_poll()) {
        timer_set(when);
        __asm__ volatile("wfi");
    }
    current = next;
    timer_set(time_now() + QUANTUM);
    if (root_in_use != current->space.root) {
        tables_switch(current->space.root);
        root_in_use = current->space.root;
        switches++;
    }
    resume(&current->frame);
}
