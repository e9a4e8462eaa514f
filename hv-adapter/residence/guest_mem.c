/* SPDX-License-Identifier: MIT */
/* The one door to guest bytes. See guest_mem.h. */
#include "residence/guest_mem.h"

#include <string.h>

#include "cpu/access.h"
#include "residence/residence.h"
#include "residence/share_glue.h"
#include "vm/vm.h"

bool hv_guest_has(const struct hv_vm *vm, uint64_t gpa, uint64_t nbytes)
{
    uint64_t begin = vm->map.begin.n << HV_PAGE_SHIFT, end = vm->map.end.n << HV_PAGE_SHIFT;
    return gpa >= begin && gpa <= end && nbytes <= end - gpa;
}

static uint8_t *host_of(const struct hv_vm *vm, uint64_t gpa)
{
    hv_mpn mpn = {hv_physmap_at(&vm->map, hv_ppn_of(gpa))->mpn};
    return hv_machine_page(vm->machine, mpn) + hv_page_offset(gpa);
}

/* Byte by byte in order, so that racing vCPUs see defined values; words where that is cheap. */
static void copy_in(void *to, const uint8_t *from, size_t nbytes)
{
    uint8_t *at = to;
    for (size_t i = 0; i < nbytes;) {
        if (((uintptr_t)(from + i) & 7) == 0 && nbytes - i >= 8) {
            uint64_t word = hv_mem_load(from + i, 8);
            memcpy(at + i, &word, 8);
            i += 8;
        } else {
            at[i] = (uint8_t)hv_mem_load(from + i, 1);
            i++;
        }
    }
}

static void copy_out(uint8_t *to, const void *from, size_t nbytes)
{
    const uint8_t *at = from;
    for (size_t i = 0; i < nbytes;) {
        if (((uintptr_t)(to + i) & 7) == 0 && nbytes - i >= 8) {
            uint64_t word;
            memcpy(&word, at + i, 8);
            hv_mem_store(to + i, 8, word);
            i += 8;
        } else {
            hv_mem_store(to + i, 1, at[i]);
            i++;
        }
    }
}

static size_t in_page(uint64_t gpa, size_t nbytes)
{
    size_t room = HV_PAGE_BYTES - hv_page_offset(gpa);
    return nbytes < room ? nbytes : room;
}

bool hv_guest_read(struct hv_vm *vm, uint64_t gpa, void *bytes, size_t nbytes)
{
    if (!hv_guest_has(vm, gpa, nbytes))
        return false;
    for (size_t done = 0, part; done < nbytes; done += part) {
        uint8_t *to = (uint8_t *)bytes + done;
        part = in_page(gpa + done, nbytes - done);
        hv_ppn ppn = hv_ppn_of(gpa + done);
        pthread_mutex_lock(&vm->lock);
        const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
        bool read = true;
        if (page->state & HV_PAGE_SWAPPED)
            read = hv_page_peek_paged(vm, ppn, hv_page_offset(gpa + done), to, part);
        else if (page->mpn == HV_MPN_NONE)
            memset(to, 0, part);
        else
            copy_in(to, host_of(vm, gpa + done), part);
        pthread_mutex_unlock(&vm->lock);
        if (!read)
            return false;
    }
    return true;
}

/* The page has memory of its own and a pin, and the lock is held; false: the VM has failed, or the
 * page is one of its page tables, which nobody writes like this. */
static bool begin_write(struct hv_vm *vm, hv_ppn ppn)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    for (;;) {
        pthread_mutex_lock(&vm->lock);
        bool touched = !(page->reasons & HV_REASON_PARA_TABLE) && hv_page_arrive(vm, ppn);
        if (touched && !(page->reasons & HV_REASON_SHARING)) {
            page->pins++;
            return true;
        }
        pthread_mutex_unlock(&vm->lock);
        if (!touched || !hv_share_break(vm, ppn))
            return false;
    }
}

bool hv_guest_write(struct hv_vm *vm, uint64_t gpa, const void *bytes, size_t nbytes)
{
    if (!hv_guest_has(vm, gpa, nbytes))
        return false;
    for (size_t done = 0, part; done < nbytes; done += part) {
        uint64_t at = gpa + done;
        part = in_page(at, nbytes - done);
        if (!begin_write(vm, hv_ppn_of(at)))
            return false;
        uint8_t *host = host_of(vm, at);
        pthread_mutex_unlock(&vm->lock); /* the pin holds the page where it is */
        copy_out(host, (const uint8_t *)bytes + done, part);
        pthread_mutex_lock(&vm->lock);
        hv_physmap_at(&vm->map, hv_ppn_of(at))->pins--;
        hv_shadow_written(&vm->shadow, at, (unsigned)part, false);
        pthread_mutex_unlock(&vm->lock);
    }
    return true;
}

bool hv_guest_read_pte(struct hv_vm *vm, uint64_t gpa, uint64_t *pte)
{
    if (!hv_guest_has(vm, gpa, 8))
        return false;
    *pte = 0;
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(gpa));
    if ((page->state & HV_PAGE_SWAPPED) && !hv_page_arrive(vm, hv_ppn_of(gpa)))
        return false;
    if (page->mpn != HV_MPN_NONE)
        *pte = hv_mem_load(host_of(vm, gpa), 8);
    return true;
}

enum hv_guest_update hv_guest_update_pte(struct hv_vm *vm, uint64_t gpa, uint64_t *expected,
                                         uint64_t desired)
{
    if (!hv_guest_has(vm, gpa, 8))
        return HV_UPDATE_NONE;
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(gpa));
    if (page->mpn == HV_MPN_NONE)
        return HV_UPDATE_NONE;
    if (page->reasons & HV_REASON_SHARING)
        return HV_UPDATE_SHARED;
    hv_u64 was = *expected;
    __atomic_compare_exchange_n((hv_u64 *)(void *)host_of(vm, gpa), &was, desired, false,
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (was == *expected)
        hv_shadow_written(&vm->shadow, gpa, 8, false);
    *expected = was;
    return HV_UPDATE_DONE;
}
