/* SPDX-License-Identifier: MIT */
/*
 * The control socket, both ends: a command is one line; the answer is text until the end of the
 * connection, its first line "ok" or "error".
 *
 * The VMs stand still while the server is served: so it never waits for a client. Each is read and
 * written as far as it goes, all of them side by side, and one that has not come to an end after
 * CLIENT_SECONDS is sent away.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hvrun.h"

/* SERVE_MS: so long at a time for those who keep asking. */
enum { LINE_MAX_NBYTES = 4096, CLIENTS_MAX = 512, CLIENT_SECONDS = 10, SERVE_MS = 10 };

/* Who says a line, and then takes the answer. */
struct client {
    int fd;
    double deadline; /* wall */
    size_t length;   /* of the line so far */
    char line[LINE_MAX_NBYTES];
    char *answer; /* owned; NULL: the line has not ended */
    size_t answer_nbytes, sent;
};

struct hvrun_control {
    int fd;
    char *path;
    struct hv_world *world;
    struct client *clients[CLIENTS_MAX]; /* owned */
    unsigned clients_count;
};

static bool address_of(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof address->sun_path) {
        memcpy(address->sun_path, path, strlen(path) + 1);
        return true;
    }
    fprintf(stderr, "hvrun: %s: a socket's path has at most %zu characters\n", path,
            sizeof address->sun_path - 1);
    return false;
}

/* Whether a socket lies there that nobody answers at: of a program that was killed. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused && lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode);
}

static bool bind_to(int fd, const struct sockaddr_un *address)
{
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return true;
    if (errno != EADDRINUSE)
        return false;
    bool stale = is_stale(address) && unlink(address->sun_path) == 0;
    errno = EADDRINUSE;
    return stale && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
}

struct hvrun_control *hvrun_control_new(const char *path, struct hv_world *world)
{
    struct sockaddr_un address;
    if (!address_of(path, &address))
        return NULL;
    struct hvrun_control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    *control =
        (struct hvrun_control){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                               .path = strdup(path),
                               .world = world};
    mode_t others = umask(S_IRWXG | S_IRWXO); /* who may connect may write files as we do */
    bool bound = control->fd >= 0 && control->path && bind_to(control->fd, &address);
    umask(others);
    if (bound && listen(control->fd, CLIENTS_MAX) == 0)
        return control;
    fprintf(stderr, "hvrun: %s: %s\n", path,
            errno == EADDRINUSE ? "is there already, and another program's" : strerror(errno));
    free(control->path);
    control->path = NULL; /* what is there is not ours */
    hvrun_control_free(control);
    return NULL;
}

static void send_away(struct hvrun_control *control, unsigned i)
{
    struct client *client = control->clients[i];
    control->clients[i] = control->clients[--control->clients_count];
    close(client->fd);
    free(client->answer);
    free(client);
}

void hvrun_control_free(struct hvrun_control *control)
{
    if (!control)
        return;
    while (control->clients_count)
        send_away(control, 0);
    if (control->fd >= 0)
        close(control->fd);
    if (control->path)
        unlink(control->path);
    free(control->path);
    free(control);
}

/* Lets in who waits, as long as there is room. */
static void let_in(struct hvrun_control *control)
{
    while (control->clients_count < CLIENTS_MAX) {
        int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct client *client = fd >= 0 ? calloc(1, sizeof *client) : NULL;
        if (!client) {
            if (fd >= 0)
                close(fd);
            return;
        }
        client->fd = fd;
        client->deadline = hvrun_wall_seconds() + CLIENT_SECONDS;
        control->clients[control->clients_count++] = client;
    }
}

/* The line has ended: what is the answer? False: there is no memory for one. */
static bool run_line(struct hvrun_control *control, struct client *client)
{
    FILE *stream = open_memstream(&client->answer, &client->answer_nbytes);
    if (!stream)
        return false;
    hvrun_command(control->world, client->line, stream);
    return fclose(stream) == 0;
}

/* False: the client has gone, or says too much. */
static bool take_line(struct hvrun_control *control, struct client *client)
{
    ssize_t got =
        read(client->fd, client->line + client->length, sizeof client->line - client->length);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    char *end = memchr(client->line + client->length, '\n', (size_t)got);
    client->length += (size_t)got;
    if (!end)
        return got > 0 && client->length < sizeof client->line;
    *end = 0;
    return run_line(control, client);
}

/* False: it has all of the answer, or is gone. */
static bool send_some(struct client *client)
{
    ssize_t sent = send(client->fd, client->answer + client->sent,
                        client->answer_nbytes - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    client->sent += (size_t)sent;
    return client->sent < client->answer_nbytes;
}

static bool serve_client(struct hvrun_control *control, struct client *client, short events)
{
    if (hvrun_wall_seconds() > client->deadline)
        return false;
    if (!client->answer && (events & (POLLIN | POLLHUP | POLLERR)) && !take_line(control, client))
        return false;
    return !client->answer || send_some(client);
}

/* Waits at most so long for anything to be done, and does it. Whether there was anything. */
static bool serve_once(struct hvrun_control *control, int wait_ms)
{
    struct pollfd polled[CLIENTS_MAX + 1];
    unsigned count = control->clients_count;
    for (unsigned i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = control->clients[i]->fd,
                                    .events = control->clients[i]->answer ? POLLOUT : POLLIN};
    polled[count] = (struct pollfd){.fd = count < CLIENTS_MAX ? control->fd : -1, .events = POLLIN};
    int ready = poll(polled, count + 1, wait_ms);
    if (ready < 0)
        return false;
    for (unsigned i = count; i-- > 0;) /* backwards: who goes is replaced by the last one */
        if (!serve_client(control, control->clients[i], polled[i].revents))
            send_away(control, i);
    if (polled[count].revents)
        let_in(control);
    return ready > 0;
}

/* So long, and a little longer while somebody keeps asking. */
static void serve(struct hvrun_control *control, int wait_ms)
{
    double begun = hvrun_wall_seconds();
    for (;;) {
        int left_ms = wait_ms - (int)((hvrun_wall_seconds() - begun) * 1000);
        bool any = serve_once(control, left_ms > 0 ? left_ms : 0);
        bool late = hvrun_wall_seconds() - begun > (wait_ms + SERVE_MS) / 1e3;
        if (left_ms <= 0 && (!any || late))
            return;
    }
}

void hvrun_control_keep_pace(struct hvrun_control *control, double started,
                             const volatile sig_atomic_t *interrupted)
{
    enum { STEP_MS = 50 }; /* an interrupt is seen so soon */
    if (!control)
        return;
    double ahead = (double)hv_world_ticks(control->world) / (double)HV_TICKS_PER_SECOND -
                   (hvrun_wall_seconds() - started);
    serve(control, 0);
    for (; ahead > 0 && !*interrupted; ahead -= STEP_MS / 1e3)
        serve(control, ahead > STEP_MS / 1e3 ? STEP_MS : (int)(ahead * 1000));
}

static bool send_words(int fd, int argc, char **argv)
{
    char line[LINE_MAX_NBYTES], cwd[2048];
    size_t at = 0;
    for (int i = 0; i < argc && at < sizeof line; i++) {
        bool relative = i == 2 && strcmp(argv[0], "dump") == 0 && argv[i][0] != '/';
        const char *dir = relative && getcwd(cwd, sizeof cwd) ? cwd : "";
        at += (size_t)snprintf(line + at, sizeof line - at, "%s%s%s%s", i ? "\t" : "", dir,
                               relative ? "/" : "", argv[i]);
    }
    if (at + 1 >= sizeof line) {
        fprintf(stderr, "hvrun: the command is too long\n");
        return false;
    }
    line[at++] = '\n';
    return write(fd, line, at) == (ssize_t)at;
}

/* Takes all of it before it prints: a pager must not keep the VMs waiting. */
static int print_answer(int fd)
{
    char *text = NULL, part[LINE_MAX_NBYTES];
    size_t nbytes = 0;
    FILE *stream = open_memstream(&text, &nbytes);
    for (ssize_t got; stream && (got = read(fd, part, sizeof part)) > 0;)
        fwrite(part, 1, (size_t)got, stream);
    bool whole = stream && fclose(stream) == 0 && nbytes > 0;
    bool good = whole && strncmp(text, "ok\n", 3) == 0;
    const char *rest = whole ? strchr(text, '\n') : NULL;
    if (rest)
        fputs(rest + 1, good ? stdout : stderr);
    else
        fprintf(stderr, "hvrun: no answer\n");
    free(text);
    close(fd);
    return good ? 0 : 1;
}

/* argv: command and its words, with --control SOCKET anywhere among them. */
int hvrun_client(int argc, char **argv)
{
    const char *path = getenv("HVRUN_CONTROL");
    struct sockaddr_un address;
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--control") == 0 && i + 1 < argc)
            path = argv[++i];
        else
            argv[count++] = argv[i];
    }
    if (!path) {
        fprintf(stderr, "hvrun: which hvrun boot? Say --control SOCKET (or set HVRUN_CONTROL)\n");
        return 2;
    }
    if (!address_of(path, &address))
        return 2;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fprintf(stderr, "hvrun: %s: %s: is hvrun boot --control running?\n", path, strerror(errno));
        return 1;
    }
    return send_words(fd, count, argv) ? print_answer(fd) : 1;
}
