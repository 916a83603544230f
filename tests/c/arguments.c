/* Accessors give a tool its arguments exactly: big integers, escapes, NUL inside strings. */
#include "client.h"

static struct reply reply;

static void strings(emcp_call *call)
{
    emcp_str text;

    CHECK_STATUS(emcp_arg_str(call, "text", &text), EMCP_OK);
    CHECK(str_is(text, "a\"b\\c\nA\xf0\x9f\x98\x80"), "escapes are resolved");
    CHECK(text.p[text.n] == '\0', "a string is NUL-terminated too");
    CHECK_STATUS(emcp_arg_str(call, "nul", &text), EMCP_OK);
    CHECK(text.n == 3 && memcmp(text.p, "a\0z", 4) == 0, "NUL inside a string is kept");
    CHECK_STATUS(emcp_arg_str(call, "empty", &text), EMCP_OK);
    CHECK(text.n == 0 && text.p != NULL && text.p[0] == '\0', "an empty string is still a string");
    CHECK_STATUS(emcp_arg_str(call, "key \"quoted\"", &text), EMCP_OK);
    CHECK(str_is(text, "found"), "keys are compared unescaped");
}

static void numbers(emcp_call *call)
{
    int64_t integer = 0;
    double number = 0;
    int32_t boolean = 0;

    CHECK_STATUS(emcp_arg_i64(call, "big", &integer), EMCP_OK);
    CHECK(integer == INT64_C(9007199254740993), "an integer above 2^53 is exact");
    CHECK_STATUS(emcp_arg_i64(call, "least", &integer), EMCP_OK);
    CHECK(integer == INT64_MIN, "the least integer is exact");
    CHECK_STATUS(emcp_arg_f64(call, "pi", &number), EMCP_OK);
    CHECK(number == 3.25, "a fraction");
    CHECK_STATUS(emcp_arg_f64(call, "big", &number), EMCP_OK);
    CHECK(number == 9007199254740992.0, "an integer read as a number is rounded");
    CHECK_STATUS(emcp_arg_bool(call, "yes", &boolean), EMCP_OK);
    CHECK(boolean == 1, "true");
    CHECK_STATUS(emcp_arg_bool(call, "no", &boolean), EMCP_OK);
    CHECK(boolean == 0, "false");
}

static void lists(emcp_call *call)
{
    emcp_str text;

    CHECK_STATUS(emcp_arg_item(call, "names", 0, &text), EMCP_OK);
    CHECK(str_is(text, "eth0") && text.p[text.n] == '\0', "the first item");
    CHECK_STATUS(emcp_arg_item(call, "names", 1, &text), EMCP_OK);
    CHECK(str_is(text, "a\"b"), "escapes of an item are resolved");
    CHECK_STATUS(emcp_arg_item(call, "names", 2, &text), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_arg_item(call, "absent", 0, &text), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_arg_item(call, "list", 0, &text), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_item(call, "text", 0, &text), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_item(NULL, "names", 0, &text), EMCP_E_INVALID);
}

static void raw_json(emcp_call *call)
{
    emcp_str text;

    CHECK_STATUS(emcp_arg_json(call, "big", &text), EMCP_OK);
    CHECK(str_is(text, "9007199254740993"), "raw JSON keeps every digit");
    CHECK_STATUS(emcp_arg_json(call, "unsigned", &text), EMCP_OK);
    CHECK(str_is(text, "18446744073709551615"), "raw JSON keeps what int64_t cannot hold");
    CHECK_STATUS(emcp_arg_json(call, "list", &text), EMCP_OK);
    CHECK(str_is(text, "[\"x\",{\"k\":1}]"), "raw JSON of a list");
    text = emcp_call_arguments(call);
    CHECK(text.n > 0 && text.p[0] == '{' && text.p[text.n - 1] == '}', "all arguments as JSON");
}

static void mistakes(emcp_call *call)
{
    emcp_str text;
    int64_t integer = 5;
    double number;
    int32_t boolean;

    CHECK_STATUS(emcp_arg_str(call, "absent", &text), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_arg_i64(call, "none", &integer), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_arg_json(call, "absent", &text), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_arg_str(call, "big", &text), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_i64(call, "text", &integer), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_i64(call, "pi", &integer), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_i64(call, "unsigned", &integer), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_f64(call, "yes", &number), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_bool(call, "text", &boolean), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_str(call, NULL, &text), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_str(call, "text", NULL), EMCP_E_INVALID);
    CHECK(integer == 5, "a failed accessor leaves its output alone");
}

static void caller(emcp_call *call)
{
    emcp_who who;
    emcp_str meta = emcp_call_meta(call);

    CHECK(str_is(emcp_call_name(call), "inspect"), "the tool's own name");
    CHECK(meta.n > 0 && meta.p[0] == '{', "_meta is a JSON object");
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    CHECK(str_is(who.client_name, "c-client"), "client name");
    CHECK(str_is(who.client_version, "2.0.0"), "client version");
    CHECK(str_is(who.protocol, "2026-07-28"), "protocol revision");
    CHECK(who.transport.n > 0, "transport");
    CHECK(who.remote_addr.n > 0, "remote address");
    CHECK_STATUS(emcp_call_who(call, NULL), EMCP_E_INVALID);
}

static int32_t inspect(emcp_call *call, void *user)
{
    (void)user;
    strings(call);
    numbers(call);
    lists(call);
    raw_json(call);
    mistakes(call);
    caller(call);
    return emcp_put_text(call, "inspected", EMCP_NUL);
}

static int32_t never(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    CHECK(0, "arguments against the schema must not reach the tool");
    return EMCP_OK;
}

/* A tool described by a table refuses what the table forbids, in words for the model. */
static void table_is_enforced(emcp_server *server)
{
    static const emcp_param params[] = {
        {"level", EMCP_STRING, EMCP_P_REQUIRED, "How loud", "low,high", 0, 0, NULL, NULL},
        {"count", EMCP_INTEGER, 0, "How often", NULL, 1, 10, "1", NULL},
    };
    emcp_tool tool;

    tool_init(&tool, "strict", never, NULL);
    tool.params = params;
    tool.params_len = 2;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
}

int main(void)
{
    static const char *refused[] = {
        "{}",
        "{\"level\":\"middle\"}",
        "{\"level\":\"low\",\"count\":0}",
        "{\"level\":\"low\",\"count\":\"three\"}",
        "{\"level\":7}",
    };
    emcp_server *server = server_create(NULL);
    emcp_tool tool;
    int port;

    tool_init(&tool, "inspect", inspect, NULL);
    tool.input_schema = "{\"type\":\"object\"}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    table_is_enforced(server);
    port = server_start(server);

    tool_call(port, "inspect",
              "{\"text\":\"a\\\"b\\\\c\\n\\u0041\\ud83d\\ude00\",\"nul\":\"a\\u0000z\","
              "\"empty\":\"\",\"key \\\"quoted\\\"\":\"found\",\"big\":9007199254740993,"
              "\"least\":-9223372036854775808,\"unsigned\":18446744073709551615,\"pi\":3.25,"
              "\"yes\":true,\"no\":false,\"none\":null,\"names\":[\"eth0\",\"a\\\"b\"],\"list\":[\"x\",{\"k\":1}]}",
              &reply);
    CHECK_HAS(reply.text, "\"text\":\"inspected\"");

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        tool_call(port, "strict", refused[i], &reply);
        CHECK_HAS(reply.text, "\"isError\":true");
    }
    emcp_destroy(server);
    puts("ok arguments");
    return 0;
}
