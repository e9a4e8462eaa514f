/* SPDX-License-Identifier: MIT */
/* The control socket, both ends: a command is one line; the answer is text until the end of the
 * connection, its first line "ok" or "error". */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hvrun.h"

/* COMMAND_MS: a client has so long to say its line, and so long to take the answer: the VMs stand
 * still meanwhile. */
enum { LINE_MAX_NBYTES = 4096, COMMAND_MS = 1000 };

struct hvrun_control {
    int fd;
    char *path;
    struct hv_world *world;
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
        (struct hvrun_control){socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), strdup(path), world};
    mode_t others = umask(S_IRWXG | S_IRWXO); /* who may connect may write files as we do */
    bool bound = control->fd >= 0 && control->path && bind_to(control->fd, &address);
    umask(others);
    if (bound && listen(control->fd, 8) == 0)
        return control;
    fprintf(stderr, "hvrun: %s: %s\n", path,
            errno == EADDRINUSE ? "is there already, and another program's" : strerror(errno));
    free(control->path);
    control->path = NULL; /* what is there is not ours */
    hvrun_control_free(control);
    return NULL;
}

void hvrun_control_free(struct hvrun_control *control)
{
    if (!control)
        return;
    if (control->fd >= 0)
        close(control->fd);
    if (control->path)
        unlink(control->path);
    free(control->path);
    free(control);
}

static bool ready(int fd, short events, int wait_ms)
{
    struct pollfd what = {.fd = fd, .events = events};
    return poll(&what, 1, wait_ms > 0 ? wait_ms : 0) == 1;
}

static int ms_until(double deadline)
{
    return (int)((deadline - hvrun_wall_seconds()) * 1000);
}

static bool read_line(int fd, char line[LINE_MAX_NBYTES])
{
    double deadline = hvrun_wall_seconds() + COMMAND_MS / 1e3;
    for (size_t at = 0; at < LINE_MAX_NBYTES;) {
        ssize_t got =
            ready(fd, POLLIN, ms_until(deadline)) ? read(fd, line + at, LINE_MAX_NBYTES - at) : -1;
        if (got <= 0)
            return false;
        char *end = memchr(line + at, '\n', (size_t)got);
        at += (size_t)got;
        if (end) {
            *end = 0;
            return true;
        }
    }
    return false;
}

/* Who does not take all of it gets less. */
static void send_text(int fd, const char *text, size_t nbytes)
{
    double deadline = hvrun_wall_seconds() + COMMAND_MS / 1e3;
    for (size_t at = 0; at < nbytes && ready(fd, POLLOUT, ms_until(deadline));) {
        ssize_t sent = send(fd, text + at, nbytes - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        at += sent > 0 ? (size_t)sent : 0;
    }
}

static void answer(struct hvrun_control *control, int fd)
{
    char line[LINE_MAX_NBYTES], *text = NULL;
    size_t nbytes = 0;
    FILE *stream = read_line(fd, line) ? open_memstream(&text, &nbytes) : NULL;
    if (stream) {
        hvrun_command(control->world, line, stream);
        if (fclose(stream) == 0)
            send_text(fd, text, nbytes);
    }
    free(text);
    close(fd);
}

void hvrun_control_serve(struct hvrun_control *control, int wait_ms)
{
    while (ready(control->fd, POLLIN, wait_ms)) {
        int fd = accept(control->fd, NULL, NULL);
        if (fd < 0)
            return;
        answer(control, fd);
        wait_ms = 0;
    }
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
