/* SPDX-License-Identifier: MIT */
/*
 * The balloon driver (VIRTIO 1.2, 4.2 and 5.5): lends pages to the VMM as it asks.
 *
 * A page that is lent leaves the linear map first, so that no entry of ours names it. Two queues,
 * one buffer of page numbers at a time; the device takes it before the notifying store is over, and
 * the driver looks no further. With DEFLATE_ON_OOM we take pages back when we have none left.
 */
#include "kernel.h"

enum {
    SLOTS_MAX = 8,
    MAGIC = 0x74726976,
    DEVICE_BALLOON = 5,
    FEATURE_OOM = 1u << 2,
    FEATURE_VERSION_1 = 1, /* of the upper 32 bits */
    QUEUE_SIZE = 2,
    BATCH = 256,       /* page numbers a buffer */
    RELIEF = 64,       /* pages taken back at a time when there are none */
    KEEP_FREE = 64,    /* pages that are not lent */
    STATUS_DRIVER = 3, /* ACKNOWLEDGE, DRIVER */
    STATUS_FEATURES = STATUS_DRIVER | 8,
    STATUS_OK = STATUS_FEATURES | 4,
};

enum { /* registers */
       R_MAGIC = 0x000,
       R_DEVICE = 0x008,
       R_FEATURES = 0x020,
       R_FEATURES_SELECT = 0x024,
       R_QUEUE = 0x030,
       R_QUEUE_SIZE = 0x038,
       R_QUEUE_READY = 0x044,
       R_NOTIFY = 0x050,
       R_IRQ = 0x060,
       R_IRQ_ACK = 0x064,
       R_STATUS = 0x070,
       R_DESC = 0x080,
       R_AVAIL = 0x090,
       R_USED = 0x0a0,
       R_TARGET = 0x100,
       R_ACTUAL = 0x104,
};

enum { PLIC_ENABLE = 0x2000, PLIC_CLAIM = 0x200004 };
#define DEVICES      UINT64_C(0xffffffff80000000) /* + guest-physical address, in either mode */
#define PLIC         (DEVICES + 0x0c000000)
#define SLOT(i)      (DEVICES + 0x10001000 + (uint64_t)(i)*0x1000)
#define SIP_EXTERNAL (1u << 9)

/* VIRTIO 1.2, 2.7; of QUEUE_SIZE entries. */
static struct {
    struct {
        uint64_t at;
        uint32_t nbytes;
        uint16_t flags, next;
    } desc[QUEUE_SIZE];
    struct {
        uint16_t flags, index, ring[QUEUE_SIZE];
    } avail;
    struct {
        uint16_t flags, index;
        struct {
            uint32_t head, nbytes;
        } ring[QUEUE_SIZE];
    } used __attribute__((aligned(4)));
} queues[2] __attribute__((aligned(4096)));

enum { INFLATE, DEFLATE };

static uint64_t device; /* 0: there is none */
static uint32_t lent;
static uint32_t batch[BATCH];

static uint32_t load(uint64_t at)
{
    return *(volatile uint32_t *)at;
}

static void store(uint64_t at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

static void store_address(unsigned offset, const void *at)
{
    store(device + offset, (uint32_t)(uint64_t)at);
    store(device + offset + 4, (uint32_t)((uint64_t)at >> 32));
}

static void start_queue(unsigned queue)
{
    store(device + R_QUEUE, queue);
    store(device + R_QUEUE_SIZE, QUEUE_SIZE);
    store_address(R_DESC, queues[queue].desc);
    store_address(R_AVAIL, &queues[queue].avail);
    store_address(R_USED, &queues[queue].used);
    store(device + R_QUEUE_READY, 1);
}

void balloon_init(void)
{
    unsigned slot = 0;
    while (slot < SLOTS_MAX &&
           (load(SLOT(slot) + R_MAGIC) != MAGIC || load(SLOT(slot) + R_DEVICE) != DEVICE_BALLOON))
        slot++;
    if (slot == SLOTS_MAX)
        return;
    device = SLOT(slot);
    store(device + R_STATUS, 0);
    store(device + R_STATUS, STATUS_DRIVER);
    store(device + R_FEATURES_SELECT, 0);
    store(device + R_FEATURES, FEATURE_OOM);
    store(device + R_FEATURES_SELECT, 1);
    store(device + R_FEATURES, FEATURE_VERSION_1);
    store(device + R_STATUS, STATUS_FEATURES);
    start_queue(INFLATE);
    start_queue(DEFLATE);
    store(device + R_STATUS, STATUS_OK);
    store(PLIC + 4 * (slot + 1), 1); /* priority */
    store(PLIC + PLIC_ENABLE, 1u << (slot + 1));
}

static void tell(unsigned queue, unsigned count)
{
    queues[queue].desc[0].at = (uint64_t)batch;
    queues[queue].desc[0].nbytes = count * 4;
    queues[queue].avail.ring[queues[queue].avail.index % QUEUE_SIZE] = 0;
    __asm__ volatile("fence" : : : "memory");
    queues[queue].avail.index++;
    __asm__ volatile("fence" : : : "memory");
    store(device + R_NOTIFY, queue);
    store(device + R_IRQ_ACK, load(device + R_IRQ) & 1);
}

static bool inflate(unsigned count)
{
    count = pages_lend(batch, count);
    if (count == 0)
        return false;
    tell(INFLATE, count);
    lent += count;
    return true;
}

/* The VMM hears of it before the pages are used. */
static void deflate(unsigned count)
{
    count = pages_lent(batch, count);
    tell(DEFLATE, count);
    pages_return(batch, count);
    lent -= count;
}

static unsigned some(uint32_t pages)
{
    return pages < BATCH ? pages : BATCH;
}

static void follow(uint32_t target)
{
    while (lent < target && pages_free() > KEEP_FREE)
        if (!inflate(some(target - lent)))
            break;
    while (lent > target)
        deflate(some(lent - target));
    store(device + R_ACTUAL, lent);
}

bool balloon_relieve(void)
{
    if (lent == 0)
        return false;
    deflate(lent < RELIEF ? lent : RELIEF);
    store(device + R_ACTUAL, lent);
    return true;
}

/* The one interrupt that is enabled: the VMM wants another number of pages. */
void balloon_poll(void)
{
    uint64_t pending;
    __asm__ volatile("csrr %0, sip" : "=r"(pending));
    if (!(pending & SIP_EXTERNAL))
        return;
    uint32_t source = load(PLIC + PLIC_CLAIM);
    store(device + R_IRQ_ACK, load(device + R_IRQ));
    follow(load(device + R_TARGET));
    store(PLIC + PLIC_CLAIM, source);
}
