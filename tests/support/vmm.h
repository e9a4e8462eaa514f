/* SPDX-License-Identifier: MIT */
/*
 * A fake VMM for the engine's tests: guests with a software page table, a pool of machine pages,
 * and share_ops over both, which refuse what a real VMM could not survive.
 *
 * A guest has `slots` pages; slot i is PPN begin + (i << shift), so that sparse maps cost nothing.
 * All of a VMM is one block of memory without pointers out of it but to the engine, so that it can
 * be copied away and back (the schedule tests do).
 *
 * Guest accesses honour protection: a store holds the page's lock from the check of its protection
 * to the write, and protect and remap take the same lock. So when protect has returned, no store
 * through the old mapping is under way.
 *
 * What it refuses (MUST): freeing a machine page twice, while it is mapped or while somebody peeks
 * at it; peeking at a free one; remapping a page that is not protected; ops on a VM that was
 * removed or a page that was forgotten; an answer where none was asked for.
 */
#ifndef VMM_H
#define VMM_H

#include "must.h"
#include "share.h"
#include <stdatomic.h>

#define VMM_WORDS (SHARE_PAGE_SIZE / 8)

/* A page's content: its first and its last word; all between is zero. {0, 0} is the zero page. */
struct vmm_content {
    uint64_t head, tail;
};

enum vmm_reason { VMM_SHARING = 1, VMM_DIRTY_LOG = 2 }; /* why a page is read-only to its guest */

struct vmm_page {
    _Atomic uint32_t lock;
    uint32_t mpn; /* index in machine[] */
    bool present;
    bool pinned;    /* protect answers BUSY, and so does the remap of a merge */
    bool code;      /* protect answers READONLY: no mapping permits a write */
    bool forgotten; /* share_forget has returned: no op may come until there is a page again */
    bool raced;     /* unprotected since it was mapped or protected: a compare may still read it */
    uint8_t reasons;
};

/* What the engine gives back with a VM's number: made before the number is known. */
struct vmm_owner {
    _Atomic uint32_t taken;
    share_vm number;
};

struct vmm_guest {
    _Atomic uint32_t live;
    struct vmm_owner *owner;
    uint64_t begin;
    unsigned shift;
    unsigned slots; /* that lie in the VM's range */
};

struct vmm_machine_page {
    _Atomic uint32_t used, maps, peeks;
};

enum vmm_op {
    VMM_RESOLVE,
    VMM_NEXT,
    VMM_PEEK,
    VMM_UNPEEK,
    VMM_PROTECT,
    VMM_UNPROTECT,
    VMM_REMAP,
    VMM_ALLOC,
    VMM_FREE,
    VMM_OPS
};

struct vmm {
    struct share *share;
    unsigned guests, slots, mpns;
    uint64_t mpn_base; /* the first MPN's number: the last MPNs that the engine can take */
    struct vmm_guest *guest;
    struct vmm_owner *owner; /* vmm_owners(guests) */
    struct vmm_page *page;   /* guest * slots + slot */
    struct vmm_machine_page *machine;
    unsigned char *memory;
    uint32_t *free_mpn; /* a stack */
    uint32_t free_count;
    _Atomic uint32_t free_lock;
    _Atomic uint64_t calls[VMM_OPS]; /* pages, not vectors */
    _Atomic uint64_t kept_freed;     /* machine pages */

    /* Forgotten pages may be offered all the same, and a break may meet that look and unprotect. */
    bool offers_forgotten;

    /* Hooks of a test; NULL: none. */
    void *hook_ctx;
    void (*step)(struct vmm *vmm, enum vmm_op op); /* before each page of an op */
    /* Answer for PROTECT and REMAP of a page; for ALLOC and PEEK anything but OK refuses. */
    enum share_answer (*answer)(struct vmm *vmm, enum vmm_op op, share_vm vm, share_ppn ppn);
    enum share_answer answers[VMM_OPS]; /* without such a hook */
};

extern const struct share_ops vmm_ops;

/* Bytes of a VMM, for vmm_init in memory of the caller's (64-byte aligned). */
size_t vmm_nbytes(unsigned guests, unsigned slots, unsigned mpns);
struct vmm *vmm_init(void *memory, unsigned guests, unsigned slots, unsigned mpns);
struct vmm *vmm_new(unsigned guests, unsigned slots, unsigned mpns);
void vmm_free(struct vmm *vmm);

/* An engine over this VMM, with defaults; also in vmm->share. */
struct share *vmm_engine(struct vmm *vmm, const struct share_alloc *alloc, uint64_t salt);

share_vm vmm_add(struct vmm *vmm, share_group group, uint64_t begin, unsigned shift);
/* Without share_vm_start. */
share_vm vmm_add_stopped(struct vmm *vmm, share_group group, uint64_t begin, unsigned shift);
enum share_result vmm_try_add(struct vmm *vmm, share_group group, uint64_t begin, unsigned shift,
                              share_vm *vm);

/* Unmaps all pages of a VM, then removes it. `forget` each page first and free the private ones;
 * else they are freed when share_vm_remove has returned, by what share_page_info said before. */
void vmm_remove(struct vmm *vmm, share_vm vm, bool forget);

share_ppn vmm_ppn(const struct vmm *vmm, share_vm vm, unsigned slot);
struct vmm_page *vmm_page(const struct vmm *vmm, share_vm vm, unsigned slot);
unsigned char *vmm_bytes(const struct vmm *vmm, uint32_t mpn);

/* Gives an absent page a machine page of this content. False: the pool is empty. */
bool vmm_populate(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content);

/* The same for a present page that is on no frame, without a word to the engine. */
bool vmm_replace_untold(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content);

/* The guest's store of one word, with its faults. OK; GONE: no page; or what share_break said. */
enum share_result vmm_store(struct vmm *vmm, share_vm vm, unsigned slot, unsigned word,
                            uint64_t value);

/* One attempt: OK, GONE, or RETRY for a fault. *reasons: why it faulted. */
enum share_result vmm_store_once(struct vmm *vmm, share_vm vm, unsigned slot, unsigned word,
                                 uint64_t value, unsigned *reasons);

/* Stores both words. */
enum share_result vmm_write(struct vmm *vmm, share_vm vm, unsigned slot,
                            struct vmm_content content);

/* Does the guest read exactly this? */
bool vmm_reads(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content);

/* Unmaps a page and tells the engine; frees its machine page if that is private. */
enum share_owner vmm_forget(struct vmm *vmm, share_vm vm, unsigned slot);

/* The same of several pages by one call. */
void vmm_forget_pages(struct vmm *vmm, share_vm vm, const unsigned *slots, unsigned count);

/* The VM's range ends behind so many slots from now on. */
enum share_result vmm_resize(struct vmm *vmm, share_vm vm, unsigned slots);

/* A machine page out of the pool; -1: none left. */
int64_t vmm_take(struct vmm *vmm);

/* Gives a machine page that is mapped nowhere back to the pool. */
void vmm_give_back(struct vmm *vmm, uint32_t mpn);

/* Maps what a page of `with` maps at an absent page, too, without a word to the engine; and unmaps
 * it again, as vmm_forget does. */
void vmm_alias(struct vmm *vmm, share_vm vm, unsigned alias, share_vm with, unsigned slot);
void vmm_unalias(struct vmm *vmm, share_vm vm, unsigned alias);

/* What the engine says of a page. */
struct share_page_info vmm_info(const struct vmm *vmm, share_vm vm, unsigned slot);

/* Offers one page. */
enum share_outcome vmm_offer(struct vmm *vmm, share_vm vm, unsigned slot);

/* One VM of so many pages, all different: contents 1, 2, 3 and so on. */
struct vmm *vmm_new_guest(unsigned slots);

/* Two VMs of two pages each: contents 1 and 2. */
struct vmm *vmm_new_pair(void);

/* The MPN that a page maps, as the engine knows it. */
share_mpn vmm_mpn(const struct vmm *vmm, share_vm vm, unsigned slot);

/* Scans up to the end of the pass, page by page. */
struct share_scan_report vmm_scan(struct vmm *vmm, uint32_t flags);

/* Declares each page of VM 0, a run each. */
enum share_result vmm_adopt_all(struct vmm *vmm);

/* For vmm->answer: the last page of a VM cannot be protected. */
enum share_answer vmm_refuse_the_last(struct vmm *vmm, enum vmm_op op, share_vm vm, share_ppn ppn);

/* share_check finds nothing, and vmm_audit neither. */
void vmm_must_be_sound(struct vmm *vmm);

/* The end of a test: all is sound, and engine and VMM go. */
void vmm_end(struct vmm *vmm);

/* Weakens the hash of an engine that holds nothing yet: bits outside the mask are zero. */
void vmm_weaken_hash(struct vmm *vmm, uint64_t mask);

/* Counts mappings again. Machine pages in use = machine pages that are mapped; nobody peeks. */
void vmm_audit(const struct vmm *vmm);
unsigned vmm_used(const struct vmm *vmm);

void vmm_lock(_Atomic uint32_t *lock);
void vmm_unlock(_Atomic uint32_t *lock);

#endif
