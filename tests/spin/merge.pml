/* SPDX-License-Identifier: MIT */
/* look.c, match.c, merge.c and commit.c: share_offer of one page after another. */

#define WITH_NONE  0
#define WITH_HINT  1
#define WITH_FRAME 2

/* How an item ends: verbs of run.h. */
#define RELEASE 0
#define DROP    1
#define REJECT  2 /* a false match: NO_MATCH */
#define HINTED  3

#define IDLE_ROUNDS_MAX 2

bool stopping;
byte scanning = SCANNERS;

proctype scanner()
{
    byte i, h, f;       /* the item's page; its partner: a page, or a frame */
    byte with;
    byte mpn, with_mpn;
    byte hash, own, other; /* of bytes that were read: of the look, then of the compare */
    byte idle_rounds, answer, with_answer, end;
    mtype before;       /* the item's word before it was owned */
    byte before_payload, with_payload;
    bool hinted, is_protected, code, with_code, conflict, found;
    /* of cow.pml */
    byte to, was_payload;
    mtype was;
    bool swapped, last;

next:
    atomic { /* states that are equal look equal */
        i = 0; h = 0; f = 0; with = WITH_NONE; mpn = 0; with_mpn = 0; hash = 0; own = 0; other = 0;
        idle_rounds = 0; answer = 0; with_answer = 0; end = RELEASE; before = SHARE_WORD_NONE;
        before_payload = 0; with_payload = 0; hinted = false; is_protected = false; code = false;
        with_code = false; conflict = false; found = false; was_payload = 0; was = SHARE_WORD_NONE;
        swapped = false; last = false;
        if
        :: stopping -> goto stopped
        :: else
        fi;
        if
        :: i = 0
        :: i = 1
#if PAGES > 2
        :: i = 2
#endif
        fi;
        before = state[i]; /* claim */
        before_payload = payload[i];
        if
        :: before == SHARE_WORD_NONE || before == SHARE_WORD_HINTED || before == SHARE_WORD_NO_MATCH
#ifdef ADOPTED
        :: ON_FRAME(before) && IS_OUTSIDE(before_payload) -> goto index
#endif
        :: else -> goto next
        fi
    }
    swap(i, before, before_payload, SHARE_WORD_OWNED, 0, swapped);
    if
    :: !swapped -> goto next
    :: else -> swapped = false
    fi;

    /* ---- look */
    atomic {
        hinted = before == SHARE_WORD_HINTED;
        if
        :: !present[i] ->
            end = DROP;
            goto item_ends
        :: else -> mpn = maps[i]
        fi
    }
    atomic {
        peek(mpn, hash);
        hash = HASH(hash);
        hinted = before == SHARE_WORD_HINTED && before_payload == hash;
        if
        :: before == SHARE_WORD_NO_MATCH && before_payload == hash ->
            end = REJECT;
            goto item_ends
        :: else
        fi
    }
    if
    :: before == SHARE_WORD_HINTED && !hinted -> hint_drop(i)
    :: else
    fi;
    atomic { /* share_item_meet: is there anything else of this hash? */
        !table_locked ->
        k = 0;
        do
        :: k < PAGES ->
            found = found || (k != i && hint[k] && hint_hash[k] == hash);
            k++
        :: else -> break
        od;
        k = 0;
        do
        :: k < FRAMES ->
            found = found || (linked[k] && frame_hash[k] == hash);
            k++
        :: else -> break
        od;
        k = 0;
        assert(!hinted || hint[i]);
        if
        :: !found ->
            hint[i] = true;
            hint_hash[i] = hash;
            end = HINTED;
            goto item_ends
        :: else -> found = false
        fi
    }

match:
    atomic { /* frames come before hints */
        !table_locked ->
        table_locked = true;
        f = 0;
        h = 0;
        conflict = false
    }
    do
    :: f < FRAMES && with == WITH_NONE ->
        atomic { /* share_frame_get */
            if
#ifdef FAULT_JOINS_AT_ZERO
            :: linked[f] && frame_hash[f] == hash ->
#else
            :: linked[f] && frame_hash[f] == hash && refs[f] > 0 ->
#endif
                refs[f]++;
                with = WITH_FRAME
            :: else -> f++
            fi
        }
    :: else -> break
    od;
    do
    :: h < PAGES && with == WITH_NONE ->
        atomic {
            found = false;
            if
            :: h != i && hint[h] && hint_hash[h] == hash ->
                with_payload = payload[h];
                found = state[h] == SHARE_WORD_HINTED;
                conflict = conflict || !found
            :: else
            fi
        }
        if
        :: found ->
            swap(h, SHARE_WORD_HINTED, with_payload, SHARE_WORD_OWNED, 0, swapped);
            if
            :: swapped -> with = WITH_HINT
            :: else ->
                conflict = true;
                h++
            fi
        :: else -> h++
        fi
    :: else -> break
    od;
    atomic {
        found = false;
        swapped = false;
        if
        :: with == WITH_NONE && !conflict ->
            assert(!hinted || hint[i]);
            hint[i] = true;
            hint_hash[i] = hash
        :: else
        fi;
        table_locked = false
    }
    if
    :: with == WITH_NONE && !conflict ->
        end = HINTED;
        goto item_ends
    :: with == WITH_NONE && conflict -> /* somebody owns the partner: the next round */
        idle_rounds++;
        if
        :: idle_rounds == IDLE_ROUNDS_MAX ->
            end = RELEASE;
            goto item_ends
        :: else -> goto match
        fi
    :: else -> idle_rounds = 0
    fi;
    if
    :: with == WITH_FRAME -> with_mpn = frame_mpn[f]
    :: else ->
        atomic { /* find_hinted */
            if
            :: present[h] -> with_mpn = maps[h]
            :: else -> goto partner_drop
            fi
        }
    fi;
    if
    :: with_mpn == mpn -> /* already */
        end = RELEASE;
        goto item_ends
    :: else
    fi;
    if
    :: with == WITH_HINT ->
        atomic { /* verify_hint */
            peek(with_mpn, other);
            found = HASH(other) == hash;
            other = 0
        }
        if
        :: found -> found = false
        :: else -> goto partner_drop
        fi
    :: else
    fi;

#ifdef FAULT_COMPARES_FIRST
    peek(mpn, own);
    peek(with_mpn, other);
#endif
    /* ---- protect: one flush for both */
    protect(i, mpn, answer);
    if
    :: with == WITH_HINT ->
        protect(h, with_mpn, with_answer);
        flush(h)
    :: else
    fi;
    flush(i);
    is_protected = true;
    code = answer == READONLY;
    with_code = with == WITH_HINT && with_answer == READONLY;
    if
    :: answer == STALE ->
        end = DROP;
        goto item_ends
    :: answer == BUSY || (answer != STALE && with_answer == BUSY) ->
        end = RELEASE;
        goto item_ends
    :: answer != STALE && answer != BUSY && with_answer == STALE -> goto partner_drop
    :: else
    fi;

    /* ---- compare */
#ifndef FAULT_COMPARES_FIRST
    peek(mpn, own);
    peek(with_mpn, other);
#endif
    found = own == other;
    atomic { /* the hash of what is there now */
        peek(mpn, own);
        own = HASH(own)
    }
    if
    :: found && (with == WITH_FRAME || own == hash) -> found = false
    :: found && with == WITH_HINT && own != hash -> /* changed alike */
        found = false;
        hint_drop(h);
        give_back(h, is_protected, SHARE_WORD_NONE, 0);
        with = WITH_NONE;
        end = DROP;
        goto item_ends
    :: !found && own != hash ->
        end = DROP;
        goto item_ends
    :: else -> /* judge_difference */
        found = false;
        atomic {
            if
            :: state[i] != SHARE_WORD_OWNED -> /* a write has won */
                end = RELEASE;
                goto item_ends
            :: else
            fi
        }
        atomic {
            if
            :: with == WITH_HINT && state[h] != SHARE_WORD_OWNED ->
                end = RELEASE;
                goto item_ends
            :: else
            fi
        }
        if
        :: HASH(other) == hash || with == WITH_FRAME ->
            end = REJECT;
            goto item_ends
        :: else -> goto partner_drop
        fi
    fi;

    /* ---- commit */
#ifdef FAULT_NO_RECHECK
    d_step {
        state[i] = SHARE_WORD_MOVING;
        payload[i] = 0;
        swapped = true
    }
#else
    swap(i, SHARE_WORD_OWNED, 0, SHARE_WORD_MOVING, 0, swapped);
#endif
    if
    :: !swapped -> /* busy */
        end = RELEASE;
        goto item_ends
    :: else -> swapped = false
    fi;
    if
    :: with == WITH_HINT ->
        d_step { /* share_frame_make: nobody sees it yet */
            f = 0;
            do
            :: f < FRAMES && taken[f] -> f++
            :: else -> break
            od;
            assert(f < FRAMES);
            taken[f] = true;
            frame_mpn[f] = with_mpn;
            refs[f] = 2
        }
        swap(h, SHARE_WORD_OWNED, 0, SHARE_WORD_MOVING, 0, swapped);
        if
        :: !swapped ->
            d_step { refs[f] = 0 }
            retire(f);
            give_back(h, is_protected, SHARE_WORD_HINTED, with_payload);
            goto uncommit
        :: else -> swapped = false
        fi;
        atomic { /* share_table_replace */
            !table_locked ->
            assert(hint[h] && hint_hash[h] == hash);
            hint[h] = false;
            hint_hash[h] = 0;
            linked[f] = true;
            frame_hash[f] = hash
        }
        if
        :: with_code -> set_word(h, SHARE_WORD_CODE, f)
        :: else -> set_word(h, SHARE_WORD_SHARED, f)
        fi
    :: else
    fi;

    /* ---- remap, free */
#ifdef FAULT_FREES_BEFORE_REMAP
    free_machine_page(mpn);
#endif
    remap(i, mpn, with_mpn, false, answer);
    if
    :: answer == OK
    :: else -> goto uncommit
    fi;
#ifndef FAULT_NO_FLUSH
    flush(i);
#endif
    if
    :: hinted -> hint_drop(i)
    :: else
    fi;
    if
    :: code -> set_word(i, SHARE_WORD_CODE, f)
    :: else -> set_word(i, SHARE_WORD_SHARED, f)
    fi;
#ifndef FAULT_FREES_BEFORE_REMAP
    free_machine_page(mpn);
#endif
    goto next;

uncommit: /* answer is OK here if the partner was lost */
    unprotect(i);
    if
    :: hinted -> set_word(i, SHARE_WORD_HINTED, before_payload)
    :: else -> set_word(i, SHARE_WORD_NONE, 0)
    fi;
    if
    :: answer == OK || answer == READONLY -> goto next
    :: else
    fi;
    if
    :: with == WITH_HINT -> /* share_frame_leave_partner */
        d_step {
            was = state[h];
            was_payload = payload[h];
            found = ON_FRAME(was) && was_payload == f
        }
        if
        :: found -> swap(h, was, was_payload, SHARE_WORD_MOVING, 0, found)
        :: else
        fi;
        frame_leave(f);
        if
        :: found ->
            break_last(h, f);
            if
            :: last
            :: else -> set_word(h, was, was_payload)
            fi
        :: else
        fi
    :: else -> frame_leave(f)
    fi;
    goto next;

partner_drop: /* its hint is stale; the item's page stays as it is, protected or not */
    hint_drop(h);
    give_back(h, is_protected, SHARE_WORD_NONE, 0);
    with = WITH_NONE;
    with_mpn = 0;
    with_answer = 0;
    other = 0;
    found = false;
    goto match;

item_ends: /* the partner's page or reference first, then the item's own hint, and its word */
    if
    :: with == WITH_FRAME -> frame_leave(f)
    :: with == WITH_HINT -> give_back(h, is_protected, SHARE_WORD_HINTED, with_payload)
    :: else
    fi;
    if
    :: hinted && (end == DROP || end == REJECT) ->
        hint_drop(i);
        hinted = false
    :: else
    fi;
    if
    :: end == HINTED -> give_back(i, is_protected, SHARE_WORD_HINTED, hash)
    :: end == REJECT -> give_back(i, is_protected, SHARE_WORD_NO_MATCH, hash)
    :: end == RELEASE && hinted -> give_back(i, is_protected, SHARE_WORD_HINTED, before_payload)
    :: else -> give_back(i, is_protected, SHARE_WORD_NONE, 0)
    fi;
    goto next;

#ifdef ADOPTED
#include "index.pml"
#endif

stopped:
    scanning--
}
