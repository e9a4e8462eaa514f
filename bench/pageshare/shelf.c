/* SPDX-License-Identifier: MIT */
/* See shelf.h. */
#include "shelf.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In a record: SET_PAGES_MAX + place, or this while the page is on its way. */
#define ON_ITS_WAY (2 * SET_PAGES_MAX - 1)

void shelf_init(struct shelf *shelf)
{
    *shelf = (struct shelf){.fd = -1};
    pthread_mutex_init(&shelf->mutex, NULL);
}

void shelf_fini(struct shelf *shelf)
{
    if (shelf->fd >= 0)
        close(shelf->fd);
    pthread_mutex_destroy(&shelf->mutex);
}

static const char *folder(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/var/tmp";
}

static void fail(struct crew *crew, const char *what)
{
    struct ds_error error;
    snprintf(error.text, sizeof error.text,
             "cannot %s a temporary file in %.200s: %s (TMPDIR names another place)", what,
             folder(), strerror(errno));
    crew_fail(crew, &error);
}

/* Some file systems have no files without a name. */
static int make_file(void)
{
    char path[4096];
    int fd = open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    if (snprintf(path, sizeof path, "%s/pageshare.XXXXXX", folder()) < (int)sizeof path &&
        (fd = mkostemp(path, O_CLOEXEC)) >= 0)
        unlink(path);
    return fd;
}

static bool open_shelf(struct shelf *shelf)
{
    pthread_mutex_lock(&shelf->mutex);
    if (shelf->fd < 0)
        shelf->fd = make_file();
    bool ok = shelf->fd >= 0;
    pthread_mutex_unlock(&shelf->mutex);
    return ok;
}

static uint64_t with_partner(uint64_t word, uint64_t partner)
{
    return partner << GROUPS_CHECK_BITS | (word & GROUPS_CHECK_MASK);
}

static enum shelf_result put(struct shelf *shelf, struct crew *crew, uint64_t *partner,
                             uint64_t word, const uint8_t *page)
{
    uint64_t place = atomic_fetch_add(&shelf->next, 1);
    if (!open_shelf(shelf) ||
        pwrite(shelf->fd, page, DS_PAGE_SIZE, (off_t)(place * DS_PAGE_SIZE)) != DS_PAGE_SIZE) {
        fail(crew, "write to");
        return SHELF_FAILED;
    }
    __atomic_store_n(&partner[GROUP_PARTNER], with_partner(word, SET_PAGES_MAX + place),
                     __ATOMIC_RELEASE);
    return SHELF_FIRST;
}

static enum shelf_result get(const struct shelf *shelf, struct crew *crew, uint64_t place,
                             uint8_t *other)
{
    if (pread(shelf->fd, other, DS_PAGE_SIZE, (off_t)(place * DS_PAGE_SIZE)) == DS_PAGE_SIZE)
        return SHELF_OTHER;
    fail(crew, "read");
    return SHELF_FAILED;
}

enum shelf_result shelf_meet(struct shelf *shelf, struct crew *crew, uint64_t *partner,
                             const uint8_t *page, uint8_t *other)
{
    uint64_t *word = &partner[GROUP_PARTNER];
    for (;;) {
        uint64_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        uint64_t at = groups_page(now);
        if (at < SET_PAGES_MAX) {
            if (__atomic_compare_exchange_n(word, &now, with_partner(now, ON_ITS_WAY), false,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return put(shelf, crew, partner, now, page);
        } else if (at != ON_ITS_WAY) {
            return get(shelf, crew, at - SET_PAGES_MAX, other);
        } else if (atomic_load(&crew->failed)) {
            return SHELF_FAILED;
        } else {
            sched_yield(); /* as long as it takes to write a page */
        }
    }
}

void shelf_restore(uint64_t *record)
{
    record[GROUP_PARTNER] = with_partner(record[GROUP_PARTNER], groups_page(record[GROUP_PAGE]));
}
