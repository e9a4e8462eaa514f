/* SPDX-License-Identifier: MIT */
/* TLB shootdown between threads. See shootdown.h. */
#include "vm/shootdown.h"

#include "hv_assert.h"
#include "vm/vm.h"

void hv_shootdown_init(struct hv_shootdown *shootdown)
{
    *shootdown = (struct hv_shootdown){.running = false};
    pthread_cond_init(&shootdown->obeys, NULL);
}

void hv_shootdown_fini(struct hv_shootdown *shootdown)
{
    pthread_cond_destroy(&shootdown->obeys);
}

static void forget(struct hv_vm *vm, hv_mpn mpn, enum hv_shootdown_kind kind)
{
    const uint8_t *page = hv_machine_page(vm->machine, mpn);
    if (kind == HV_SHOOT_WRITES)
        hv_hart_tlb_write_protect_host_page(vm->hart, page);
    else
        hv_hart_tlb_drop_host_page(vm->hart, page);
}

/* Nobody runs the hart from here on, and its TLB is as it was asked to be. Lock held. */
static void stop_and_obey(struct hv_vm *vm)
{
    struct hv_shootdown *shootdown = &vm->shootdown;
    hv_assert(shootdown->running && shootdown->obeyed <= shootdown->asked);
    shootdown->running = false;
    if (shootdown->asked == shootdown->obeyed)
        return;
    if (shootdown->everything)
        hv_hart_tlb_flush(vm->hart);
    for (unsigned i = 0; i < shootdown->count && !shootdown->everything; i++)
        forget(vm, shootdown->request[i].mpn, shootdown->request[i].kind);
    shootdown->everything = false;
    shootdown->count = 0;
    shootdown->obeyed = shootdown->asked;
    pthread_cond_broadcast(&shootdown->obeys);
}

static void run(struct hv_vm *vm)
{
    hv_assert(!vm->shootdown.running && vm->shootdown.obeyed == vm->shootdown.asked);
    vm->shootdown.running = true;
    vm->shootdown.runner = pthread_self();
}

/* Whether another thread runs the hart. Lock held. */
static bool is_elsewhere(const struct hv_vm *vm)
{
    return vm->shootdown.running && !pthread_equal(vm->shootdown.runner, pthread_self());
}

void hv_shootdown_begin_run(struct hv_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    run(vm);
    pthread_mutex_unlock(&vm->lock);
}

void hv_shootdown_end_run(struct hv_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    stop_and_obey(vm);
    pthread_mutex_unlock(&vm->lock);
}

bool hv_shootdown_pause(struct hv_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool ours = vm->shootdown.running && !is_elsewhere(vm);
    if (ours)
        stop_and_obey(vm);
    pthread_mutex_unlock(&vm->lock);
    return ours;
}

void hv_shootdown_resume(struct hv_vm *vm, bool paused)
{
    if (paused)
        hv_shootdown_begin_run(vm);
}

static void ask(struct hv_vm *vm)
{
    vm->shootdown.asked++;
    hv_hart_kick(vm->hart);
}

void hv_shootdown_page(struct hv_vm *vm, hv_mpn mpn, enum hv_shootdown_kind kind)
{
    struct hv_shootdown *shootdown = &vm->shootdown;
    if (!is_elsewhere(vm)) {
        forget(vm, mpn, kind);
        return;
    }
    if (shootdown->count == HV_SHOOTDOWN_REQUESTS)
        shootdown->everything = true;
    else {
        shootdown->request[shootdown->count].mpn = mpn;
        shootdown->request[shootdown->count++].kind = kind;
    }
    ask(vm);
}

void hv_shootdown_all(struct hv_vm *vm)
{
    if (!is_elsewhere(vm)) {
        hv_hart_tlb_flush(vm->hart);
        return;
    }
    vm->shootdown.everything = true;
    ask(vm);
}

void hv_shootdown_wait(struct hv_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    uint64_t asked = vm->shootdown.asked;
    while (vm->shootdown.obeyed < asked)
        pthread_cond_wait(&vm->shootdown.obeys, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}
