/* SPDX-License-Identifier: MIT */
/*
 * A page's word, machine memory and the fake VMM: what engine.pml runs on.
 *
 * Everything in a d_step or atomic is one step, and touches one shared thing: the page's word, a count of
 * references, the table under its lock, one mapping, one page's bytes. Between any two of them another
 * thread may run.
 */

/* enum share_word_state of libshare/page.h: tests/spin/names compares the two. */
mtype = {
    SHARE_WORD_NONE,
    SHARE_WORD_HINTED, /* payload: hash */
    SHARE_WORD_NO_MATCH, /* payload: hash */
    SHARE_WORD_OWNED,
    SHARE_WORD_BROKEN, /* payload: writers that are unprotecting it */
    SHARE_WORD_MOVING,
    SHARE_WORD_SHARED, /* payload: frame */
    SHARE_WORD_CODE /* payload: frame */
}

#define MPNS   (PAGES + COPIES)
#define FRAMES (PAGES + 1)

mtype state[PAGES];
byte payload[PAGES];

/* The table: of each page its hint, of each frame its entry, by hash. */
bool table_locked;
bool hint[PAGES];
byte hint_hash[PAGES];
bool linked[FRAMES]; /* frames: 0 to FRAMES - 1 */
byte frame_hash[FRAMES];

bool taken[FRAMES]; /* a frame's number, from the pool */
byte refs[FRAMES];
byte frame_mpn[FRAMES];

/* Of frames that were declared. Models without any know nothing of it. */
#ifdef ADOPTED
bool outside[FRAMES]; /* the table does not have it yet */
bool kept[FRAMES];    /* its machine page is of a store */
bool store[MPNS];     /* nobody may write it */
#define IS_OUTSIDE(f) outside[f]
#define IS_KEPT(f)    kept[f]
#define IS_STORE(mpn) store[mpn]
#else
#define IS_OUTSIDE(f) false
#define IS_KEPT(f)    false
#define IS_STORE(mpn) false
#endif

/* The VMM's side. A guest page's entry: */
bool present[PAGES];
byte maps[PAGES];     /* the MPN */
bool sharing[PAGES];  /* the engine's reason: no write */
bool readonly[PAGES]; /* no mapping permits a write anyway: code */
bool pinned[PAGES];   /* by a device */
/* What the page's vCPU has of it in its TLB: */
bool cached[PAGES];
bool cached_write[PAGES];
byte cached_mpn[PAGES];
/* Machine pages: */
bool used[MPNS];
byte content[MPNS];

/* What each guest must read: of its own last store, of nobody else's. */
byte expected[PAGES];

/* Pages whose contents are not equal may have equal hashes. */
#ifdef COLLIDE
#define HASH(byte_content) 0
#else
#define HASH(byte_content) (byte_content)
#endif

hidden byte k; /* of loops inside one step */

/* No write is lost, none is seen by another guest, and no freed machine page is mapped. Part of each step
 * that changes bytes, mappings or machine pages. */
inline must_hold()
{
    k = 0;
    do
    :: k < PAGES ->
        assert(!present[k] || (used[maps[k]] && content[maps[k]] == expected[k]));
        assert(!cached[k] || (used[cached_mpn[k]] && content[cached_mpn[k]] == expected[k]));
        k++
    :: else -> break
    od;
    k = 0
}

/* ------------------------------------------------------------------------------- a page's word -- */

/* The list of page.h. */
#define MAY_BECOME(p, to, to_payload) \
    ((state[p] == SHARE_WORD_NONE && to == SHARE_WORD_OWNED) || \
     (state[p] == SHARE_WORD_HINTED && (to == SHARE_WORD_OWNED || to == SHARE_WORD_MOVING)) || \
     (state[p] == SHARE_WORD_NO_MATCH && (to == SHARE_WORD_OWNED || to == SHARE_WORD_MOVING)) || \
     (state[p] == SHARE_WORD_OWNED && (to == SHARE_WORD_NONE || to == SHARE_WORD_HINTED || \
                                       to == SHARE_WORD_NO_MATCH || to == SHARE_WORD_BROKEN || \
                                       to == SHARE_WORD_MOVING)) || \
     (state[p] == SHARE_WORD_BROKEN && to == SHARE_WORD_BROKEN && \
      (to_payload == payload[p] + 1 || to_payload + 1 == payload[p])) || \
     (state[p] == SHARE_WORD_BROKEN && payload[p] == 0 && \
      (to == SHARE_WORD_NONE || to == SHARE_WORD_HINTED)) || \
     (state[p] == SHARE_WORD_MOVING && (to == SHARE_WORD_NONE || to == SHARE_WORD_HINTED || \
                                        to == SHARE_WORD_SHARED || to == SHARE_WORD_CODE)) || \
     ((state[p] == SHARE_WORD_SHARED || state[p] == SHARE_WORD_CODE) && to == SHARE_WORD_MOVING))

inline become(p, to, to_payload)
{
    assert(MAY_BECOME(p, to, to_payload));
    state[p] = to;
    payload[p] = to_payload
}

/* share_word_set */
inline set_word(p, to, to_payload)
{
    d_step { become(p, to, to_payload) }
}

/* share_word_swap */
inline swap(p, from, from_payload, to, to_payload, swapped)
{
    d_step {
        if
        :: state[p] == from && payload[p] == from_payload ->
            become(p, to, to_payload);
            swapped = true
        :: else -> swapped = false
        fi
    }
}

#define ON_FRAME(s) (s == SHARE_WORD_SHARED || s == SHARE_WORD_CODE)

/* ------------------------------------------------------------------------------- the VMM's ops -- */

inline peek(mpn, byte_content)
{
    assert(used[mpn]);
    byte_content = content[mpn]
}

inline unprotect(p)
{
    d_step {
        assert(!present[p] || !IS_STORE(maps[p]));
        sharing[p] = false
    }
}

inline flush(p)
{
    d_step {
        cached[p] = false;
        cached_write[p] = false;
        cached_mpn[p] = 0
    }
}

#define OK        0
#define READONLY  1
#define STALE     2
#define BUSY      3

/* An entry's edit; the flush comes after it. */
inline protect(p, mpn, answer)
{
    d_step {
        if
        :: !present[p] || maps[p] != mpn -> answer = STALE
#ifndef FAULT_PIN_IGNORED
        :: present[p] && maps[p] == mpn && pinned[p] -> answer = BUSY
#endif
        :: else ->
            answer = (readonly[p] -> READONLY : OK);
            sharing[p] = true
        fi
    }
}

/* The same. */
inline remap(p, from, to, writable, answer)
{
    d_step {
        if
        :: !present[p] || maps[p] != from -> answer = STALE
        :: present[p] && maps[p] == from && pinned[p] && !(writable) -> answer = BUSY
        :: else ->
            assert(sharing[p] && used[to] && !((writable) && IS_STORE(to)));
            maps[p] = to;
            sharing[p] = !(writable);
            answer = OK;
            must_hold()
        fi
    }
}

#define FREE_MACHINE_PAGE (!used[0] || !used[1] || !used[2] || (MPNS > 3 && !used[MPNS - 1]))

/* Takes a machine page; MPNS: there is none. */
inline take_machine_page(mpn)
{
    d_step {
        mpn = 0;
        do
        :: mpn < MPNS && used[mpn] -> mpn++
        :: else -> break
        od;
        if
        :: mpn < MPNS -> used[mpn] = true
        :: else
        fi
    }
}

inline free_machine_page(mpn)
{
    d_step {
        assert(used[mpn]);
#ifdef ADOPTED
        store[mpn] = false;
#endif
        used[mpn] = false;
        content[mpn] = 0;
        must_hold()
    }
}
