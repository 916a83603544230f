/* Every call is a job in a list, taken out while the thread works on it.
 *
 * A job is freed when its call is answered, or, once it was cancelled, after on_cancel has run for
 * it: emcp may still be inside on_cancel when it says EMCP_E_CANCELED. */
#define _POSIX_C_SOURCE 200809L

#include "ticker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEVER UINT64_MAX
/* So many cancelled counts are remembered. */
#define CANCELS_MAX 32

/* What a job's step leaves to do. */
enum outcome { GOES_ON, ANSWERED };

struct job {
    struct job *next;
    struct ticker *ticker;
    emcp_call *call;
    enum outcome (*step)(struct job *job);
    struct ticker_count count;
    int64_t done;
    uint64_t due_ms;
    int cancelled; /* on_cancel has run. */
};

struct cancel {
    char label[TICKER_LABEL_SIZE];
    const char *reason;
    int64_t done;
    uint64_t at_ms;
};

/* `lock` guards everything below it; emcp is never called while it is held. */
struct ticker {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int started, ending;
    struct job *jobs;
    struct cancel cancels[CANCELS_MAX]; /* A ring. */
    uint64_t cancels_seen;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char *reason_name(int32_t reason)
{
    switch (reason) {
    case EMCP_CANCEL_CLIENT:
        return "client";
    case EMCP_CANCEL_GONE:
        return "gone";
    case EMCP_CANCEL_TIMEOUT:
        return "timeout";
    case EMCP_CANCEL_SESSION:
        return "session";
    default:
        return "shutdown";
    }
}

/* Runs on whichever thread cancels: notes it and wakes the ticker. */
static void on_cancel(void *user)
{
    struct job *job = user;
    struct ticker *ticker = job->ticker;

    pthread_mutex_lock(&ticker->lock);
    job->cancelled = 1;
    pthread_cond_signal(&ticker->wake);
    pthread_mutex_unlock(&ticker->lock);
}

static void free_job(struct job *job)
{
    emcp_call_unref(job->call);
    free(job);
}

/* A call that has ended meanwhile stays a job until on_cancel has run. */
static enum outcome outcome_of(struct job *job, int32_t status)
{
    if (status != EMCP_E_CANCELED)
        return ANSWERED;
    job->due_ms = NEVER;
    return GOES_ON;
}

/* Ends the text and answers with it. */
static enum outcome commit(struct job *job, emcp_json *json)
{
    emcp_json_end(json);
    int32_t status = emcp_json_commit(json);
    if (status >= 0)
        status = emcp_finish(job->call);
    return outcome_of(job, status);
}

static enum outcome count_step(struct job *job)
{
    char message[64];

    job->done++;
    snprintf(message, sizeof message, "step %lld of %lld", (long long)job->done,
             (long long)job->count.steps);
    (void)emcp_call_progress(job->call, (double)job->done, (double)job->count.steps, message);
    if (job->done < job->count.steps) {
        /* From now on and not from the last due time: steps must not bunch up on a busy machine. */
        job->due_ms = now_ms() + (uint64_t)job->count.interval_ms;
        return GOES_ON;
    }
    emcp_json *json = emcp_json_begin(job->call);
    emcp_json_obj(json);
    emcp_json_key(json, "counted");
    emcp_json_i64(json, job->done);
    return commit(job, json);
}

/* Finds the latest cancel with the label; the lock is held. */
static int find_cancel(const struct ticker *ticker, const char *label, struct cancel *found)
{
    uint64_t kept = ticker->cancels_seen < CANCELS_MAX ? ticker->cancels_seen : CANCELS_MAX;

    for (uint64_t back = 1; back <= kept; back++) {
        const struct cancel *cancel =
            &ticker->cancels[(ticker->cancels_seen - back) % CANCELS_MAX];
        if (label[0] == '\0' || strcmp(label, cancel->label) == 0) {
            *found = *cancel;
            return 1;
        }
    }
    return 0;
}

static enum outcome answer_last_cancel(struct job *job)
{
    struct cancel cancel = {"", "none", 0, 0};

    pthread_mutex_lock(&job->ticker->lock);
    int found = find_cancel(job->ticker, job->count.label, &cancel);
    pthread_mutex_unlock(&job->ticker->lock);

    emcp_json *json = emcp_json_begin(job->call);
    emcp_json_obj(json);
    emcp_json_key(json, "reason");
    emcp_json_str(json, cancel.reason, EMCP_NUL);
    if (found) {
        emcp_json_key(json, "label");
        emcp_json_str(json, cancel.label, EMCP_NUL);
        emcp_json_key(json, "counted");
        emcp_json_i64(json, cancel.done);
        emcp_json_key(json, "ms_ago");
        emcp_json_u64(json, now_ms() - cancel.at_ms);
    }
    return commit(job, json);
}

/* Tells whether a count with the label runs; the lock is held. */
static int is_running(const struct ticker *ticker, const char *label)
{
    for (const struct job *job = ticker->jobs; job != NULL; job = job->next)
        if (job->step == count_step && !job->cancelled && strcmp(label, job->count.label) == 0)
            return 1;
    return 0;
}

static enum outcome answer_running(struct job *job)
{
    pthread_mutex_lock(&job->ticker->lock);
    int running = is_running(job->ticker, job->count.label);
    pthread_mutex_unlock(&job->ticker->lock);

    emcp_json *json = emcp_json_begin(job->call);
    emcp_json_obj(json);
    emcp_json_key(json, "running");
    emcp_json_bool(json, running);
    return commit(job, json);
}

/* Remembers a cancelled count and wakes who waits for it. */
static void retire(struct ticker *ticker, struct job *job)
{
    int32_t reason = emcp_call_cancelled(job->call);

    pthread_mutex_lock(&ticker->lock);
    if (job->step == count_step) {
        struct cancel *cancel = &ticker->cancels[ticker->cancels_seen++ % CANCELS_MAX];
        memcpy(cancel->label, job->count.label, sizeof cancel->label);
        cancel->reason = reason_name(reason);
        cancel->done = job->done;
        cancel->at_ms = now_ms();
    }
    pthread_mutex_unlock(&ticker->lock);
    free_job(job);
}

static int is_ready(const struct ticker *ticker, const struct job *job, uint64_t now)
{
    struct cancel ignored;

    if (job->cancelled || job->due_ms <= now)
        return 1;
    if (job->due_ms == NEVER)
        return 0;
    if (ticker->ending)
        return 1;
    if (job->step == answer_running)
        return is_running(ticker, job->count.label);
    return job->step == answer_last_cancel && find_cancel(ticker, job->count.label, &ignored);
}

/* Takes a job out of the list that has something to do; the lock is held. When there is none,
 * `*next_ms` is when one will be due. */
static struct job *take_ready(struct ticker *ticker, uint64_t *next_ms)
{
    uint64_t now = now_ms();

    *next_ms = NEVER;
    for (struct job **link = &ticker->jobs; *link != NULL; link = &(*link)->next) {
        struct job *job = *link;
        if (is_ready(ticker, job, now)) {
            *link = job->next;
            return job;
        }
        if (job->due_ms < *next_ms)
            *next_ms = job->due_ms;
    }
    return NULL;
}

/* Waits until somebody signals or the time has come; the lock is held. */
static void wait_until(struct ticker *ticker, uint64_t until_ms)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000 * 1000000)};

    if (until_ms == NEVER)
        pthread_cond_wait(&ticker->wake, &ticker->lock);
    else
        pthread_cond_timedwait(&ticker->wake, &ticker->lock, &until);
}

/* Works on a job that was taken out; returns 1 when it goes back into the list. */
static int work(struct ticker *ticker, struct job *job, int cancelled, int ending)
{
    enum outcome outcome;

    if (cancelled) {
        retire(ticker, job);
        return 0;
    }
    if (ending)
        outcome = outcome_of(job, emcp_fail(job->call, "the program ends"));
    else
        outcome = job->step(job);
    if (outcome == ANSWERED)
        free_job(job);
    return outcome == GOES_ON;
}

static void *run(void *argument)
{
    struct ticker *ticker = argument;
    uint64_t next_ms;

    pthread_mutex_lock(&ticker->lock);
    while (!ticker->ending || ticker->jobs != NULL) {
        struct job *job = take_ready(ticker, &next_ms);
        if (job == NULL) {
            wait_until(ticker, next_ms);
            continue;
        }
        int cancelled = job->cancelled, ending = ticker->ending;
        pthread_mutex_unlock(&ticker->lock);
        int goes_on = work(ticker, job, cancelled, ending);
        pthread_mutex_lock(&ticker->lock);
        if (goes_on) {
            job->next = ticker->jobs;
            ticker->jobs = job;
        }
    }
    pthread_mutex_unlock(&ticker->lock);
    return NULL;
}

struct ticker *ticker_new(void)
{
    struct ticker *ticker = calloc(1, sizeof *ticker);
    pthread_condattr_t monotonic;

    if (ticker == NULL)
        return NULL;
    pthread_mutex_init(&ticker->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ticker->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return ticker;
}

void ticker_free(struct ticker *ticker)
{
    if (ticker == NULL)
        return;
    pthread_mutex_lock(&ticker->lock);
    ticker->ending = 1;
    pthread_cond_signal(&ticker->wake);
    int started = ticker->started;
    pthread_mutex_unlock(&ticker->lock);
    if (started)
        pthread_join(ticker->thread, NULL);
    pthread_cond_destroy(&ticker->wake);
    pthread_mutex_destroy(&ticker->lock);
    free(ticker);
}

/* Puts a job into the list, with the thread running; returns a status. */
static int32_t add_job(struct ticker *ticker, struct job *job)
{
    int32_t status = EMCP_OK;

    pthread_mutex_lock(&ticker->lock);
    if (!ticker->started)
        ticker->started = pthread_create(&ticker->thread, NULL, run, ticker) == 0;
    if (ticker->started) {
        job->next = ticker->jobs;
        ticker->jobs = job;
        pthread_cond_signal(&ticker->wake);
    } else {
        status = EMCP_E_IO;
    }
    pthread_mutex_unlock(&ticker->lock);
    return status;
}

static int32_t begin(struct ticker *ticker, emcp_call *call, enum outcome (*step)(struct job *),
                     const struct ticker_count *count, uint64_t due_ms)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return EMCP_E_LIMIT;
    job->ticker = ticker;
    job->call = emcp_call_ref(call);
    job->step = step;
    job->count = *count;
    job->due_ms = due_ms;
    /* Before the job is in the list: afterwards the thread may free it at any time. */
    int32_t status = emcp_call_on_cancel(call, on_cancel, job);
    if (status < 0) {
        free_job(job);
        return status;
    }
    status = add_job(ticker, job);
    if (status == EMCP_OK)
        return EMCP_PENDING;
    /* When the call was cancelled meanwhile, on_cancel may be using the job: left to it. */
    if (emcp_fail(call, "the program has no thread left") == EMCP_OK)
        free_job(job);
    return EMCP_OK;
}

int32_t ticker_count(struct ticker *ticker, emcp_call *call, const struct ticker_count *count)
{
    return begin(ticker, call, count_step, count, now_ms());
}

/* Answers when `step` finds what it waits for, or after `wait_ms`. */
static int32_t await(struct ticker *ticker, emcp_call *call, enum outcome (*step)(struct job *),
                     const char *label, int64_t wait_ms)
{
    struct ticker_count wanted = {0, 0, ""};

    snprintf(wanted.label, sizeof wanted.label, "%s", label);
    return begin(ticker, call, step, &wanted, now_ms() + (uint64_t)wait_ms);
}

int32_t ticker_last_cancel(struct ticker *ticker, emcp_call *call, const char *label,
                           int64_t wait_ms)
{
    return await(ticker, call, answer_last_cancel, label, wait_ms);
}

int32_t ticker_running(struct ticker *ticker, emcp_call *call, const char *label, int64_t wait_ms)
{
    return await(ticker, call, answer_running, label, wait_ms);
}
