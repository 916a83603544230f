/* Prompts: their arguments, their messages, and values for what a user types. */
#include "dialogue.h"

static emcp_server *server;
static int port;
static struct reply reply;
static struct gate freed = GATE_INIT;

/* Every kind of message, from both sides. */
static int32_t get_all(emcp_call *call, void *user)
{
    emcp_str text;

    (void)user;
    CHECK(emcp_call_kind(call) == EMCP_KIND_PROMPT, "the kind of call");
    CHECK(str_is(emcp_call_name(call), "all"), "the name");
    CHECK_STATUS(emcp_arg_str(call, "unit", &text), EMCP_OK);
    CHECK(str_is(text, "cpu"), "the argument");
    CHECK_STATUS(emcp_arg_str(call, "window", &text), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_put_description(call, "Looks at cpu"), EMCP_OK);
    CHECK_STATUS(emcp_put_text(call, "Look at cpu.", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_image(call, "image/png", "png", 3), EMCP_OK);
    CHECK_STATUS(emcp_put_role(call, EMCP_ROLE_ASSISTANT), EMCP_OK);
    CHECK_STATUS(emcp_put_audio(call, "audio/wav", "wav", 3), EMCP_OK);
    CHECK_STATUS(emcp_put_json(call, "[1]", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_link(call, "test://a", "a", NULL, NULL), EMCP_OK);
    CHECK_STATUS(emcp_put_role(call, EMCP_ROLE_USER), EMCP_OK);
    CHECK_STATUS(emcp_put_resource_text(call, "test://b", NULL, "b", 1), EMCP_OK);
    CHECK_STATUS(emcp_put_resource_blob(call, "test://c", NULL, "c", 1), EMCP_OK);
    CHECK_STATUS(emcp_put_content(call, "{\"type\":\"text\",\"text\":\"raw\"}", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_role(call, 3), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_blob(call, "b", 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_meta(call, "{}", EMCP_NUL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_truncated(call, 1, 2, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_value(call, "v"), EMCP_E_INVALID);
    return EMCP_OK;
}

static int32_t get_broken(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail(call, "the template is gone");
}

/* What the test asks to be completed decides what comes. */
static int32_t complete(emcp_call *call, void *user)
{
    emcp_str of = emcp_call_name(call), value = emcp_complete_value(call), other;
    char text[128];

    (void)user;
    CHECK(emcp_call_kind(call) == EMCP_KIND_COMPLETION, "the kind of call");
    CHECK(str_is(emcp_complete_argument(call), "unit"), "the argument");
    CHECK_STATUS(emcp_need_roots(call, "r", NULL), EMCP_E_STATE);
    CHECK_STATUS(emcp_put_text(call, "text", 4), EMCP_E_INVALID);
    if (str_is(value, "many")) {
        for (int i = 0; i < 100; i++) {
            snprintf(text, sizeof text, "unit%d", i);
            CHECK_STATUS(emcp_put_value(call, text), EMCP_OK);
        }
        CHECK_STATUS(emcp_put_value(call, "unit100"), EMCP_E_LIMIT);
        return emcp_put_value_total(call, 250);
    }
    if (str_is(value, "fail"))
        return emcp_fail(call, "no idea");
    if (emcp_arg_str(call, "window", &other) == EMCP_E_NOT_FOUND)
        other = emcp_str_of("no window");
    snprintf(text, sizeof text, "%.*s of %.*s with %s", (int)value.n, value.p, (int)of.n, of.p,
             other.p);
    return emcp_put_value(call, text);
}

static void free_user(void *user)
{
    CHECK(user == &freed, "the user pointer");
    gate_open(&freed);
}

static const emcp_param arguments[] = {
    {"unit", EMCP_STRING, EMCP_P_REQUIRED, "What to look at", NULL, 0, 0, NULL, NULL},
    {"window", EMCP_STRING, 0, NULL, "hour, Half a day,week", 0, 0, NULL, NULL},
};

static void init(emcp_prompt *prompt, const char *name, emcp_call_fn get)
{
    EMCP_INIT(prompt);
    prompt->name = name;
    prompt->arguments = arguments;
    prompt->arguments_len = 2;
    prompt->get = get;
    prompt->user = &freed;
    prompt->free_user = free_user;
}

static void make(void)
{
    emcp_resource resource;
    emcp_config config;
    emcp_prompt prompt;

    EMCP_INIT(&config);
    config.max_completions_per_second = 1000000;
    server = server_create(&config);
    init(&prompt, "all", get_all);
    prompt.title = "Everything";
    prompt.description = "Looks at a unit";
    prompt.icons = "[{\"src\":\"https://a.example/i.png\"}]";
    prompt.meta = "{\"k\":1}";
    prompt.complete = complete;
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_OK);
    init(&prompt, "broken", get_broken);
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_OK);
    EMCP_INIT(&resource);
    resource.uri_template = "unit://{unit}/{window}";
    resource.name = "unit";
    resource.read = get_broken;
    resource.complete = complete;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    resource.uri_template = "bare://{unit}";
    resource.complete = NULL;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    port = server_start(server);
}

static void lists(struct link *link)
{
    static const char listed[] =
        "{\"name\":\"all\",\"title\":\"Everything\",\"description\":\"Looks at a unit\","
        "\"arguments\":[{\"name\":\"unit\",\"description\":\"What to look at\",\"required\":true},"
        "{\"name\":\"window\"";

    modern_ask(port, "prompts/list", "", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, listed);
    CHECK_HAS(reply.text, "\"icons\":[{\"src\":\"https://a.example/i.png\"}],\"_meta\":{\"k\":1}");
    link_request(link, 2, "prompts/list", "{}");
    (void)link_wait(link, listed);
}

static void messages(struct link *link)
{
    static const char *const all[] = {
        "\"description\":\"Looks at cpu\"",
        "{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"Look at cpu.\"}}",
        "{\"role\":\"user\",\"content\":{\"type\":\"image\",\"data\":\"cG5n\",",
        "{\"role\":\"assistant\",\"content\":{\"type\":\"audio\",\"data\":\"d2F2\",",
        "{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"[1]\"}}",
        "{\"role\":\"assistant\",\"content\":{\"type\":\"resource_link\",\"uri\":\"test://a\"",
        "{\"role\":\"user\",\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"test://b\"",
        "{\"role\":\"user\",\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"test://c\"",
        "{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"raw\"}}",
    };
    const char *come;

    modern_ask(port, "prompts/get", "\"name\":\"all\",\"arguments\":{\"unit\":\"cpu\"}",
               CAN_NOTHING, &reply);
    link_request(link, 3, "prompts/get", "{\"name\":\"all\",\"arguments\":{\"unit\":\"cpu\"}}");
    come = link->in.text + link->seen;
    (void)link_wait(link, "\"raw\"}}]");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        CHECK_HAS(reply.text, all[i]);
        CHECK_HAS(come, all[i]);
    }
}

static void refused(const char *params, int code, const char *part)
{
    char text[32];

    modern_ask(port, "prompts/get", params, CAN_NOTHING, &reply);
    snprintf(text, sizeof text, "\"code\":%d", code);
    CHECK_HAS(reply.text, text);
    CHECK_HAS(reply.text, part);
}

static void wrong_arguments(void)
{
    refused("\"name\":\"all\"", -32602, "unit");
    refused("\"name\":\"all\",\"arguments\":{\"window\":\"hour\"}", -32602, "unit");
    refused("\"name\":\"all\",\"arguments\":{\"unit\":7}", -32602, "strings");
    refused("\"name\":\"all\",\"arguments\":[]", -32602, "strings");
    refused("\"name\":\"none\",\"arguments\":{\"unit\":\"cpu\"}", -32602, "none");
    refused("\"name\":\"broken\",\"arguments\":{\"unit\":\"cpu\"}", -32603, "the template is gone");
}

/* Asks to complete `argument` of `of`, a reference, with the text `typed`. */
static void complete_ask(const char *of, const char *argument, const char *typed,
                         const char *context)
{
    char params[512];

    snprintf(params, sizeof params,
             "\"ref\":{%s},\"argument\":{\"name\":\"%s\",\"value\":\"%s\"}%s", of, argument, typed,
             context);
    modern_ask(port, "completion/complete", params, CAN_NOTHING, &reply);
}

static void completions(struct link *link)
{
    static const char prompt[] = "\"type\":\"ref/prompt\",\"name\":\"all\"";
    static const char bare[] = "\"type\":\"ref/prompt\",\"name\":\"broken\"";
    static const char unit[] = "\"type\":\"ref/resource\",\"uri\":\"unit://{unit}/{window}\"";
    static const char context[] = ",\"context\":{\"arguments\":{\"window\":\"week\"}}";

    complete_ask(prompt, "unit", "c", "");
    CHECK_HAS(reply.text, "\"values\":[\"c of all with no window\"],\"hasMore\":false");
    complete_ask(prompt, "unit", "c", context);
    CHECK_HAS(reply.text, "\"values\":[\"c of all with week\"]");
    complete_ask(unit, "unit", "", context);
    CHECK_HAS(reply.text, "\"values\":[\" of unit://{unit}/{window} with week\"]");
    complete_ask(prompt, "unit", "many", "");
    CHECK_HAS(reply.text, "\"unit99\"],\"total\":250,\"hasMore\":true");
    CHECK_LACKS(reply.text, "unit100");
    complete_ask(prompt, "unit", "fail", "");
    CHECK_HAS(reply.text, "\"code\":-32603,\"message\":\"no idea\"");
    /* Without a function the choices are suggested, and nothing where there are none. */
    complete_ask(bare, "window", "h", "");
    CHECK_HAS(reply.text, "\"values\":[\"hour\",\"Half a day\"],\"hasMore\":false");
    complete_ask(bare, "unit", "h", "");
    CHECK_HAS(reply.text, "\"values\":[]");
    complete_ask("\"type\":\"ref/resource\",\"uri\":\"bare://{unit}\"", "unit", "h", "");
    CHECK_HAS(reply.text, "\"values\":[]");
    complete_ask(prompt, "unknown", "h", "");
    CHECK_HAS(reply.text, "\"code\":-32602");
    complete_ask("\"type\":\"ref/prompt\",\"name\":\"none\"", "unit", "h", "");
    CHECK_HAS(reply.text, "\"code\":-32602");
    link_request(link, 4, "completion/complete",
                 "{\"ref\":{\"type\":\"ref/prompt\",\"name\":\"all\"},"
                 "\"argument\":{\"name\":\"unit\",\"value\":\"c\"}}");
    (void)link_wait(link, "\"values\":[\"c of all with no window\"]");
}

static void come_and_go(struct link *link)
{
    static const char get[] = "\"name\":\"broken\",\"arguments\":{\"unit\":\"cpu\"}";
    emcp_prompt prompt;
    int before = gate_count(&freed);

    if (link->transport == STREAMABLE)
        link_get(link, "/mcp");
    CHECK_STATUS(emcp_prompt_enable(server, "broken", 0), EMCP_OK);
    (void)link_wait(link, "notifications/prompts/list_changed");
    modern_ask(port, "prompts/list", "", CAN_NOTHING, &reply);
    CHECK_LACKS(reply.text, "broken");
    refused(get, -32602, "broken");
    CHECK_STATUS(emcp_prompt_enable(server, "broken", 1), EMCP_OK);
    refused(get, -32603, "the template is gone");
    CHECK_STATUS(emcp_prompt_enable(server, "none", 1), EMCP_E_NOT_FOUND);

    init(&prompt, "all", get_all);
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_E_EXISTS);
    prompt.name = "two words";
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_E_INVALID);
    CHECK(gate_count(&freed) == before + 2, "what is refused is freed at once");
    CHECK_STATUS(emcp_prompt_remove(server, "broken"), EMCP_OK);
    CHECK(gate_count(&freed) == before + 3, "remove frees");
    CHECK_STATUS(emcp_prompt_remove(server, "broken"), EMCP_E_NOT_FOUND);
    refused(get, -32602, "broken");
}

/* A client that asks too fast is refused, and counted. */
static void rate(void)
{
    static char metrics[64 * 1024];
    emcp_config config;
    emcp_prompt prompt;
    const char *line;
    unsigned refusals = 0, counted = 0;

    EMCP_INIT(&config);
    config.max_completions_per_second = 1;
    server = server_create(&config);
    init(&prompt, "all", get_all);
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_OK);
    port = server_start(server);
    while (refusals == 0) {
        complete_ask("\"type\":\"ref/prompt\",\"name\":\"all\"", "window", "", "");
        refusals += strstr(reply.text, "\"code\":-32603") != NULL;
    }
    CHECK_HAS(reply.text, "too many completions");
    CHECK(emcp_metrics_text(server, metrics, sizeof metrics) < (int32_t)sizeof metrics, "room");
    line = strstr(metrics, "\nemcp_completions_refused_total ");
    CHECK(line != NULL && sscanf(line, " %*s %u", &counted) == 1, "the counter");
    CHECK(counted == refusals, "refusals are counted");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

int main(void)
{
    static struct link link;
    int before;

    for (int i = 0; i < TRANSPORTS; i++) {
        make();
        link_open(&link, i, port, CAN_NOTHING);
        lists(&link);
        messages(&link);
        wrong_arguments();
        completions(&link);
        before = gate_count(&freed);
        come_and_go(&link);
        link_close(&link);
        CHECK_STATUS(emcp_stop(server), EMCP_OK);
        emcp_destroy(server);
        CHECK(gate_count(&freed) == before + 4, "each is freed once");
    }
    rate();
    puts("ok prompts");
    return 0;
}
