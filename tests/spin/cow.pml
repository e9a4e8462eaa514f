/* SPDX-License-Identifier: MIT */
/*
 * cow.c and release.c: how pages leave frames, and how owned pages go back. Inlines use these of their process:
 *     byte to, was_payload; mtype was; bool swapped, last
 */

/* share_hint_drop */
inline hint_drop(p)
{
    atomic {
        !table_locked ->
        assert(hint[p]);
        hint[p] = false;
        hint_hash[p] = 0
    }
}

/* A frame without references leaves the table: its page is protected still, so its hash is what it was. */
inline unlink_frame(f)
{
    if
    :: IS_OUTSIDE(f) -> assert(refs[f] == 0 && used[frame_mpn[f]] && !linked[f])
    :: else ->
        atomic {
            !table_locked ->
            assert(refs[f] == 0 && used[frame_mpn[f]] && linked[f]);
            assert(HASH(content[frame_mpn[f]]) == frame_hash[f]);
            linked[f] = false;
            frame_hash[f] = 0
        }
    fi
}

inline retire(f)
{
    d_step {
        assert(refs[f] == 0 && taken[f]);
#ifdef ADOPTED
        outside[f] = false;
        kept[f] = false;
#endif
        taken[f] = false;
        frame_mpn[f] = 0
    }
}

/* share_frame_leave */
inline frame_leave(f)
{
    d_step {
        assert(refs[f] > 0);
        refs[f]--;
        last = refs[f] == 0
    }
    if
    :: last ->
        unlink_frame(f);
        assert(IS_STORE(frame_mpn[f]) == IS_KEPT(f)); /* what ops.free is told */
        free_machine_page(frame_mpn[f]);
        retire(f);
        last = false
    :: else
    fi
}

/* break_last; `last` says whether it was. */
inline break_last(p, f)
{
#ifdef FAULT_UNPROTECT_FIRST
    d_step { last = refs[f] == 1 }
    if
    :: last -> unprotect(p)
    :: else
    fi;
#endif
    d_step {
        last = refs[f] == 1;
        if
        :: last -> refs[f] = 0
        :: else
        fi
    }
    if
    :: last ->
        unlink_frame(f);
        unprotect(p);
        set_word(p, SHARE_WORD_NONE, 0);
        retire(f)
    :: else
    fi
}

/* give_back, of a page that the process owns. A page that a write has won is never NO_MATCH. */
inline give_back(p, is_protected, word, word_payload)
{
    if
    :: is_protected -> unprotect(p)
    :: else
    fi;
    swap(p, SHARE_WORD_OWNED, 0, word, word_payload, swapped);
    if
    :: swapped
    :: else ->
        atomic {
#ifdef FAULT_WRITERS_UNCOUNTED
            state[p] == SHARE_WORD_BROKEN -> payload[p] = 0;
#else
            state[p] == SHARE_WORD_BROKEN && payload[p] == 0 ->
#endif
            if
            :: word == SHARE_WORD_NO_MATCH -> become(p, SHARE_WORD_NONE, 0)
            :: else -> become(p, word, word_payload)
            fi
        }
    fi;
    swapped = false
}

/* copy, and finish. */
inline break_with_copy(p, f, result)
{
#ifdef FAULT_LEAVES_BEFORE_COPY
    frame_leave(f);
#endif
    take_machine_page(to);
    if
    :: to == MPNS -> /* NOMEM */
        set_word(p, was, was_payload);
        result = STALE
    :: else ->
        d_step {
            assert(used[frame_mpn[f]]);
            content[to] = content[frame_mpn[f]]
        }
        remap(p, frame_mpn[f], to, true, result);
        if
        :: result == OK ->
            flush(p);
            set_word(p, SHARE_WORD_NONE, 0);
#ifndef FAULT_LEAVES_BEFORE_COPY
            frame_leave(f)
#endif
        :: else ->
            free_machine_page(to);
            set_word(p, was, was_payload)
        fi
    fi;
    to = 0
}

/* share_break. Waits where the caller is told RETRY or NOMEM, until there is a reason to try again. */
inline share_break(p, result)
{
    result = BUSY;
    do
    :: result == OK -> break
    :: else ->
        atomic {
            state[p] != SHARE_WORD_MOVING -> /* else RETRY */
            was = state[p];
            was_payload = payload[p];
            if
            :: was == SHARE_WORD_NONE || was == SHARE_WORD_HINTED || was == SHARE_WORD_NO_MATCH -> result = OK
            :: else
            fi
        }
        if
        :: result == OK
        :: result != OK && ON_FRAME(was) ->
            swap(p, was, was_payload, SHARE_WORD_MOVING, 0, swapped);
            if
            :: swapped ->
                if
#ifndef FAULT_KEPT_IN_PLACE
                :: IS_KEPT(was_payload) -> last = false /* a page of a store is copied in any case */
#endif
                :: else -> break_last(p, was_payload)
                fi;
                if
                :: last -> result = OK
                :: else -> break_with_copy(p, was_payload, result)
                fi
            :: else
            fi
        :: result != OK && !ON_FRAME(was) -> /* break_look */
            swap(p, was, was_payload, SHARE_WORD_BROKEN, (was == SHARE_WORD_OWNED -> 1 : was_payload + 1),
                 swapped);
            if
            :: swapped ->
                unprotect(p);
                d_step {
#ifdef FAULT_WRITERS_UNCOUNTED
                    if
                    :: state[p] == SHARE_WORD_BROKEN && payload[p] > 0 -> payload[p]--
                    :: else
                    fi;
#else
                    become(p, SHARE_WORD_BROKEN, payload[p] - 1);
#endif
                    result = OK
                }
            :: else
            fi
        fi
    od;
    atomic {
        result = OK;
        was = SHARE_WORD_NONE;
        was_payload = 0;
        swapped = false;
        last = false
    }
}

/* share_forget of a page that maps nothing any more; `engines`: its machine page is the engine's. */
inline share_forget(p, engines)
{
    do
    :: atomic {
           state[p] != SHARE_WORD_BROKEN && state[p] != SHARE_WORD_MOVING -> /* else it waits */
           was = state[p];
           was_payload = payload[p]
       }
       if
       :: was == SHARE_WORD_NONE -> break
#ifdef FAULT_FORGET_DOES_NOT_WAIT
       :: was == SHARE_WORD_OWNED -> break
#else
       :: was == SHARE_WORD_OWNED -> swap(p, was, 0, SHARE_WORD_BROKEN, 0, swapped)
#endif
       :: else ->
           swap(p, was, was_payload, SHARE_WORD_MOVING, 0, swapped);
           if
           :: swapped -> break
           :: else
           fi
       fi
    od;
    if
    :: was == SHARE_WORD_HINTED -> hint_drop(p)
    :: ON_FRAME(was) ->
        engines = true;
        frame_leave(was_payload)
    :: else
    fi;
    if
    :: was != SHARE_WORD_NONE && was != SHARE_WORD_OWNED -> set_word(p, SHARE_WORD_NONE, 0)
    :: else
    fi;
    d_step {
        was = SHARE_WORD_NONE;
        was_payload = 0;
        swapped = false
    }
}
