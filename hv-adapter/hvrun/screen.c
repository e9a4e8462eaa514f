/* SPDX-License-Identifier: MIT */
/* Drawing over what was drawn before. See screen.h. */
#include "screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

struct size {
    unsigned rows, columns;
};

static struct size size_of(const struct hvrun_screen *screen)
{
    struct winsize found = {.ws_row = 0};
    (void)ioctl(fileno(screen->terminal), TIOCGWINSZ, &found);
    return (struct size){found.ws_row ? found.ws_row : 24, found.ws_col ? found.ws_col : 80};
}

void hvrun_screen_init(struct hvrun_screen *screen, FILE *terminal)
{
    *screen = (struct hvrun_screen){.terminal = terminal};
}

void hvrun_screen_fini(struct hvrun_screen *screen)
{
    free(screen->length);
}

void hvrun_screen_leave(struct hvrun_screen *screen)
{
    screen->lines = 0;
}

/* Rows that the drawn lines take: a terminal that became narrower has wrapped them. */
static unsigned rows_taken(const struct hvrun_screen *screen, unsigned columns)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < screen->lines; i++)
        rows += screen->length[i] > columns ? (screen->length[i] - 1) / columns + 1 : 1;
    return rows;
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines;
}

static bool has_room(struct hvrun_screen *screen, unsigned lines)
{
    if (lines <= screen->room)
        return true;
    unsigned *more = realloc(screen->length, lines * sizeof *more);
    if (!more)
        return false;
    screen->length = more;
    screen->room = lines;
    return true;
}

static void draw_line(struct hvrun_screen *screen, const char *line, size_t length, size_t columns)
{
    size_t shown = length < columns ? length : columns;
    fprintf(screen->terminal, "%.*s\n", (int)shown, line);
    screen->length[screen->lines++] = (unsigned)shown;
}

void hvrun_screen_draw(struct hvrun_screen *screen, const char *text)
{
    struct size size = size_of(screen);
    unsigned lines = count_lines(text), most = size.rows > 2 ? size.rows - 1 : 1;
    unsigned shown = lines <= most ? lines : most - 1; /* and a line that says so */
    char rest[48];
    if (screen->lines)
        fprintf(screen->terminal, "\033[%uA\033[J", rows_taken(screen, size.columns));
    screen->lines = 0;
    if (!has_room(screen, shown + 1))
        return;
    for (unsigned i = 0; i < shown; i++) {
        size_t length = strcspn(text, "\n");
        draw_line(screen, text, length, size.columns);
        text += length + 1;
    }
    if (shown < lines) {
        int length = snprintf(rest, sizeof rest, "... and %u lines more", lines - shown);
        draw_line(screen, rest, (size_t)length, size.columns);
    }
    fflush(screen->terminal);
}
