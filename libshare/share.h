/* SPDX-License-Identifier: MIT */
/*
 * libshare: content-based page sharing for virtual machine monitors, emulators and snapshot stores.
 *
 * You own machine pages (MPN) and know which of them backs which guest page (VM, PPN). You offer
 * guest pages; the engine finds those of equal content, and through your `struct share_ops` makes
 * them one machine page, write-protected. A guest's write to such a page faults; you call
 * share_break, and the writer has a private copy again. That is the whole library:
 *
 *     share_offer / share_scan:  hash -> look up -> protect -> compare -> remap -> free the copy
 *     share_break:               alloc -> copy -> remap -> free at the last reference
 *     share_forget:              a page leaves (balloon, swap, exit, remap of your own)
 *
 * A page looked at and not matched leaves a *hint frame* (hash, VM, PPN; the MPN is asked of
 * `resolve` when it is needed). A hint proves nothing: its page is not protected and may have
 * changed. Matched pages live on a *shared frame* (MPN, reference count), write-protected in every
 * mapping. Both stand in one hash table. A hash is never evidence: *protect before the deciding
 * compare*, and every byte is compared. (C. A. Waldspurger, Memory Resource Management in VMware
 * ESX Server, OSDI 2002, section 4.)
 *
 * Promises
 *   - No guest write is ever lost, at any interleaving, if the rules below are kept.
 *   - A failure (no memory, a failing op) leaves every guest page and the engine as they were.
 *   - Metadata is at most 16 bytes per page looked at, all counted, plus about 32 KiB an engine
 *     and 2 KiB a VM; 16.4 where every page shares with exactly one other. Where pages lie apart:
 * of 64 PPNs in a row, the first a multiple of 64, at most 576 bytes if any of them was looked at,
 * and 12 for each that was.
 *   - A VM's metadata goes with it. Kept for others: what lies beside theirs in a unit of memory
 *     (1024 PPNs). When all VMs have gone: 64 KiB beside the engine's own, half a KiB for each
 *     number that a VM had, and a 64th of the most that was held.
 *   - One engine knows 2^32 - 64 pages at a time, counted in runs of 64, of 2^29 - 1 contents on
 *     shared frames. What would exceed that is NOMEM (outcome `error`), before anything is
 *     changed; all else goes on.
 *   - Nothing is allocated on the merge, break or forget paths: offers reserve before they start.
 *   - The cost of a look is bounded, whoever made the pages and knows the salt: it reads at most
 *     eight cache lines of the table, twice as many while that grows. A hint without room there
 *     is left out until the next look; what is shared stays so, and is joined as before.
 *
 * Threads
 *   - Every function may be called from any thread at any time unless it says otherwise. Several
 *     scanners, breaks, forgets and VM removals run side by side.
 *   - No library lock is held while an op runs, and ops may block. An op must not call back into
 *     the engine, and must not wait for a lock that a caller of share_* holds.
 *   - No writer ever waits for a compare: a write to a page that is being merged wins,
 *     and the merge is given up (outcome `busy`).
 *   - A vCPU that is inside a share_* call, waiting or stopped holds no translation, and an op that
 *     drops translations may count it as having acknowledged.
 *
 * Versions
 *   - Structs grow at their end only. A program tells the size of each that it knows: in its first
 *     member where the caller fills it, by the inline functions below where the library does. So a
 *     program runs with a later library of the same soname. Elements of vectors that ops get keep
 *     their size.
 *
 * Aliases
 *   - Two guest pages that map one machine page are merged with nobody, unless the engine made them
 *     so: protecting one would leave the other writable. Where the engine meets such a pair (equal
 *     content, equal MPN), or protect answers ALIASED, both are left alone until only one is left
 *     that share_forget was not called for.
 *   - What nobody can find: an alias that the engine has not looked at, while the page that it is
 *     an alias of is merged and protect does not know of it. share_check names those that it knows.
 *
 * Lifetime of a machine page
 *   - A page that is on a shared frame belongs to the engine: it alone releases it, by ops->free.
 *   - A page that share_forget calls private is yours.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHARE_VERSION_MAJOR 0
#define SHARE_VERSION_MINOR 2
#define SHARE_VERSION_PATCH 0

#if defined(__GNUC__)
#define SHARE_API        __attribute__((visibility("default")))
#define SHARE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SHARE_API
#define SHARE_MUST_CHECK
#endif

#define SHARE_PAGE_SIZE  4096u
#define SHARE_VMS_MAX    65535u              /* live VMs in one engine */
#define SHARE_GROUPS_MAX 65535u              /* groups in one engine, group 0 included */
#define SHARE_PEEKS_MAX  24u                 /* pages that one call peeks at a time */
#define SHARE_PPN_END    (UINT64_C(1) << 38) /* PPNs are below this: 1 PiB a VM */
#define SHARE_MPN_END    (UINT64_C(1) << 40) /* MPNs are below this: 4 PiB a machine */

/* Page numbers. One-field types, so that one is not passed for another. */
typedef struct share_ppn {
    uint64_t n; /* a guest's "physical" page */
} share_ppn;
typedef struct share_mpn {
    uint64_t n; /* a machine page */
} share_mpn;

typedef uint32_t share_vm;    /* a VM number, given by share_vm_add */
typedef uint32_t share_group; /* a group number; 0 is there from the start */

/* A VM as the engine names it to ops. */
struct share_vm_ref {
    share_vm number;
    void *owner; /* as the caller gave it to share_vm_add */
};

struct share; /* one engine; any number may live in a process */

/* Operating failures. Expected outcomes of a merge are `enum share_outcome` instead. */
enum share_result {
    SHARE_OK = 0,
    SHARE_NOMEM,    /* the allocator, ops->alloc or a table limit refused */
    SHARE_INVALID,  /* an argument is out of range, or the call does not suit this engine */
    SHARE_GONE,     /* no such VM or group, or it is being removed */
    SHARE_RETRY,    /* the page, or memory, is on its way for a moment: share_wait, and again */
    SHARE_FAIL,     /* an op failed; nothing changed */
    SHARE_UNSETTLED /* share_now: passes were used up and pages still changed */
};

/* What became of one page offered. They sum to the pages offered, per VM and in all. */
enum share_outcome {
    SHARE_HINTED,         /* no match; a hint stands for it (new, or still right), or found no room
                             in the table (share_stats.hints_left_out) */
    SHARE_REPLACED_STALE, /* hinted, in place of hints whose pages had changed or gone */
    SHARE_PROMOTED,       /* matched a hint: both now live on a new shared frame */
    SHARE_JOINED,         /* matched a shared frame: one reference more */
    SHARE_ALREADY,        /* on a shared frame already, or maps what another page maps: an alias */
    SHARE_ZERO,           /* all zero: on its group's zero frame */
    SHARE_VOLATILE,    /* changed since the last look, or during this one; looked at less often */
    SHARE_FALSE_MATCH, /* equal hash, different bytes; ineligible until it changes */
    SHARE_INELIGIBLE,  /* a false match earlier, and unchanged since; or an alias */
    SHARE_BACKED_OFF,  /* volatile, or broken by a write of late: left out of this pass */
    SHARE_BUSY,        /* written, pinned or moved by someone else meanwhile */
    SHARE_PAGE_GONE,   /* no machine page behind it (any more) */
    SHARE_GROUP_OFF, /* its group does not share, its VM is changing groups, or share_leave_alone */
    SHARE_ERROR,     /* an op failed, or memory was refused */
    SHARE_QUIET,     /* unchanged and alone at its last two looks: left out of this pass */
    SHARE_OUTCOMES
};

/* Room for outcomes that later versions may know: arrays of counts have so many elements, and those
 * from SHARE_OUTCOMES on are 0. */
#define SHARE_OUTCOMES_MAX 32

/* "hinted", "replaced_stale", ... ; "unknown" outside the range. */
SHARE_API const char *share_outcome_name(enum share_outcome outcome);
SHARE_API const char *share_result_name(enum share_result result);

/* ------------------------------------------------------------------ the seam to your VMM -- */

/* The answer of protect and remap, one a page. */
enum share_answer {
    SHARE_ANSWER_OK,
    SHARE_ANSWER_READONLY, /* protect only: done, and no mapping had permitted a write anyway */
    SHARE_ANSWER_STALE,    /* (vm, ppn) does not map that MPN any more */
    SHARE_ANSWER_BUSY,     /* pinned: a device or the VMM accesses it without a mapping */
    SHARE_ANSWER_FAIL,
    SHARE_ANSWER_ALIASED /* protect only: more maps this machine page than was named; not done */
};

struct share_protect {
    struct share_vm_ref vm;
    share_ppn ppn;
    share_mpn mpn; /* the engine's belief */
    enum share_answer answer;
    uint32_t reserved; /* 0 */
};

struct share_remap {
    struct share_vm_ref vm;
    share_ppn ppn;
    share_mpn from; /* the engine's belief */
    share_mpn to;
    bool writable; /* false: stays protected (a merge); true: protection ends with it (a break) */
    enum share_answer answer;
    uint64_t reserved; /* 0 */
};

enum share_free_kind {
    SHARE_FREE_OWN,
    SHARE_FREE_KEPT /* adopted with SHARE_ADOPT_KEEP */
};

/*
 * Your side. `ctx` is config.ops_ctx. An immutable engine needs resolve, next_present and peek;
 * unpeek and now_ns may be NULL in any engine. The engine calls ops from any thread that is inside
 * a share_* call, several at once. Each op says what it may block for; meanwhile the call that it
 * serves waits, and with it a share_forget of its page, a share_vm_remove and a share_check.
 *
 * Protection is a set of reasons per (VM, PPN), and "sharing" is the one of the engine: protect
 * adds it, unprotect removes it and it alone, a writable remap ends it. You end it, too, when you
 * unmap a page: share_forget calls no unprotect. A page with any reason is read-only to the guest,
 * and its write fault comes to share_break if sharing is among them.
 */
struct share_ops {
    size_t struct_size; /* sizeof(struct share_ops) */

    /* The machine page behind a guest page now; false if there is none. Must not block for long. An
     * MPN of SHARE_MPN_END or above is an error of the op: the page's outcome is `error`. */
    bool (*resolve)(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn);

    /* The first present page at or after `from` (below `end` of its VM); false if there is none.
     * Sparse maps: must not take time proportional to what is absent. Must not block for long. A
     * page below `from` is an error of the op: counted, and the VM's pass ends there. */
    bool (*next_present)(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found);

    /* A page's SHARE_PAGE_SIZE bytes for reading, any alignment, valid until unpeek; NULL on an I/O
     * error. Up to SHARE_PEEKS_MAX pages of one call are peeked at a time. Without unpeek the bytes
     * stay valid until ops->free of that page (immutable engine: until share_free). May block for
     * I/O, but not until another page is unpeeked; unpeek must not block for long. */
    const void *(*peek)(void *ctx, share_mpn mpn);
    void (*unpeek)(void *ctx, share_mpn mpn, const void *bytes);

    /* Adds the reason "sharing" to each page, and answers per page. Returns only after no vCPU can
     * write through an old translation. READONLY only if, under the lock that fills take, no
     * mapping of any address space permits a write, and the reason was noted in that same critical
     * section: then nothing was edited and nothing flushed, and the page is counted as code.
     * May block until every vCPU has acknowledged; never until a pin ends: that is BUSY. */
    void (*protect)(void *ctx, struct share_protect *pages, size_t count);

    /* Removes the reason. Cannot fail; leaves alone pages that do not have it, or are gone. Do not
     * judge a page by `mpn`: it may map another one now. Waits for no vCPU, as nothing has to be
     * flushed; may block for your own short locks. */
    void (*unprotect)(void *ctx, const struct share_protect *pages, size_t count);

    /* Maps (vm, ppn) to `to` where it maps `from`, else answers STALE. Returns only after every
     * vCPU has dropped the old translation, read-only ones too: *flush the TLB before a frame is
     * reused*, and the engine frees `from` next. Not OK: nothing changed. May block as protect
     * does; in a break a writer waits for it. On a pinned page a merge's remap (not writable)
     * answers BUSY. */
    void (*remap)(void *ctx, struct share_remap *pages, size_t count);

    /* A machine page for a private copy of a page of vm, with its bytes for writing. False: none.
     * May block for a moment, but not until memory is reclaimed, which may need the page that is
     * being broken: say false, and let the writer wait after share_break has returned NOMEM. */
    bool (*alloc)(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes);

    /* Releases machine pages that nothing maps: your own to be used again, or pages of a store
     * (SHARE_ADOPT_KEEP). Cannot fail. May block: until the kernel has taken the memory back, for
     * instance. */
    void (*free)(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind);

    /* Optional: nanoseconds of a clock that never goes back, CLOCK_MONOTONIC for instance. The
     * engine times a run of pages with it now and then, to learn which of two ways to fetch them
     * is faster on this machine. NULL, or a struct_size that ends before it: the engine does not
     * learn, and keeps to the way that is faster on most machines. Must not block. */
    uint64_t (*now_ns)(void *ctx);
};

/* Where metadata comes from. `alignment` is a power of two; free gets the size back. */
struct share_alloc {
    size_t struct_size; /* sizeof(struct share_alloc) */
    void *(*alloc)(void *ctx, size_t nbytes, size_t alignment);
    void (*free)(void *ctx, void *memory, size_t nbytes);
    void *ctx;
};

typedef uint32_t share_frame; /* a shared frame's handle, never 0; reused after its last page */

enum share_event_kind {
    SHARE_EVENT_OFFER,   /* a page was looked at: see outcome */
    SHARE_EVENT_PARTNER, /* a hinted page is on a frame: the page that is being offered matched it
                          */
    SHARE_EVENT_BREAK,   /* a write gave a page its own copy */
    SHARE_EVENT_BREAK_LAST, /* the last page of a frame became private, without a copy */
    SHARE_EVENT_FORGET, /* a page left its frame by share_forget, share_vm_remove or regroup; or for
                           another one of that content: then its OFFER follows */
    SHARE_EVENT_ADOPT   /* a page is on a frame because the caller declared it */
};

struct share_event {
    size_t struct_size; /* of the library's */
    enum share_event_kind kind;
    enum share_outcome outcome; /* of an offer */
    share_vm vm;
    share_ppn ppn;
    share_mpn mpn;     /* what the page maps now */
    share_frame frame; /* the frame that it joined or left, or 0 */
    share_vm with_vm;  /* of an offer that promoted: the partner */
    share_ppn with_ppn;
};

/* Told of each outcome, break and forget, in the thread that causes it, with no lock held, and
 * before anybody else can do something with the page: so events of a page come in order, and none
 * is missing. Adding OFFERs that merged, PARTNERs and ADOPTs, and subtracting the others, one has
 * each frame's references. Must not call the engine, and not take long: a writer may be told RETRY
 * meanwhile. What it allocates is not counted in metadata_bytes. */
struct share_observer {
    size_t struct_size; /* sizeof(struct share_observer) */
    void (*event)(void *ctx, const struct share_event *event);
    void *ctx;
};

/* ------------------------------------------------------------------------------- engines -- */

enum share_flags {
    SHARE_IMMUTABLE = 1, /* pages never change (dumps): measured, never protected or remapped */
    SHARE_SALT_GIVEN = 2 /* config.salt is used as it is, 0 included, so that hashes repeat */
};

struct share_config {
    size_t struct_size;          /* sizeof(struct share_config) */
    const struct share_ops *ops; /* borrowed for the engine's life */
    void *ops_ctx;
    const struct share_alloc *alloc;       /* copied; NULL: the C library's */
    const struct share_observer *observer; /* copied; NULL: none */
    uint64_t salt;        /* with SHARE_SALT_GIVEN. Without it a random one is drawn: nobody can
                             craft pages whose hashes meet */
    uint64_t order_seed;  /* of SHARE_RANDOM's order */
    uint32_t flags;       /* enum share_flags */
    uint32_t settled_ppm; /* share_settled: changes a million pages looked at; 0: 1000 */
    uint64_t expected_contents; /* the table starts with room for so many distinct contents, about
                                   10 bytes each, instead of growing up to them; 0: small.
                                   More than 2^32: INVALID */
};

/* Makes an engine in *out, owned by the caller. INVALID; NOMEM; FAIL: the system has no randomness
 * for a salt. On failure *out is NULL and nothing is held. */
SHARE_API SHARE_MUST_CHECK enum share_result share_new(const struct share_config *config,
                                                       struct share **out);

/* Releases an engine; NULL is allowed. No other call may run or follow. Pages on shared frames stay
 * as they are: remove the VMs first if they live on. */
SHARE_API void share_free(struct share *share);

/* "0.2.0", of the library that is running. */
SHARE_API const char *share_version(void);

/* -------------------------------------------------------------------------- VMs and groups -- */

/*
 * A merge needs both pages in one group. Each group has its own hash secret and zero frame, so
 * tenants of different groups learn nothing of each other's pages, not even by timing.
 * `sharing` false: pages of the group are not shared at all (outcome group_off).
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_group_add(struct share *share, bool sharing,
                                                             share_group *out);

/* Removes a group without VMs. INVALID if it has one, or is group 0. */
SHARE_API SHARE_MUST_CHECK enum share_result share_group_remove(struct share *share,
                                                                share_group group);

/*
 * Adds a VM whose PPNs lie in [begin, end), end > begin. `owner` is the caller's own: ops get it
 * back with the number. Nothing is allocated for pages not looked at. A number is used again
 * only after every trace of its old VM has gone.
 *
 * No scanner looks at the VM before share_vm_start: until then no op names it but those of calls
 * that the caller makes for it.
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_vm_add(struct share *share, share_group group,
                                                          share_ppn begin, share_ppn end,
                                                          void *owner, share_vm *out);

/* The VM's pages may be looked at from now on. Once is enough. */
SHARE_API enum share_result share_vm_start(struct share *share, share_vm vm);

/*
 * The VM's PPNs lie in [begin, end) from now on: memory was plugged, or is to be unplugged. What is
 * unplugged must have been forgotten, page by page: INVALID if anything is known of a page from
 * `end` on, or if `end` is not above `begin`, or is above SHARE_PPN_END. Its metadata is given
 * back; marks of share_dirty and share_leave_alone go. NOMEM; GONE. On failure nothing has changed.
 * Waits for all calls of the engine that are under way, and others wait for it. O(pages looked at
 * from `end` on).
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_vm_resize(struct share *share, share_vm vm,
                                                             share_ppn end);

/*
 * Removes a VM: its hints go, its references are dropped, and ops->free releases the frames that
 * lose their last one. Unmap the VM first (as for share_forget); to learn which pages were private
 * and are yours to free, share_forget each present page first. Waits for calls on this VM that are
 * under way. When it returns, no op runs or will run on the VM. O(pages looked at).
 */
SHARE_API enum share_result share_vm_remove(struct share *share, share_vm vm);

/*
 * Moves a VM to another group: breaks all its sharing first. NOMEM, FAIL, RETRY (a page was pinned
 * or moved this moment, memory is on its way, or another regrouping of the VM runs): the VM stays
 * in its old group, with some pages private already; call again to resume. O(pages looked at).
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_vm_regroup(struct share *share, share_vm vm,
                                                              share_group group);

/*
 * Pages [first, first + count) of a VM are left alone from now on (outcome group_off): no offer and
 * no other page shares them. They keep what they share. `alone` false: they may be shared again.
 * Ranges add up, and may be taken out in part. INVALID: not within the VM. NOMEM; RETRY: the VM is
 * being regrouped. Waits for offers of the VM that are under way. O(pages looked at).
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_leave_alone(struct share *share, share_vm vm,
                                                               share_ppn first, uint64_t count,
                                                               bool alone);

/*
 * Makes pages [first, first + count) of a VM private. NOMEM, FAIL, RETRY (a page was pinned or
 * moved this moment, or memory is on its way): some are private already, each is whole; call again
 * to resume. Unless they are left alone, the scanner shares them again when it comes to them.
 * INVALID, GONE. O(pages looked at).
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_unshare(struct share *share, share_vm vm,
                                                           share_ppn first, uint64_t count);

/* ---------------------------------------------------------------------- declared sharing -- */

/* Pages [ppn, ppn + count) of a VM, which map [mpn, mpn + count). */
struct share_adopt_run {
    share_ppn ppn;
    share_mpn mpn;
    uint64_t count;
    share_vm with_vm; /* if `joins`: pages [with_ppn, with_ppn + count) of that VM, adopted before,
                         map the same machine pages */
    share_ppn with_ppn;
    bool joins;
};

enum share_adopt_flags {
    SHARE_ADOPT_KEEP = 1 /* the machine pages are of a store that nobody may write */
};

/*
 * Declares sharing that exists: each machine page of the runs goes on a shared frame, with a
 * reference for each page that maps it. Runs of one call may name an MPN several times; MPNs that
 * pages on frames map already are joined by `joins`. The pages are protected, and belong to the
 * engine from now on; no byte is read. The scanner takes such a frame into the table when it comes
 * to it, once, and others join it from then on. Where one content turns out to have several frames,
 * their pages go over to one of them, each as the scanner comes to it.
 *
 * KEEP: no page of these frames is ever made private in place; its last break copies, too, and
 * ops->free is told SHARE_FREE_KEPT. Of several frames of a content one of these stays.
 *
 * INVALID: a run is out of range, a page is on a frame already, or named twice, or does not map
 * that MPN (STALE), or `joins` names a page that does not; or the groups differ; or the engine is
 * immutable. RETRY: a page is being looked at, or is pinned. NOMEM, FAIL, GONE. Then nothing is
 * shared, and all pages are as they were, but for hints. O(pages) memory while it runs: 8 bytes a
 * machine page, and a bit a page.
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_adopt(struct share *share, share_vm vm,
                                                         const struct share_adopt_run *runs,
                                                         size_t count, uint32_t flags);

/*
 * A fork of a VM: each page of the parent is on a frame that the clone's page is on, too. Add the
 * clone first, in the parent's group and with its range or a larger one; stop the parent's vCPUs;
 * fill the clone's map with the parent's MPNs, not writable; then call this, and start the clone.
 * Reads no byte. One protect for 64 pages. O(pages) time; while it runs, 8 bytes a page that was
 * private.
 *
 * busy: `busy_room` PPNs, of which *busy_count are set: pages that were pinned or looked at this
 * moment, or are aliases. They are shared with nobody: copy each for the clone.
 *
 * RETRY: more than busy_room pages were busy, or one of the VMs is being regrouped. INVALID: not
 * such a clone, or already started, or its map differs. NOMEM, FAIL, GONE. Then nothing is known of
 * the clone's pages, and the parent's are as they were, but for hints.
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_vm_clone(struct share *share, share_vm parent,
                                                            share_vm clone, share_ppn *busy,
                                                            size_t busy_room, size_t *busy_count);

/* -------------------------------------------------------------------------------- sharing -- */

/*
 * Offers `count` pages of a VM. outcomes: `count` of them, or NULL. Cheapest in runs of 128 or
 * more. A page offered twice in one call may be `busy` the second time; a PPN outside the VM has
 * the outcome `gone`. Returns OK; or NOMEM or GONE, and the pages not dealt with have the outcome
 * `error`. An immutable engine leaves no match out: if pages were made to meet in the table and
 * find no room there (share_stats.hints_left_out > 0), it answers NOMEM from then on. Start again
 * with another salt.
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_offer(struct share *share, share_vm vm,
                                                         const share_ppn *ppns, size_t count,
                                                         enum share_outcome *outcomes);

enum share_order {
    SHARE_SEQUENTIAL, /* VM by VM, PPN by PPN; goes on where the last call stopped */
    SHARE_RANDOM,     /* pages at random, as ESX does it: each present one has the same chance */
    SHARE_DIRTY       /* pages that the caller named to share_dirty, and no others */
};

enum share_scan_flags {
    SHARE_SCAN_ALL = 1 /* leave no page out, volatile, broken or quiet */
};

struct share_scan_report {
    uint64_t looked_pages;  /* pages offered */
    uint64_t merged_pages;  /* promoted, joined or zero */
    uint64_t changed_pages; /* volatile, or replaced stale hints */
    uint64_t passes;        /* whole passes that ended in this call */
    uint64_t outcomes[SHARE_OUTCOMES_MAX];
};

SHARE_API SHARE_MUST_CHECK enum share_result share_scan_sized(struct share *share,
                                                              enum share_order order,
                                                              uint32_t flags, uint64_t budget_pages,
                                                              struct share_scan_report *report,
                                                              size_t report_nbytes);
SHARE_API SHARE_MUST_CHECK enum share_result share_scan_for_sized(
    struct share *share, enum share_order order, uint32_t flags, uint64_t budget_pages,
    uint64_t budget_ns, struct share_scan_report *report, size_t report_nbytes);
SHARE_API SHARE_MUST_CHECK enum share_result share_now_sized(struct share *share,
                                                             unsigned max_passes,
                                                             struct share_scan_report *report,
                                                             size_t report_nbytes);

/*
 * Looks at up to budget_pages pages in the order given, and stops early at the end of a pass
 * (SEQUENTIAL, RANDOM: as many looks as there are present pages) or when no page is dirty (DIRTY).
 * Dirty pages come first in any order. `report` may be NULL. Several threads may scan.
 *
 * The scanner learns. A page that changes from look to look is looked at in one pass of 2, 4, ...
 * 32 (outcome backed_off in the others), and one that was unchanged and alone at two looks in one
 * of 4 (quiet). Each look that finds a volatile page as it was doubles its chance; a quiet page
 * that changed, or was named to share_dirty, is quiet no more. A page whose sharing writes broke
 * twice within 64 passes is not shared again (backed_off, or volatile) until it was the same for 15
 * passes. Pages left out count as looked at in budget_pages.
 *
 * RANDOM: a pass begins with a call of next_present for each page of all VMs, within the first
 * share_scan of it, and holds 16 bytes for 512 pages or a VM until the next one (NOMEM if that is
 * refused). It looks at 128 pages at most at a time, all of one VM; these cost one more call of
 * next_present for each page of a stretch of 512. Where many VMs have few pages and another has
 * many, a time may bring few pages, or one in 512 times one. A drawn page may be backed_off or
 * quiet.
 */
SHARE_MUST_CHECK static inline enum share_result share_scan(struct share *share,
                                                            enum share_order order, uint32_t flags,
                                                            uint64_t budget_pages,
                                                            struct share_scan_report *report)
{
    return share_scan_sized(share, order, flags, budget_pages, report, sizeof *report);
}

/*
 * The same, for budget_ns nanoseconds by ops->now_ns as well: it ends with the batch of up to 512
 * pages that is under way then. UINT64_MAX: no limit. INVALID: a limit, and there is no now_ns.
 */
SHARE_MUST_CHECK static inline enum share_result share_scan_for(
    struct share *share, enum share_order order, uint32_t flags, uint64_t budget_pages,
    uint64_t budget_ns, struct share_scan_report *report)
{
    return share_scan_for_sized(share, order, flags, budget_pages, budget_ns, report,
                                sizeof *report);
}

/* Marks pages as dirty: the scanner looks at them first. A dirty log names them, for instance.
 * NOMEM, or INVALID (a PPN is outside the VM): the pages before that one are marked. */
SHARE_API SHARE_MUST_CHECK enum share_result share_dirty(struct share *share, share_vm vm,
                                                         const share_ppn *ppns, size_t count);

/*
 * Whole passes over everything, volatile and quiet pages too, until one, whoever scanned which part
 * of it, found nothing to merge, nothing changed, no error and no busy page: then OK. UNSETTLED
 * after max_passes. `report` (or NULL) sums what this call looked at.
 */
SHARE_MUST_CHECK static inline enum share_result share_now(struct share *share, unsigned max_passes,
                                                           struct share_scan_report *report)
{
    return share_now_sized(share, max_passes, report, sizeof *report);
}

/*
 * Has sharing converged? True if no dirty page waits, and the last whole passes together found at
 * most settled_ppm of the pages that they looked at new to merge, changed or busy, and no error.
 * The last passes are as many as look at every page that is not volatile: one, if it left no quiet
 * page out, else four.
 */
SHARE_API bool share_settled(struct share *share);

/*
 * A write to (vm, ppn) faulted, or you are about to write the page yourself (device, loader) and
 * have pinned it: makes it private and writable. OK: run the access again; it may fault for another
 * reason. RETRY: call share_wait, and run it again; the page is being moved this moment, or
 * ops->alloc refused while pages were on their way to ops->free. NOMEM: ops->alloc refused, and
 * nothing was on its way; nothing changed, the writer must wait until you have found memory. So
 * with as many machine pages as guest pages no break says NOMEM. FAIL: remap failed. Cheap if the
 * page is not shared. Never waits for a compare.
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_break(struct share *share, share_vm vm,
                                                         share_ppn ppn);

/*
 * The same for `count` pages of a VM; results: an answer for each, as share_break gives it. What
 * needs a copy is mapped by one ops->remap for up to 32 pages, and freed together. A page named
 * twice is RETRY the second time, or OK. OK; or GONE, INVALID (an immutable engine): then no answer
 * is given.
 */
SHARE_API SHARE_MUST_CHECK enum share_result share_break_pages(struct share *share, share_vm vm,
                                                               const share_ppn *ppns, size_t count,
                                                               enum share_result *results);

/*
 * After a RETRY: sleeps until another thread has done what share_break met, which takes as long as
 * that thread's ops; needs no memory. Then run the access again. Returns at once if there is
 * nothing to wait for any more, as where you have pinned the page yourself. OK, GONE, INVALID.
 */
SHARE_API enum share_result share_wait(struct share *share, share_vm vm, share_ppn ppn);

enum share_owner {
    SHARE_OWNER_CALLER, /* private: the machine page is yours */
    SHARE_OWNER_ENGINE  /* it was on a shared frame: leave it to the engine, which has freed it by
                           ops->free if this was the last reference */
};

/*
 * (vm, ppn) no longer maps what it did: call it *after* the mapping is gone from physmap and TLBs,
 * and before the PPN gets another page. When it returns, no op runs or will run on the page until
 * it is offered again. Waits for a merge of this page that is under way. Immutable: drops its
 * reference. `owner` must not be NULL.
 */
SHARE_API enum share_result share_forget(struct share *share, share_vm vm, share_ppn ppn,
                                         enum share_owner *owner);

/*
 * The same for `count` pages of a VM, with an owner for each; what ends is freed by one ops->free
 * for up to 32 pages. INVALID: a PPN is outside the VM; the others are forgotten.
 */
SHARE_API enum share_result share_forget_pages(struct share *share, share_vm vm,
                                               const share_ppn *ppns, size_t count,
                                               enum share_owner *owners);

/* -------------------------------------------------------------------------- what it knows -- */

enum share_page_state {
    SHARE_PAGE_PRIVATE,  /* nothing is known of its content */
    SHARE_PAGE_HINTED,   /* a hint frame stands for it; not protected */
    SHARE_PAGE_NO_MATCH, /* ineligible after a false match, or an alias; not protected */
    SHARE_PAGE_MERGING,  /* being looked at, protected or compared */
    SHARE_PAGE_MOVING,   /* between private and shared */
    SHARE_PAGE_SHARED    /* on a shared frame; write-protected */
};

struct share_page_info {
    enum share_page_state state;
    share_frame frame; /* if shared, else 0 */
    share_mpn mpn;     /* the frame's, if shared */
    uint32_t refs;     /* the frame's reference count, if shared */
    bool zero;         /* on a zero frame */
    bool code;         /* shared without COW marking: no mapping permits a write anyway */
    unsigned backoff;  /* private or hinted: looked at in one of 2^backoff passes */
    uint32_t hash_top; /* hinted: the hint's top 26 hash bits */
};

SHARE_API enum share_result share_page_info_sized(struct share *share, share_vm vm, share_ppn first,
                                                  size_t count, struct share_page_info *infos,
                                                  size_t info_nbytes);

/* A snapshot of `count` pages from `first` on, exact if nothing runs. GONE; INVALID if one of them
 * is outside the VM. O(count). */
static inline enum share_result share_page_info(struct share *share, share_vm vm, share_ppn first,
                                                size_t count, struct share_page_info *infos)
{
    return share_page_info_sized(share, vm, first, count, infos, sizeof *infos);
}

/* Counters since share_new (or share_vm_add), then gauges of now. Exact if nothing runs; beside
 * other threads gauges may be behind each other, and are never below 0. */
struct share_stats {
    uint64_t offered_pages; /* = sum of outcomes */
    uint64_t outcomes[SHARE_OUTCOMES_MAX];
    uint64_t breaks_copied;    /* a write took a private copy */
    uint64_t breaks_last;      /* a write took the last reference, without a copy */
    uint64_t breaks_abandoned; /* a write won against a merge */
    uint64_t breaks_retried;   /* a write met a page on the move */
    uint64_t forgets;          /* pages forgotten that were on frames */
    uint64_t framed_pages;     /* gauge: pages on frames, of any reference count */
    uint64_t code_pages;       /* gauge: of those, shared without COW marking */
    uint64_t dirty_pages;      /* gauge: named to share_dirty, not looked at yet */
    /* Of the engine alone; zero in a VM's statistics: */
    uint64_t frames;              /* gauge: shared frames, those with one reference included */
    uint64_t frame_end;           /* handles of frames made so far are below this */
    uint64_t shared_pages;        /* gauge: pages on frames with two references or more */
    uint64_t reclaimed_pages;     /* gauge: framed_pages - frames */
    uint64_t hints;               /* gauge: hint frames */
    uint64_t vms;                 /* gauge */
    uint64_t passes;              /* whole passes of the scanner */
    uint64_t metadata_bytes;      /* gauge: all that the engine holds */
    uint64_t metadata_peak_bytes; /* its high-water mark */
    uint64_t buckets_moved;       /* by growth of the table, in all */
    uint64_t buckets_moved_max;   /* by one insertion, at most */
    uint64_t op_errors;      /* answers of ops that none may give: an MPN or PPN out of range */
    uint64_t hints_left_out; /* hints that are not in the table, or not found there, for want of
                                room: none, unless pages were made to meet in it */
};

SHARE_API void share_stats_sized(struct share *share, struct share_stats *stats,
                                 size_t stats_nbytes);
SHARE_API enum share_result share_vm_stats_sized(struct share *share, share_vm vm,
                                                 struct share_stats *stats, size_t stats_nbytes);

static inline void share_stats(struct share *share, struct share_stats *stats)
{
    share_stats_sized(share, stats, sizeof *stats);
}
static inline enum share_result share_vm_stats(struct share *share, share_vm vm,
                                               struct share_stats *stats)
{
    return share_vm_stats_sized(share, vm, stats, sizeof *stats);
}

/* What a VM uses, counted page by page. O(pages looked at). */
struct share_vm_usage {
    uint64_t shared_pages; /* on frames with two references or more */
    uint64_t code_pages;   /* of those, shared without COW marking */
    uint64_t zero_pages;   /* of those, on a zero frame */
    uint64_t single_pages; /* on frames of one reference */
    double charge_pages;   /* its part of all frames: the sum of 1/references over its pages */
};
SHARE_API enum share_result share_vm_usage_sized(struct share *share, share_vm vm,
                                                 struct share_vm_usage *usage, size_t usage_nbytes);

static inline enum share_result share_vm_usage(struct share *share, share_vm vm,
                                               struct share_vm_usage *usage)
{
    return share_vm_usage_sized(share, vm, usage, sizeof *usage);
}

struct share_check_report {
    const char *reason; /* what is wrong, a static string; NULL if nothing is */
    share_vm vm;        /* where, if the reason is of one page */
    share_ppn ppn;
};

SHARE_API SHARE_MUST_CHECK enum share_result share_check_sized(struct share *share,
                                                               struct share_check_report *report,
                                                               size_t report_nbytes);

/*
 * Audits the whole engine: every page's state, every reference recounted, every table entry, every
 * shared page's mapping and content, every sum. Merges, breaks and forgets wait meanwhile. OK:
 * sound. FAIL: see the report, which must not be NULL. NOMEM: could not look. O(memory), re-reads
 * every shared page.
 */
SHARE_MUST_CHECK static inline enum share_result share_check(struct share *share,
                                                             struct share_check_report *report)
{
    return share_check_sized(share, report, sizeof *report);
}

#ifdef __cplusplus
}
#endif

#endif
