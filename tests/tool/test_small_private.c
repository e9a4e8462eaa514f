/* SPDX-License-Identifier: MIT */
/*
 * Nothing of a machine or a person is in datasets/small: searches all bytes of its files, as they
 * are when unpacked, notes of ELF cores included.
 *
 * Looked for: directories where people and builds live; the name of the machine and of the user
 * that run this test, which matters where the set is made; the kernel's release; hosts that apt is
 * set up with; environment variables; addresses of mail. What the programs themselves say is
 * listed here, each with its reason, and is all that may be found.
 * Usage: test_small_private BUILD_DIR FILE...
 */
#include <ctype.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zstd.h>

struct bytes {
    const char *name; /* of the file */
    char *at;         /* a NUL before and behind it */
    size_t nbytes;
};

static int found;
static bool silent; /* while the test tests itself */

static void report(const struct bytes *bytes, size_t offset, const char *what)
{
    char text[81];
    size_t n = 0;
    found++;
    if (silent)
        return;
    for (; n < sizeof text - 1 && isprint((unsigned char)bytes->at[offset + n]); n++)
        text[n] = bytes->at[offset + n];
    text[n] = '\0';
    fprintf(stderr, "%s: at 0x%zx: %s: \"%s\"\n", bytes->name, offset, what, text);
}

/* The next occurrence of `text` from *offset on. */
static bool next(const struct bytes *bytes, const char *text, size_t *offset)
{
    const char *at = memmem(bytes->at + *offset, bytes->nbytes - *offset, text, strlen(text));
    if (at)
        *offset = (size_t)(at - bytes->at);
    return at != NULL;
}

/* ------------------------------------------------------------------------------- directories -- */

static void search_directories(const struct bytes *bytes, const char *build_dir)
{
    const char *const directories[] = {"/home/",  "/root/", "/Users/", "/builds/",
                                       "/build/", "/nix/",  "/srv/",   "/media/",
                                       "/mnt/",   "/tmp/",  build_dir, NULL};
    static const char docstring[] = "/tmp/myimport.zip"; /* of Python's zipimport */
    for (size_t d = 0; directories[d]; d++)
        for (size_t at = 0; next(bytes, directories[d], &at); at++)
            if (strncmp(bytes->at + at, docstring, strlen(docstring)) != 0)
                report(bytes, at, "a directory");
}

/* ------------------------------------------------------------------------- names of a machine --
 */

/* Ends a word: telling names are looked for as words. */
static bool is_edge(char c)
{
    return !isalnum((unsigned char)c) && c != '_' && c != '-' && c != '.';
}

/* "web-7" and "alices-laptop" can only be names; "vm" and "server" may be words of a program. */
static bool is_telling(const char *name)
{
    return strlen(name) >= 8 || (strlen(name) > 3 && name[strcspn(name, "-0123456789")]);
}

static void search_name(const struct bytes *bytes, const char *name, const char *what)
{
    size_t nbytes = strlen(name);
    bool telling = is_telling(name);
    for (size_t at = 1; next(bytes, name, &at); at++) {
        char before = bytes->at[at - 1], behind = bytes->at[at + nbytes];
        /* As a word; or, of a name that tells little, as a string of its own or in an address. */
        bool is_name = telling ? is_edge(before) && is_edge(behind)
                               : (before == '\0' || before == '@') && behind == '\0';
        if (is_name)
            report(bytes, at, what);
    }
}

/* Names that say nothing, and words of the programs in the set. */
static bool is_common(const char *name)
{
    static const char *const common[] = {"",       "root",   "user",  "localhost", "debian",
                                         "nobody", "daemon", "linux", "host",      "none",
                                         "dash",   "awk",    "lua",   "luajit",    "sqlite",
                                         "perl",   "python", "main",  "test",      "build"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (strcmp(name, common[i]) == 0)
            return true;
    return false;
}

static void search_machine(const struct bytes *bytes)
{
    struct utsname uts;
    if (uname(&uts) == 0) {
        uts.nodename[strcspn(uts.nodename, ".")] = '\0';
        if (!is_common(uts.nodename))
            search_name(bytes, uts.nodename, "the host's name");
        search_name(bytes, uts.release, "the kernel's release");
        search_name(bytes, uts.version, "the kernel's version");
    }
    const struct passwd *user = getpwuid(getuid());
    if (user && !is_common(user->pw_name))
        search_name(bytes, user->pw_name, "the user's name");
    /* The kernel's own pages in a process may name the machine on which it was built. */
    for (size_t at = 0; next(bytes, "linux-vdso.so.1", &at); at++)
        report(bytes, at, "the kernel's vDSO");
}

/* Hosts in the sources of apt: "http://HOST/...". */
static void search_mirrors(const struct bytes *bytes)
{
    FILE *pipe = popen(
        "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | "
        "sed -n 's|.*https*://\\([^/ ]*\\).*|\\1|p' | sort -u",
        "r");
    char host[256];
    while (pipe && fgets(host, sizeof host, pipe)) {
        host[strcspn(host, "\n")] = '\0';
        if (strchr(host, '.'))
            search_name(bytes, host, "a mirror");
    }
    if (pipe)
        pclose(pipe);
}

/* ------------------------------------------------------------------------------- environment -- */

/* What the programs set themselves, though they were started without any environment. */
static bool is_own(const char *string)
{
    static const char *const own[] = {
        "PWD=/",            /* dash */
        "LC_CTYPE=C.UTF-8", /* Python, for want of a locale; and libc's answer to setlocale */
        ("LC_CTYPE=C.UTF-8;LC_NUMERIC=C;LC_TIME=C;LC_COLLATE=C;LC_MONETARY=C;LC_MESSAGES=C;"
         "LC_PAPER=C;LC_NAME=C;LC_ADDRESS=C;LC_TELEPHONE=C;LC_MEASUREMENT=C;LC_IDENTIFICATION=C")};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(string, own[i]) == 0)
            return true;
    return false;
}

static void search_environment(const struct bytes *bytes)
{
    static const char *const variables[] = {
        "PATH=", "HOME=",   "PWD=",     "OLDPWD=", "LANG=",  "LANGUAGE=", "LC_",       "HOSTNAME=",
        "TERM=", "USER=",   "LOGNAME=", "SHELL=",  "SHLVL=", "SSH_",      "SUDO_",     "DISPLAY=",
        "XDG_",  "EDITOR=", "MAIL=",    "TZ=",     "TMPDIR", "HTTP_",     "HTTPS_",    "http_proxy",
        "GIT_",  "CI=",     "GITHUB_",  "DEB_",    "APT_",   "DEBIAN_",   "CONTAINER", NULL};
    for (size_t v = 0; variables[v]; v++)
        for (size_t at = 1; next(bytes, variables[v], &at); at++) {
            const char *string = bytes->at + at;
            size_t name_nbytes = strcspn(string, "=");
            bool is_name =
                strspn(string, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz") ==
                name_nbytes;
            if (string[-1] == '\0' && is_name && string[name_nbytes] == '=' && !is_own(string))
                report(bytes, at, "an environment variable");
        }
}

/* ---------------------------------------------------------------------------------- addresses --
 */

static bool is_address_char(char c)
{
    return isalnum((unsigned char)c) || strchr("._+-", c ? c : ' ');
}

/* Authors that Python's library names in its published source: comments of modules. */
static bool is_author(const char *address, size_t nbytes)
{
    static const char *const authors[] = {"mal@lemburg.com",        "guido@python.org",
                                          "benjamin@python.org",    "solipsis@pitrou.net",
                                          "mark.russell@zen.co.uk", "mike.verdone@gmail.com",
                                          "amauryfa@gmail.com"};
    for (size_t i = 0; i < sizeof authors / sizeof *authors; i++)
        if (strlen(authors[i]) == nbytes && memcmp(address, authors[i], nbytes) == 0)
            return true;
    return false;
}

static void search_addresses(const struct bytes *bytes)
{
    for (size_t at = 1; next(bytes, "@", &at); at++) {
        size_t begin = at, end = at + 1, dot;
        while (is_address_char(bytes->at[begin - 1]))
            begin--;
        while (is_address_char(bytes->at[end]))
            end++;
        while (end > at && !isalnum((unsigned char)bytes->at[end - 1]))
            end--;
        for (dot = end; dot > at && bytes->at[dot] != '.'; dot--) {
        }
        /* name@domain.org: shorter ones occur by chance */
        if (at - begin >= 3 && dot > at + 3 && end - dot > 2 &&
            !is_author(bytes->at + begin, end - begin))
            report(bytes, begin, "an address");
    }
}

/* --------------------------------------------------------------------------------------- files --
 */

static void *must_alloc(size_t nbytes)
{
    void *memory = malloc(nbytes);
    if (!memory)
        exit(1);
    return memory;
}

static struct bytes read_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    struct bytes bytes = {path, NULL, (size_t)ftell(file)};
    bytes.at = must_alloc(bytes.nbytes + 2);
    rewind(file);
    bytes.at[0] = bytes.at[bytes.nbytes + 1] = '\0';
    if (fread(bytes.at + 1, 1, bytes.nbytes, file) != bytes.nbytes)
        exit(1);
    fclose(file);
    return bytes;
}

/* A file's bytes, unpacked if they are packed. */
static struct bytes load(const char *path)
{
    struct bytes packed = read_file(path);
    unsigned long long nbytes = ZSTD_getFrameContentSize(packed.at + 1, packed.nbytes);
    if (nbytes == ZSTD_CONTENTSIZE_ERROR) /* no zstd */
        return packed;
    if (nbytes == ZSTD_CONTENTSIZE_UNKNOWN)
        exit(1);
    struct bytes bytes = {path, must_alloc((size_t)nbytes + 2), (size_t)nbytes};
    bytes.at[0] = bytes.at[nbytes + 1] = '\0';
    if (ZSTD_decompress(bytes.at + 1, bytes.nbytes, packed.at + 1, packed.nbytes) != nbytes) {
        fprintf(stderr, "%s: corrupt\n", path);
        exit(1);
    }
    free(packed.at);
    return bytes;
}

/* The test itself must not be blind. */
static bool finds_what_is_there(void)
{
    char text[] = "\0x\0PATH=/usr/bin\0a /home/me b\0joe.user@example.org\0linux-vdso.so.1\0";
    struct bytes bytes = {"", text, sizeof text - 1};
    silent = true;
    search_directories(&bytes, "/no/such/build");
    search_machine(&bytes);
    search_environment(&bytes);
    search_addresses(&bytes);
    bool ok = found == 4;
    found = 0;
    silent = false;
    return ok;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: test_small_private BUILD_DIR FILE...\n");
        return 2;
    }
    if (!finds_what_is_there()) {
        fprintf(stderr, "the search finds nothing\n");
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        struct bytes bytes = load(argv[i]);
        search_directories(&bytes, argv[1]);
        search_machine(&bytes);
        search_mirrors(&bytes);
        search_environment(&bytes);
        search_addresses(&bytes);
        free(bytes.at);
    }
    printf("%d files searched, %d findings\n", argc - 2, found);
    return found ? 1 : 0;
}
