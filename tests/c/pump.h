/* Bytes that the program carries: what the tests of emcp_conn share. */
#ifndef PUMP_H
#define PUMP_H

#include "pair.h"

static emcp_server *server;
/* Opened by each call of `ready`. */
static struct gate ready = GATE_INIT;

static inline void on_ready(void *user)
{
    gate_open(user);
}

static inline emcp_conn *conn_open(const emcp_adopt *options)
{
    emcp_conn *conn = NULL;

    CHECK_STATUS(emcp_conn_open(server, options, on_ready, &ready, &conn), EMCP_OK);
    return conn;
}

/* Feeds all of it, waiting where emcp takes no more. */
static inline void feed_all(emcp_conn *conn, const char *bytes, size_t len, size_t piece)
{
    while (len > 0) {
        size_t want = len < piece ? len : piece;
        int64_t taken = emcp_conn_feed(conn, bytes, want);

        CHECK(taken >= 0 && (size_t)taken <= want, "feed takes some");
        if ((size_t)taken < want)
            CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "there is room again");
        bytes += taken;
        len -= (size_t)taken;
    }
}

/* Reads until the end, or until `part` has come. */
static inline char *read_until(emcp_conn *conn, const char *part, size_t piece)
{
    size_t len = 0, cap = 64 * 1024;
    char *text = malloc(cap + piece + 1);

    for (;;) {
        int64_t count;

        CHECK(text != NULL, "memory");
        count = emcp_conn_read(conn, text + len, piece);
        if (count == EMCP_E_AGAIN) {
            CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "there is more");
            continue;
        }
        CHECK(count >= 0 && (size_t)count <= piece, "read gives some");
        len += (size_t)count;
        text[len] = '\0';
        if (count == 0 || (part != NULL && strstr(text, part) != NULL))
            return text;
        if (len > cap)
            text = realloc(text, (cap = 2 * len) + piece + 1);
    }
}

#endif
