/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of any two operations from each initial state, of a clone and another one, and
 * of merge, break and forget
 * with a bounded number of preemptions. `test_schedule NAME...` runs cases whose name contains all
 * of the words; `-v` prints each; `-a` runs three threads from every state, not two of them; `-p N`
 * allows those N preemptions instead of 2.
 */
#include "explore.h"
#include "world.h"
#include <string.h>

#define X            1 /* contents; 0 is the zero page */
#define Y            2
#define COUNT(array) (sizeof(array) / sizeof *(array))

#define OFFERED(page)      \
    {                      \
        "", OFFER, page, 0 \
    }
#define WRITTEN(page, value)   \
    {                          \
        "", WRITE, page, value \
    }
#define ADOPTED                   \
    {                             \
        "", ADOPT_PAIR, PAGE_A, 0 \
    }

static const struct world_start starts[] = {
    {.name = "private", .content = {X, X, X, Y}},
    {.name = "hinted", .content = {X, X, X, Y}, .before = {OFFERED(PAGE_A)}},
    {.name = "changed", .content = {X, X, Y, Y}, .before = {OFFERED(PAGE_A), WRITTEN(PAGE_A, Y)}},
    {.name = "pair", .content = {X, X, X, Y}, .before = {OFFERED(PAGE_A), OFFERED(PAGE_B)}},
    {.name = "three",
     .content = {X, X, X, Y},
     .before = {OFFERED(PAGE_A), OFFERED(PAGE_B), OFFERED(PAGE_C)}},
    {.name = "last",
     .content = {X, X, X, Y},
     .before = {OFFERED(PAGE_B), OFFERED(PAGE_A), WRITTEN(PAGE_B, Y)}},
    {.name = "within",
     .content = {X, Y, Y, X},
     .apart = true,
     .before = {OFFERED(PAGE_A), OFFERED(PAGE_D)}},
    {.name = "zero private", .content = {0, 0, 0, Y}},
    {.name = "zero one", .content = {0, 0, 0, Y}, .before = {OFFERED(PAGE_A)}},
    {.name = "zero two", .content = {0, 0, 0, Y}, .before = {OFFERED(PAGE_A), OFFERED(PAGE_B)}},
    {.name = "collide", .collide = true, .content = {X, Y, X, 0}, .before = {OFFERED(PAGE_A)}},
    {.name = "collide pair",
     .collide = true,
     .content = {X, X, Y, 0},
     .before = {OFFERED(PAGE_A), OFFERED(PAGE_B)}},
    {.name = "code", .code = true, .content = {X, X, X, Y}, .before = {OFFERED(PAGE_A)}},
    {.name = "code pair",
     .code = true,
     .content = {X, X, X, Y},
     .before = {OFFERED(PAGE_A), OFFERED(PAGE_B)}},
    {.name = "adopted", .content = {X, X, X, Y}, .before = {ADOPTED}},
    {.name = "adopted twice",
     .content = {X, X, X, X},
     .before = {OFFERED(PAGE_C), OFFERED(PAGE_D), ADOPTED}},
};

static const struct world_op ops[] = {
    {"offer A", OFFER, PAGE_A, 0},
    {"offer B", OFFER, PAGE_B, 0},
    {"offer C", OFFER, PAGE_C, 0},
    {"offer B C", OFFER_PAIR, PAGE_B, 0},
    {"write A", WRITE, PAGE_A, 5},
    {"write B", WRITE, PAGE_B, 6},
    {"write C equal", WRITE, PAGE_C, X},
    {"write A B alike", WRITE_BOTH, PAGE_A, 7},
    {"break A", BREAK, PAGE_A, 0},
    {"break B", BREAK, PAGE_B, 0},
    {"forget A", FORGET, PAGE_A, 0},
    {"forget B", FORGET, PAGE_B, 0},
    {"exit 0", EXIT, PAGE_A, 0},
    {"exit 1", EXIT, PAGE_B, 0},
    {"exit hard 0", EXIT_HARD, PAGE_A, 0},
    {"regroup 0", REGROUP, PAGE_A, 0},
    {"regroup 1", REGROUP, PAGE_B, 0},
    {"device A", DEVICE, PAGE_A, 8},
    {"adopt C", ADOPT, PAGE_C, 0},
    {"break A D", BREAK_BOTH, PAGE_A, 0},
    {"forget A D", FORGET_BOTH, PAGE_A, 0},
    {"unplug D", UNPLUG, PAGE_D, 0},
};

/* Beside each of those that a parent's VMM may do meanwhile. */
static const struct world_op clone_op = {"clone 0", CLONE, PAGE_A, 9};

static char **words;
static bool verbose, all;
static uint32_t preemptions_of_three = 2; /* of three threads */
static struct explore_report sum;
static unsigned cases;

static unsigned vm_of(const struct world_op *op)
{
    return op->page == PAGE_B || op->page == PAGE_C;
}

static bool is_exit(const struct world_op *op)
{
    return op->kind == EXIT || op->kind == EXIT_HARD;
}

/* Pages of its VM are unmapped. */
static bool leaves(const struct world_op *op)
{
    return op->kind == FORGET || op->kind == FORGET_BOTH || op->kind == UNPLUG || is_exit(op);
}

static bool leaves_page(const struct world_op *op, enum world_page page)
{
    if (op->kind == FORGET_BOTH)
        return page == PAGE_A || page == PAGE_D;
    return leaves(op) &&
           (is_exit(op) ? vm_of(op) == (page == PAGE_B || page == PAGE_C) : op->page == page);
}

/* Some page is unmapped by both. */
static bool leave_alike(const struct world_op *a, const struct world_op *b)
{
    bool alike = false;
    for (enum world_page page = 0; page < WORLD_PAGES; page++)
        alike |= leaves_page(a, page) && leaves_page(b, page);
    return alike;
}

/* A VMM forgets a page once at a time, and a VM leaves once. */
static bool allowed(const struct world_op *a, const struct world_op *b)
{
    if ((a->kind == DEVICE || b->kind == DEVICE) &&
        (a == b || (a->kind == DEVICE ? leaves(b) : leaves(a))))
        return false; /* a pinned page stays, and is pinned once */
    if ((a->kind == ADOPT || b->kind == ADOPT) && a != b && vm_of(a->kind == ADOPT ? b : a) == 1 &&
        leaves(a->kind == ADOPT ? b : a))
        return false; /* nor is a page unmapped while its VMM declares it */
    return !leave_alike(a, b);
}

/* The parent's vCPU stands still, and its pages stay. */
static bool allowed_beside_clone(const struct world_op *op)
{
    bool stores = op->kind == WRITE || op->kind == WRITE_BOTH;
    return !(stores && op->page == PAGE_A) && !(leaves(op) && vm_of(op) == 0);
}

static void run(const struct world_start *start, unsigned threads, uint32_t preemptions_max,
                const struct world_op *const *chosen)
{
    char name[200];
    int at = snprintf(name, sizeof name, "%s:", start->name);
    for (unsigned t = 0; t < threads; t++)
        at +=
            snprintf(name + at, sizeof name - (size_t)at, " %s%s", t ? "| " : "", chosen[t]->name);
    for (char **word = words; *word; word++)
        if (!strstr(name, *word))
            return;
    bool clones = false;
    for (unsigned t = 0; t < threads; t++)
        clones |= chosen[t]->kind == CLONE;
    size_t nbytes = world_begin(start, clones);
    for (unsigned t = 0; t < threads; t++)
        world_assign(t, chosen[t]);
    struct explore_report report =
        explore(&(struct explore_case){.name = name,
                                       .threads = threads,
                                       .preemptions_max = preemptions_max,
                                       .run = world_run,
                                       .check = world_check,
                                       .check_end = world_check_end},
                nbytes);
    MUST(report.interleavings > 0);
    if (verbose)
        printf("%-50s %16llu interleavings %7llu states %8llu steps\n", name,
               (unsigned long long)report.interleavings, (unsigned long long)report.states,
               (unsigned long long)report.steps);
    sum.interleavings += report.interleavings;
    sum.states += report.states;
    sum.steps += report.steps;
    cases++;
}

static void run_pairs(const struct world_start *start)
{
    for (size_t a = 0; a < COUNT(ops); a++)
        for (size_t b = a; b < COUNT(ops); b++)
            if (allowed(&ops[a], &ops[b]))
                run(start, 2, EXPLORE_ALL, (const struct world_op *[]){&ops[a], &ops[b]});
}

static void run_clones(const struct world_start *start)
{
    for (size_t i = 0; i < COUNT(ops); i++)
        if (allowed_beside_clone(&ops[i]))
            run(start, 2, EXPLORE_ALL, (const struct world_op *[]){&clone_op, &ops[i]});
}

/* Merge, break and leave at once. Three threads have too many interleavings; those with few
 * preemptions are where faults live (S. Qadeer, J. Rehof, Context-bounded model checking, 2005). */
static void run_threes(const struct world_start *start)
{
    static const struct world_op merges[] = {{"offer B", OFFER, PAGE_B, 0},
                                             {"offer C", OFFER, PAGE_C, 0},
                                             {"offer A", OFFER, PAGE_A, 0}};
    static const struct world_op breaks[] = {{"write A", WRITE, PAGE_A, 5},
                                             {"write B", WRITE, PAGE_B, 6},
                                             {"break A", BREAK, PAGE_A, 0},
                                             {"offer B C", OFFER_PAIR, PAGE_B, 0}};
    static const struct world_op leaves[] = {{"forget A", FORGET, PAGE_A, 0},
                                             {"forget B", FORGET, PAGE_B, 0},
                                             {"exit 0", EXIT, PAGE_A, 0},
                                             {"regroup 0", REGROUP, PAGE_A, 0}};
    if (!all && strcmp(start->name, "hinted") != 0 && strcmp(start->name, "pair") != 0)
        return;
    for (size_t m = 0; m < COUNT(merges); m++)
        for (size_t b = 0; b < COUNT(breaks); b++)
            for (size_t l = 0; l < COUNT(leaves); l++)
                run(start, 3, preemptions_of_three,
                    (const struct world_op *[]){&merges[m], &breaks[b], &leaves[l]});
}

static void run_all(const char *what, void (*run_some)(const struct world_start *start))
{
    for (size_t i = 0; i < COUNT(starts); i++) {
        sum = (struct explore_report){0};
        cases = 0;
        run_some(&starts[i]);
        if (cases)
            printf("%s from %-13s %4u cases %18llu interleavings %9llu states %10llu steps\n", what,
                   starts[i].name, cases, (unsigned long long)sum.interleavings,
                   (unsigned long long)sum.states, (unsigned long long)sum.steps);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    int arg = 1;
    for (; arg < argc && argv[arg][0] == '-'; arg++) {
        verbose |= argv[arg][1] == 'v';
        all |= argv[arg][1] == 'a';
        if (argv[arg][1] == 'p' && arg + 1 < argc)
            preemptions_of_three = (uint32_t)strtoul(argv[++arg], NULL, 0);
    }
    words = argv + arg;
    run_all("two", run_pairs);
    run_all("clone", run_clones);
    run_all("three", run_threes);
    return 0;
}
