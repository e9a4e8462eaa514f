/* SPDX-License-Identifier: MIT */
/* What the guest's init has instead of a C library: raw system calls, a console, a checksum. */
#ifndef SYS_H
#define SYS_H

#include <stddef.h>
#include <stdint.h>

/* Linux's results: negative is -errno. */
long sys_open(const char *path, int flags, int mode);
long sys_close(int fd);
long sys_read(int fd, void *bytes, size_t nbytes);
long sys_write(int fd, const void *bytes, size_t nbytes);
long sys_mkdir(const char *path, int mode);
long sys_unlink(const char *path);
long sys_mount(const char *what, const char *where, const char *type);
long sys_dup3(int from, int to);
long sys_pipe(int fds[2]);
long sys_fork(void);
long sys_exec(const char *path, const char *const argv[], const char *const envp[]);
long sys_wait(long pid, int *status);
void *sys_map(size_t nbytes); /* anonymous memory; NULL if refused */
/* A file for reading, without reading ahead. */
const void *sys_map_random(int fd, size_t nbytes);
long sys_sync(int fd);
void sys_unmap(void *memory, size_t nbytes);
void sys_sleep_ms(uint64_t ms);
uint64_t sys_now_ms(void); /* since the kernel began, a few ms after the VM did */
void sys_hostname(const char *name);
void sys_setsid_console(void);
void sys_poweroff(void);
_Noreturn void sys_exit(int code);

enum { SYS_RDONLY = 0, SYS_RDWR = 2, SYS_CREATE = 0101 | 01000 }; /* write, create, truncate */

size_t text_length(const char *text);
/* Writes the words up to NULL to the console in one call, so that lines of processes do not mix. */
void print_words(const char *first, ...);
/* Decimal and hexadecimal digits into `digits`, which it returns. */
const char *text_decimal(uint64_t value, char digits[24]);
const char *text_hex(uint64_t value, char digits[24]);
uint64_t text_to_number(const char *text);

/* A checksum over bytes (64-bit FNV-1a); start with CHECKSUM_EMPTY. */
#define CHECKSUM_EMPTY UINT64_C(0xcbf29ce484222325)
uint64_t checksum_add(uint64_t checksum, const void *bytes, size_t nbytes);

/* A random stream of known numbers (splitmix64). */
uint64_t random_next(uint64_t *state);

#endif
