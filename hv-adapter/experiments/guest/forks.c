/* SPDX-License-Identifier: MIT */
/* A fork storm: each child writes some of its parent's pages and ends. Prints a sum over all. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 256, WRITTEN = 32, PAGE_WORDS = 4096 / sizeof(uint64_t) };

static uint64_t memory[PAGES][PAGE_WORDS];

static int child(uint64_t round)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < WRITTEN; i++) {
        memory[(round * 7 + i * 5) % PAGES][i] += round;
        sum += memory[(round + i) % PAGES][i];
    }
    return (int)(sum * UINT64_C(0x9e3779b97f4a7c15) >> 57);
}

int main(int argc, char **argv)
{
    uint64_t forks = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000, sum = 0;
    for (uint64_t i = 0; i < PAGES; i++)
        memory[i][0] = i;
    puts("@@begin forks");
    fflush(stdout);
    for (uint64_t round = 1; round <= forks; round++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            _exit(child(round));
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
            return 1;
        sum = sum * 31 + (uint64_t)WEXITSTATUS(status);
        memory[round % PAGES][round % PAGE_WORDS] ^= sum; /* the parent's COW breaks */
    }
    printf("@@end forks %016llx\n", (unsigned long long)sum);
    return 0;
}
