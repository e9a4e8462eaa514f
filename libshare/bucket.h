/* SPDX-License-Identifier: MIT */
/*
 * A bucket of the table: eight entries in one cache line, looked at all at once.
 *
 * Eight tags stand before eight ids, so that vector instructions compare tags with tags and no
 * branch asks which slots are taken: where entries stand cannot be predicted.
 *
 * A full bucket spills into the next one of the key's chain (array.h). Keys are of eight classes,
 * and the bucket knows which of them have spilled: most walks for a key that is not there end at a
 * full bucket, too.
 *
 * Layout of a tag: bits 31..2 the key (30 hash bits), 1 spill (of the class that has the slot's
 * number), 0 kind. Invariant: an empty slot has id 0 and tag 0 but for the spill bit.
 */
#ifndef SHARE_BUCKET_H
#define SHARE_BUCKET_H

#include "invariant.h"
#include "mem.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SHARE_TABLE_SLOTS 8u /* entries a bucket */
#define SHARE_ALL_SLOTS   ((1u << SHARE_TABLE_SLOTS) - 1)

#define SHARE_TAG_KEY_SHIFT 2
#define SHARE_TAG_SPILL     2u
#define SHARE_TAG_KIND      1u

/* A key's class is the lowest three of its bits that a page's word keeps, too, and the bits from
 * there on tell its chain: so a hint can be sought by its word. engine.h asserts which those are.
 */
#define SHARE_CLASS_SHIFT 10

enum share_kind {
    SHARE_KIND_HINT = 0, /* id is a page number: unproven */
    SHARE_KIND_FRAME = 1 /* id is a frame number: proven */
};

struct share_hit {
    enum share_kind kind;
    uint32_t id;
};

struct share_bucket {
    _Alignas(SHARE_LINE_NBYTES) uint32_t tag[SHARE_TABLE_SLOTS];
    uint32_t id[SHARE_TABLE_SLOTS];
};
_Static_assert(sizeof(struct share_bucket) == SHARE_LINE_NBYTES, "a line");

/* Sets of slots, a bit a slot. */
struct share_slots {
    unsigned empty;   /* nothing stands there */
    unsigned matches; /* an entry of the key asked for */
};

static inline struct share_slots share_bucket_slots(const struct share_bucket *bucket, uint32_t key)
{
    unsigned empty = 0, matches = 0;
#ifdef __SSE2__
    const __m128i *tag = (const __m128i *)bucket->tag, *id = (const __m128i *)bucket->id;
    const __m128i zero = _mm_setzero_si128(), keys = _mm_set1_epi32((int)key);
    __m128i match_low = _mm_cmpeq_epi32(_mm_srli_epi32(tag[0], SHARE_TAG_KEY_SHIFT), keys);
    __m128i match_high = _mm_cmpeq_epi32(_mm_srli_epi32(tag[1], SHARE_TAG_KEY_SHIFT), keys);
    __m128i empty_low = _mm_cmpeq_epi32(id[0], zero), empty_high = _mm_cmpeq_epi32(id[1], zero);
    __m128i both = _mm_packs_epi16(_mm_packs_epi32(match_low, match_high),
                                   _mm_packs_epi32(empty_low, empty_high));
    unsigned mask = (unsigned)_mm_movemask_epi8(both);
    matches = mask & SHARE_ALL_SLOTS;
    empty = mask >> SHARE_TABLE_SLOTS;
#else
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
        empty |= (unsigned)(bucket->id[i] == 0) << i;
        matches |= (unsigned)(bucket->tag[i] >> SHARE_TAG_KEY_SHIFT == key) << i;
    }
#endif
    return (struct share_slots){empty, matches & ~empty};
}

/* The first slot of a set that is not empty. */
static inline unsigned share_slots_first(unsigned slots)
{
    return (unsigned)__builtin_ctz(slots);
}

static inline unsigned share_key_class(uint32_t key)
{
    return key >> SHARE_CLASS_SHIFT & (SHARE_TABLE_SLOTS - 1);
}

static inline bool share_bucket_spills(const struct share_bucket *bucket, uint32_t key)
{
    return bucket->tag[share_key_class(key)] & SHARE_TAG_SPILL;
}

static inline void share_bucket_spill(struct share_bucket *bucket, uint32_t key)
{
    bucket->tag[share_key_class(key)] |= SHARE_TAG_SPILL;
}

static inline uint32_t share_bucket_key(const struct share_bucket *bucket, unsigned slot)
{
    return bucket->tag[slot] >> SHARE_TAG_KEY_SHIFT;
}

static inline struct share_hit share_bucket_hit(const struct share_bucket *bucket, unsigned slot)
{
    enum share_kind kind = bucket->tag[slot] & SHARE_TAG_KIND ? SHARE_KIND_FRAME : SHARE_KIND_HINT;
    return (struct share_hit){kind, bucket->id[slot]};
}

/* The invariant: of no slot that is empty a tag says more than that a class has spilled. */
static inline bool share_bucket_is_valid(const struct share_bucket *bucket)
{
    bool valid = true;
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++)
        valid = valid && (bucket->id[i] || !(bucket->tag[i] & ~SHARE_TAG_SPILL));
    return valid;
}

/* Writes a slot and keeps its spill bit. */
static inline void share_bucket_put(struct share_bucket *bucket, unsigned slot, uint32_t key,
                                    struct share_hit entry)
{
    uint32_t tag = key << SHARE_TAG_KEY_SHIFT | (uint32_t)entry.kind;
    share_assert(entry.id && tag >> SHARE_TAG_KEY_SHIFT == key);
    bucket->tag[slot] = tag | (bucket->tag[slot] & SHARE_TAG_SPILL);
    bucket->id[slot] = entry.id;
}

static inline void share_bucket_clear(struct share_bucket *bucket, unsigned slot)
{
    bucket->tag[slot] &= SHARE_TAG_SPILL;
    bucket->id[slot] = 0;
}

/* Empties it; spill bits stay, so that chains through it stay walkable. */
static inline void share_bucket_clear_all(struct share_bucket *bucket)
{
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++)
        share_bucket_clear(bucket, i);
}

#endif
