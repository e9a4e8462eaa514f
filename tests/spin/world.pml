/* SPDX-License-Identifier: MIT */
/*
 * Guests, devices and a VMM that takes pages away, beside scanners. tests/spin/run has the settings:
 *
 *     PAGES, COPIES      guest pages; machine pages beyond those
 *     SCANNERS           processes that offer pages
 *     WRITERS            pages 0 .. WRITERS - 1 have a vCPU that stores
 *     DEVICE, LEAVER     the page that a device writes to; the page that comes and goes; none: PAGES
 *     ROUNDS             of each of these
 *     SHARED             pages 0 .. SHARED - 1 are on one frame at the start, as pages are that a VMM
 *                        declared to be shared
 *     ADOPTED            pages 0 .. ADOPTED - 1 are on one frame that the table does not have yet, since
 *                        a VMM has just declared it; KEPT: its machine page is of a store
 *     APART              this page is on another such frame, by itself
 *     CODE_PAGE          a page that no mapping permits a write of; none: PAGES
 *     COLLIDE            all hashes are equal
 *     FAULT_...          a planted fault
 */
#include "page.pml"
#include "cow.pml"
#include "merge.pml"

byte working;

/* A store: the vCPU walks the tables unless its TLB has the page, and faults if it may not write. */
proctype writer(byte p)
{
    byte rounds, value, result;
    byte to, was_payload;
    mtype was;
    bool swapped, last;

    do
    :: rounds == ROUNDS -> break
    :: else ->
        atomic {
            if
            :: cached[p] && cached_write[p] -> /* the store */
                if
                :: value = 0
                :: value = 1
                fi;
                d_step {
                    assert(used[cached_mpn[p]] && !IS_STORE(cached_mpn[p]));
                    content[cached_mpn[p]] = value;
                    expected[p] = value;
                    value = 0;
                    rounds++;
                    must_hold()
                }
                result = OK
            :: !(cached[p] && cached_write[p]) && !present[p] -> rounds = ROUNDS /* nothing to write to */
            :: !(cached[p] && cached_write[p]) && present[p] && !sharing[p] -> /* a fill */
                readonly[p] = false;
                cached[p] = true;
                cached_write[p] = true;
                cached_mpn[p] = maps[p];
                result = OK
            :: !(cached[p] && cached_write[p]) && present[p] && sharing[p] -> /* a fault */
                cached[p] = false;
                cached_mpn[p] = 0;
                result = BUSY
            :: !(cached[p] && cached_write[p]) && present[p] && sharing[p] -> /* or it reads first */
                cached[p] = true;
                cached_mpn[p] = maps[p];
                result = OK
            fi
        }
        if
        :: result == BUSY -> share_break(p, result)
        :: else
        fi
    od;
    flush(p);
    working--
}

/* Pins the page, has it broken, and writes it without a mapping. */
proctype device(byte p)
{
    byte rounds, mpn, result;
    byte to, was_payload;
    mtype was;
    bool swapped, last;

    do
    :: rounds == ROUNDS -> break
    :: else ->
        d_step { pinned[p] = true }
        share_break(p, result);
        d_step { mpn = maps[p] }
        d_step {
            assert(used[mpn] && !IS_STORE(mpn));
            content[mpn] = 1 - content[mpn];
            expected[p] = content[mpn];
            rounds++;
            must_hold()
        }
        d_step {
            pinned[p] = false;
            mpn = 0
        }
    od;
    working--
}

/* Unmaps the page, tells the engine, and maps a new page of zeros. */
proctype leaver(byte p)
{
    byte rounds, mpn, result;
    bool engines;
    byte to, was_payload;
    mtype was;
    bool swapped, last;

    do
    :: rounds == ROUNDS -> break
    :: else ->
        d_step {
            mpn = maps[p];
            present[p] = false;
            sharing[p] = false;
            maps[p] = 0
        }
        flush(p);
        share_forget(p, engines);
        if
        :: engines
        :: else -> free_machine_page(mpn)
        fi;
        atomic {
            FREE_MACHINE_PAGE -> /* it waits for one */
            take_machine_page(mpn)
        }
        d_step {
            maps[p] = mpn;
            expected[p] = 0;
            present[p] = true;
            engines = false;
            mpn = 0;
            rounds++;
            must_hold()
        }
    od;
    working--
}

/* What the engine must look like when nothing runs. */
inline audit()
{
    byte p, f, sum;
    f = 0;
    do
    :: f < FRAMES ->
        sum = 0;
        p = 0;
        do
        :: p < PAGES ->
            if
            :: ON_FRAME(state[p]) && payload[p] == f ->
                sum++;
                assert(present[p] && sharing[p] && maps[p] == frame_mpn[f])
            :: else
            fi;
            p++
        :: else -> break
        od;
        assert(refs[f] == sum && taken[f] == (sum > 0)); /* references = mappings */
        assert((linked[f] || IS_OUTSIDE(f)) == (sum > 0));
        assert(!(linked[f] && IS_OUTSIDE(f)));
        f++
    :: else -> break
    od;
    p = 0;
    do
    :: p < PAGES ->
        assert(hint[p] == (state[p] == SHARE_WORD_HINTED));
        assert(state[p] != SHARE_WORD_OWNED && state[p] != SHARE_WORD_BROKEN && state[p] != SHARE_WORD_MOVING);
        assert(sharing[p] == ON_FRAME(state[p]));
        p++
    :: else -> break
    od;
    f = 0;
    do
    :: f < MPNS -> /* no machine page is lost */
        sum = 0;
        p = 0;
        do
        :: p < PAGES ->
            if
            :: present[p] && maps[p] == f -> sum++
            :: else
            fi;
            p++
        :: else -> break
        od;
        assert(used[f] == (sum > 0));
        f++
    :: else -> break
    od
}

#ifdef ADOPTED
#ifndef KEPT
#define KEPT false
#endif
inline declare_frame(f, p, is_kept)
{
    state[p] = SHARE_WORD_SHARED;
    payload[p] = f;
    sharing[p] = true;
    refs[f]++;
    taken[f] = true;
    outside[f] = true;
    kept[f] = is_kept;
    frame_mpn[f] = maps[p];
    store[maps[p]] = is_kept
}

inline declare_frames()
{
    k = 0;
    do
    :: k < ADOPTED ->
        used[k] = false;
        maps[k] = 0;
        used[0] = true;
        declare_frame(0, k, KEPT);
        k++
    :: else -> break
    od;
#ifdef APART
    declare_frame(1, APART, false);
#endif
}
#endif

init
{
    atomic {
        k = 0;
        do
        :: k < PAGES ->
            state[k] = SHARE_WORD_NONE;
            present[k] = true;
            maps[k] = k;
            used[k] = true;
            k++
        :: else -> break
        od;
        k = 0;
        do
        :: k < SHARED ->
            state[k] = SHARE_WORD_SHARED;
            used[k] = false;
            maps[k] = 0;
            sharing[k] = true;
            taken[0] = true;
            linked[0] = true;
            refs[0]++;
            k++
        :: else -> break
        od;
        used[0] = true;
#ifdef ADOPTED
        declare_frames();
#endif
        if
        :: CODE_PAGE < PAGES -> readonly[CODE_PAGE] = true
        :: else
        fi;
        k = 0;
        do
        :: k < SCANNERS ->
            run scanner();
            k++
        :: else -> break
        od;
        k = 0;
        do
        :: k < WRITERS ->
            working++;
            run writer(k);
            k++
        :: else -> break
        od;
        if
        :: DEVICE < PAGES ->
            working++;
            run device(DEVICE)
        :: else
        fi;
        if
        :: LEAVER < PAGES ->
            working++;
            run leaver(LEAVER)
        :: else
        fi;
        k = 0
    }
    working == 0;
    stopping = true;
    scanning == 0;
    d_step { audit() }
}
