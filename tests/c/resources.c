/* Resources: listed, read and subscribed to, in the words of both eras. */
#include "dialogue.h"

#define COALESCE_MS 200

static emcp_server *server;
static int port;
static struct reply reply;
static struct link links[TRANSPORTS];
static struct gate freed = GATE_INIT;
static struct gate entered = GATE_INIT;
static struct gate leave = GATE_INIT;
static struct gate removed = GATE_INIT;

static int32_t read_text(emcp_call *call, void *user)
{
    (void)user;
    CHECK(emcp_call_kind(call) == EMCP_KIND_RESOURCE, "the kind of call");
    CHECK(str_is(emcp_call_arguments(call), "{}"), "a resource at one URI has no arguments");
    return emcp_put_text(call, "up 3 days", EMCP_NUL);
}

/* Everything that contents can be, and what they cannot. */
static int32_t read_many(emcp_call *call, void *user)
{
    (void)user;
    CHECK(str_is(emcp_call_name(call), "test://many"), "the URI that was asked for");
    CHECK_STATUS(emcp_put_text(call, "text", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_json(call, "{\"load\": 1}", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_blob(call, "\0\xff", 2), EMCP_OK);
    CHECK_STATUS(emcp_put_resource_text(call, "test://part", "text/css", "a{}", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_put_resource_blob(call, "test://icon", "image/png", "png", 3), EMCP_OK);
    CHECK_STATUS(emcp_put_link(call, "test://x", "x", NULL, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_content(call, "{\"type\":\"text\",\"text\":\"\"}", EMCP_NUL),
                 EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_value(call, "value"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_role(call, EMCP_ROLE_USER), EMCP_E_INVALID);
    return EMCP_OK;
}

static int32_t read_metric(emcp_call *call, void *user)
{
    emcp_str chart, path, from = {"", 0};
    char text[256];

    (void)user;
    CHECK_STATUS(emcp_arg_str(call, "chart", &chart), EMCP_OK);
    CHECK_STATUS(emcp_arg_str(call, "path", &path), EMCP_OK);
    if (emcp_arg_str(call, "from", &from) == EMCP_E_NOT_FOUND)
        from = emcp_str_of("the start");
    if (str_is(chart, "none"))
        return emcp_fail_not_found(call);
    snprintf(text, sizeof text, "%s of %s from %s", path.p, chart.p, from.p);
    return emcp_put_text(call, text, EMCP_NUL);
}

static int32_t read_broken(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail(call, "the disk is gone");
}

static int32_t read_nothing(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_E_TIMEDOUT;
}

static int32_t read_slowly(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_resource_remove(server, "test://slow"), EMCP_E_BUSY);
    gate_open(&entered);
    gate_wait(&leave, 1, "the test lets go");
    CHECK(gate_count(&freed) == 0, "user is not freed while it is read");
    return emcp_put_text(call, "slow but whole", EMCP_NUL);
}

static void free_user(void *user)
{
    CHECK(user == &freed, "the user pointer");
    gate_open(&freed);
}

static void init(emcp_resource *resource, const char *uri, emcp_call_fn read)
{
    EMCP_INIT(resource);
    if (strchr(uri, '{') != NULL)
        resource->uri_template = uri;
    else
        resource->uri = uri;
    resource->name = "a resource";
    resource->mime = "text/plain";
    resource->read = read;
}

static void add(const char *uri, emcp_call_fn read)
{
    emcp_resource resource;

    init(&resource, uri, read);
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
}

/* Breaks its promise, which goes to the log. */
static int32_t liar(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "no structure", EMCP_NUL);
}

static void log_line(int32_t level, const char *target, const char *text, size_t len, void *user)
{
    (void)level;
    (void)target;
    (void)text;
    (void)len;
    (void)user;
    CHECK_STATUS(emcp_resource_updated(server, "test://log"), EMCP_OK);
}

static void make(void)
{
    emcp_resource resource;
    emcp_config config;
    emcp_hooks hooks;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.coalesce_ms = COALESCE_MS;
    config.max_subscriptions = 3;
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.log = log_line;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    init(&resource, "test://text", read_text);
    resource.title = "Uptime";
    resource.description = "How long it runs";
    resource.bytes = 9;
    resource.last_modified = "2026-07-28T12:00:00Z";
    resource.audience = "user,assistant";
    resource.priority = 0.5;
    resource.icons = "[{\"src\":\"https://a.example/i.png\"}]";
    resource.meta = "{\"k\":1}";
    resource.ttl_ms = 5000;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    add("test://many", read_many);
    add("test://log", read_text);
    add("test://broken", read_broken);
    add("test://nothing", read_nothing);
    add("metrics://{chart}/{+path}{?from}", read_metric);
    tool_init(&tool, "liar", liar, NULL);
    tool.output_schema = "{\"type\":\"object\"}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_resource_updated(server, "test://text"), EMCP_OK);
    port = server_start(server);
}

static void modern_read(const char *uri)
{
    char params[256];

    snprintf(params, sizeof params, "\"uri\":\"%s\"", uri);
    modern_ask(port, "resources/read", params, CAN_NOTHING, &reply);
}

static void legacy_read(struct link *link, const char *uri, const char *part)
{
    char params[256];

    snprintf(params, sizeof params, "{\"uri\":\"%s\"}", uri);
    link_request(link, 5, "resources/read", params);
    (void)link_wait(link, part);
}

static void lists(void)
{
    static const char listed[] =
        "{\"uri\":\"test://text\",\"name\":\"a resource\",\"title\":\"Uptime\","
        "\"description\":\"How long it runs\",\"mimeType\":\"text/plain\",\"annotations\":{"
        "\"audience\":[\"user\",\"assistant\"],\"priority\":0.5,"
        "\"lastModified\":\"2026-07-28T12:00:00Z\"},\"size\":9,"
        "\"icons\":[{\"src\":\"https://a.example/i.png\"}],\"_meta\":{\"k\":1}}";
    static const char template[] =
        "{\"uriTemplate\":\"metrics://{chart}/{+path}{?from}\",\"name\":\"a resource\","
        "\"mimeType\":\"text/plain\"}";

    modern_ask(port, "resources/list", "", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, listed);
    CHECK_LACKS(reply.text, "uriTemplate");
    modern_ask(port, "resources/templates/list", "", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, template);
    CHECK_LACKS(reply.text, "test://text");
    for (int i = 0; i < TRANSPORTS; i++) {
        link_request(&links[i], 3, "resources/list", "{}");
        (void)link_wait(&links[i], listed);
        link_request(&links[i], 4, "resources/templates/list", "{}");
        (void)link_wait(&links[i], template);
    }
}

static void reads(void)
{
    static const char contents[] =
        "\"contents\":["
        "{\"uri\":\"test://many\",\"mimeType\":\"text/plain\",\"text\":\"text\"},"
        "{\"uri\":\"test://many\",\"mimeType\":\"text/plain\",\"text\":\"{\\\"load\\\": 1}\"},"
        "{\"uri\":\"test://many\",\"mimeType\":\"text/plain\",\"blob\":\"AP8=\"},"
        "{\"uri\":\"test://part\",\"mimeType\":\"text/css\",\"text\":\"a{}\"},"
        "{\"uri\":\"test://icon\",\"mimeType\":\"image/png\",\"blob\":\"cG5n\"}]";

    modern_read("test://text");
    CHECK_HAS(reply.text, "\"text\":\"up 3 days\",\"_meta\":{\"k\":1}");
    CHECK_HAS(reply.text, "\"ttlMs\":5000");
    modern_read("test://many");
    CHECK_HAS(reply.text, contents);
    for (int i = 0; i < TRANSPORTS; i++)
        legacy_read(&links[i], "test://many", contents);
}

/* Variables come without their percent signs, and without what the template does not allow. */
static void variables(void)
{
    modern_read("metrics://cpu%20load/user/%C3%A4?from=2026%2F07");
    CHECK_HAS(reply.text, "\"text\":\"user/\xc3\xa4 of cpu load from 2026/07\"");
    CHECK_HAS(reply.text, "\"uri\":\"metrics://cpu%20load/user/%C3%A4?from=2026%2F07\"");
    modern_read("metrics://cpu/user");
    CHECK_HAS(reply.text, "\"text\":\"user of cpu from the start\"");
    modern_read("metrics://a%2Fb/user");
    CHECK_HAS(reply.text, "\"code\":-32602");
}

static void failures(void)
{
    static const char *const absent[] = {"test://unknown", "metrics://none/x"};

    for (size_t i = 0; i < 2; i++) {
        char data[128];

        snprintf(data, sizeof data, "\"data\":{\"uri\":\"%s\"}", absent[i]);
        modern_read(absent[i]);
        CHECK_HAS(reply.text, "\"code\":-32602");
        CHECK_HAS(reply.text, data);
        for (int k = 0; k < TRANSPORTS; k++) {
            legacy_read(&links[k], absent[i], "\"code\":-32002");
            (void)link_wait(&links[k], data);
        }
    }
    modern_read("test://broken");
    CHECK_HAS(reply.text, "\"code\":-32603,\"message\":\"the disk is gone\"");
    modern_read("test://nothing");
    CHECK_HAS(reply.text, "\"code\":-32603");
    CHECK_HAS(reply.text, emcp_strerror(EMCP_E_TIMEDOUT));
}

static void stats_change(void)
{
    CHECK_STATUS(emcp_resource_stat(server, "test://text", 10, "2026-07-29T00:00:00Z"), EMCP_OK);
    modern_ask(port, "resources/list", "", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"lastModified\":\"2026-07-29T00:00:00Z\"");
    CHECK_HAS(reply.text, "\"size\":10");
    CHECK_STATUS(emcp_resource_stat(server, "test://text", 0, NULL), EMCP_OK);
    modern_ask(port, "resources/list", "", CAN_NOTHING, &reply);
    CHECK_LACKS(reply.text, "lastModified");
    CHECK_LACKS(reply.text, "\"size\"");
    CHECK_STATUS(emcp_resource_stat(server, "test://text", 1, "yesterday"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_resource_stat(server, "test://unknown", 1, NULL), EMCP_E_NOT_FOUND);
}

static void enabled(void)
{
    static const char *const uris[] = {"test://text", "metrics://{chart}/{+path}{?from}"};
    static const char *const reads[] = {"test://text", "metrics://cpu/user"};
    static const char *const lists[] = {"resources/list", "resources/templates/list"};

    for (size_t i = 0; i < 2; i++) {
        CHECK_STATUS(emcp_resource_enable(server, uris[i], 0), EMCP_OK);
        CHECK_STATUS(emcp_resource_enable(server, uris[i], 0), EMCP_OK);
        modern_ask(port, lists[i], "", CAN_NOTHING, &reply);
        CHECK_LACKS(reply.text, uris[i]);
        modern_read(reads[i]);
        CHECK_HAS(reply.text, "\"code\":-32602");
        CHECK_STATUS(emcp_resource_enable(server, uris[i], 1), EMCP_OK);
        modern_read(reads[i]);
        CHECK_HAS(reply.text, "\"contents\"");
    }
    CHECK_STATUS(emcp_resource_enable(server, "test://unknown", 1), EMCP_E_NOT_FOUND);
}

static void *remove_slow(void *unused)
{
    (void)unused;
    CHECK_STATUS(emcp_resource_remove(server, "test://slow"), EMCP_OK);
    CHECK(gate_count(&freed) == 1, "remove returns after free_user");
    gate_open(&removed);
    return NULL;
}

static void remove_waits(void)
{
    struct modern read = {"resources/read", "\"uri\":\"test://slow\"", CAN_NOTHING};
    emcp_resource resource;
    pthread_t remover;
    int fd;

    init(&resource, "test://slow", read_slowly);
    resource.user = &freed;
    resource.free_user = free_user;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    fd = modern_send(port, &read);
    gate_wait(&entered, 1, "it is read");
    CHECK(pthread_create(&remover, NULL, remove_slow, NULL) == 0, "thread");
    nap_ms(50);
    CHECK(gate_count(&removed) == 0, "remove waits");
    gate_open(&leave);
    gate_wait(&removed, 1, "remove returns");
    pthread_join(remover, NULL);
    reply_finish(fd, &reply);
    CHECK_HAS(reply.text, "slow but whole");
    CHECK_STATUS(emcp_resource_remove(server, "test://slow"), EMCP_E_NOT_FOUND);
}

/* What is refused is freed once, at once. */
static void freed_when_refused(void)
{
    emcp_resource resource;
    int before = gate_count(&freed);

    init(&resource, "test://text", read_text);
    resource.user = &freed;
    resource.free_user = free_user;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_E_EXISTS);
    resource.uri = "no scheme";
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_E_INVALID);
    CHECK(gate_count(&freed) == before + 2, "freed");
}

static void updated(const char *uri)
{
    CHECK_STATUS(emcp_resource_updated(server, uri), EMCP_OK);
}

static void subscribe(struct link *link, const char *method, const char *uri, const char *part)
{
    char params[128];

    snprintf(params, sizeof params, "{\"uri\":\"%s\"}", uri);
    link_request(link, 6, method, params);
    (void)link_wait(link, part);
}

/* Changes at once are told once, and only to those who have subscribed. */
static void legacy_subscriptions(struct link *link)
{
    static const char done[] = "\"id\":6,\"result\":{}";
    const char *text;
    uint64_t begin;
    int told = 0;

    subscribe(link, "resources/subscribe", "test://text", done);
    subscribe(link, "resources/subscribe", "metrics://cpu/user", done);
    subscribe(link, "resources/subscribe", "test://unknown", "\"code\":-32002");
    subscribe(link, "resources/subscribe", "test://broken", done);
    subscribe(link, "resources/subscribe", "test://nothing", "\"code\":-32603");
    subscribe(link, "resources/unsubscribe", "test://broken", done);
    if (link->transport == STREAMABLE)
        link_get(link, "/mcp");
    begin = now_ms();
    for (int i = 0; i < 20; i++) {
        updated("metrics://cpu/user");
        updated("test://many");
        updated("test://broken");
    }
    /* What is told together is told in the order of the URIs: this one is the last. */
    updated("test://text");
    begin = now_ms() - begin;
    text = link->in.text + link->seen;
    (void)link_wait(link, "\"uri\":\"test://text\"");
    CHECK_HAS(text, "\"method\":\"notifications/resources/updated\"");
    CHECK_LACKS(text, "test://many");
    CHECK_LACKS(text, "test://broken");
    for (; (text = strstr(text, "\"uri\":\"metrics://")) != NULL; text++)
        told++;
    /* One for each period that the changes took on this machine, and one for the one begun. */
    CHECK(told >= 1 && told <= 1 + (int)(begin / COALESCE_MS), "told once");
    if (link->transport != STREAMABLE) {
        subscribe(link, "resources/unsubscribe", "test://text", done);
        subscribe(link, "resources/unsubscribe", "metrics://cpu/user", done);
    }
}

static void modern_subscriptions(void)
{
    static const char *const params =
        "\"notifications\":{\"resourcesListChanged\":true,"
        "\"resourceSubscriptions\":[\"test://log\",\"test://unknown\",\"test://text\"]}";
    struct modern listen = {"subscriptions/listen", params, CAN_NOTHING};
    int fd = modern_send(port, &listen);

    reply.len = 0;
    CHECK(reply_read(fd, &reply, "notifications/subscriptions/acknowledged"), "the stream opens");
    CHECK(reply_read(fd, &reply, "\"_meta\""), "the whole message");
    CHECK_HAS(reply.text, "\"resourceSubscriptions\":[\"test://log\",\"test://text\"]");
    updated("test://many");
    updated("test://text");
    CHECK(reply_read(fd, &reply, "\"uri\":\"test://text\",\"_meta\":{"), "it is told");
    CHECK_LACKS(reply.text, "test://many");
    /* The hook that hears of the liar says that the log has changed. */
    static struct reply called;
    tool_call(port, "liar", "{}", &called);
    CHECK(reply_read(fd, &reply, "\"uri\":\"test://log\""), "said inside the log hook");
    CHECK_STATUS(emcp_resource_remove(server, "test://many"), EMCP_OK);
    CHECK(reply_read(fd, &reply, "notifications/resources/list_changed"), "the list changes");
    close(fd);
}

/* Clients hear of the feature when they begin. */
static void announced(uint32_t flags, int adds)
{
    emcp_config config;

    EMCP_INIT(&config);
    config.flags = flags;
    server = server_create(&config);
    if (adds)
        add("test://text", read_text);
    port = server_start(server);
    modern_ask(port, "server/discover", "", CAN_NOTHING, &reply);
    if (flags != 0 || adds)
        CHECK_HAS(reply.text, "\"resources\":{\"subscribe\":true,\"listChanged\":true}");
    else
        CHECK_LACKS(reply.text, "\"resources\"");
    modern_ask(port, "resources/list", "", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, flags != 0 || adds ? "\"resources\":[" : "\"code\":-32601");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

int main(void)
{
    announced(0, 0);
    announced(EMCP_F_RESOURCES, 0);
    announced(0, 1);
    make();
    for (int i = 0; i < TRANSPORTS; i++)
        link_open(&links[i], i, port, CAN_NOTHING);
    lists();
    reads();
    variables();
    failures();
    stats_change();
    enabled();
    remove_waits();
    freed_when_refused();
    for (int i = 0; i < TRANSPORTS; i++)
        legacy_subscriptions(&links[i]);
    modern_subscriptions();
    for (int i = 0; i < TRANSPORTS; i++)
        link_close(&links[i]);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK_STATUS(emcp_resource_updated(server, "test://text"), EMCP_OK);
    emcp_destroy(server);
    puts("ok resources");
    return 0;
}
