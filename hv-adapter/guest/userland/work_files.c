/* SPDX-License-Identifier: MIT */
/* files: trees in a tmpfs, and text tools over them; forks: processes that come and go. */
#include "sys.h"
#include "workloads.h"

enum { FILES = 48, OWN_FILES = 4, LINES = 160, FORKS = 24, FORK_BYTES = 32768 };

static size_t put(char *to, size_t at, const char *text)
{
    while (*text)
        to[at++] = *text++;
    return at;
}

/* Lines of words. Nearly all files are the same in every VM, as those of one distribution are; the
 * last OWN_FILES are this VM's. */
static size_t make_text(char *text, uint64_t state)
{
    static const char *const words[] = {"page ",  "frame ", "hint ", "shared ",  "guest ", "host ",
                                        "table ", "break ", "copy ", "balloon ", "idle ",  "tax "};
    char digits[24];
    size_t at = 0;
    for (unsigned line = 0; line < LINES; line++) {
        for (unsigned word = 0; word < 8; word++)
            at = put(text, at, words[random_next(&state) % 12]);
        at = put(text, at, text_decimal(random_next(&state) % 10000, digits));
        text[at++] = '\n';
    }
    return at;
}

static void file_name(char *name, unsigned i)
{
    char digits[24];
    size_t at = put(name, 0, "/tmp/tree/");
    at = put(name, at, text_decimal(i, digits));
    name[at] = 0;
}

static uint64_t write_tree(const struct work *work, uint64_t checksum)
{
    static char text[LINES * 100];
    char name[64];
    sys_mkdir("/tmp/tree", 0755);
    for (unsigned i = 0; i < FILES; i++) {
        int own = i >= FILES - OWN_FILES;
        size_t nbytes = make_text(text, own ? work->seed * 4099 + work->round * 131 + i : i);
        file_name(name, i);
        long fd = sys_open(name, SYS_CREATE, 0644);
        if (fd < 0)
            return 0;
        for (size_t done = 0; done < nbytes;) {
            long wrote = sys_write((int)fd, text + done, nbytes - done);
            if (wrote <= 0)
                return 0;
            done += (size_t)wrote;
        }
        sys_close((int)fd);
        checksum = checksum_add(checksum, text, nbytes);
    }
    return checksum;
}

static uint64_t drain(int fd, uint64_t checksum)
{
    static char bytes[4096];
    long got;
    while ((got = sys_read(fd, bytes, sizeof bytes)) > 0)
        checksum = checksum_add(checksum, bytes, (size_t)got);
    return checksum;
}

/* Runs a shell command; its output goes into the checksum. */
static uint64_t tool(const char *command, uint64_t checksum)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    static const char *const envp[] = {"PATH=/bin", NULL};
    int fds[2], status = 0;
    if (sys_pipe(fds) < 0)
        return 0;
    long pid = sys_fork();
    if (pid == 0) {
        sys_dup3(fds[1], 1);
        sys_close(fds[0]);
        sys_close(fds[1]);
        sys_exec("/bin/sh", argv, envp);
        sys_exit(127);
    }
    sys_close(fds[1]);
    checksum = drain(fds[0], checksum);
    sys_close(fds[0]);
    sys_wait(pid, &status);
    return checksum_add(checksum, &status, sizeof status);
}

uint64_t work_files(const struct work *work)
{
    uint64_t checksum = write_tree(work, CHECKSUM_EMPTY);
    checksum = tool("cd /tmp/tree; cat * | grep balloon | sort | uniq | md5sum", checksum);
    checksum = tool("cd /tmp/tree; cat [1-2]* | cut -d' ' -f 2,3 | sort | uniq -c", checksum);
    checksum = tool("cd /tmp/tree; sed s/page/PAGE/ 3* 4* | gzip -c | gunzip -c | wc", checksum);
    checksum = tool("cd /tmp/tree; ls | wc -l; cat * | sha256sum", checksum);
    return checksum;
}

static void child(unsigned char *memory, const struct work *work, unsigned i, int fd)
{
    uint64_t state = work->seed + work->round * 77 + i;
    for (unsigned k = 0; k < FORK_BYTES; k += 64)
        memory[k] ^= (unsigned char)random_next(&state);
    uint64_t checksum = checksum_add(CHECKSUM_EMPTY, memory, FORK_BYTES);
    sys_write(fd, &checksum, sizeof checksum);
    sys_exit((int)i & 63);
}

uint64_t work_forks(const struct work *work)
{
    uint64_t checksum = CHECKSUM_EMPTY, state = work->seed ^ work->round;
    unsigned char *memory = sys_map(FORK_BYTES);
    if (!memory)
        return 0;
    for (unsigned k = 0; k < FORK_BYTES; k++)
        memory[k] = (unsigned char)random_next(&state);
    for (unsigned i = 0; i < FORKS; i++) {
        int fds[2], status = 0;
        if (sys_pipe(fds) < 0)
            return 0;
        long pid = sys_fork();
        if (pid == 0)
            child(memory, work, i, fds[1]);
        sys_close(fds[1]);
        checksum = drain(fds[0], checksum);
        sys_close(fds[0]);
        sys_wait(pid, &status);
        checksum = checksum_add(checksum, &status, sizeof status);
    }
    checksum = tool("for i in 1 2 3; do echo $i | cat; done", checksum);
    checksum = checksum_add(checksum, memory, FORK_BYTES);
    sys_unmap(memory, FORK_BYTES);
    return checksum;
}
