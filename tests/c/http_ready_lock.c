/* The natural locking of a host: one lock around whatever it asks of emcp, and the same lock inside
 * `ready`. Only emcp_http_close() is called without it. Many exchanges of several threads, some
 * closed early and some from inside `ready`: nobody deadlocks, and ready never runs after close. */
#include "parsed.h"

#define THREADS 4

static pthread_mutex_t host = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static emcp_server *server;

/* What the host keeps per request; `host` guards it. */
struct transaction {
    emcp_http *http;
    int is_ready;
    /* `ready` takes over: it closes. */
    int is_left_to_ready;
    int is_closed;
};

static int32_t quick(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "quick", EMCP_NUL);
}

static int32_t chatty(emcp_call *call, void *user)
{
    (void)user;
    for (int i = 1; i <= 3; i++)
        (void)emcp_call_progress(call, i, 3, "step");
    return emcp_put_text(call, "chatty", EMCP_NUL);
}

static void on_ready(void *user)
{
    struct transaction *transaction = user;
    emcp_http *to_close = NULL;

    pthread_mutex_lock(&host);
    CHECK(!transaction->is_closed, "ready runs after close");
    transaction->is_ready = 1;
    if (transaction->is_left_to_ready) {
        to_close = transaction->http;
        transaction->is_left_to_ready = 0;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&host);
    if (to_close == NULL)
        return;
    emcp_http_close(to_close);
    pthread_mutex_lock(&host);
    transaction->is_closed = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&host);
}

/* Waits for `what`, which somebody sets with `host` held, as the caller has it. */
static void wait_for(int *what)
{
    struct timespec end = wait_end();

    while (!*what)
        CHECK(pthread_cond_timedwait(&changed, &host, &end) == 0, "ready was not called");
    *what = 0;
}

/* Pulls everything with the lock held whenever emcp is asked. */
static void serve(struct transaction *transaction)
{
    char buf[512];
    emcp_response head;
    int64_t got;

    EMCP_INIT(&head);
    while ((got = emcp_http_head(transaction->http, &head)) == EMCP_E_AGAIN)
        wait_for(&transaction->is_ready);
    CHECK(got == EMCP_OK && head.status == 200, "head");
    while ((got = emcp_http_read(transaction->http, buf, sizeof buf)) != 0) {
        if (got == EMCP_E_AGAIN)
            wait_for(&transaction->is_ready);
        else
            CHECK(got > 0, "read");
    }
}

static void close_outside(struct transaction *transaction)
{
    pthread_mutex_unlock(&host);
    emcp_http_close(transaction->http);
    pthread_mutex_lock(&host);
    transaction->is_closed = 1;
}

/* Leaves the exchange to `ready`, unless there is nothing to wait for. */
static void close_inside(struct transaction *transaction)
{
    emcp_response head;

    EMCP_INIT(&head);
    if (emcp_http_head(transaction->http, &head) != EMCP_E_AGAIN) {
        close_outside(transaction);
        return;
    }
    transaction->is_left_to_ready = 1;
    wait_for(&transaction->is_closed);
    transaction->is_closed = 1;
}

static void exchange(struct parsed *parsed, int kind)
{
    /* On the heap, freed at once: a late `ready` is an error that the tools see. */
    struct transaction *transaction = calloc(1, sizeof *transaction);

    CHECK(transaction != NULL, "memory");
    parsed_call(parsed, kind % 2 == 0 ? "quick" : "chatty", ",\"progressToken\":1");
    parsed->request.ready = on_ready;
    parsed->request.user = transaction;
    pthread_mutex_lock(&host);
    transaction->http = parsed_open(server, parsed);
    CHECK_STATUS(emcp_http_body(transaction->http, parsed->body, strlen(parsed->body), 1), EMCP_OK);
    switch (kind) {
    case 0: /* a client that leaves at once */
        close_outside(transaction);
        break;
    case 1:
    case 2:
        close_inside(transaction);
        break;
    default:
        serve(transaction);
        close_outside(transaction);
    }
    pthread_mutex_unlock(&host);
    free(transaction);
}

static void *client(void *user)
{
    int rounds = on_valgrind() ? 40 : 1000;
    struct parsed parsed;

    for (int i = 0; i < rounds; i++)
        exchange(&parsed, i % 8);
    (void)user;
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    emcp_config config;

    EMCP_INIT(&config);
    config.progress_ms = 1;
    server = server_create(&config);
    tool_add(server, "quick", quick, NULL);
    tool_add(server, "chatty", chatty, NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, client, NULL) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0, "pthread_join");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok http_ready_lock");
    return 0;
}
