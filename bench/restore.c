/* SPDX-License-Identifier: MIT */
/*
 * Kernel settings and their guard.
 *
 * The guard answers each message when it has done what it says. Nothing is changed before it has
 * answered that it knows the old values, so there is no moment at which this program could end and
 * leave a change behind.
 *
 * Two programs that changed the same settings would each put back what the other had set: so a lock
 * goes with each topic. It belongs to what both we and the guard have opened, and ends with the
 * last of us.
 */
#include "restore.h"
#include "kernel_file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A setting as it is to be put back. */
struct kept {
    char path[64]; /* "": how nice `pid` is */
    long pid;
    char value[24];
};

/* To the guard: keep these. None: put back what you keep of this topic. */
struct message {
    enum restore_topic topic;
    unsigned count;
    struct kept kept[RESTORE_SETTINGS_MAX];
};

/* ---------------------------------------------------------------------------- one setting -- */

static bool write_value(const char *path, long pid, const char *value)
{
    if (path && *path)
        return kernel_file_write(path, value);
    return setpriority(PRIO_PROCESS, (id_t)pid, (int)strtol(value, NULL, 10)) == 0;
}

static bool read_nice(long pid, char *text, size_t size)
{
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)pid); /* -1 may be a value */
    snprintf(text, size, "%d", nice);
    return !errno;
}

/* "[none] scan-time" says that none is chosen. */
static bool read_value(const struct restore_setting *setting, char *text, size_t size)
{
    if (!setting->path)
        return read_nice(setting->pid, text, size);
    bool ok = kernel_file_read(setting->path, text, size);
    char *open = strchr(text, '[');
    if (open)
        memmove(text, open + 1, strlen(open + 1) + 1);
    text[strcspn(text, "]\n")] = 0;
    return ok;
}

/* ----------------------------------------------------------------------------------- guard -- */

static void put_back(struct message *topic)
{
    for (; topic->count; topic->count--) {
        const struct kept *kept = &topic->kept[topic->count - 1];
        if (!write_value(kept->path, kept->pid, kept->value))
            fprintf(stderr, "%s: cannot be put back to %s\n", *kept->path ? kept->path : "nice",
                    kept->value);
    }
}

static void guard_until_end(int socket)
{
    static struct message topics[RESTORE_TOPICS], message;
    while (recv(socket, &message, sizeof message, 0) == (ssize_t)sizeof message) {
        if (!message.count)
            put_back(&topics[message.topic]);
        topics[message.topic] = message;
        send(socket, "", 1, MSG_NOSIGNAL);
    }
    for (unsigned i = 0; i < RESTORE_TOPICS; i++)
        put_back(&topics[i]);
}

/* What ends the program by its terminal, group or name does not end its guard. */
static void stand_apart(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_IGN);
    setsid();
    prctl(PR_SET_NAME, "settings-guard");
}

/* ----------------------------------------------------------------------------- our side -- */

static int guard = -1; /* the socket */
static const char *const lock_path[RESTORE_TOPICS] = {
    [RESTORE_KSM] = "/sys/kernel/mm/ksm/run", [RESTORE_MAP_COUNT] = "/proc/sys/vm/max_map_count"};
static int lock[RESTORE_TOPICS]; /* negative: nothing of the topic in this kernel */

bool restore_start(void)
{
    int ends[2];
    for (unsigned i = 0; i < RESTORE_TOPICS; i++)
        lock[i] = open(lock_path[i], O_RDONLY | O_CLOEXEC);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]); /* else its end never comes */
        stand_apart();
        guard_until_end(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    guard = ends[0];
    return pid > 0;
}

/* True when the guard has done it. */
static bool tell(const struct message *message)
{
    char done;
    return send(guard, message, sizeof *message, MSG_NOSIGNAL) == (ssize_t)sizeof *message &&
           recv(guard, &done, 1, 0) == 1;
}

static struct message before(const struct restore *restore)
{
    struct message message = {.topic = restore->topic};
    for (unsigned i = 0; i < restore->count; i++) {
        const struct restore_setting *setting = &restore->settings[i];
        if (!setting->used[0] && !setting->value)
            continue;
        struct kept *kept = &message.kept[message.count++];
        kept->pid = setting->pid;
        snprintf(kept->path, sizeof kept->path, "%s", setting->path ? setting->path : "");
        snprintf(kept->value, sizeof kept->value, "%s",
                 setting->value ? setting->value : setting->old);
    }
    return message;
}

/* False if one cannot be read. One that is only shown may be missing in this kernel. */
static bool keep(struct restore *restore)
{
    bool ok = true;
    for (unsigned i = 0; i < restore->count; i++) {
        struct restore_setting *setting = &restore->settings[i];
        ok = (read_value(setting, setting->old, sizeof setting->old) || !setting->used[0]) && ok;
    }
    struct message message = before(restore);
    return ok && tell(&message);
}

bool restore_change(struct restore *restore)
{
    if (flock(lock[restore->topic], LOCK_EX) != 0) /* waits for another program's turn to end */
        return false;
    bool ok = keep(restore);
    for (unsigned i = 0; i < restore->count && ok; i++) {
        const struct restore_setting *setting = &restore->settings[i];
        ok = !setting->used[0] || write_value(setting->path, setting->pid, setting->used);
    }
    if (!ok)
        restore_put_back(restore);
    return ok;
}

void restore_show(const struct restore *restore)
{
    char now[24];
    fprintf(stderr, "%s:", restore->title);
    for (unsigned i = 0, shown = 0; i < restore->count; i++) {
        const struct restore_setting *setting = &restore->settings[i];
        if (!setting->name || !read_value(setting, now, sizeof now))
            continue;
        fprintf(stderr, "%s%s%s %s", shown++ ? "," : "", *setting->name ? " " : "", setting->name,
                setting->old);
        if (setting->used[0])
            fprintf(stderr, " -> %s", now);
    }
    fputc('\n', stderr);
}

void restore_put_back(const struct restore *restore)
{
    if (!tell(&(struct message){.topic = restore->topic})) { /* somebody has ended the guard */
        struct message message = before(restore);
        put_back(&message);
    }
    flock(lock[restore->topic], LOCK_UN);
}
