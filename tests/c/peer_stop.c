/* Door M: a stop in the middle, with a program that takes its own lock inside `ready`. */
#include "peer.h"

/* A program's own connection: its lock is held around what it does with the peer, and taken inside
 * `ready`, as one would naturally write it. */
struct connection {
    pthread_mutex_t lock;
    emcp_peer *peer;
    int messages;
    int32_t ended;
    struct gate rung;
};

static void pull(struct connection *connection)
{
    emcp_str message;
    int32_t status;

    while ((status = emcp_peer_next(connection->peer, &message)) == EMCP_OK)
        connection->messages++;
    if (status == EMCP_E_EOF)
        connection->ended = emcp_peer_close_code(connection->peer);
}

static void ready(void *user)
{
    struct connection *connection = user;

    pthread_mutex_lock(&connection->lock);
    if (connection->peer != NULL) {
        CHECK_STATUS(emcp_peer_wait(connection->peer, 1000), EMCP_E_BUSY);
        pull(connection);
    }
    pthread_mutex_unlock(&connection->lock);
    gate_open(&connection->rung);
}

/* The server stops in the middle: `ready` has run when emcp_stop() returns. */
static void stop_in_the_middle(emcp_server *server)
{
    struct connection connection = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, 0, GATE_INIT};
    emcp_peer *late = open_legacy(server);
    int cancels = gate_count(&canceled);
    int runs = gate_count(&running);
    emcp_request request;
    emcp_peer *none = NULL;
    int rung;

    EMCP_INIT(&request);
    request.ready = ready;
    request.user = &connection;
    pthread_mutex_lock(&connection.lock);
    CHECK_STATUS(emcp_peer_open(server, &request, &connection.peer, NULL), EMCP_OK);
    CHECK_STATUS(emcp_peer_feed(connection.peer, INITIALIZE, strlen(INITIALIZE), 1), EMCP_OK);
    CHECK_STATUS(emcp_peer_feed(connection.peer, HOLD, strlen(HOLD), 1), EMCP_OK);
    pthread_mutex_unlock(&connection.lock);
    gate_wait(&running, runs + 1, "the call runs");
    gate_wait(&connection.rung, 1, "the handshake is answered");
    rung = gate_count(&connection.rung);

    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    gate_wait(&canceled, cancels + 1, "stopping has canceled");
    emcp_call_unref(held);
    CHECK(gate_count(&connection.rung) > rung, "ready has run before stop returned");
    CHECK(connection.ended == 1001, "going away");
    CHECK_STATUS(emcp_peer_feed(connection.peer, PING, strlen(PING), 1), EMCP_E_EOF);
    CHECK_STATUS(emcp_peer_open(server, &request, &none, NULL), EMCP_E_STATE);

    /* The handles outlive even the server. */
    emcp_destroy(server);
    CHECK_STATUS(take(late), EMCP_E_EOF);
    CHECK_STATUS(emcp_peer_close_code(late), 1001);
    CHECK_STATUS(emcp_peer_feed(late, PING, strlen(PING), 1), EMCP_E_EOF);
    emcp_peer_close(late);
    emcp_peer_close(connection.peer);
}

int main(void)
{
    emcp_server *server = server_create(NULL);

    tool_add(server, "hold", hold, NULL);
    server_start(server);
    stop_in_the_middle(server);
    puts("ok peer_stop");
    return 0;
}
