/* The counters show what happened, in the struct and as Prometheus text; a client's capabilities,
 * its log level and the polling that its transport lacks reach a tool. */
#include "client.h"

static struct reply reply;

static int32_t plain(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "fine", EMCP_NUL);
}

static int32_t needs_sampling(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_require(call, "sampling"), EMCP_E_CANCELED);
    return EMCP_OK;
}

static int32_t logs(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_log(call, EMCP_LOG_DEBUG, "c", "\"too quiet\"", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_call_log(call, EMCP_LOG_ERROR, "c", "{\"loud\":true}", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_call_log(call, EMCP_LOG_ERROR, "c", "no json", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_call_disconnect(call, 10), EMCP_E_STATE);
    return emcp_put_text(call, "logged", EMCP_NUL);
}

int main(void)
{
    emcp_server *server = server_create(NULL);
    emcp_stats stats;
    char small[16], text[16 * 1024];
    int32_t len;
    int fd, port;

    tool_add(server, "plain", plain, NULL);
    tool_add(server, "needs_sampling", needs_sampling, NULL);
    tool_add(server, "logs", logs, NULL);
    port = server_start(server);

    tool_call(port, "plain", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"fine\"");
    tool_call(port, "needs_sampling", "{}", &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 400 ");
    CHECK_HAS(reply.text, "\"code\":-32021");
    CHECK_HAS(reply.text, "\"requiredCapabilities\":{\"sampling\":{}}");
    fd = tcp_connect(port);
    call_send(fd, "logs", "{}", ",\"io.modelcontextprotocol/logLevel\":\"warning\"");
    reply_finish(fd, &reply);
    CHECK(strstr(reply.text, "too quiet") == NULL, reply.text);
    CHECK_HAS(reply.text, "\"data\":{\"loud\":true}");
    CHECK_HAS(reply.text, "\"data\":\"no json\"");

    EMCP_INIT(&stats);
    CHECK_STATUS(emcp_get_stats(server, &stats), EMCP_OK);
    CHECK(stats.requests == 3 && stats.messages == 3, "requests and messages");
    CHECK(stats.calls_started == 3 && stats.calls_succeeded == 2, "calls");
    CHECK(stats.calls_failed == 1 && stats.calls_cancelled == 0, "failed calls");
    CHECK(stats.bytes_in > 0 && stats.bytes_out > 0, "bytes");

    len = emcp_metrics_text(server, text, sizeof text);
    CHECK(len > 0 && (size_t)len == strlen(text), "metrics text");
    CHECK_HAS(text, "\nemcp_calls_started_total 3\n");
    CHECK_STATUS(emcp_metrics_text(server, small, sizeof small), len);
    CHECK(strlen(small) == sizeof small - 1, "cut with a NUL");
    CHECK_STATUS(emcp_metrics_text(server, NULL, 0), len);

    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    printf("ok stats\n");
    return 0;
}
