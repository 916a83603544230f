/* Every call is a job in a list, taken out while the thread answers it.
 *
 * A job is freed when its call is answered, or, once it was cancelled, after on_cancel has run for
 * it: emcp may still be inside on_cancel when it says EMCP_E_CANCELED. */
#define _POSIX_C_SOURCE 200809L

#include "timer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NEVER INT64_MAX

struct job {
    struct job *next;
    struct timer *timer;
    emcp_call *call;
    timer_answer_fn answer;
    int64_t due_ms; /* Of CLOCK_MONOTONIC. NEVER: waits for on_cancel alone. */
    int cancelled;  /* on_cancel has run. */
};

/* `lock` guards everything below it; emcp is never called while it is held. */
struct timer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int ending;
    struct job *jobs;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void free_job(struct job *job)
{
    emcp_call_unref(job->call);
    free(job);
}

/* Runs on whichever thread cancels: notes it and wakes the timer. */
static void on_cancel(void *user)
{
    struct job *job = user;
    struct timer *timer = job->timer;

    pthread_mutex_lock(&timer->lock);
    job->cancelled = 1;
    pthread_cond_signal(&timer->wake);
    pthread_mutex_unlock(&timer->lock);
}

static void add_job(struct timer *timer, struct job *job)
{
    pthread_mutex_lock(&timer->lock);
    job->next = timer->jobs;
    timer->jobs = job;
    pthread_cond_signal(&timer->wake);
    pthread_mutex_unlock(&timer->lock);
}

int32_t timer_answer(struct timer *timer, emcp_call *call, int64_t ms, timer_answer_fn answer)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return EMCP_E_LIMIT;
    job->timer = timer;
    job->answer = answer;
    job->due_ms = now_ms() + ms;
    /* Before the job is in the list: the thread must not free it while this still needs it. */
    int32_t status = emcp_call_on_cancel(call, on_cancel, job);
    if (status < 0) {
        free(job);
        return status;
    }
    job->call = emcp_call_ref(call);
    add_job(timer, job);
    return EMCP_PENDING;
}

/* Takes out the next job that there is something to do for, or returns NULL and says when there
 * will be; the lock is held. */
static struct job *take_job(struct timer *timer, int64_t *next_ms)
{
    int64_t now = now_ms();

    *next_ms = NEVER;
    for (struct job **link = &timer->jobs; *link != NULL; link = &(*link)->next) {
        struct job *job = *link;
        if (job->cancelled || job->due_ms <= now) {
            *link = job->next;
            return job;
        }
        if (job->due_ms < *next_ms)
            *next_ms = job->due_ms;
    }
    return NULL;
}

static void wait_until(struct timer *timer, int64_t due_ms)
{
    if (due_ms == NEVER) {
        pthread_cond_wait(&timer->wake, &timer->lock);
        return;
    }
    struct timespec due = {(time_t)(due_ms / 1000), (long)(due_ms % 1000) * 1000000};
    pthread_cond_timedwait(&timer->wake, &timer->lock, &due);
}

static void answer_job(struct timer *timer, struct job *job)
{
    int32_t status = job->answer(job->call);
    if (status >= 0)
        status = emcp_finish(job->call);
    else if (status != EMCP_E_CANCELED)
        status = emcp_fail(job->call, emcp_strerror(status));
    /* EMCP_E_STATE: `answer` has failed the call itself. */
    if (status != EMCP_E_CANCELED) {
        free_job(job);
        return;
    }
    job->due_ms = NEVER;
    add_job(timer, job);
}

static void *run(void *user)
{
    struct timer *timer = user;
    int64_t next_ms;

    pthread_mutex_lock(&timer->lock);
    while (!timer->ending) {
        struct job *job = take_job(timer, &next_ms);
        if (job == NULL) {
            wait_until(timer, next_ms);
            continue;
        }
        int cancelled = job->cancelled;
        pthread_mutex_unlock(&timer->lock);
        if (cancelled)
            free_job(job);
        else
            answer_job(timer, job);
        pthread_mutex_lock(&timer->lock);
    }
    pthread_mutex_unlock(&timer->lock);
    return NULL;
}

struct timer *timer_new(void)
{
    struct timer *timer = calloc(1, sizeof *timer);
    pthread_condattr_t monotonic;

    if (timer == NULL)
        return NULL;
    pthread_mutex_init(&timer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&timer->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&timer->thread, NULL, run, timer) == 0)
        return timer;
    pthread_cond_destroy(&timer->wake);
    pthread_mutex_destroy(&timer->lock);
    free(timer);
    return NULL;
}

void timer_free(struct timer *timer)
{
    if (timer == NULL)
        return;
    pthread_mutex_lock(&timer->lock);
    timer->ending = 1;
    pthread_cond_signal(&timer->wake);
    pthread_mutex_unlock(&timer->lock);
    pthread_join(timer->thread, NULL);

    while (timer->jobs != NULL) {
        struct job *job = timer->jobs;
        timer->jobs = job->next;
        free_job(job);
    }
    pthread_cond_destroy(&timer->wake);
    pthread_mutex_destroy(&timer->lock);
    free(timer);
}
