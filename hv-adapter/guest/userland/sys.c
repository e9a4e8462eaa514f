/* SPDX-License-Identifier: MIT */
/* Raw system calls of RV64 Linux, and the little text handling that init needs. See sys.h. */
#include "sys.h"

#include <stdarg.h>

enum {
    NR_DUP3 = 24,
    NR_IOCTL = 29,
    NR_MKDIRAT = 34,
    NR_UNLINKAT = 35,
    NR_MOUNT = 40,
    NR_OPENAT = 56,
    NR_CLOSE = 57,
    NR_PIPE2 = 59,
    NR_READ = 63,
    NR_WRITE = 64,
    NR_FSYNC = 82,
    NR_EXIT_GROUP = 94,
    NR_NANOSLEEP = 101,
    NR_CLOCK_GETTIME = 113,
    NR_REBOOT = 142,
    NR_SETSID = 157,
    NR_SETHOSTNAME = 161,
    NR_MUNMAP = 215,
    NR_CLONE = 220,
    NR_EXECVE = 221,
    NR_MMAP = 222,
    NR_MADVISE = 233,
    NR_WAIT4 = 260,
};

enum { AT_CWD = -100, SIG_CHILD = 17 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

long sys_open(const char *path, int flags, int mode)
{
    return call(NR_OPENAT, AT_CWD, (long)path, flags, mode, 0, 0);
}

long sys_close(int fd)
{
    return call(NR_CLOSE, fd, 0, 0, 0, 0, 0);
}

long sys_read(int fd, void *bytes, size_t nbytes)
{
    return call(NR_READ, fd, (long)bytes, (long)nbytes, 0, 0, 0);
}

long sys_write(int fd, const void *bytes, size_t nbytes)
{
    return call(NR_WRITE, fd, (long)bytes, (long)nbytes, 0, 0, 0);
}

long sys_mkdir(const char *path, int mode)
{
    return call(NR_MKDIRAT, AT_CWD, (long)path, mode, 0, 0, 0);
}

long sys_unlink(const char *path)
{
    return call(NR_UNLINKAT, AT_CWD, (long)path, 0, 0, 0, 0);
}

long sys_mount(const char *what, const char *where, const char *type)
{
    return call(NR_MOUNT, (long)what, (long)where, (long)type, 0, 0, 0);
}

long sys_dup3(int from, int to)
{
    return call(NR_DUP3, from, to, 0, 0, 0, 0);
}

long sys_pipe(int fds[2])
{
    return call(NR_PIPE2, (long)fds, 0, 0, 0, 0, 0);
}

long sys_fork(void)
{
    return call(NR_CLONE, SIG_CHILD, 0, 0, 0, 0, 0);
}

long sys_exec(const char *path, const char *const argv[], const char *const envp[])
{
    return call(NR_EXECVE, (long)path, (long)argv, (long)envp, 0, 0, 0);
}

long sys_wait(long pid, int *status)
{
    return call(NR_WAIT4, pid, (long)status, 0, 0, 0, 0);
}

void *sys_map(size_t nbytes)
{
    enum { READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22 };
    long at = call(NR_MMAP, 0, (long)nbytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
    return at < 0 && at > -4096 ? NULL : (void *)at;
}

const void *sys_map_random(int fd, size_t nbytes)
{
    enum { READ = 1, SHARED = 1, RANDOM = 1 };
    long at = call(NR_MMAP, 0, (long)nbytes, READ, SHARED, fd, 0);
    if (at < 0 && at > -4096)
        return NULL;
    call(NR_MADVISE, at, (long)nbytes, RANDOM, 0, 0, 0);
    return (const void *)at;
}

long sys_sync(int fd)
{
    return call(NR_FSYNC, fd, 0, 0, 0, 0, 0);
}

void sys_unmap(void *memory, size_t nbytes)
{
    call(NR_MUNMAP, (long)memory, (long)nbytes, 0, 0, 0, 0);
}

void sys_sleep_ms(uint64_t ms)
{
    struct {
        int64_t seconds, nanoseconds;
    } time = {(int64_t)(ms / 1000), (int64_t)(ms % 1000) * 1000000};
    call(NR_NANOSLEEP, (long)&time, 0, 0, 0, 0, 0);
}

uint64_t sys_now_ms(void)
{
    enum { MONOTONIC = 1 };
    struct {
        int64_t seconds, nanoseconds;
    } time = {0, 0};
    call(NR_CLOCK_GETTIME, MONOTONIC, (long)&time, 0, 0, 0, 0);
    return (uint64_t)time.seconds * 1000 + (uint64_t)time.nanoseconds / 1000000;
}

void sys_hostname(const char *name)
{
    call(NR_SETHOSTNAME, (long)name, (long)text_length(name), 0, 0, 0, 0);
}

/* A session of its own on the console, so that a shell has job control there. */
void sys_setsid_console(void)
{
    enum { TIOCSCTTY = 0x540e };
    call(NR_SETSID, 0, 0, 0, 0, 0, 0);
    call(NR_IOCTL, 0, TIOCSCTTY, 1, 0, 0, 0);
}

void sys_poweroff(void)
{
    call(NR_REBOOT, (long)0xfee1dead, 672274793, 0x4321fedc, 0, 0, 0);
}

_Noreturn void sys_exit(int code)
{
    for (;;)
        call(NR_EXIT_GROUP, code, 0, 0, 0, 0, 0);
}

/* The compiler calls these by itself. */
void *memcpy(void *to, const void *from, size_t nbytes);
void *memset(void *to, int byte, size_t nbytes);

void *memcpy(void *to, const void *from, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        ((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

void *memset(void *to, int byte, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        ((volatile unsigned char *)to)[i] = (unsigned char)byte;
    return to;
}

size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

void print_words(const char *first, ...)
{
    char line[256];
    size_t nbytes = 0;
    va_list words;
    va_start(words, first);
    for (const char *word = first; word; word = va_arg(words, const char *))
        for (size_t i = 0; word[i] && nbytes < sizeof line; i++)
            line[nbytes++] = word[i];
    va_end(words);
    sys_write(1, line, nbytes);
}

static const char *text_number(uint64_t value, unsigned base, char digits[24])
{
    char *at = digits + 23;
    *at = 0;
    do
        *--at = "0123456789abcdef"[value % base];
    while (value /= base);
    return at;
}

const char *text_decimal(uint64_t value, char digits[24])
{
    return text_number(value, 10, digits);
}

const char *text_hex(uint64_t value, char digits[24])
{
    return text_number(value, 16, digits);
}

uint64_t text_to_number(const char *text)
{
    uint64_t value = 0;
    for (; text && *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

uint64_t checksum_add(uint64_t checksum, const void *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        checksum = (checksum ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return checksum;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
