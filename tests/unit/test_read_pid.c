/* SPDX-License-Identifier: MIT */
/*
 * Live processes: children with mappings of known content. A child is forked from this program, so
 * what it inherited is shared with us, and what it wrote since is its own.
 */
#include "pid.h"
#include "test_read_util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child and the test tell each other; in a mapping of both. */
struct board {
    atomic_int child_at; /* steps that the child has done */
    atomic_int may_go;   /* steps that it may do */
    uint8_t *at[4];      /* addresses in the child */
    int fd;
};
static struct board *board;

static void wait_for(atomic_int *step, int value)
{
    for (int i = 0; i < 20000 && atomic_load(step) < value; i++)
        usleep(1000);
    if (atomic_load(step) < value)
        abort();
}

static void child_done(int step)
{
    atomic_store(&board->child_at, step);
    wait_for(&board->may_go, step);
}

static void child_stays(void)
{
    atomic_store(&board->child_at, 100);
    for (;;)
        pause();
}

static pid_t start(void (*child)(void *), int until)
{
    atomic_store(&board->child_at, 0);
    atomic_store(&board->may_go, 0);
    pid_t pid = start_child(child, NULL);
    wait_for(&board->child_at, until);
    return pid;
}

static const char *spec_of(pid_t pid)
{
    static char spec[32];
    snprintf(spec, sizeof spec, "pid:%d", (int)pid);
    return spec;
}

static struct ds_source *open_child(void (*child)(void *), pid_t *pid)
{
    *pid = start(child, 100);
    struct ds_source *source = must_open(spec_of(*pid), NULL);
    assert_string_equal(ds_source_info(source)->format, "pid");
    return source;
}

static uint8_t *map(size_t pages, int protection, int flags, int fd)
{
    void *at = mmap(NULL, pages * PAGE, protection, flags, fd, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

static uint8_t *map_anonymous(size_t pages)
{
    return map(pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void check_page(const struct ds_source *source, const uint8_t *base, uint64_t page,
                       enum ds_state expected)
{
    enum ds_state found;
    find_page(source, (uintptr_t)base / PAGE + page, &found);
    if (found != expected)
        fail_msg("page %llu is %s, expected %s", (unsigned long long)page, ds_state_name(found),
                 ds_state_name(expected));
}

static void check_data(const struct ds_source *source, const uint8_t *base, uint64_t page,
                       uint64_t seed)
{
    check_page(source, base, page, DS_DATA);
    assert_true(is_page(find_page(source, (uintptr_t)base / PAGE + page, NULL), seed));
}

static void touch(const uint8_t *at)
{
    (void)*(const volatile uint8_t *)at;
}

/* What a page is that was only read: the kernel's zero page, or with kernels that are built without
 * one (told from our own page tables) a page of the process's own. */
static enum ds_state only_read(void)
{
    uint64_t entry = 0;
    uint8_t *at = map_anonymous(1);
    touch(at);
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t where = (off_t)((uintptr_t)at / PAGE * sizeof entry);
    assert_int_equal(pread(fd, &entry, sizeof entry, where), sizeof entry);
    close(fd);
    munmap(at, PAGE);
    return entry & DS_PAGEMAP_EXCLUSIVE ? DS_DATA : DS_KERNEL_SHARED;
}

/* Written, untouched and only read pages by turns. */
static void have_private(void *ctx)
{
    (void)ctx;
    uint8_t *at = board->at[0] = map_anonymous(300);
    for (uint64_t i = 0; i < 300; i += 3) {
        fill_page(at + i * PAGE, i);
        touch(at + (i + 1) * PAGE);
    }
    child_stays();
}

static void test_private(void **state)
{
    (void)state;
    pid_t pid;
    struct ds_source *source = open_child(have_private, &pid);
    for (uint64_t i = 0; i < 300; i += 3) {
        check_data(source, board->at[0], i, i);
        check_page(source, board->at[0], i + 1, only_read());
        check_page(source, board->at[0], i + 2, DS_ABSENT);
    }
    stop_child(pid);
    check_data(source, board->at[0], 0, 0); /* a copy outlives the process */
    ds_source_free(source);
}

/* 128 GiB without access, and as much with three pages in it. (More does not fit beside what
 * thread sanitizer reserves.) */
enum { RESERVED = 1 << 25 };

static void have_reservations(void *ctx)
{
    (void)ctx;
    size_t many = RESERVED;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    board->at[0] = map(many, PROT_NONE, flags, -1);
    uint8_t *at = board->at[1] = map(many, PROT_READ | PROT_WRITE, flags, -1);
    fill_page(at, 1);
    fill_page(at + many / 2 * PAGE, 2);
    fill_page(at + (many - 1) * PAGE, 3);
    child_stays();
}

static void test_reservations(void **state)
{
    (void)state;
    pid_t pid;
    struct ds_source *source = open_child(have_reservations, &pid);
    uint64_t many = RESERVED;
    assert_true(ds_source_info(source)->pages[DS_ABSENT] >= 2 * many - 3);
    check_page(source, board->at[0], 12345, DS_ABSENT);
    check_data(source, board->at[1], 0, 1);
    check_data(source, board->at[1], many / 2, 2);
    check_data(source, board->at[1], many - 1, 3);
    ds_source_free(source);
    stop_child(pid);
}

/* Pages that a fork shares, one of them written since by the child. */
static void have_inherited(void *ctx)
{
    (void)ctx;
    fill_page(board->at[0] + PAGE, 77);
    child_stays();
}

static void test_fork_shared(void **state)
{
    (void)state;
    board->at[0] = map_anonymous(3);
    for (uint64_t i = 0; i < 3; i++)
        fill_page(board->at[0] + i * PAGE, i);
    pid_t pid;
    struct ds_source *source = open_child(have_inherited, &pid);
    check_page(source, board->at[0], 0, DS_KERNEL_SHARED);
    check_data(source, board->at[0], 1, 77);
    check_page(source, board->at[0], 2, DS_KERNEL_SHARED);
    ds_source_free(source);
    stop_child(pid);
    munmap(board->at[0], 3 * PAGE);
}

/* A memfd that only the child maps (a VM's memory), and one that the test maps, too. */
static void have_memfds(void *ctx)
{
    (void)ctx;
    int fd = memfd_create("own", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4 * PAGE) != 0)
        abort();
    board->at[0] = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    board->at[1] = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, board->fd);
    /* One page of it again; a larger mapping would get the neighbours, too. */
    board->at[2] = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
    if (board->at[2] == MAP_FAILED)
        abort();
    fill_page(board->at[0] + PAGE, 5);
    touch(board->at[1]);
    fill_page(board->at[0] + 2 * PAGE, 6);
    touch(board->at[2]);
    child_stays();
}

static void test_shared_memory(void **state)
{
    (void)state;
    board->fd = memfd_create("both", MFD_CLOEXEC);
    assert_true(board->fd >= 0);
    assert_int_equal(ftruncate(board->fd, 4 * PAGE), 0);
    uint8_t *ours = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, board->fd);
    fill_page(ours, 9);
    pid_t pid;
    struct ds_source *source = open_child(have_memfds, &pid);
    check_page(source, board->at[0], 0, DS_ABSENT);
    check_data(source, board->at[0], 1, 5);
    check_page(source, board->at[1], 0, DS_KERNEL_SHARED);
    check_page(source, board->at[0], 2, DS_KERNEL_SHARED); /* mapped twice by the child itself */
    check_page(source, board->at[2], 0, DS_KERNEL_SHARED);
    ds_source_free(source);
    stop_child(pid);
    munmap(ours, 4 * PAGE);
    close(board->fd);
}

/* A file: clean pages are the page cache's, a written private one is the process's. */
static void have_file(void *ctx)
{
    (void)ctx;
    board->at[0] = map(2, PROT_READ | PROT_WRITE, MAP_PRIVATE, board->fd);
    board->at[1] = map(2, PROT_READ, MAP_SHARED, board->fd);
    touch(board->at[0]);
    fill_page(board->at[0] + PAGE, 8);
    touch(board->at[1]);
    child_stays();
}

static void test_file(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_page(&file, 1);
    put_page(&file, 2);
    board->fd = open(write_file("mapped", file.at, file.size), O_RDWR | O_CLOEXEC);
    assert_true(board->fd >= 0);
    pid_t pid;
    struct ds_source *source = open_child(have_file, &pid);
    check_page(source, board->at[0], 0, DS_KERNEL_SHARED);
    check_data(source, board->at[0], 1, 8);
    check_page(source, board->at[1], 0, DS_KERNEL_SHARED);
    ds_source_free(source);
    stop_child(pid);
    close(board->fd);
    bytes_free(&file);
}

/* Huge pages are seen page by page; a page that the child may only write can be read, too. */
static void have_huge(void *ctx)
{
    (void)ctx;
    uint8_t *at = map_anonymous(1536);
    at = (uint8_t *)(((uintptr_t)at + 0x1fffff) & ~(uintptr_t)0x1fffff);
    madvise(at, 512 * PAGE, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < 512; i++)
        fill_page(at + i * PAGE, i);
    board->at[0] = at;
    board->at[1] = map_anonymous(1);
    fill_page(board->at[1], 1234);
    mprotect(board->at[1], PAGE, PROT_WRITE);
    child_stays();
}

static void test_huge(void **state)
{
    (void)state;
    pid_t pid;
    struct ds_source *source = open_child(have_huge, &pid);
    for (uint64_t i = 0; i < 512; i++)
        check_data(source, board->at[0], i, i);
    check_data(source, board->at[1], 0, 1234);
    ds_source_free(source);
    stop_child(pid);
}

/* Every page of every mapping is accounted for once. */
static void test_accounted(void **state)
{
    (void)state;
    pid_t pid;
    struct ds_source *source = open_child(have_private, &pid);
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    uint64_t expected = 0, found = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned long long from, to;
        assert_int_equal(sscanf(line, "%llx-%llx", &from, &to), 2);
        expected += (to - from) / PAGE;
    }
    fclose(file);
    for (int i = 0; i < DS_STATES; i++)
        found += ds_source_info(source)->pages[i];
    assert_int_equal(found, expected);
    ds_source_free(source);
    stop_child(pid);
}

/* Old kernels and other ways to read give the same pages. */

static void close_process(struct ds_process *process)
{
    close(process->dir_fd);
    close(process->mem_fd);
    close(process->pagemap_fd);
    free(process->vma);
}

static struct ds_source *open_the_old_way(pid_t pid, struct ds_process *process)
{
    static struct ds_error error;
    char path[64];
    struct ds_source *source = calloc(1, sizeof *source);
    assert_non_null(source);
    source->spec = strdup("old");
    source->error = &error;
    source->fd = -1;
    *process =
        (struct ds_process){.source = source, .pid = pid, .no_scan = true, .no_vm_readv = true};
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    process->dir_fd = open(path, O_RDONLY | O_DIRECTORY);
    process->mem_fd = openat(process->dir_fd, "mem", O_RDONLY);
    process->pagemap_fd = openat(process->dir_fd, "pagemap", O_RDONLY);
    assert_true(ds_maps_read(process));
    /* Without the terabytes that sanitizers reserve, which take long this way. */
    size_t kept = 0;
    for (size_t i = 0; i < process->vmas; i++) {
        if (process->vma[i].end - process->vma[i].first < 1 << 20)
            process->vma[kept++] = process->vma[i];
    }
    process->vmas = kept;
    assert_true(ds_plan(process));
    assert_true(ds_copy(process));
    source->info.extent = source->extent;
    source->info.complete = true;
    load_source(source);
    check_source(source);
    return source;
}

static void test_old_kernel(void **state)
{
    (void)state;
    pid_t pid = start(have_private, 100);
    struct ds_process process;
    struct ds_source *source = open_the_old_way(pid, &process);
    for (uint64_t i = 0; i < 300; i += 3) {
        check_data(source, board->at[0], i, i);
        check_page(source, board->at[0], i + 1, only_read());
        check_page(source, board->at[0], i + 2, DS_ABSENT);
    }
    close_process(&process);
    ds_source_free(source);
    stop_child(pid);
}

/* While it is read: pages go away, or the process does. The large mapping takes several batches. */
enum { LARGE = 8192 };

static void have_large(void *ctx)
{
    (void)ctx;
    uint8_t *at = board->at[0] = map_anonymous(LARGE);
    for (uint64_t i = 0; i < LARGE; i++)
        fill_page(at + i * PAGE, i);
    child_done(1);
    madvise(at + 6000 * PAGE, 1000 * PAGE, MADV_DONTNEED);
    munmap(at + 8000 * PAGE, 100 * PAGE);
    child_stays();
}

static void let_pages_go(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    bool *gone = ctx;
    (void)total_nbytes;
    if (*gone || done_nbytes < 1000 * PAGE)
        return;
    *gone = true;
    atomic_store(&board->may_go, 1);
    wait_for(&board->child_at, 100);
}

static void test_vanishing_pages(void **state)
{
    (void)state;
    bool gone = false;
    struct ds_options options = {.progress = let_pages_go, .progress_ctx = &gone};
    pid_t pid = start(have_large, 1);
    struct ds_source *source = must_open(spec_of(pid), &options);
    assert_true(gone);
    for (uint64_t i = 0; i < LARGE; i++) {
        if ((i >= 6000 && i < 7000) || (i >= 8000 && i < 8100))
            check_page(source, board->at[0], i, DS_ABSENT);
        else
            check_data(source, board->at[0], i, i);
    }
    ds_source_free(source);
    stop_child(pid);
}

static void kill_child(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    (void)total_nbytes;
    if (done_nbytes >= 1000 * PAGE) {
        kill(*(pid_t *)ctx, SIGKILL);
        siginfo_t info;
        waitid(P_PID, (id_t) * (pid_t *)ctx, &info, WEXITED | WNOWAIT);
    }
}

static void test_exit_while_read(void **state)
{
    (void)state;
    pid_t pid = start(have_large, 1);
    struct ds_options options = {.progress = kill_child, .progress_ctx = &pid};
    must_fail(spec_of(pid), &options, "exited", "while it was read, after ", " pages", NULL);
    must_fail(spec_of(pid), NULL, "has exited", NULL); /* it is a zombie now */
    stop_child(pid);
    must_fail(spec_of(pid), NULL, "no such process", NULL);
}

static void test_bad_specs(void **state)
{
    (void)state;
    const char *const bad[] = {"pid:",  "pid:x",  "pid:12x", "pid:-1",
                               "pid:0", "pid: 1", "pid:+1",  "pid:99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_fail(bad[i], NULL, "expected pid:N", NULL);
    must_fail("pid:2147483647", NULL, "no such process", NULL);
}

static void open_forbidden(void *ctx)
{
    struct ds_source *source;
    struct ds_error error;
    if (setuid(65534) != 0)
        _exit(77);
    bool opened = ds_source_open(ctx, NULL, &source, &error);
    _exit(!opened && strstr(error.text, "not permitted") ? 0 : 1);
}

static void test_forbidden(void **state)
{
    (void)state;
    if (getuid() != 0) {
        print_message("not root\n");
        skip();
    }
    int status;
    pid_t pid = start_child(open_forbidden, (void *)(uintptr_t)spec_of(getpid()));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* We may read ourselves. */
static void test_self(void **state)
{
    (void)state;
    uint8_t *at = map_anonymous(1);
    fill_page(at, 42);
    struct ds_source *source = must_open(spec_of(getpid()), NULL);
    check_data(source, at, 0, 42);
    ds_source_free(source);
    munmap(at, PAGE);
}

static int set_up(void **state)
{
    board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return board == MAP_FAILED ? -1 : make_test_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private),
        cmocka_unit_test(test_reservations),
        cmocka_unit_test(test_fork_shared),
        cmocka_unit_test(test_shared_memory),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_accounted),
        cmocka_unit_test(test_old_kernel),
        cmocka_unit_test(test_vanishing_pages),
        cmocka_unit_test(test_exit_while_read),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_self),
    };
    return cmocka_run_group_tests(tests, set_up, remove_test_dir);
}
