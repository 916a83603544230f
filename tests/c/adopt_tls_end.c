/* How a connection with TLS of the program ends: by the client, by a mistake, by the server's stop.
 * `close` and `released` come once each, and never for what was refused. */
#include "tls.h"

static struct long_call watched = LONG_CALL_INIT;
static size_t letter_count = 3 * 1024 * 1024;

/* The client's process dies: a call of this revision is cancelled by it. */
static void client_vanishes(void)
{
    char *request = call_request("long", "{}", ",\"progressToken\":1");
    int calls = gate_count(&watched.entered);
    struct link link;

    link_open(&link, NULL);
    tls_send(link.client, request, strlen(request));
    gate_wait(&watched.entered, calls + 1, "the call runs");
    shutdown(link.ends[1], SHUT_RDWR);
    close(link.ends[1]);
    gate_wait(&watched.ended, calls + 1, "the call is cancelled");
    SSL_free(link.client);
    tls_finish(&link.tls, link.ends[0]);
    free(request);
}

static void endless_shutdown(struct tls *tls)
{
    tls->shutdown_again = 1;
}

/* A side that cannot be ended does not hold the connection for ever. */
static void shutdown_never_done(void)
{
    char *request = call_request("hello", "{}", "");
    struct link link;
    char *text;

    link_open(&link, endless_shutdown);
    tls_send(link.client, request, strlen(request));
    text = tls_receive(link.client, "hello", 1000);
    gate_wait(&link.tls.released, 1, "the connection ends all the same");
    SSL_free(link.client);
    close(link.ends[1]);
    tls_finish(&link.tls, link.ends[0]);
    free(text);
    free(request);
}

/* Rubbish instead of TLS: the handshake fails, and that is the end. */
static void no_tls(void)
{
    static const char plain[] = "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct tls tls;
    int ends[2];

    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    CHECK_STATUS(tls_adopt(server, &tls, ends[0]), EMCP_OK);
    send_all(ends[1], plain, sizeof plain - 1);
    tls_finish(&tls, ends[0]);
    CHECK(tls.shutdowns == 0, "nothing is said after a failure");
    close(ends[1]);
}

/* Lies about how much was read: the connection ends, memory stays whole. */
static int64_t too_much(void *io, void *buf, size_t cap)
{
    (void)io;
    (void)buf;
    return (int64_t)cap + 1;
}

static void impossible_count(void)
{
    struct tls tls;
    emcp_io io = tls_io;
    emcp_adopt options;
    int ends[2];

    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    tls_options(&options, &tls);
    io.read = too_much;
    options.io = &io;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_OK);
    tls_finish(&tls, ends[0]);
    close(ends[1]);
}

/* What is refused is not touched: the program goes on with it in another way. */
static void refused(int32_t status)
{
    struct tls tls;
    int ends[2];

    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    CHECK_STATUS(tls_adopt(server, &tls, ends[0]), status);
    CHECK(gate_count(&tls.closed) == 0 && gate_count(&tls.released) == 0, "nothing was called");
    CHECK(tls.shutdowns == 0 && tls.reads_again == 0, "nothing was called");
    CHECK(is_open(ends[0]), "a refused descriptor stays the host's");
    SSL_free(tls.ssl);
    close(ends[0]);
    close(ends[1]);
}

static void mistakes(void)
{
    emcp_adopt options;
    emcp_io io = tls_io;
    FILE *plain = tmpfile();
    int ends[2];

    tcp_pair(ends);
    EMCP_INIT(&options);
    options.io = &io;
    io.read = NULL;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io = tls_io;
    io.write = NULL;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io = tls_io;
    io.flags = 1;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io.flags = 0;
    io.size = 1;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io.size = sizeof io;
    CHECK_STATUS(emcp_adopt_fd(server, -1, &options), EMCP_E_INVALID);
    CHECK(plain != NULL, "tmpfile");
    CHECK_STATUS(emcp_adopt_fd(server, fileno(plain), &options), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "polled");
    fclose(plain);
    CHECK(is_open(ends[0]), "a refused descriptor stays the host's");
    close(ends[0]);
    close(ends[1]);
}

/* Every connection is closed when stop returns: idle, in its handshake, busy, and one whose client
 * reads nothing. */
static void stopped_in_the_middle(void)
{
    char *call = call_request("long", "{}", ",\"progressToken\":1");
    char *large = call_request("letters", "{}", "");
    int calls = gate_count(&watched.entered);
    struct link idle, busy, stalled;
    struct tls fresh;
    int ends[2];

    tcp_pair(ends);
    tls_init(&fresh, server_context, ends[0]);
    CHECK_STATUS(tls_adopt(server, &fresh, ends[0]), EMCP_OK);
    link_open(&idle, NULL);
    link_open(&busy, NULL);
    link_open(&stalled, NULL);
    small_buffers(&stalled);
    tls_send(busy.client, call, strlen(call));
    tls_send(stalled.client, large, strlen(large));
    gate_wait(&watched.entered, calls + 1, "the call runs");
    free(tls_receive(stalled.client, "abcdef", 100));
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&idle.tls.released) == 1 && gate_count(&busy.tls.released) == 1, "ended");
    CHECK(gate_count(&stalled.tls.released) == 1 && gate_count(&fresh.released) == 1, "ended");
    free(tls_receive(idle.client, NULL, 100));
    free(tls_receive(busy.client, NULL, 100));
    link_close(&idle);
    link_close(&busy);
    link_close(&stalled);
    tls_finish(&fresh, ends[0]);
    close(ends[1]);
    free(large);
    free(call);
}

int main(void)
{
    int before;

    server_context = tls_server_context();
    client_context = SSL_CTX_new(TLS_client_method());
    server = server_create_silent(NULL);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "long", long_call, &watched);
    tool_add(server, "letters", letters, &letter_count);
    refused(EMCP_E_STATE);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    no_tls();
    before = count_entries("/proc/self/fd");
    client_vanishes();
    shutdown_never_done();
    no_tls();
    impossible_count();
    mistakes();
    CHECK(count_entries("/proc/self/fd") <= before, "no duplicate is left over");
    stopped_in_the_middle();
    refused(EMCP_E_STATE);
    emcp_destroy(server);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
    puts("ok adopt_tls_end");
    return 0;
}
