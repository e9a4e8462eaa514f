/* SPDX-License-Identifier: MIT */
/* Files of the kernel: one read or write each, as procfs and sysfs want it. */
#include "kernel_file.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool kernel_file_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

uint64_t kernel_file_number(const char *path)
{
    char text[64];
    return kernel_file_read(path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

bool kernel_file_write(const char *path, const char *value)
{
    size_t nbytes = strlen(value);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, value, nbytes) == (ssize_t)nbytes;
    if (fd >= 0)
        close(fd);
    return ok;
}
