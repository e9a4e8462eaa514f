/* SPDX-License-Identifier: MIT */
/* Who owns a page gives it back when the writers that have won against it have gone. */
#include "another.h"
#include "test.h"
#include "vmm.h"
#include <unistd.h>

static struct vmm *vmm;
static struct another another;
static unsigned peeks;

static _Thread_local bool is_writer;
static _Atomic bool writer_has_unprotected;

static void *write_to_page(void *ctx)
{
    (void)ctx;
    is_writer = true;
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 0)), SHARE_OK);
    atomic_store(&another.has_returned, true);
    return NULL;
}

/* A write while the page is read; what it unprotects takes long. */
static void hold_the_writer(struct vmm *of, enum vmm_op op)
{
    (void)of;
    if (is_writer && op == VMM_UNPROTECT) {
        usleep(100000);
        atomic_store(&writer_has_unprotected, true);
    } else if (!is_writer && op == VMM_PEEK && peeks++ == 0) {
        another_start(&another, write_to_page);
    }
}

/* Else its unprotect could strip a page that a later merge has protected. */
static void an_owner_waits_for_writers(void **state)
{
    (void)state;
    vmm = vmm_new_guest(1);
    peeks = 0;
    atomic_store(&writer_has_unprotected, false);
    vmm->step = hold_the_writer;
    assert_true(vmm_offer(vmm, 0, 0) < SHARE_OUTCOMES);
    assert_true(atomic_load(&writer_has_unprotected));
    (void)another_ends(&another);
    vmm->step = NULL;
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_waits_for_writers),
    };
    return RUN(tests);
}
