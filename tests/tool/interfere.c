/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program that reads a source: something happens to the source in the middle of
 * it, always at the same place.
 *
 * INTERFERE_KILL=N      process N is killed when its memory is first copied, and is gone when the
 *                       copy is made
 * INTERFERE_TRUNCATE=F  file F is cut to one page once the reader has looked for its holes
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
                         const struct iovec *remote, unsigned long remotes, unsigned long flags);
off_t lseek(int fd, off_t offset, int whence);

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* Killed, and its memory gone: a zombie, or nothing. */
static void kill_and_wait(pid_t pid)
{
    char path[32], text[512] = "";
    const struct timespec pause = {0, 1000000};
    kill(pid, SIGKILL);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int tries = 0; tries < 5000; tries++) {
        FILE *file = fopen(path, "re");
        const char *got = file ? fgets(text, sizeof text, file) : NULL;
        if (file)
            fclose(file);
        const char *end = got ? strrchr(text, ')') : NULL;
        if (!end || end[2] == 'Z' || end[2] == 'X')
            return;
        nanosleep(&pause, NULL);
    }
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
                         const struct iovec *remote, unsigned long remotes, unsigned long flags)
{
    ssize_t (*real)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                    unsigned long);
    void *symbol = next("process_vm_readv");
    memcpy(&real, &symbol, sizeof real);
    const char *victim = getenv("INTERFERE_KILL");
    if (victim && atoi(victim) == pid)
        kill_and_wait(pid);
    return real(pid, local, locals, remote, remotes, flags);
}

off_t lseek(int fd, off_t offset, int whence)
{
    off_t (*real)(int, off_t, int);
    void *symbol = next("lseek");
    memcpy(&real, &symbol, sizeof real);
    off_t at = real(fd, offset, whence);
    const char *file = getenv("INTERFERE_TRUNCATE");
    if (file && whence == SEEK_HOLE && truncate(file, 4096) != 0)
        perror(file);
    return at;
}
