/* The JSON writer always writes valid JSON; mistakes are remembered and reported by commit. */
#include "client.h"

#include <math.h>

#define RESULT_BYTES_MAX 4096

static struct reply reply;

static int32_t writes(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);
    size_t before;

    (void)user;
    CHECK(json != NULL, "a writer");
    emcp_json_obj(json);
    before = emcp_json_len(json);
    emcp_json_key(json, "nan"), emcp_json_f64(json, NAN);
    emcp_json_key(json, "inf"), emcp_json_f64(json, INFINITY);
    emcp_json_key(json, "minus_inf"), emcp_json_f64(json, -INFINITY);
    emcp_json_key(json, "tenth"), emcp_json_f64(json, 0.1);
    emcp_json_key(json, "least"), emcp_json_i64(json, INT64_MIN);
    emcp_json_key(json, "most"), emcp_json_u64(json, UINT64_MAX);
    emcp_json_key(json, "yes"), emcp_json_bool(json, 7);
    emcp_json_key(json, "none"), emcp_json_null(json);
    emcp_json_key(json, "bad_utf8"), emcp_json_str(json, "a\xffz", 3);
    emcp_json_key(json, "escaped \"key\""), emcp_json_str(json, "\t\x01", EMCP_NUL);
    emcp_json_key(json, "nul"), emcp_json_str(json, "a\0z", 3);
    emcp_json_key(json, "list"), emcp_json_arr(json);
    emcp_json_i64(json, 1), emcp_json_arr(json), emcp_json_end(json);
    emcp_json_obj(json), emcp_json_end(json), emcp_json_end(json);
    emcp_json_end(json);
    CHECK(emcp_json_len(json) > before, "the length grows");
    CHECK_STATUS(emcp_json_commit(json), EMCP_OK);
    return EMCP_OK;
}

static void end_without_begin(emcp_json *json)
{
    emcp_json_end(json);
}

static void value_without_key(emcp_json *json)
{
    emcp_json_obj(json), emcp_json_i64(json, 1), emcp_json_end(json);
}

static void key_without_value(emcp_json *json)
{
    emcp_json_obj(json), emcp_json_key(json, "k"), emcp_json_end(json);
}

static void two_keys(emcp_json *json)
{
    emcp_json_obj(json), emcp_json_key(json, "k"), emcp_json_key(json, "l");
    emcp_json_null(json), emcp_json_end(json);
}

static void key_in_array(emcp_json *json)
{
    emcp_json_arr(json), emcp_json_key(json, "k"), emcp_json_end(json);
}

static void key_at_the_top(emcp_json *json)
{
    emcp_json_key(json, "k");
}

static void two_values(emcp_json *json)
{
    emcp_json_obj(json), emcp_json_end(json);
    emcp_json_obj(json), emcp_json_end(json);
}

static void never_ended(emcp_json *json)
{
    emcp_json_obj(json), emcp_json_key(json, "k"), emcp_json_arr(json);
}

static void empty(emcp_json *json)
{
    (void)json;
}

static void null_key(emcp_json *json)
{
    emcp_json_obj(json), emcp_json_key(json, NULL), emcp_json_null(json), emcp_json_end(json);
}

static int32_t makes_mistakes(emcp_call *call, void *user)
{
    static void (*const mistakes[])(emcp_json *json) = {
        end_without_begin, value_without_key, key_without_value, two_keys,  key_in_array,
        key_at_the_top,    two_values,        never_ended,       empty,     null_key,
    };

    (void)user;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        emcp_json *json = emcp_json_begin(call);

        mistakes[i](json);
        CHECK_STATUS(emcp_json_commit(json), EMCP_E_INVALID);
    }
    return emcp_put_text(call, "still answerable", EMCP_NUL);
}

static int32_t writes_too_much(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);

    (void)user;
    emcp_json_obj(json), emcp_json_key(json, "list"), emcp_json_arr(json);
    for (int i = 0; i < RESULT_BYTES_MAX; i++)
        emcp_json_str(json, "item", 4);
    emcp_json_end(json), emcp_json_end(json);
    CHECK_STATUS(emcp_json_commit(json), EMCP_E_LIMIT);
    return emcp_put_text(call, "still answerable", EMCP_NUL);
}

static int32_t gives_up(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);

    (void)user;
    emcp_json_obj(json), emcp_json_key(json, "given_up"), emcp_json_i64(json, 1);
    emcp_json_free(json);
    return emcp_put_text(call, "still answerable", EMCP_NUL);
}

static void check_written(int port)
{
    static const char *parts[] = {
        "\"nan\":null",
        "\"inf\":null",
        "\"minus_inf\":null",
        "\"tenth\":0.1",
        "\"least\":-9223372036854775808",
        "\"most\":18446744073709551615",
        "\"yes\":true",
        "\"none\":null",
        "\"bad_utf8\":\"a\xef\xbf\xbdz\"",
        "\"escaped \\\"key\\\"\":\"\\t\\u0001\"",
        "\"nul\":\"a\\u0000z\"",
        "\"list\":[1,[],{}]",
        "\"structuredContent\":{\"nan\"",
    };

    tool_call(port, "writes", "{}", &reply);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK_HAS(reply.text, parts[i]);
}

int main(void)
{
    static const char *answerable[] = {"makes_mistakes", "writes_too_much", "gives_up"};
    emcp_config config;
    emcp_server *server;
    int port;

    EMCP_INIT(&config);
    config.max_result_bytes = RESULT_BYTES_MAX;
    server = server_create(&config);
    tool_add(server, "writes", writes, NULL);
    tool_add(server, "makes_mistakes", makes_mistakes, NULL);
    tool_add(server, "writes_too_much", writes_too_much, NULL);
    tool_add(server, "gives_up", gives_up, NULL);
    port = server_start(server);

    check_written(port);
    for (size_t i = 0; i < sizeof answerable / sizeof answerable[0]; i++) {
        tool_call(port, answerable[i], "{}", &reply);
        CHECK_HAS(reply.text, "\"text\":\"still answerable\"");
        CHECK_LACKS(reply.text, "given_up");
        CHECK_LACKS(reply.text, "item");
    }
    emcp_destroy(server);
    puts("ok json_writer");
    return 0;
}
