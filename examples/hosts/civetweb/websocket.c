/* WebSockets: civetweb speaks the protocol, emcp gets and gives whole messages.
 *
 * civetweb's thread reads. What emcp sends is written by a thread of the connection's own, because
 * writing blocks while a client does not read, and that must not hold up emcp's thread. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* What civetweb calls `bits`: the first byte of a frame. */
#define FINAL 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
/* Length of a valid Sec-WebSocket-Key: 16 bytes in Base64. */
#define KEY_LENGTH 24

/* Why a connection is closed: RFC 6455, 7.4.1. */
#define PROTOCOL_ERROR 1002
#define NOT_TEXT 1003
#define SERVER_ERROR 1011

struct websocket {
    struct mcp_civetweb *adapter;
    struct mg_connection *connection;
    emcp_peer *peer;
    pthread_t writer;
    int has_writer;
    int in_message; /* Only the reader's. */
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t wake;
    int is_woken, is_gone;
};

static void send_close(struct mg_connection *connection, int code)
{
    char payload[2] = {(char)(code >> 8), (char)code};

    mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, payload, sizeof payload);
}

/* There may be a message, or the end: emcp_request.ready. */
static void wake(void *user)
{
    struct websocket *websocket = user;

    pthread_mutex_lock(&websocket->lock);
    websocket->is_woken = 1;
    pthread_cond_signal(&websocket->wake);
    pthread_mutex_unlock(&websocket->lock);
}

static void free_websocket(struct websocket *websocket)
{
    /* Waits for wake(). */
    emcp_peer_close(websocket->peer);
    pthread_cond_destroy(&websocket->wake);
    pthread_mutex_destroy(&websocket->lock);
    free(websocket);
}

/* Sends what there is. Returns 0 when that was the end. */
static int send_messages(struct websocket *websocket)
{
    emcp_str message;
    int32_t status;

    while ((status = emcp_peer_next(websocket->peer, &message)) == EMCP_OK)
        if (mg_websocket_write(websocket->connection, MG_WEBSOCKET_OPCODE_TEXT, message.p,
                               message.n) <= 0)
            return 0;
    if (status == EMCP_E_AGAIN)
        return 1;
    send_close(websocket->connection, emcp_peer_close_code(websocket->peer));
    /* Not for ever: ends the reader with the client's answer, or with civetweb's timeout. */
    mg_disable_connection_keep_alive(websocket->connection);
    return 0;
}

static void *run_writer(void *user)
{
    struct websocket *websocket = user;
    int goes_on = 1;

    while (goes_on && (goes_on = send_messages(websocket))) {
        pthread_mutex_lock(&websocket->lock);
        while (!websocket->is_woken && !websocket->is_gone)
            pthread_cond_wait(&websocket->wake, &websocket->lock);
        websocket->is_woken = 0;
        goes_on = !websocket->is_gone;
        pthread_mutex_unlock(&websocket->lock);
    }
    return NULL;
}

/* mg_send_http_error() sends no head while a handshake is under way. */
static void refuse(struct mg_connection *connection, int status, const char *text)
{
    mg_printf(connection,
              "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: %u\r\nConnection: close\r\n\r\n%s",
              status, mg_get_response_code_text(connection, status), (unsigned)strlen(text), text);
}

/* Before the handshake: mg_websocket_connect_handler. Anything but 0 refuses it. */
static int on_connect(const struct mg_connection *asked, void *user)
{
    /* A refusal is sent here, for which civetweb left a const too many. */
    struct mg_connection *connection = (struct mg_connection *)asked;
    struct websocket *websocket = calloc(1, sizeof *websocket);
    const char *key = mg_get_header(connection, "Sec-WebSocket-Key");
    struct request_text text;
    emcp_request request;
    int32_t refusal = 503;

    /* With a longer key civetweb gives up behind this function, and says so to nobody. */
    if (websocket == NULL || key == NULL || strlen(key) != KEY_LENGTH) {
        free(websocket);
        refuse(connection, 400, "bad handshake");
        return 1;
    }
    websocket->adapter = user;
    websocket->connection = connection;
    pthread_mutex_init(&websocket->lock, NULL);
    pthread_cond_init(&websocket->wake, NULL);
    describe_request(connection, &text, &request);
    /* Nothing to watch: civetweb reads all the time, so it notices the end by itself. */
    request.ready = wake;
    request.user = websocket;
    if (emcp_peer_open(websocket->adapter->server, &request, &websocket->peer, &refusal) !=
        EMCP_OK) {
        refuse(connection, refusal, emcp_last_error());
        free_websocket(websocket);
        return 1;
    }
    mg_set_user_connection_data(connection, websocket);
    adapter_enter(websocket->adapter);
    return 0;
}

/* After the handshake, in which civetweb has echoed the subprotocol: mg_websocket_ready_handler. */
static void on_ready(struct mg_connection *connection, void *user)
{
    struct websocket *websocket = mg_get_user_connection_data(connection);

    (void)user;
    websocket->has_writer = pthread_create(&websocket->writer, NULL, run_writer, websocket) == 0;
    if (!websocket->has_writer) {
        send_close(connection, SERVER_ERROR);
        mg_disable_connection_keep_alive(connection);
    }
}

/* Hands a piece of a message over. Returns 0, or the code of the close frame. */
static int feed(struct websocket *websocket, int bits, const char *data, size_t size)
{
    int is_first = (bits & OPCODE) == MG_WEBSOCKET_OPCODE_TEXT;

    if (is_first == websocket->in_message)
        return PROTOCOL_ERROR;
    websocket->in_message = !(bits & FINAL);
    /* A message that is refused ends the peer, and the writer closes the connection. */
    (void)emcp_peer_feed(websocket->peer, data, size, !websocket->in_message);
    return 0;
}

/* One frame: mg_websocket_data_handler. 0 ends the connection. */
static int on_frame(struct mg_connection *connection, int bits, char *data, size_t size, void *user)
{
    struct websocket *websocket = mg_get_user_connection_data(connection);
    int code = PROTOCOL_ERROR;

    (void)user;
    switch (bits & OPCODE) {
    case MG_WEBSOCKET_OPCODE_TEXT:
    case MG_WEBSOCKET_OPCODE_CONTINUATION:
        if ((bits & RESERVED) == 0)
            code = feed(websocket, bits, data, size);
        break;
    case MG_WEBSOCKET_OPCODE_PING:
        /* Only when civetweb does not answer it by itself. */
        mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_PONG, data, size);
        return 1;
    case MG_WEBSOCKET_OPCODE_PONG:
        return 1;
    case MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE:
        mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, data,
                           size < 2 ? 0 : 2);
        return 0;
    case MG_WEBSOCKET_OPCODE_BINARY:
        code = NOT_TEXT;
        break;
    }
    if (code == 0)
        return 1;
    send_close(connection, code);
    return 0;
}

/* The end, whoever wanted it: mg_websocket_close_handler. */
static void on_close(const struct mg_connection *connection, void *user)
{
    struct websocket *websocket = mg_get_user_connection_data(connection);

    (void)user;
    pthread_mutex_lock(&websocket->lock);
    websocket->is_gone = 1;
    pthread_cond_signal(&websocket->wake);
    pthread_mutex_unlock(&websocket->lock);
    if (websocket->has_writer)
        pthread_join(websocket->writer, NULL);
    mg_set_user_connection_data(connection, NULL);
    adapter_leave(websocket->adapter);
    free_websocket(websocket);
}

void serve_websocket(struct mg_context *context, const char *path, struct mcp_civetweb *adapter)
{
    static const char *names[] = {"mcp"};
    static struct mg_websocket_subprotocols subprotocols = {1, names};

    mg_set_websocket_handler_with_subprotocols(context, path, &subprotocols, on_connect, on_ready,
                                               on_frame, on_close, adapter);
}
