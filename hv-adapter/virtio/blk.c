/* SPDX-License-Identifier: MIT */
/* virtio's block device. See blk.h. */
#include "virtio/blk.h"

#include <string.h>

#include "residence/guest_mem.h"
#include "virtio/devices.h"
#include "vm/vm.h"

enum { FEATURE_SEG_MAX = 2, FEATURE_FLUSH = 9 };
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_ID = 8 };
enum { STATUS_OK, STATUS_FAILED, STATUS_UNSUPPORTED };
enum {
    SECTOR_NBYTES = 512,
    ID_NBYTES = 20,
    REQUEST_MAX_NBYTES = 4 << 20, /* Linux sends 1.25 MiB at most */
};

struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct header) == 16, "as the guest lays it out");

/* Between header and status: the data's buffers; the last one may lose its last byte to the status.
 */
struct request {
    struct header header;
    const struct hv_chain *chain;
    uint64_t nbytes; /* of data */
    uint64_t status_gpa;
};

/* False if the chain is no request. */
static bool parse(struct hv_vm *vm, const struct hv_chain *chain, struct request *request)
{
    const struct hv_buffer *first = &chain->buffer[0], *last = &chain->buffer[chain->count - 1];
    *request = (struct request){.chain = chain};
    if (chain->count < 2 || first->device_writes || first->nbytes != sizeof request->header ||
        !last->device_writes || last->nbytes != 1 ||
        !hv_guest_read(vm, first->gpa, &request->header, sizeof request->header))
        return false;
    for (unsigned i = 1; i + 1 < chain->count; i++)
        request->nbytes += chain->buffer[i].nbytes;
    request->status_gpa = last->gpa;
    return true;
}

static struct hv_disk *disk_of(const struct hv_virtio_mmio *device)
{
    return device->state;
}

static bool move(struct hv_virtio_mmio *device, const struct hv_buffer *buffer, uint64_t offset,
                 bool in)
{
    struct hv_vm *vm = device->vm;
    struct hv_store *store = &disk_of(device)->store;
    uint8_t bytes[HV_PAGE_BYTES];
    for (uint32_t done = 0, part; done < buffer->nbytes; done += part) {
        part = buffer->nbytes - done < sizeof bytes ? buffer->nbytes - done : sizeof bytes;
        uint64_t gpa = buffer->gpa + done;
        bool moved = in ? hv_store_read(store, offset + done, bytes, part) &&
                              hv_guest_write(vm, gpa, bytes, part)
                        : hv_guest_read(vm, gpa, bytes, part) &&
                              hv_store_write(store, offset + done, bytes, part);
        if (!moved)
            return false;
    }
    return true;
}

static uint8_t transfer(struct hv_virtio_mmio *device, const struct request *request, bool in)
{
    const struct hv_disk *disk = disk_of(device);
    uint64_t sectors = request->nbytes / SECTOR_NBYTES, first = request->header.sector;
    if (request->nbytes % SECTOR_NBYTES || request->nbytes > REQUEST_MAX_NBYTES ||
        first > disk->sectors || sectors > disk->sectors - first)
        return STATUS_FAILED;
    uint64_t offset = first * SECTOR_NBYTES;
    for (unsigned i = 1; i + 1 < request->chain->count; i++) {
        const struct hv_buffer *buffer = &request->chain->buffer[i];
        if (buffer->device_writes != in || !move(device, buffer, offset, in))
            return STATUS_FAILED;
        offset += buffer->nbytes;
    }
    return STATUS_OK;
}

static uint8_t give_id(struct hv_vm *vm, const struct request *request)
{
    static const char id[ID_NBYTES] = "libshare";
    const struct hv_buffer *buffer = &request->chain->buffer[1];
    return request->nbytes == ID_NBYTES && buffer->nbytes == ID_NBYTES && buffer->device_writes &&
                   hv_guest_write(vm, buffer->gpa, id, sizeof id)
               ? STATUS_OK
               : STATUS_FAILED;
}

/* The status; *nbytes: what the device wrote before it. */
static uint8_t serve(struct hv_virtio_mmio *device, const struct request *request, uint32_t *nbytes)
{
    struct hv_disk *disk = disk_of(device);
    uint8_t status = STATUS_UNSUPPORTED;
    bool in = request->header.type == TYPE_IN;
    if (in || request->header.type == TYPE_OUT) {
        status = transfer(device, request, in);
        *(in ? &disk->reads : &disk->writes) += 1;
        *(in ? &disk->read_bytes : &disk->written_bytes) += request->nbytes;
    } else if (request->header.type == TYPE_ID) {
        status = give_id(device->vm, request);
    } else if (request->header.type == TYPE_FLUSH) {
        status = STATUS_OK;
    }
    disk->failed += status != STATUS_OK;
    if (status == STATUS_OK && request->header.type != TYPE_OUT)
        *nbytes = (uint32_t)request->nbytes;
    return status;
}

static void finish_later(struct hv_virtio_mmio *device, uint16_t head, uint32_t written,
                         uint64_t nbytes)
{
    struct hv_disk *disk = disk_of(device);
    uint64_t start = hv_vm_ticks(device->vm);
    unsigned last = (disk->first + disk->waiting - 1) % HV_DISK_QUEUE;
    if (disk->waiting && disk->done[last].ticks > start)
        start = disk->done[last].ticks;
    uint64_t pages = (nbytes + HV_PAGE_BYTES - 1) / HV_PAGE_BYTES;
    disk->done[(disk->first + disk->waiting++) % HV_DISK_QUEUE] = (struct hv_disk_done){
        start + disk->latency_ticks + pages * HV_LATENCY_DISK_PAGE, written, head};
    hv_hart_kick(device->vm->hart); /* its run may have been going to end later */
}

static void notify(struct hv_virtio_mmio *device, unsigned queue)
{
    struct hv_vm *vm = device->vm;
    struct hv_chain chain;
    struct request request;
    struct hv_queue *ring = &device->queue[queue];
    while (disk_of(device)->waiting < HV_DISK_QUEUE && hv_queue_take(vm, ring, &chain)) {
        uint32_t written = 0;
        if (!parse(vm, &chain, &request)) {
            ring->broken = true;
            return;
        }
        uint8_t status = serve(device, &request, &written);
        if (!hv_guest_write(vm, request.status_gpa, &status, 1))
            return;
        finish_later(device, chain.head, written + 1, request.nbytes);
    }
}

static uint64_t next(const struct hv_virtio_mmio *device)
{
    const struct hv_disk *disk = disk_of(device);
    return disk->waiting ? disk->done[disk->first].ticks : UINT64_MAX;
}

/* Tells the guest of all that ended by now. */
static void turn(struct hv_virtio_mmio *device, uint64_t now)
{
    struct hv_disk *disk = disk_of(device);
    while (disk->waiting && next(device) <= now) {
        const struct hv_disk_done *done = &disk->done[disk->first];
        hv_queue_give(device->vm, &device->queue[0], done->head, done->nbytes);
        disk->first = (disk->first + 1) % HV_DISK_QUEUE;
        disk->waiting--;
    }
    hv_virtio_used(device, 0);
    notify(device, 0); /* what found no room before */
}

static uint32_t config_load(struct hv_virtio_mmio *device, uint64_t offset, unsigned nbytes)
{
    const struct hv_disk *disk = disk_of(device);
    const uint32_t config[] = {(uint32_t)disk->sectors, (uint32_t)(disk->sectors >> 32), 0,
                               HV_DISK_QUEUE - 2}; /* capacity; size_max; seg_max */
    uint32_t value = 0;
    if (offset < sizeof config && nbytes <= sizeof config - offset)
        memcpy(&value, (const uint8_t *)config + offset, nbytes);
    return value;
}

static void reset(struct hv_virtio_mmio *device)
{
    disk_of(device)->waiting = 0;
}

static unsigned count(const struct hv_vm_config *config)
{
    unsigned disks = 0;
    while (disks < HV_DISKS_MAX && config->disk_bytes[disks])
        disks++;
    return disks;
}

static bool init(struct hv_virtio_mmio *device, const struct hv_vm_config *config, unsigned number)
{
    struct hv_disk *disk = disk_of(device);
    uint64_t latency = config->disk_latency_ticks;
    disk->sectors = config->disk_bytes[number] / SECTOR_NBYTES;
    disk->latency_ticks = latency ? latency : HV_LATENCY_DISK;
    return hv_store_init(&disk->store, NULL, config->disk_bytes[number]);
}

static void fini(struct hv_virtio_mmio *device)
{
    hv_store_fini(&disk_of(device)->store);
}

struct hv_disk *hv_disk_at(const struct hv_vm *vm, unsigned number)
{
    const struct hv_virtio_mmio *device = hv_device_at(vm, &hv_virtio_blk, number);
    return device ? disk_of(device) : NULL;
}

const struct hv_virtio_kind hv_virtio_blk = {
    .name = "disk",
    .id = 2,
    .features = 1u << FEATURE_SEG_MAX | 1u << FEATURE_FLUSH,
    .queues = 1,
    .queue_size = HV_DISK_QUEUE,
    .notify = notify,
    .config_load = config_load,
    .reset = reset,
    .state_nbytes = sizeof(struct hv_disk),
    .count = count,
    .init = init,
    .fini = fini,
    .next = next,
    .turn = turn,
};
