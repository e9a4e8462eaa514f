/* SPDX-License-Identifier: MIT */
/*
 * index.c: the scanner has come to a page of a frame that was declared, and takes the frame into the table.
 * A part of the scanner: page i, whose word was (before, before_payload).
 */

index: /* share_page_get_frame: the page is ours for that moment, so its reference, and the frame, stay */
    swap(i, before, before_payload, SHARE_WORD_MOVING, 0, swapped);
    if
    :: !swapped -> goto next
    :: else -> swapped = false
    fi;
#ifndef FAULT_INDEXES_UNHELD
    d_step {
        assert(refs[before_payload] > 0);
        refs[before_payload]++
    }
#endif
    set_word(i, before, before_payload);
    if
    :: !IS_OUTSIDE(before_payload) -> goto index_ends /* another scanner has been here */
    :: else
    fi;
    d_step {
        peek(frame_mpn[before_payload], own);
        hash = HASH(own)
    }
    atomic { /* place: the frame itself, or one that stands in the table, with a reference */
        !table_locked ->
        f = 0;
        do
        :: f < FRAMES && !(linked[f] && frame_hash[f] == hash && refs[f] > 0) -> f++
        :: else -> break
        od;
        if
        :: !IS_OUTSIDE(before_payload) -> goto index_ends
        :: IS_OUTSIDE(before_payload) && f == FRAMES ->
            linked[before_payload] = true;
            frame_hash[before_payload] = hash;
            outside[before_payload] = false;
            goto index_ends
        :: IS_OUTSIDE(before_payload) && f < FRAMES ->
            refs[f]++;
            with = WITH_FRAME
        fi
    }
    d_step { peek(frame_mpn[f], other) }
    if
    :: other != own || (IS_KEPT(before_payload) && !IS_KEPT(f)) ->
        atomic { /* choose: a frame of a store takes the other one's place */
            !table_locked ->
            if
            :: other == own && IS_OUTSIDE(before_payload) && linked[f] ->
                linked[before_payload] = true;
                frame_hash[before_payload] = hash;
                outside[before_payload] = false;
                linked[f] = false;
                frame_hash[f] = 0;
                outside[f] = true
            :: else
            fi
        }
        frame_leave(f);
        goto index_ends
    :: else
    fi;
    /* go_over: the page has our reference on f from now on */
    swap(i, before, before_payload, SHARE_WORD_MOVING, 0, swapped);
    if
    :: !swapped ->
        frame_leave(f);
        goto index_ends
    :: else -> swapped = false
    fi;
#ifdef FAULT_GOES_OVER_UNMAPPED
    frame_leave(before_payload);
#endif
    remap(i, frame_mpn[before_payload], frame_mpn[f], false, answer);
    if
    :: answer == OK ->
        flush(i);
        set_word(i, before, f);
#ifndef FAULT_GOES_OVER_UNMAPPED
        frame_leave(before_payload)
#endif
    :: else ->
        set_word(i, before, before_payload);
        frame_leave(f)
    fi;

index_ends:
#ifndef FAULT_INDEXES_UNHELD
    frame_leave(before_payload);
#endif
    goto next;
