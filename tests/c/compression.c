/* Compression on WebSockets: off, until the program turns it on, and off again when it likes. */
#include "client.h"

static struct reply reply;
static int warnings;

static void log_line(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    (void)level, (void)len, (void)user;
    if (strcmp(target, "websocket") == 0 && strstr(message, "FEATURES=deflate") != NULL)
        warnings++;
}

/* The head of the answer to a handshake that offers compression. */
static const char *shake_hands(int port)
{
    static const char request[] =
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    int fd = tcp_connect(port);

    send_all(fd, request, sizeof request - 1);
    reply.len = 0;
    CHECK(reply_read(fd, &reply, "\r\n\r\n"), "a head");
    CHECK_HAS(reply.text, "HTTP/1.1 101");
    close(fd);
    return reply.text;
}

int main(void)
{
    emcp_hooks hooks;
    emcp_server *server = server_create(NULL);
    int32_t status;
    int port;

    EMCP_INIT(&hooks);
    hooks.log = log_line;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    CHECK_STATUS(emcp_set_websocket_compression(NULL, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_set_websocket_compression(server, 0), EMCP_OK);
    CHECK(warnings == 0, "nothing is missing that nobody wants");
    status = emcp_set_websocket_compression(server, 1);
    if (status == EMCP_E_UNSUPPORTED) {
        CHECK_HAS(emcp_last_error(), "FEATURES=deflate");
        CHECK(warnings == 1, "the log says what to do");
        emcp_destroy(server);
        puts("ok compression: not built in");
        return 0;
    }
    CHECK_STATUS(status, EMCP_OK);
    CHECK_STATUS(emcp_set_websocket_compression(server, 0), EMCP_OK);
    port = server_start(server);
    CHECK_LACKS(shake_hands(port), "permessage-deflate");
    CHECK_STATUS(emcp_set_websocket_compression(server, 1), EMCP_OK);
    CHECK_HAS(shake_hands(port), "permessage-deflate; server_no_context_takeover");
    CHECK_STATUS(emcp_set_websocket_compression(server, 0), EMCP_OK);
    CHECK_LACKS(shake_hands(port), "permessage-deflate");
    CHECK(warnings == 0, "nothing to complain about");
    emcp_destroy(server);
    puts("ok compression");
    return 0;
}
