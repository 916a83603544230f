/* Every mistake of the host gets its status code and a detail text, never a crash. */
#include "client.h"

/* Structs of a future header, larger than this library knows. */
struct future_config {
    emcp_config known;
    uint64_t more;
};
struct future_tool {
    emcp_tool known;
    uint64_t more;
};
struct future_hooks {
    emcp_hooks known;
    uint64_t more;
};
struct future_resource {
    emcp_resource known;
    uint64_t more;
};
struct future_prompt {
    emcp_prompt known;
    uint64_t more;
};

static emcp_server *server;

static int32_t nothing(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_OK;
}

static void refused(const emcp_tool *tool, const char *why)
{
    int32_t status = emcp_tool_add(server, tool);

    CHECK(status == EMCP_E_INVALID, why);
    CHECK(emcp_last_error()[0] != '\0', why);
}

static void resource_init(emcp_resource *resource, const char *uri)
{
    EMCP_INIT(resource);
    resource->uri = uri;
    resource->name = "a resource";
    resource->read = nothing;
}

static void prompt_init(emcp_prompt *prompt, const char *name)
{
    EMCP_INIT(prompt);
    prompt->name = name;
    prompt->get = nothing;
}

static void larger_structs(void)
{
    struct future_config config;
    struct future_tool tool;
    struct future_hooks hooks;
    struct future_resource resource;
    struct future_prompt prompt;
    emcp_server *other = NULL;

    EMCP_INIT(&config.known);
    config.known.size = sizeof config;
    config.known.name = "c-test";
    config.known.version = "1.0.0";
    config.more = 1;
    CHECK_STATUS(emcp_create(&config.known, &other), EMCP_E_ABI);
    config.more = 0;
    CHECK_STATUS(emcp_create(&config.known, &other), EMCP_OK);
    emcp_destroy(other);

    tool_init(&tool.known, "future", nothing, NULL);
    tool.known.size = sizeof tool;
    tool.more = 1;
    CHECK_STATUS(emcp_tool_add(server, &tool.known), EMCP_E_ABI);
    tool.more = 0;
    CHECK_STATUS(emcp_tool_add(server, &tool.known), EMCP_OK);

    resource_init(&resource.known, "test://future");
    resource.known.size = sizeof resource;
    resource.more = 1;
    CHECK_STATUS(emcp_resource_add(server, &resource.known), EMCP_E_ABI);
    resource.more = 0;
    CHECK_STATUS(emcp_resource_add(server, &resource.known), EMCP_OK);

    prompt_init(&prompt.known, "future");
    prompt.known.size = sizeof prompt;
    prompt.more = 1;
    CHECK_STATUS(emcp_prompt_add(server, &prompt.known), EMCP_E_ABI);
    prompt.more = 0;
    CHECK_STATUS(emcp_prompt_add(server, &prompt.known), EMCP_OK);

    EMCP_INIT(&hooks.known);
    hooks.known.size = sizeof hooks;
    hooks.more = 1;
    CHECK_STATUS(emcp_set_hooks(server, &hooks.known), EMCP_E_ABI);
    hooks.more = 0;
    CHECK_STATUS(emcp_set_hooks(server, &hooks.known), EMCP_OK);
}

static void bad_names(void)
{
    static const char *names[] = {NULL, "", "two words", "slash\\", "quote\"", "gr\xc3\xbc\xc3\x9f",
                                  "bad\xff"};
    char long_name[300];
    emcp_tool tool;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        tool_init(&tool, names[i], nothing, NULL);
        refused(&tool, names[i] == NULL ? "a tool without name" : names[i]);
    }
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    tool_init(&tool, long_name, nothing, NULL);
    refused(&tool, "a name of 299 bytes");
}

static void bad_json(void)
{
    static const char *schemas[] = {
        "",
        "{",
        "[]",
        "{\"type\":\"string\"}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"strin\"}}}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"(\"}}}",
    };
    emcp_tool tool;

    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        tool_init(&tool, "schema", nothing, NULL);
        tool.input_schema = schemas[i];
        refused(&tool, schemas[i]);
    }
    tool_init(&tool, "schema", nothing, NULL);
    tool.output_schema = "{";
    refused(&tool, "an output schema that is no JSON");
    tool.output_schema = NULL;
    tool.icons = "{}";
    refused(&tool, "icons that are no array");
    tool.icons = NULL;
    tool.meta = "[]";
    refused(&tool, "meta that is no object");
    tool.meta = NULL;
    tool.call = NULL;
    refused(&tool, "a tool without a function");
    tool.call = nothing;
    tool.flags = 1u << 31;
    refused(&tool, "a flag that does not exist");
    tool.flags = 0;
    tool.ui = "https://a.example";
    refused(&tool, "an app that is no ui:// resource");
}

static void bad_params(void)
{
    static const emcp_param good = {"a", EMCP_STRING, 0, NULL, NULL, 0, 0, NULL, NULL};
    emcp_param params[2];
    emcp_tool tool;

    params[0] = params[1] = good;
    tool_init(&tool, "params", nothing, NULL);
    tool.params = params;
    tool.params_len = 2;
    refused(&tool, "two parameters of one name");
    tool.params_len = 1;
    tool.input_schema = "{\"type\":\"object\"}";
    refused(&tool, "a table and a schema at once");
    tool.input_schema = NULL;
    params[0].type = 99;
    refused(&tool, "a parameter type that does not exist");
    params[0] = good;
    params[0].name = NULL;
    refused(&tool, "a parameter without name");
    params[0] = good;
    params[0].header = "Not A Token";
    refused(&tool, "a header name with spaces");
    params[0] = good;
    params[0].default_value = "{";
    refused(&tool, "a default that is no JSON");
    tool.params = NULL;
    refused(&tool, "one parameter at NULL");
}

static void resource_refused(const emcp_resource *resource, const char *why)
{
    CHECK(emcp_resource_add(server, resource) == EMCP_E_INVALID, why);
    CHECK(emcp_last_error()[0] != '\0', why);
}

static void bad_resources(void)
{
    static const char *const uris[] = {"", "no scheme", "two words:x", "1:x", "a:\xff"};
    static const char *const templates[] = {"", "no scheme", "a:{", "a:}", "a:{}", "a:{x", "a:{x}{x}",
                                            "a:{!x}", "a:{x y}"};
    static const char *const times[] = {"", "yesterday", "2026-07-28", "2026-07-28 12:00:00Z"};
    emcp_resource resource;

    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        resource_init(&resource, uris[i]);
        resource_refused(&resource, uris[i]);
    }
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        resource_init(&resource, NULL);
        resource.uri_template = templates[i];
        resource_refused(&resource, templates[i]);
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        resource_init(&resource, "test://a");
        resource.last_modified = times[i];
        resource_refused(&resource, times[i]);
    }
    resource_init(&resource, NULL);
    resource_refused(&resource, "neither a URI nor a template");
    resource_init(&resource, "test://a");
    resource.uri_template = "test://{a}";
    resource_refused(&resource, "a URI and a template");
    resource_init(&resource, "test://a");
    resource.name = NULL;
    resource_refused(&resource, "a resource without name");
    resource.name = "";
    resource_refused(&resource, "an empty name");
    resource_init(&resource, "test://a");
    resource.read = NULL;
    resource_refused(&resource, "a resource without a function");
    resource_init(&resource, "test://a");
    resource.flags = 1;
    resource_refused(&resource, "a flag that does not exist");
    resource_init(&resource, "test://a");
    resource.audience = "user,cat";
    resource_refused(&resource, "an audience that does not exist");
    resource_init(&resource, "test://a");
    resource.priority = 1.5;
    resource_refused(&resource, "a priority above 1");
    resource.priority = -0.5;
    resource_refused(&resource, "a priority below 0");
    resource_init(&resource, "test://a");
    resource.icons = "{}";
    resource_refused(&resource, "icons that are no array");
    resource_init(&resource, "test://a");
    resource.meta = "[]";
    resource_refused(&resource, "meta that is no object");
    resource.size = 4;
    resource_refused(&resource, "a size that EMCP_INIT did not set");
    CHECK_STATUS(emcp_resource_add(server, NULL), EMCP_E_INVALID);
    resource_init(&resource, "test://a");
    CHECK_STATUS(emcp_resource_add(NULL, &resource), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_remove(server, "test://unknown"), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_resource_remove(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_remove(NULL, "test://a"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_enable(server, NULL, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_enable(NULL, "test://a", 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_updated(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_updated(NULL, "test://a"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_stat(server, NULL, 1, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_stat(NULL, "test://a", 1, NULL), EMCP_E_INVALID);
}

static void prompt_refused(const emcp_prompt *prompt, const char *why)
{
    CHECK(emcp_prompt_add(server, prompt) == EMCP_E_INVALID, why);
    CHECK(emcp_last_error()[0] != '\0', why);
}

static void bad_prompts(void)
{
    static const emcp_param good = {"a", EMCP_STRING, 0, NULL, NULL, 0, 0, NULL, NULL};
    emcp_param arguments[2];
    emcp_prompt prompt;

    prompt_init(&prompt, NULL);
    prompt_refused(&prompt, "a prompt without name");
    prompt_init(&prompt, "two words");
    prompt_refused(&prompt, "a name with a space");
    prompt_init(&prompt, "a");
    prompt.get = NULL;
    prompt_refused(&prompt, "a prompt without a function");
    prompt_init(&prompt, "a");
    prompt.flags = 1;
    prompt_refused(&prompt, "a flag that does not exist");
    prompt_init(&prompt, "a");
    prompt.icons = "{}";
    prompt_refused(&prompt, "icons that are no array");
    prompt_init(&prompt, "a");
    prompt.meta = "[]";
    prompt_refused(&prompt, "meta that is no object");
    prompt_init(&prompt, "a");
    prompt.arguments_len = 1;
    prompt_refused(&prompt, "one argument at NULL");
    prompt.arguments = arguments;
    arguments[0] = good;
    arguments[0].name = NULL;
    prompt_refused(&prompt, "an argument without name");
    arguments[0] = good;
    arguments[0].type = EMCP_INTEGER;
    prompt_refused(&prompt, "an argument that is no text");
    arguments[0] = good;
    arguments[0].flags = 1u << 31;
    prompt_refused(&prompt, "a flag of an argument that does not exist");
    arguments[0] = arguments[1] = good;
    prompt.arguments_len = 2;
    prompt_refused(&prompt, "two arguments of one name");
    CHECK_STATUS(emcp_prompt_add(server, NULL), EMCP_E_INVALID);
    prompt_init(&prompt, "a");
    CHECK_STATUS(emcp_prompt_add(NULL, &prompt), EMCP_E_INVALID);
    CHECK_STATUS(emcp_prompt_remove(server, "unknown"), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_prompt_remove(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_prompt_remove(NULL, "a"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_prompt_enable(server, NULL, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_prompt_enable(NULL, "a", 1), EMCP_E_INVALID);
}

static void bad_addresses(void)
{
    static const char *addresses[] = {
        "",          "tcp:",         "tcp:nonsense", "tcp:127.0.0.1", "tcp:127.0.0.1:99999",
        "http://x/", "unix:",        "fd:",          "fd:abc",        "fd:-1",
        "udp:1.2.3.4:5",
        "unix:/tmp/x?mode=99", "unix:/tmp/x?colour=red",
    };

    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        int32_t status = emcp_listen(server, addresses[i]);
        CHECK(status == EMCP_E_INVALID, addresses[i]);
    }
}

static void registry_mistakes(void)
{
    emcp_tool tool;

    tool_init(&tool, "twice", nothing, NULL);
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_E_EXISTS);
    CHECK_STATUS(emcp_tool_add(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_tool_add(NULL, &tool), EMCP_E_INVALID);
    CHECK_STATUS(emcp_tool_remove(server, "unknown"), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_tool_remove(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_tool_enable(server, "unknown", 1), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_tool_remove(server, "twice"), EMCP_OK);
    CHECK_STATUS(emcp_tool_remove(server, "twice"), EMCP_E_NOT_FOUND);
}

static void null_calls_and_writers(void)
{
    emcp_str text;

    CHECK_STATUS(emcp_put_text(NULL, "x", 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_finish(NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_fail(NULL, "x"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_arg_str(NULL, "x", &text), EMCP_E_INVALID);
    CHECK(emcp_call_ref(NULL) == NULL, "no call, no reference");
    emcp_call_unref(NULL);

    CHECK(emcp_json_begin(NULL) == NULL, "no call, no writer");
    emcp_json_obj(NULL);
    emcp_json_key(NULL, "x");
    emcp_json_str(NULL, "x", 1);
    emcp_json_end(NULL);
    CHECK(emcp_json_len(NULL) == 0, "no writer, no length");
    CHECK_STATUS(emcp_json_commit(NULL), EMCP_E_INVALID);
    emcp_json_free(NULL);
}

/* Two servers cannot have one port; the one that fails to start stays usable for destroy. */
static void busy_port(int port)
{
    emcp_config config;
    emcp_server *other = NULL;
    char address[64];

    EMCP_INIT(&config);
    config.name = "c-test";
    config.version = "1.0.0";
    CHECK_STATUS(emcp_create(&config, &other), EMCP_OK);
    snprintf(address, sizeof address, "tcp:127.0.0.1:%d", port);
    CHECK_STATUS(emcp_listen(other, address), EMCP_OK);
    CHECK_STATUS(emcp_start(other), EMCP_E_IO);
    CHECK(emcp_last_error()[0] != '\0', "a failed start says why");
    emcp_destroy(other);
}

/* Only a running server that was made for it dispatches. */
static void host_mode_mistakes(void)
{
    emcp_config config;
    emcp_server *other = NULL;

    CHECK_STATUS(emcp_event_fd(NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_dispatch(NULL, 0, 0), EMCP_E_INVALID);
    CHECK_STATUS(emcp_next_timeout_ms(NULL), EMCP_E_INVALID);
    EMCP_INIT(&config);
    config.name = "c-test";
    config.version = "1";
    config.flags = EMCP_F_NO_IO_THREAD;
    CHECK_STATUS(emcp_create(&config, &other), EMCP_E_INVALID);
    CHECK(strlen(emcp_last_error()) > 0, "a text");
    other = server_create(NULL);
    CHECK_STATUS(emcp_start(other), EMCP_OK);
    CHECK_STATUS(emcp_event_fd(other), EMCP_E_STATE);
    CHECK_STATUS(emcp_dispatch(other, 0, 0), EMCP_E_STATE);
    CHECK_STATUS(emcp_next_timeout_ms(other), EMCP_E_STATE);
    emcp_destroy(other);
}

static void status_texts(void)
{
    for (int32_t status = EMCP_E_PANIC; status <= EMCP_PENDING; status++)
        CHECK(emcp_strerror(status)[0] != '\0', "every status has a text");
    CHECK(emcp_strerror(INT32_MIN) != NULL, "an unknown status has a text");
    CHECK(emcp_abi_version() == 1, "ABI version");
    CHECK(emcp_version()[0] != '\0', "version");
}

int main(void)
{
    emcp_stats stats;
    int port;

    server = server_create(NULL);
    status_texts();
    larger_structs();
    bad_names();
    bad_json();
    bad_params();
    bad_resources();
    bad_prompts();
    bad_addresses();
    registry_mistakes();
    null_calls_and_writers();
    host_mode_mistakes();

    port = server_start(server);
    busy_port(port);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK_STATUS(emcp_start(NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_adopt_fd(server, 0, NULL), EMCP_E_STATE);
    EMCP_INIT(&stats);
    CHECK_STATUS(emcp_get_stats(server, &stats), EMCP_OK);
    CHECK_STATUS(emcp_get_stats(server, NULL), EMCP_E_INVALID);
    emcp_destroy(server);
    puts("ok misuse");
    return 0;
}
