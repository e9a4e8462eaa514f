/* SPDX-License-Identifier: MIT */
/*
 * Holds a process still, and lets it go on whatever becomes of us.
 *
 * Idea: a guard, a forked child of ours, waits for a socket to close and then sends SIGCONT. The
 * socket closes when we thaw, and also when we are killed in the middle, by whatever signal; the
 * guard itself blocks all signals. It exists before the process is stopped. A process that is
 * stopped already (by somebody else, or by a debugger) is left alone. Limits: whoever waits for the
 * process sees it stop and go on (a shell prints it); while we ourselves are suspended (Ctrl-Z) it
 * stays stopped; a program that waits for any child may get to see the guard; SIGKILL sent to the
 * guard and to us leaves the process stopped.
 */
#include "pid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 10000 /* a thread in the middle of disk I/O stops only after it */

static int send_signal(int dir_fd, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, dir_fd, number, NULL, 0);
}

/* The state letter of one thread: the first one behind the name, which may hold any character. */
static char thread_state(int task_fd, const char *name)
{
    char path[288], text[512];
    size_t length = strlen(name);
    if (length > 255)
        return 'X';
    memcpy(path, name, length);
    memcpy(path + length, "/stat", sizeof "/stat");
    int fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t nbytes = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    const char *name_end = nbytes > 0 ? memrchr(text, ')', (size_t)nbytes) : NULL;
    return name_end && name_end + 2 < text + nbytes ? name_end[2] : 'X';
}

enum liveness { RUNNING, STOPPED, ENDED };

/* Stopped if no thread runs and at least one is left. */
static enum liveness look(int dir_fd)
{
    int fd = openat(dir_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (!tasks) {
        if (fd >= 0)
            close(fd);
        return ENDED;
    }
    enum liveness found = ENDED;
    for (struct dirent *entry; found != RUNNING && (entry = readdir(tasks));) {
        if (entry->d_name[0] == '.')
            continue;
        char state = thread_state(fd, entry->d_name);
        if (state == 'T' || state == 't')
            found = STOPPED;
        else if (state != 'Z' && state != 'X')
            found = RUNNING;
    }
    closedir(tasks);
    return found;
}

static void run_guard(int dir_fd, int socket_fd)
{
    char byte;
    while (read(socket_fd, &byte, 1) < 0 && errno == EINTR) {
    }
    _exit(send_signal(dir_fd, SIGCONT) == 0 || errno == ESRCH ? 0 : 1);
}

static bool start_guard(struct ds_process *process, struct ds_freezer *freezer)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return ds_fail(process->source, "cannot make a socket pair: %s", strerror(errno));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the guard inherits it */
    pid_t guard = fork();
    if (guard == 0) {
        close(fds[1]);
        run_guard(process->dir_fd, fds[0]);
    }
    int reason = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fds[0]);
    if (guard < 0) {
        close(fds[1]);
        return ds_fail(process->source, "cannot fork a guard: %s", strerror(reason));
    }
    *freezer = (struct ds_freezer){process->dir_fd, guard, fds[1]};
    return true;
}

static bool wait_until_stopped(struct ds_process *process)
{
    const struct timespec pause = {0, 1000000};
    for (int waited_ms = 0; waited_ms < STOP_TIMEOUT_MS; waited_ms++) {
        enum liveness found = look(process->dir_fd);
        if (found == STOPPED)
            return true;
        if (found == ENDED)
            return ds_fail(process->source, "exited while it was stopped");
        nanosleep(&pause, NULL);
    }
    return ds_fail(process->source, "expected it to stop within %d s, found it still running",
                   STOP_TIMEOUT_MS / 1000);
}

bool ds_freeze(struct ds_process *process, struct ds_freezer *freezer)
{
    if (process->pid == getpid())
        return ds_fail(process->source, "cannot freeze the process that reads");
    if (look(process->dir_fd) == STOPPED)
        return true;
    if (!start_guard(process, freezer))
        return false;
    bool ok = send_signal(process->dir_fd, SIGSTOP) == 0
                  ? wait_until_stopped(process)
                  : ds_fail(process->source, "cannot stop it: %s", strerror(errno));
    if (!ok)
        ds_thaw(freezer);
    return ok;
}

void ds_thaw(struct ds_freezer *freezer)
{
    if (freezer->guard == 0)
        return;
    /* A byte, since a child forked meanwhile by another thread may hold the socket open. */
    send(freezer->guard_fd, "", 1, MSG_NOSIGNAL);
    close(freezer->guard_fd);
    int status = -1;
    pid_t waited;
    do {
        waited = waitpid(freezer->guard, &status, 0);
    } while (waited < 0 && errno == EINTR);
    if (waited != freezer->guard || status != 0) /* the guard was killed */
        send_signal(freezer->dir_fd, SIGCONT);
    freezer->guard = 0;
}
