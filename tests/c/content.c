/* Everything a tool can put arrives in the result, in the protocol's words. */
#include "client.h"

static struct reply reply;

static int32_t everything(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_put_text(call, "plain \"text\"", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_text(call, "cut here", 3), EMCP_OK);
    CHECK_STATUS(emcp_put_image(call, "image/png", "\0\xff", 2), EMCP_OK);
    CHECK_STATUS(emcp_put_audio(call, "audio/wav", "RIFF", 4), EMCP_OK);
    CHECK_STATUS(emcp_put_link(call, "file:///log", "log", "text/x-log", "The log"), EMCP_OK);
    CHECK_STATUS(emcp_put_resource_text(call, "test://t", "text/x-note", "note", EMCP_NUL),
                 EMCP_OK);
    CHECK_STATUS(emcp_put_resource_blob(call, "test://b", "application/x-blob", "\1\2\3", 3),
                 EMCP_OK);
    CHECK_STATUS(emcp_put_content(call, "{\"type\":\"text\",\"text\":\"raw block\"}", EMCP_NUL),
                 EMCP_OK);
    CHECK_STATUS(emcp_put_json(call, "{\"big\":9007199254740993}", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_meta(call, "{\"com.example/cost\":12}", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_truncated(call, 10, 12345, "cursor-11"), EMCP_OK);
    return EMCP_OK;
}

/* A refused piece leaves nothing behind in the result. */
static int32_t mistakes(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_put_text(call, NULL, 3), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_image(call, NULL, "leftover", 8), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_image(call, "image/png", NULL, 8), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_link(call, NULL, "leftover", NULL, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_json(call, "{\"leftover\":", EMCP_NUL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_content(call, "[\"leftover\"]", EMCP_NUL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_meta(call, "\"leftover\"", EMCP_NUL), EMCP_E_INVALID);
    return emcp_put_text(call, "clean", EMCP_NUL);
}

static int32_t too_much(emcp_call *call, void *user)
{
    static char text[5000];

    (void)user;
    memset(text, 'x', sizeof text);
    CHECK_STATUS(emcp_put_text(call, text, sizeof text), EMCP_E_LIMIT);
    return emcp_put_text(call, "short", EMCP_NUL);
}

static int32_t fails(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail(call, "the disk is \"full\"");
}

static int32_t fails_rpc(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail_rpc(call, -32001, "not today", "{\"retry\":60}");
}

static int32_t returns_error(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_E_IO;
}

static int32_t nothing(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_OK;
}

static emcp_server *create(void)
{
    emcp_server *server = server_create(NULL);
    emcp_tool tool;

    tool_add(server, "everything", everything, NULL);
    tool_add(server, "mistakes", mistakes, NULL);
    tool_init(&tool, "too_much", too_much, NULL);
    tool.max_result_bytes = 4096;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_add(server, "fails", fails, NULL);
    tool_add(server, "fails_rpc", fails_rpc, NULL);
    tool_add(server, "returns_error", returns_error, NULL);
    tool_add(server, "nothing", nothing, NULL);
    return server;
}

static void check_everything(int port)
{
    static const char *parts[] = {
        "\"text\":\"plain \\\"text\\\"\"", "\"text\":\"cut\"",
        "\"type\":\"image\"", "\"data\":\"AP8=\"", "\"mimeType\":\"image/png\"",
        "\"type\":\"audio\"", "\"data\":\"UklGRg==\"", "\"mimeType\":\"audio/wav\"",
        "\"type\":\"resource_link\"", "\"uri\":\"file:///log\"", "\"name\":\"log\"",
        "\"mimeType\":\"text/x-log\"", "\"description\":\"The log\"",
        "\"type\":\"resource\"", "\"uri\":\"test://t\"", "\"mimeType\":\"text/x-note\"",
        "\"text\":\"note\"",
        "\"uri\":\"test://b\"", "\"mimeType\":\"application/x-blob\"", "\"blob\":\"AQID\"",
        "\"text\":\"raw block\"",
        "\"structuredContent\":{\"big\":9007199254740993}",
        "\"com.example/cost\":12",
        "12345", "cursor-11",
    };

    tool_call(port, "everything", "{}", &reply);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK_HAS(reply.text, parts[i]);
    CHECK_LACKS(reply.text, "cut here");
    CHECK_LACKS(reply.text, "\"isError\":true");
}

static void check_failures(int port)
{
    tool_call(port, "fails", "{}", &reply);
    CHECK_HAS(reply.text, "\"isError\":true");
    CHECK_HAS(reply.text, "the disk is \\\"full\\\"");
    tool_call(port, "fails_rpc", "{}", &reply);
    CHECK_HAS(reply.text, "\"error\":{");
    CHECK_HAS(reply.text, "\"code\":-32001");
    CHECK_HAS(reply.text, "\"message\":\"not today\"");
    CHECK_HAS(reply.text, "\"data\":{\"retry\":60}");
    tool_call(port, "returns_error", "{}", &reply);
    CHECK_HAS(reply.text, "\"isError\":true");
    CHECK_HAS(reply.text, emcp_strerror(EMCP_E_IO));
}

int main(void)
{
    emcp_server *server = create();
    int port = server_start(server);

    check_everything(port);
    check_failures(port);
    tool_call(port, "mistakes", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"clean\"");
    CHECK_LACKS(reply.text, "leftover");
    tool_call(port, "too_much", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"short\"");
    CHECK_LACKS(reply.text, "xxxx");
    tool_call(port, "nothing", "{}", &reply);
    CHECK_HAS(reply.text, "\"content\":[]");
    emcp_destroy(server);
    puts("ok content");
    return 0;
}
