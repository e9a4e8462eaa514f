/* SPDX-License-Identifier: MIT */
/* The threads that run VMs at the same time. See crew.h. */
#include "world/crew.h"

#include <pthread.h>
#include <stdlib.h>

#include "world/world.h"

struct hv_crew {
    struct hv_world *world; /* borrowed */
    pthread_t *threads;     /* owned */
    unsigned count;
    pthread_mutex_t lock; /* owns what follows */
    pthread_cond_t begun, ended;
    uint64_t turn;  /* number of the turn of now */
    uint64_t ticks; /* its length */
    unsigned next;  /* VM that nobody has taken yet */
    unsigned busy;  /* threads that have not finished the turn */
    uint64_t cpu_ns;
    bool quit;
};

/* The next VM of this turn; NULL: there is none. */
static struct hv_vm *take_vm(struct hv_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    struct hv_vm *vm = hv_world_vm(crew->world, crew->next);
    crew->next += vm != NULL;
    pthread_mutex_unlock(&crew->lock);
    return vm;
}

static void *work(void *ctx)
{
    struct hv_crew *crew = ctx;
    uint64_t done = 0;
    pthread_mutex_lock(&crew->lock);
    while (!crew->quit) {
        if (crew->turn == done) {
            pthread_cond_wait(&crew->begun, &crew->lock);
            continue;
        }
        done = crew->turn;
        uint64_t ticks = crew->ticks, began = hv_thread_cpu_ns();
        pthread_mutex_unlock(&crew->lock);
        for (struct hv_vm *vm; (vm = take_vm(crew));)
            hv_vm_turn(vm, ticks);
        pthread_mutex_lock(&crew->lock);
        crew->cpu_ns += hv_thread_cpu_ns() - began;
        if (--crew->busy == 0)
            pthread_cond_signal(&crew->ended);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

struct hv_crew *hv_crew_new(struct hv_world *world, unsigned threads)
{
    struct hv_crew *crew = calloc(1, sizeof *crew);
    if (!crew)
        return NULL;
    crew->world = world;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->begun, NULL);
    pthread_cond_init(&crew->ended, NULL);
    crew->threads = calloc(threads, sizeof *crew->threads);
    for (; crew->threads && crew->count < threads; crew->count++)
        if (pthread_create(&crew->threads[crew->count], NULL, work, crew) != 0)
            break;
    if (crew->count == threads)
        return crew;
    hv_crew_free(crew);
    return NULL;
}

void hv_crew_free(struct hv_crew *crew)
{
    if (!crew)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->quit = true;
    pthread_cond_broadcast(&crew->begun);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->count; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->begun);
    pthread_cond_destroy(&crew->ended);
    pthread_mutex_destroy(&crew->lock);
    free(crew->threads);
    free(crew);
}

void hv_crew_begin_turn(struct hv_crew *crew, uint64_t ticks)
{
    pthread_mutex_lock(&crew->lock);
    crew->turn++;
    crew->ticks = ticks;
    crew->next = 0;
    crew->busy = crew->count;
    pthread_cond_broadcast(&crew->begun);
    pthread_mutex_unlock(&crew->lock);
}

uint64_t hv_crew_end_turn(struct hv_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (crew->busy > 0)
        pthread_cond_wait(&crew->ended, &crew->lock);
    uint64_t cpu_ns = crew->cpu_ns;
    crew->cpu_ns = 0;
    pthread_mutex_unlock(&crew->lock);
    return cpu_ns;
}
