/* SPDX-License-Identifier: MIT */
/* compute: hashing, compression and sorting over a buffer; touch: a known pattern over a known
 * amount of memory; idle. */
#include "sys.h"
#include "workloads.h"

enum { WORDS = 16384, BYTES = WORDS * 8 };

uint64_t work_idle(const struct work *work)
{
    sys_sleep_ms(1000);
    return checksum_add(CHECKSUM_EMPTY, &work->round, sizeof work->round);
}

static void sift(uint64_t *heap, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && heap[child + 1] > heap[child])
            child++;
        if (heap[at] >= heap[child])
            return;
        uint64_t moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static void sort(uint64_t *words, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(words, i, count);
    for (size_t end = count; end-- > 1;) {
        uint64_t largest = words[0];
        words[0] = words[end];
        words[end] = largest;
        sift(words, 0, end);
    }
}

/* Runs of bytes seen before become (distance, length): four bytes that name up to 255. */
static size_t compress(const unsigned char *in, size_t nbytes, unsigned char *out)
{
    static uint32_t seen[4096]; /* position + 1 of the last three bytes of this hash */
    size_t at = 0, put = 0;
    for (size_t i = 0; i < 4096; i++)
        seen[i] = 0;
    while (at < nbytes) {
        size_t length = 0, from = 0;
        if (at + 3 < nbytes) {
            uint32_t three = (uint32_t)(in[at] | in[at + 1] << 8 | in[at + 2] << 16);
            uint32_t *slot = &seen[(three * UINT32_C(2654435761)) >> 20];
            from = *slot;
            *slot = (uint32_t)at + 1;
        }
        while (from && length < 255 && at + length < nbytes &&
               in[from - 1 + length] == in[at + length])
            length++;
        if (length >= 5 && at - (from - 1) < 65536) {
            size_t distance = at - (from - 1);
            out[put++] = 0;
            out[put++] = (unsigned char)length;
            out[put++] = (unsigned char)distance;
            out[put++] = (unsigned char)(distance >> 8);
            at += length;
        } else {
            out[put++] = 1;
            out[put++] = in[at++];
        }
    }
    return put;
}

static size_t expand(const unsigned char *in, size_t nbytes, unsigned char *out)
{
    size_t put = 0;
    for (size_t at = 0; at < nbytes;) {
        if (in[at] == 1) {
            out[put++] = in[at + 1];
            at += 2;
            continue;
        }
        size_t distance = in[at + 2] | (size_t)in[at + 3] << 8;
        for (size_t i = 0; i < in[at + 1]; i++, put++)
            out[put] = out[put - distance];
        at += 4;
    }
    return put;
}

uint64_t work_compute(const struct work *work)
{
    uint64_t state = work->seed * 1000003 + work->round, checksum = CHECKSUM_EMPTY;
    uint64_t *words = sys_map(BYTES);
    unsigned char *packed = sys_map(2 * BYTES), *back = sys_map(BYTES);
    if (!words || !packed || !back)
        return 0;
    for (size_t i = 0; i < WORDS; i++)
        words[i] = random_next(&state) % 5000 * UINT64_C(0x0001000100010001);
    checksum = checksum_add(checksum, words, BYTES);
    size_t nbytes = compress((const unsigned char *)words, BYTES, packed);
    checksum = checksum_add(checksum, packed, nbytes);
    nbytes = expand(packed, nbytes, back);
    checksum = checksum_add(checksum, back, nbytes);
    sort(words, WORDS);
    checksum = checksum_add(checksum, words, BYTES);
    sys_unmap(words, BYTES);
    sys_unmap(packed, 2 * BYTES);
    sys_unmap(back, BYTES);
    return checksum;
}

uint64_t work_touch(const struct work *work)
{
    static uint64_t *memory; /* kept over rounds, so that the amount in use is known */
    size_t words = work->touch_kib * 1024 / 8;
    if (!memory && !(memory = sys_map(words * 8)))
        return 0;
    for (size_t i = 0; i < words; i++) /* every second page the same in all VMs */
        memory[i] = (i / 512 % 2 ? work->seed : 0) + work->round + i % 512;
    return checksum_add(CHECKSUM_EMPTY, memory, words * 8);
}
