/* SPDX-License-Identifier: MIT */
#include "explore.h"
#include "must.h"
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>
#include <xxhash.h> /* the library's functions, not inlined: no sanitizer watches them read stacks */

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define UNCHECKED __attribute__((no_sanitize_address))
#else
#define UNCHECKED
#endif

#define ARENA_NBYTES ((size_t)512 << 10)
#define STACK_NBYTES ((size_t)96 << 10)
#define DEPTH_MAX    1000u

enum status { READY, PAUSED, DONE };

struct thread {
    enum status status;
    ucontext_t context;
};

struct visited { /* open addressing; both halves of the key 0: free */
    uint64_t low, high, interleavings;
    bool on_path; /* being explored: to come here again is to go round in a circle */
};

_Alignas(64) unsigned char explore_arena[ARENA_NBYTES];
const size_t explore_arena_nbytes = ARENA_NBYTES;
static unsigned char initial[ARENA_NBYTES];
static _Alignas(64) unsigned char stack[EXPLORE_THREADS][STACK_NBYTES];
static struct thread thread[EXPLORE_THREADS];
static ucontext_t explorer;
#ifdef WITH_ASAN
static const void *explorer_stack;
static size_t explorer_stack_nbytes;
#endif
static int running = -1; /* thread that runs, or -1 */
static int last_moved;
static uint32_t preemptions;
static uint32_t stalls; /* moves in a row after which everybody waited */

static const struct explore_case *test;
static size_t used_nbytes;
static unsigned char path[DEPTH_MAX];
static struct explore_report report;
static struct visited *visited;
static size_t visited_room;

/* -------------------------------------------------------------------------------- threads -- */

static void switch_to_explorer(void)
{
    struct thread *self = &thread[running];
#ifdef WITH_ASAN
    void *fake = NULL;
    __sanitizer_start_switch_fiber(self->status == DONE ? NULL : &fake, explorer_stack,
                                   explorer_stack_nbytes);
#endif
    swapcontext(&self->context, &explorer);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

static void begin(void)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &explorer_stack, &explorer_stack_nbytes);
#endif
    test->run((unsigned)running);
    thread[running].status = DONE;
    switch_to_explorer();
}

void explore_step(void)
{
    if (running < 0)
        return;
    thread[running].status = READY;
    switch_to_explorer();
}

void explore_pause(void)
{
    if (running < 0)
        return;
    thread[running].status = PAUSED;
    switch_to_explorer();
}

/* A thread that waits for what has happened already need only look again; a few times prove that it
 * waits for nobody. */
static void wake_all_if_stuck(void)
{
    bool any_waits = false;
    for (unsigned t = 0; t < test->threads; t++) {
        any_waits |= thread[t].status == PAUSED;
        if (thread[t].status == READY) {
            stalls = 0;
            return;
        }
    }
    for (unsigned t = 0; t < test->threads; t++)
        if (thread[t].status == PAUSED)
            thread[t].status = READY;
    stalls += any_waits;
}

/* Runs a thread up to its next step. */
static void move(unsigned t)
{
    if (last_moved >= 0 && (unsigned)last_moved != t && thread[last_moved].status == READY)
        preemptions++;
    for (unsigned other = 0; other < test->threads; other++)
        if (other != t && thread[other].status == PAUSED)
            thread[other].status = READY;
    running = last_moved = (int)t;
    report.steps++;
#ifdef WITH_ASAN
    void *fake = NULL;
    __sanitizer_start_switch_fiber(&fake, stack[t], STACK_NBYTES);
#endif
    swapcontext(&explorer, &thread[t].context);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
    running = -1;
    wake_all_if_stuck();
}

#if defined(__x86_64__)
/* What a call leaves alone. All else may hold anything when swapcontext returns, and does: what the
 * explorer had there depends on its depth. */
static const int kept[] = {REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15};
#define KEPT (sizeof kept / sizeof *kept)
#endif

/* Threads keep what the explorer had in registers, too, without using it. */
static void forget_registers(ucontext_t *context)
{
#if defined(__x86_64__)
    for (size_t i = 0; i < KEPT; i++)
        context->uc_mcontext.gregs[kept[i]] = 0;
#else
    (void)context;
#endif
}

/* Apart, because it may return twice, as far as a compiler knows. */
__attribute__((noinline)) static void take_context(ucontext_t *context)
{
    getcontext(context);
}

static void restart(void)
{
    memcpy(explore_arena, initial, used_nbytes);
    last_moved = -1;
    preemptions = stalls = 0;
    for (unsigned t = 0; t < test->threads; t++) {
#ifdef WITH_ASAN
        __asan_unpoison_memory_region(stack[t], STACK_NBYTES); /* of a path given up halfway */
#endif
        memset(stack[t], 0, STACK_NBYTES); /* equal states must be equal bytes */
        memset(&thread[t], 0, sizeof thread[t]);
        take_context(&thread[t].context);
        forget_registers(&thread[t].context);
        thread[t].context.uc_stack.ss_sp = stack[t];
        thread[t].context.uc_stack.ss_size = STACK_NBYTES;
        makecontext(&thread[t].context, begin, 0);
        thread[t].status = READY;
    }
}

static void repeat(unsigned depth)
{
    restart();
    for (unsigned i = 0; i < depth; i++)
        move(path[i]);
}

static bool can_run(unsigned t)
{
    if (thread[t].status != READY)
        return false;
    bool switches =
        last_moved >= 0 && (unsigned)last_moved != t && thread[last_moved].status == READY;
    return !switches || preemptions < test->preemptions_max;
}

/* --------------------------------------------------------------------------------- states -- */

UNCHECKED static void hash_stack(XXH3_state_t *state, unsigned t)
{
    const unsigned char *from = stack[t];
#if defined(__x86_64__)
    const greg_t *regs = thread[t].context.uc_mcontext.gregs;
    for (size_t i = 0; i < KEPT; i++)
        XXH3_128bits_update(state, &regs[kept[i]], sizeof *regs);
    XXH3_128bits_update(state, &regs[REG_RIP], sizeof *regs);
    XXH3_128bits_update(state, &regs[REG_RSP], sizeof *regs);
    from = (const unsigned char *)(uintptr_t)regs[REG_RSP];
#endif
    XXH3_128bits_update(state, from, (size_t)(stack[t] + STACK_NBYTES - from));
}

UNCHECKED static XXH128_hash_t state_key(void)
{
    static XXH3_state_t *state;
    if (!state)
        state = XXH3_createState();
    MUST(state);
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, explore_arena, used_nbytes);
    XXH3_128bits_update(state, &stalls, sizeof stalls);
    for (unsigned t = 0; t < test->threads; t++) {
        XXH3_128bits_update(state, &thread[t].status, sizeof thread[t].status);
        if (thread[t].status != DONE)
            hash_stack(state, t);
    }
    if (test->preemptions_max != EXPLORE_ALL) {
        XXH3_128bits_update(state, &preemptions, sizeof preemptions);
        XXH3_128bits_update(state, &last_moved, sizeof last_moved);
    }
    XXH128_hash_t key = XXH3_128bits_digest(state);
    return key;
}

static struct visited *find(XXH128_hash_t key)
{
    for (size_t i = key.low64 & (visited_room - 1);; i = (i + 1) & (visited_room - 1)) {
        struct visited *at = &visited[i];
        if ((at->low == key.low64 && at->high == key.high64) || (!at->low && !at->high))
            return at;
    }
}

static void remember(XXH128_hash_t key)
{
    if (report.states * 2 >= visited_room) {
        struct visited *old = visited;
        size_t old_room = visited_room;
        visited_room *= 2;
        visited = calloc(visited_room, sizeof *visited);
        MUST(visited);
        for (size_t i = 0; i < old_room; i++)
            if (old[i].low || old[i].high)
                *find((XXH128_hash_t){old[i].low, old[i].high}) = old[i];
        free(old);
    }
    *find(key) = (struct visited){key.low64, key.high64, 0, true};
    report.states++;
}

/* ------------------------------------------------------------------------------- exploring -- */

static char note[DEPTH_MAX + 300];

/* For a failure: the case and the threads in the order that they moved. */
static void describe(unsigned depth)
{
    int at = snprintf(note, sizeof note, "in %s, after %u steps: ", test->name, depth);
    for (unsigned i = 0; i < depth && (size_t)at + 2 < sizeof note; i++)
        note[at++] = (char)('0' + path[i]);
    note[at] = 0;
}

/* A retry that can happen at any of 64 steps is 2^64 interleavings already. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

/* All paths on from here; the state is that after path[0 .. depth). */
static uint64_t explore_from(unsigned depth)
{
    bool runnable[EXPLORE_THREADS] = {false}, done = true, any = false, first = true;
    uint64_t interleavings = 0;
    describe(depth);
    test->check();
    for (unsigned t = 0; t < test->threads; t++) {
        runnable[t] = can_run(t);
        any |= runnable[t];
        done &= thread[t].status == DONE;
    }
    if (done) {
        test->check_end();
        return 1;
    }
    MUST(any && stalls < 4 * EXPLORE_THREADS && "a deadlock");
    MUST(depth < DEPTH_MAX && "a path that does not end");
    XXH128_hash_t key = state_key();
    const struct visited *seen = find(key);
    if (seen->low || seen->high)
        return seen->on_path ? 0 : seen->interleavings;
    remember(key);
    for (unsigned t = 0; t < test->threads; t++) {
        if (!runnable[t])
            continue;
        if (!first)
            repeat(depth);
        first = false;
        path[depth] = (unsigned char)t;
        describe(depth + 1);
        move(t);
        interleavings = plus(interleavings, explore_from(depth + 1));
    }
    struct visited *self = find(key);
    self->interleavings = interleavings;
    self->on_path = false;
    return interleavings;
}

struct explore_report explore(const struct explore_case *wanted, size_t nbytes)
{
    test = wanted;
    used_nbytes = nbytes;
    MUST(nbytes <= ARENA_NBYTES);
    memcpy(initial, explore_arena, nbytes);
    report = (struct explore_report){0};
    visited_room = 1024;
    visited = calloc(visited_room, sizeof *visited);
    MUST(visited);
    must_note = note;
    restart();
    report.interleavings = explore_from(0);
    free(visited);
    return report;
}
