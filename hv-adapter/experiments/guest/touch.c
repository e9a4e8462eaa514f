/* SPDX-License-Identifier: MIT */
/* Random touches over so much memory that no TLB of ours holds it. Prints a sum over what it read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
    uint64_t nbytes = (uint64_t)(argc > 1 ? atoi(argv[1]) : 32) << 20;
    uint64_t touches = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t words = nbytes / sizeof(uint64_t), state = 1, sum = 0;
    uint64_t *memory =
        mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    for (uint64_t i = 0; i < words; i += 4096 / sizeof *memory)
        memory[i] = i;
    puts("@@begin touch");
    fflush(stdout);
    for (uint64_t i = 0; i < touches; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        uint64_t *word = &memory[(state >> 32) % words];
        sum += *word;
        *word = sum ^ state;
    }
    printf("@@end touch %016llx\n", (unsigned long long)sum);
    return 0;
}
