/* SPDX-License-Identifier: MIT */
/* What the control socket can be asked. Words are separated by tabs. */
#include <errno.h>
#include <share.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/sv39.h"
#include "guest/hypercall.h"
#include "hvrun.h"
#include "memory/physmap.h"

enum { WORDS_MAX = 4 };

struct hvrun_request {
    struct hv_world *world;
    char *words[WORDS_MAX];
    unsigned count;
    FILE *answer;
};

static void fail(FILE *answer, const char *what, const char *found)
{
    fprintf(answer, "error\n%s%s%s\n", what, found ? ": " : "", found ? found : "");
}

/* The VM that a word names; NULL after an answer. */
static struct hv_vm *vm_named(const struct hvrun_request *command, const char *word)
{
    char *end;
    unsigned long i = word ? strtoul(word, &end, 10) : 0;
    struct hv_vm *vm = word && *word && !*end && i < hv_world_vms(command->world)
                           ? hv_world_vm(command->world, (unsigned)i)
                           : NULL;
    if (!vm)
        fail(command->answer, "no such VM", word ? word : "(none named)");
    return vm;
}

/* Whether a word is an address. Else says so. */
static bool address_of(const struct hvrun_request *command, const char *usage, const char *word,
                       uint64_t *va)
{
    char *end = NULL;
    errno = 0;
    *va = word ? strtoull(word, &end, 0) : 0;
    if (word && *word && *word != '-' && !*end && errno == 0)
        return true;
    fail(command->answer, usage, word ? word : "(none named)");
    return false;
}

static void cmd_dump(const struct hvrun_request *command)
{
    struct hv_error error;
    struct hv_vm *vm = vm_named(command, command->words[1]);
    if (!vm)
        return;
    if (!command->words[2])
        fail(command->answer, "dump VM FILE: no file named", NULL);
    else if (!hv_vm_dump(vm, command->words[2], &error))
        fail(command->answer, error.text, NULL);
    else
        fprintf(command->answer, "ok\nVM %u: %s\n", hv_vm_index(vm), command->words[2]);
}

static const char *const state_names[] = {
    [SHARE_PAGE_PRIVATE] = "private",   [SHARE_PAGE_HINTED] = "a hint frame stands for it",
    [SHARE_PAGE_NO_MATCH] = "no match", [SHARE_PAGE_MERGING] = "being merged",
    [SHARE_PAGE_MOVING] = "moving",     [SHARE_PAGE_SHARED] = "on a shared frame",
};

static void say_frame(FILE *answer, struct hv_vm *vm, hv_ppn ppn)
{
    struct share_page_info info;
    if (!hv_vm_page_info(vm, ppn, &info)) {
        fprintf(answer, "not offered\n");
        return;
    }
    fprintf(answer, "%s", state_names[info.state]);
    if (info.state == SHARE_PAGE_SHARED)
        fprintf(answer, " %u: MPN %#llx, %u references%s%s", info.frame,
                (unsigned long long)info.mpn.n, info.refs, info.zero ? ", the zero page" : "",
                info.code ? ", without COW marking" : "");
    fprintf(answer, "\n");
}

static void say_flags(FILE *answer, uint64_t entry)
{
    static const char letters[] = "VRWXUGAD";
    for (unsigned bit = 0; bit < 8; bit++)
        fputc(entry >> bit & 1 ? letters[bit] : '-', answer);
}

/* What the TLB walks is the guest's own: its numbers are MPNs. */
static void say_para_tables(FILE *answer, const struct hv_view *view)
{
    if (view->steps == 0)
        fprintf(answer, "guest page table none: %s\n",
                view->mapped ? "before the first SwitchPT VA is guest-physical"
                             : "the VMM's window, or no memory");
    for (unsigned i = 0; i < view->steps; i++) {
        fprintf(answer, "guest page table level %u: entry at %#llx says MPN %#llx ", 2 - i,
                (unsigned long long)view->pte_gpa[i],
                (unsigned long long)hv_sv39_ppn(view->pte[i]));
        say_flags(answer, view->pte[i]);
        fprintf(answer, "%s\n",
                view->pte[i] & HV_PARA_COW ? ", W comes back with a break (COW)" : "");
    }
    if (!view->mapped)
        fprintf(answer, "                 not mapped: the guest would get a page fault\n");
}

static void say_tables(FILE *answer, const struct hv_view *view)
{
    if (view->satp >> 60 == 0)
        fprintf(answer, "guest page table none (satp = 0): VA is guest-physical\n");
    for (unsigned i = 0; i < view->steps; i++) {
        fprintf(answer, "guest page table level %u: entry at %#llx says PPN %#llx ", 2 - i,
                (unsigned long long)view->pte_gpa[i],
                (unsigned long long)hv_sv39_ppn(view->pte[i]));
        say_flags(answer, view->pte[i]);
        fprintf(answer, "\n");
    }
    if (!view->mapped)
        fprintf(answer, "                 not mapped: the guest would get a page fault\n");
}

static void say_shadow(FILE *answer, const struct hv_view *view)
{
    fprintf(answer, "S-PT             ");
    if (view->shadow_entry) {
        fprintf(answer, "entry names MPN %#llx ", (unsigned long long)(view->shadow_entry >> 10));
        say_flags(answer, view->shadow_entry);
    } else {
        fprintf(answer, "no entry for this address yet");
    }
}

static void say_physmap(FILE *answer, const struct hv_view *view)
{
    unsigned long long ppn = view->gpa >> HV_PAGE_SHIFT;
    if (!view->memory) {
        fprintf(answer, "physmap          PPN %#llx is no memory\n", ppn);
        return;
    }
    if (!view->present) {
        fprintf(answer, "physmap          PPN %#llx: never touched, no MPN\n", ppn);
        return;
    }
    fprintf(answer, "physmap          PPN %#llx -> MPN %#llx, write-protected: %s%s%s%s\n", ppn,
            (unsigned long long)view->mpn.n, view->reasons & HV_REASON_SHARING ? "sharing " : "",
            view->reasons & (HV_REASON_TABLE | HV_REASON_PARA_TABLE) ? "page-table " : "",
            view->reasons & HV_REASON_SAMPLING ? "sampling " : "", view->reasons ? "" : "no");
    if (view->para)
        fprintf(answer, "PPN->MPN table   the guest reads the same MPN; no S-PT");
    else
        say_shadow(answer, view);
    fprintf(answer, "; %llu entries name the PPN in all, %llu writable\n",
            (unsigned long long)view->shadow_entries, (unsigned long long)view->shadow_writable);
    fprintf(answer, "TLB              load %s, store %s, fetch %s\n", view->tlb_load ? "hit" : "-",
            view->tlb_store ? "hit" : "-", view->tlb_fetch ? "hit" : "-");
}

static void cmd_walk(const struct hvrun_request *command)
{
    struct hv_view view;
    struct hv_vm *vm = vm_named(command, command->words[1]);
    uint64_t va;
    if (!vm || !address_of(command, "walk VM VA: not an address", command->words[2], &va))
        return;
    hv_vm_view(vm, va, &view);
    fprintf(command->answer, "ok\nVM %u, VA %#llx, satp %#llx\n", hv_vm_index(vm),
            (unsigned long long)va, (unsigned long long)view.satp);
    if (view.para)
        say_para_tables(command->answer, &view);
    else
        say_tables(command->answer, &view);
    if (!view.mapped)
        return;
    say_physmap(command->answer, &view);
    if (!view.present)
        return;
    fprintf(command->answer, "libshare         ");
    say_frame(command->answer, vm, hv_ppn_of(view.gpa));
}

/* One operation as it happens. */
static void narrate(void *ctx, const struct hv_page_op *op)
{
    FILE *answer = ctx;
    unsigned long long ppn = op->ppn.n, mpn = op->mpn.n, to = op->to.n;
    bool paged = strcmp(op->name, "alloc") != 0 && strcmp(op->name, "free") != 0;
    fprintf(answer, "  %-10s", op->name);
    if (op->vm && paged)
        fprintf(answer, "VM %u PPN %#llx ", hv_vm_index(op->vm), ppn);
    fprintf(answer, "MPN %#llx", mpn);
    if (strcmp(op->name, "remap") == 0)
        fprintf(answer, " -> %#llx", to);
    fprintf(answer, ": %s\n", op->outcome);
}

static void say_now(FILE *answer, struct hv_vm *vm, hv_ppn ppn)
{
    fprintf(answer, "VM %u PPN %#llx: ", hv_vm_index(vm), (unsigned long long)ppn.n);
    say_frame(answer, vm, ppn);
}

static void step_merge(const struct hvrun_request *command)
{
    struct hv_vm *vm;
    hv_ppn ppn;
    fprintf(command->answer, "ok\nlooking for a page whose hash the table knows\n");
    hv_world_watch(command->world, narrate, command->answer);
    bool merged = hv_world_share_step(command->world, &vm, &ppn);
    hv_world_watch(command->world, NULL, NULL);
    if (!merged) {
        fprintf(command->answer, "every page was looked at: nothing is left to merge\n");
        return;
    }
    fprintf(command->answer, "merged: every byte was compared after protect\n");
    say_now(command->answer, vm, ppn);
}

static void step_break(const struct hvrun_request *command)
{
    struct share_page_info before;
    struct hv_view view;
    struct hv_vm *vm = vm_named(command, command->words[2]);
    uint64_t va;
    if (!vm || !address_of(command, "step break VM VA: not an address", command->words[3], &va))
        return;
    hv_vm_view(vm, va, &view);
    hv_ppn ppn = hv_ppn_of(view.gpa);
    if (!view.present || !hv_vm_page_info(vm, ppn, &before) || before.state != SHARE_PAGE_SHARED) {
        fail(command->answer, "step break VM VA: no shared page there", command->words[3]);
        return;
    }
    fprintf(command->answer, "ok\n");
    say_now(command->answer, vm, ppn);
    fprintf(command->answer, "a store would come here: break\n");
    hv_world_watch(command->world, narrate, command->answer);
    bool broken = hv_vm_break_page(vm, ppn);
    hv_world_watch(command->world, NULL, NULL);
    fprintf(command->answer, broken ? "" : "could not be broken\n");
    say_now(command->answer, vm, ppn);
}

static void cmd_step(const struct hvrun_request *command)
{
    if (!hv_world_share(command->world))
        fail(command->answer, "sharing is off", NULL);
    else if (!command->words[1])
        step_merge(command);
    else if (strcmp(command->words[1], "break") == 0)
        step_break(command);
    else
        fail(command->answer, "step, or step break VM VA; not step", command->words[1]);
}

static void cmd_share_now(const struct hvrun_request *command)
{
    if (!hv_world_share(command->world)) {
        fail(command->answer, "sharing is off", NULL);
        return;
    }
    bool settled = hv_world_share_now(command->world);
    fprintf(command->answer, "ok\n%s\n", settled ? "settled" : "not settled: pages kept changing");
    hvrun_report_line(command->answer, command->world);
}

static void cmd_stop(const struct hvrun_request *command)
{
    bool stop = strcmp(command->words[0], "stop") == 0;
    bool all = command->words[1] && strcmp(command->words[1], "all") == 0;
    struct hv_vm *one = all ? NULL : vm_named(command, command->words[1]);
    if (!all && !one)
        return;
    for (unsigned i = 0; i < hv_world_vms(command->world); i++) {
        struct hv_vm *vm = hv_world_vm(command->world, i);
        if (!all && vm != one)
            continue;
        if (stop)
            hv_vm_stop(vm);
        else
            hv_vm_resume(vm);
    }
    fprintf(command->answer, "ok\n");
}

static void cmd_stats(const struct hvrun_request *command)
{
    bool json = command->words[1] && strcmp(command->words[1], "json") == 0;
    if (command->words[1] && !json) {
        fail(command->answer, "stats, or stats json; not stats", command->words[1]);
        return;
    }
    fprintf(command->answer, "ok\n");
    if (json) {
        hvrun_report_json(command->answer, command->world);
        return;
    }
    hvrun_report_header(command->answer);
    hvrun_report_rows(command->answer, command->world);
}

static void say_guest(FILE *answer, struct hv_vm *vm)
{
    struct hv_guest_stats stats;
    hv_vm_guest_stats(vm, &stats);
    if (!stats.known) {
        fprintf(answer, "guest's statistics: none yet\n");
        return;
    }
    fprintf(
        answer,
        "guest's statistics at %.2f s: %.1f MiB in all, %.1f free, %.1f available, %.1f caches; "
        "%.1f swapped in, %.1f out; %llu major and %llu minor faults\n",
        (double)stats.ticks / (double)HV_TICKS_PER_SECOND, (double)stats.total_bytes / 0x1p20,
        (double)stats.free_bytes / 0x1p20, (double)stats.available_bytes / 0x1p20,
        (double)stats.cache_bytes / 0x1p20, (double)stats.swapped_in_bytes / 0x1p20,
        (double)stats.swapped_out_bytes / 0x1p20, (unsigned long long)stats.major_faults,
        (unsigned long long)stats.minor_faults);
}

/* balloon VM: what is in it; balloon VM SIZE: asks for that many bytes. */
static void cmd_balloon(const struct hvrun_request *command)
{
    FILE *answer = command->answer;
    struct hv_vm *vm = vm_named(command, command->words[1]);
    struct hv_figures figures;
    uint64_t nbytes = 0;
    if (!vm)
        return;
    const char *size = command->words[2];
    if (size && !hvrun_size(size, &nbytes)) {
        fail(answer, "balloon VM SIZE: expected a size as 24M", size);
        return;
    }
    if (size && !hv_vm_balloon_set(vm, nbytes / HV_PAGE_BYTES)) {
        fail(answer, "balloon VM SIZE: expected less than the VM's memory", size);
        return;
    }
    hv_vm_figures(vm, &figures);
    fprintf(answer, "ok\nVM %u: target %llu pages, in the balloon %llu of %llu\n", hv_vm_index(vm),
            (unsigned long long)figures.balloon_target_pages,
            (unsigned long long)figures.balloon_pages, (unsigned long long)figures.pages);
    say_guest(answer, vm);
    hv_vm_balloon_ask(vm);
}

static void cmd_check(const struct hvrun_request *command)
{
    const char *wrong = hv_world_check(command->world);
    if (wrong)
        fail(command->answer, wrong, NULL);
    else
        fprintf(command->answer, "ok\neverything is consistent\n");
}

/* clang-format off */
const struct hvrun_command hvrun_commands[] = {
    {"dump", "VM FILE", "its memory as an ELF core, for pageshare measure", cmd_dump, 3},
    {"walk", "VM VA", "one address through every table", cmd_walk, 3},
    {"step", "[break VM VA]", "one merge, or one copy-on-write break, narrated", cmd_step, 4},
    {"share-now", "", "scans until nothing is left to share", cmd_share_now, 1},
    {"stop", "VM|all", "stopped VMs stand still; all: the scanner, too", cmd_stop, 2},
    {"resume", "VM|all", "they go on", cmd_stop, 2},
    {"stats", "[json]", "the table of now", cmd_stats, 2},
    {"balloon", "VM [SIZE]", "shows the balloon; asks the guest to give up SIZE", cmd_balloon, 3},
    {"check", "", "audits every table: slow", cmd_check, 1},
    {NULL, NULL, NULL, NULL, 0},
};
/* clang-format on */

void hvrun_command(struct hv_world *world, char *line, FILE *answer)
{
    struct hvrun_request request = {.world = world, .answer = answer};
    char *rest = line;
    for (char *word; request.count < WORDS_MAX && (word = strtok_r(rest, "\t", &rest));)
        request.words[request.count++] = word;
    const struct hvrun_command *at = hvrun_commands;
    while (request.count && at->name && strcmp(request.words[0], at->name) != 0)
        at++;
    if (request.count && at->name) {
        if (request.count <= at->words_max && !strtok_r(rest, "\t", &rest))
            at->run(&request);
        else
            fail(answer, "more words than it takes", at->name);
        return;
    }
    fail(answer, "no such command", request.words[0]);
}
