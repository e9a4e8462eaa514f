/* SPDX-License-Identifier: MIT */
/* pageshare: what content-based page sharing would save on real memory. */
#include "options.h"
#include "say.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Else a source could be opened as standard output, and the result be written into it. */
static void fill_standard_fds(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            exit(EXIT_SOURCE);
}

int main(int argc, char **argv)
{
    struct options options;
    fill_standard_fds();
    switch (options_parse(&options, argc, argv)) {
    case PARSED_DONE:
        return say_end(true) ? 0 : EXIT_SOURCE;
    case PARSED_WRONG:
        return EXIT_USAGE;
    case PARSED_RUN:
        break;
    }
    return options.command->run(&options);
}
