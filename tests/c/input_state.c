/* What a client of revision 2026-07-28 carries between two rounds opens for nobody else, for no
 * other call, not for ever, and for every server that has the secret. */
#include "dialogue.h"

#define FORM "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}"
#define FIRST "0123456789abcdef0123456789abcdef"
#define SECOND "the second secret is longer than that"

static struct reply reply;

static int32_t ask(emcp_call *call, void *user)
{
    int32_t status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);

    (void)user;
    if (status == EMCP_OK)
        return emcp_put_text(call, "answered", EMCP_NUL);
    CHECK_STATUS(emcp_keep(call, NULL, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_keep(call, "0123456789", 10), EMCP_OK);
    return status;
}

/* Keeps more than it may. */
static int32_t hoard(emcp_call *call, void *user)
{
    static const char much[2048];

    (void)user;
    CHECK_STATUS(emcp_keep(call, much, sizeof much), EMCP_E_LIMIT);
    CHECK(emcp_kept(call).n == 0, "nothing is kept");
    return emcp_need_form(call, "sure", "Sure?", FORM, NULL);
}

static int32_t ask_for_ever(emcp_call *call, void *user)
{
    emcp_str kept = emcp_kept(call);
    char key[16];

    (void)user;
    snprintf(key, sizeof key, "%d", (int)kept.n);
    if (emcp_need_form(call, key, "More?", FORM, NULL) == EMCP_OK) {
        CHECK_STATUS(emcp_keep(call, "xxxxxxxx", kept.n + 1), EMCP_OK);
        snprintf(key, sizeof key, "%d", (int)kept.n + 1);
        return emcp_need_form(call, key, "More?", FORM, NULL);
    }
    return EMCP_NEED_INPUT;
}

static emcp_server *make(const char *secret, const char *previous, uint32_t ttl_ms)
{
    static const emcp_param which = {"which", EMCP_INTEGER, 0, NULL, NULL, 0, 0, NULL, NULL};
    emcp_config config;
    emcp_server *server;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.state_secret = secret;
    config.state_secret_previous = previous;
    config.state_ttl_ms = ttl_ms;
    config.max_state_bytes = 1024;
    config.max_rounds = 2;
    server = server_create(&config);
    tool_init(&tool, "ask", ask, NULL);
    tool.params = &which;
    tool.params_len = 1;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool.name = "ask2";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_add(server, "hoard", hoard, NULL);
    tool_add(server, "ask_for_ever", ask_for_ever, NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    return server;
}

static void end(emcp_server *server)
{
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

/* Begins a call, and puts what is to be carried into `state`. */
static void begin(emcp_server *server, const char *principal, const char *tool, char state[2048])
{
    char params[128];

    snprintf(params, sizeof params, "\"name\":\"%s\",\"arguments\":{\"which\":1}", tool);
    modern_ask_as(server, principal, "tools/call", params, CAN_BE_ASKED, &reply);
    CHECK_HAS(reply.text, "\"resultType\":\"input_required\"");
    CHECK(member(reply.text, "requestState", state, 2048), "a state");
}

/* Comes back with it, and checks what is said then. */
static void come_back(emcp_server *server, const char *principal, const char *tool, int which,
                      const char *state, const char *expected)
{
    static char params[4096];

    snprintf(params, sizeof params,
             "\"name\":\"%s\",\"arguments\":{\"which\":%d},"
             "\"inputResponses\":{\"sure\":{\"action\":\"accept\",\"content\":{}}},"
             "\"requestState\":\"%s\"",
             tool, which, state);
    modern_ask_as(server, principal, "tools/call", params, CAN_BE_ASKED, &reply);
    if (expected != NULL)
        CHECK_HAS(reply.text, expected);
}

static unsigned states_refused(emcp_server *server)
{
    static char metrics[64 * 1024];
    unsigned count = 0;
    const char *line;

    CHECK(emcp_metrics_text(server, metrics, sizeof metrics) < (int32_t)sizeof metrics, "room");
    line = strstr(metrics, "\nemcp_states_refused_total ");
    CHECK(line != NULL && sscanf(line, " %*s %u", &count) == 1, "the counter");
    return count;
}

static void bound(void)
{
    static const char forged[] = "\"code\":-32602,\"message\":\"requestState was not made by";
    emcp_server *server = make(NULL, NULL, 0);
    char state[2048], other[2048];
    unsigned count = 0;

    begin(server, "alice", "ask", state);
    come_back(server, "bob", "ask", 1, state, forged);
    come_back(server, "", "ask", 1, state, forged);
    come_back(server, "alice", "ask2", 1, state, forged);
    come_back(server, "alice", "ask", 2, state, forged);
    come_back(server, "alice", "ask", 1, "", forged);
    come_back(server, "alice", "ask", 1, "no base64!", forged);
    count = 6;
    for (size_t at = 0; at < strlen(state); at += 7, count++) {
        strcpy(other, state);
        other[at] = other[at] == 'A' ? 'B' : 'A';
        come_back(server, "alice", "ask", 1, other, forged);
    }
    other[strlen(other) - 9] = '\0';
    come_back(server, "alice", "ask", 1, other, forged);
    CHECK(states_refused(server) == count + 1, "each is counted");
    come_back(server, "alice", "ask", 1, state, "answered");
    begin(server, "", "ask", state);
    come_back(server, "alice", "ask", 1, state, forged);
    come_back(server, "", "ask", 1, state, "answered");
    end(server);
}

static void expires(void)
{
    emcp_server *server = make(NULL, NULL, 1);
    uint64_t latest = now_ms() + WAIT_MS;
    char state[2048];

    begin(server, "alice", "ask", state);
    do {
        CHECK(now_ms() < latest, "it expires");
        nap_ms(20);
        come_back(server, "alice", "ask", 1, state, NULL);
    } while (strstr(reply.text, "answered") != NULL);
    CHECK_HAS(reply.text, "\"code\":-32602,\"message\":\"requestState has expired");
    end(server);

    /* A time below a second is a time too. */
    server = make(NULL, NULL, 900);
    do {
        CHECK(now_ms() < latest, "it is good for a while");
        begin(server, "alice", "ask", state);
        come_back(server, "alice", "ask", 1, state, NULL);
    } while (strstr(reply.text, "answered") == NULL);
    end(server);
}

static void shared(void)
{
    static const char forged[] = "requestState was not made by";
    emcp_server *old = make(FIRST, NULL, 0);
    emcp_server *twin = make(FIRST, NULL, 0);
    emcp_server *rotated = make(SECOND, FIRST, 0);
    emcp_server *later = make(SECOND, NULL, 0);
    emcp_server *stranger = make(NULL, NULL, 0);
    char state[2048];

    begin(old, "alice", "ask", state);
    come_back(twin, "alice", "ask", 1, state, "answered");
    come_back(rotated, "alice", "ask", 1, state, "answered");
    come_back(later, "alice", "ask", 1, state, forged);
    come_back(stranger, "alice", "ask", 1, state, forged);
    begin(rotated, "alice", "ask", state);
    come_back(later, "alice", "ask", 1, state, "answered");
    come_back(old, "alice", "ask", 1, state, forged);
    end(old);
    end(twin);
    end(rotated);
    end(later);
    end(stranger);
}

static void bounds(void)
{
    static const char answers[] =
        "\"name\":\"ask_for_ever\",\"arguments\":{},\"inputResponses\":{\"%d\":{\"action\":"
        "\"accept\",\"content\":{}}},\"requestState\":\"%s\"";
    static char params[4096];
    emcp_server *server = make(NULL, NULL, 0);
    char state[2048];

    modern_ask_as(server, "", "tools/call", "\"name\":\"hoard\",\"arguments\":{}", CAN_BE_ASKED,
                  &reply);
    CHECK_HAS(reply.text, "\"resultType\":\"input_required\"");
    modern_ask_as(server, "", "tools/call", "\"name\":\"ask_for_ever\",\"arguments\":{}",
                  CAN_BE_ASKED, &reply);
    for (int round = 0; round < 2; round++) {
        CHECK(member(reply.text, "requestState", state, sizeof state), "another round");
        snprintf(params, sizeof params, answers, round, state);
        modern_ask_as(server, "", "tools/call", params, CAN_BE_ASKED, &reply);
    }
    CHECK_HAS(reply.text, "\"isError\":true");
    CHECK_LACKS(reply.text, "requestState");
    end(server);
}

static void refused(const char *secret, const char *previous)
{
    emcp_server *server = NULL;
    emcp_config config;

    EMCP_INIT(&config);
    config.name = "c-test";
    config.version = "1";
    config.state_secret = secret;
    config.state_secret_previous = previous;
    CHECK_STATUS(emcp_create(&config, &server), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "secret");
    CHECK(server == NULL, "no server");
}

int main(void)
{
    refused("31 bytes are one byte too few..", NULL);
    refused("", NULL);
    refused(FIRST, "short");
    refused(NULL, FIRST);
    bound();
    expires();
    shared();
    bounds();
    puts("ok input_state");
    return 0;
}
