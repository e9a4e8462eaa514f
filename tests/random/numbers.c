/* SPDX-License-Identifier: MIT */
/* Which VM numbers other threads may use, and when an audit may run. No op takes these locks. */
#include "keeper.h"
#include "must.h"

static pthread_rwlock_t numbers[VM_NUMBERS];
static pthread_rwlock_t leaving = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_locks(void)
{
    for (unsigned i = 0; i < VM_NUMBERS; i++)
        pthread_rwlock_init(&numbers[i], NULL);
}

static pthread_rwlock_t *lock_of(share_vm vm)
{
    MUST(vm < VM_NUMBERS && "numbers are used again");
    pthread_once(&once, make_locks);
    return &numbers[vm];
}

bool keeper_hold_number(const struct guest *guest, share_vm *vm)
{
    *vm = atomic_load(&guest->published);
    if (*vm == NO_VM)
        return false;
    pthread_rwlock_rdlock(lock_of(*vm));
    if (atomic_load(&guest->published) == *vm)
        return true;
    pthread_rwlock_unlock(lock_of(*vm));
    return false;
}

void keeper_let_go_of_number(share_vm vm)
{
    pthread_rwlock_unlock(lock_of(vm));
}

void keeper_hide(share_vm vm)
{
    pthread_rwlock_wrlock(lock_of(vm));
}

void keeper_start(struct guest *guest)
{
    MUST(share_vm_start(guests_share, guest->vm) == SHARE_OK);
    atomic_store(&guest->published, guest->vm);
    pthread_rwlock_unlock(lock_of(guest->vm));
}

void keeper_stop_leaving(void)
{
    pthread_rwlock_wrlock(&leaving);
}

void keeper_go_on_leaving(void)
{
    pthread_rwlock_unlock(&leaving);
}

void keeper_begin_leaving(void)
{
    pthread_rwlock_rdlock(&leaving);
}
