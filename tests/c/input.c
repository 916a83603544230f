/* A tool that asks: the same function and the same answer for every kind of client, whatever the
 * user says. */
#include "dialogue.h"

#define WHO \
    "{\"action\":\"accept\",\"content\":" \
    "{\"name\":\"Ada\",\"age\":36,\"height\":1.65,\"sure\":true,\"more\":null}}"
#define WHERE "{\"roots\":[{\"uri\":\"file:///srv\",\"name\":\"srv\"}]}"
#define WHY \
    "{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"Because.\"}," \
    "\"model\":\"m\"}"
#define PAGE "{\"action\":\"accept\"}"
#define FORM "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}"

static emcp_server *server;
static int port;
static struct reply reply;
static struct link peer;
static emcp_call *held;
static struct gate entered = GATE_INIT;

static void check_kept(emcp_call *call, const char *expected)
{
    CHECK(str_is(emcp_kept(call), expected), "what was kept comes back");
}

/* Three rounds: a form and the folders, then the model, then a page. */
static int32_t survey(emcp_call *call, void *user)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
        "\"age\":{\"type\":\"integer\"},\"height\":{\"type\":\"number\"},"
        "\"sure\":{\"type\":\"boolean\"}},\"required\":[\"name\"]}";
    static const char prompt[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"Why?\"}}],"
        "\"maxTokens\":9}";
    emcp_str answer, folders, name, why;
    int64_t age;
    double height;
    int32_t form, roots, status, sure;
    char text[256];

    (void)user;
    form = emcp_need_form(call, "who", "Who are you?", schema, &answer);
    roots = emcp_need_roots(call, "where", &folders);
    if (form != EMCP_OK || roots != EMCP_OK) {
        CHECK_STATUS(emcp_keep(call, "one", 3), EMCP_OK);
        CHECK(form == EMCP_OK || emcp_answer_action(call, "who") == EMCP_E_NOT_FOUND, "no answer");
        return form < 0 ? form : roots < 0 ? roots : EMCP_NEED_INPUT;
    }
    status = emcp_need_sampling(call, "why", prompt, NULL);
    if (status != EMCP_OK) {
        check_kept(call, "one");
        CHECK_STATUS(emcp_keep(call, "two", 3), EMCP_OK);
        return status;
    }
    status = emcp_need_url(call, "page", "Sign in", "https://a.example/in", NULL);
    if (status != EMCP_OK) {
        check_kept(call, "two");
        return status;
    }
    check_kept(call, "two");
    CHECK_HAS(answer.p, "\"action\":\"accept\"");
    CHECK_HAS(folders.p, "file:///srv");
    CHECK_STATUS(emcp_answer_action(call, "who"), EMCP_ANSWER_ACCEPT);
    CHECK_STATUS(emcp_answer_action(call, "page"), EMCP_ANSWER_ACCEPT);
    CHECK_STATUS(emcp_answer_str(call, "who", "name", &name), EMCP_OK);
    CHECK_STATUS(emcp_answer_i64(call, "who", "age", &age), EMCP_OK);
    CHECK_STATUS(emcp_answer_f64(call, "who", "height", &height), EMCP_OK);
    CHECK_STATUS(emcp_answer_bool(call, "who", "sure", &sure), EMCP_OK);
    CHECK_STATUS(emcp_answer_text(call, "why", &why), EMCP_OK);
    CHECK_STATUS(emcp_answer_str(call, "who", "more", &name), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_i64(call, "who", "none", &age), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_bool(call, "who", "name", &sure), EMCP_E_INVALID);
    CHECK_STATUS(emcp_answer_str(call, "nobody", "name", &name), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_text(call, "page", &why), EMCP_E_NOT_FOUND);
    snprintf(text, sizeof text, "%s is %d, %.2f m, sure %d: %s", name.p, (int)age, height,
             (int)sure, why.p);
    return emcp_put_text(call, text, EMCP_NUL);
}

/* Says in its answer what became of one question. */
static int32_t confirm(emcp_call *call, void *user)
{
    int32_t status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);
    int32_t anyway = 0, sure = -1;
    char text[512];

    (void)user;
    if (status == EMCP_E_CAPABILITY) {
        (void)emcp_arg_bool(call, "anyway", &anyway);
        return anyway ? emcp_put_text(call, "went on", EMCP_NUL) : status;
    }
    if (status == EMCP_E_REFUSED) {
        snprintf(text, sizeof text, "refused: %s", emcp_last_error());
        return emcp_put_text(call, text, EMCP_NUL);
    }
    if (status != EMCP_OK)
        return status;
    status = emcp_answer_bool(call, "sure", "sure", &sure);
    snprintf(text, sizeof text, "action %d, status %d, sure %d",
             (int)emcp_answer_action(call, "sure"), (int)status, (int)sure);
    return emcp_put_text(call, text, EMCP_NUL);
}

/* Asks for everything, of a client that can do nothing. */
static int32_t unable(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_need_form(call, "a", "?", FORM, NULL), EMCP_E_CAPABILITY);
    CHECK_STATUS(emcp_need_url(call, "b", "?", "https://a.example", NULL), EMCP_E_CAPABILITY);
    CHECK_STATUS(emcp_need_roots(call, "c", NULL), EMCP_E_CAPABILITY);
    return emcp_need_sampling(call, "d", "{\"messages\":[],\"maxTokens\":1}", NULL);
}

/* Is asked on by another thread. */
static int32_t later(emcp_call *call, void *user)
{
    int32_t status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);

    (void)user;
    if (status == EMCP_OK)
        return emcp_put_text(call, "asked later", EMCP_NUL);
    CHECK_STATUS(status, EMCP_NEED_INPUT);
    held = emcp_call_ref(call);
    gate_open(&entered);
    return EMCP_PENDING;
}

static int32_t asks_nothing(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_NEED_INPUT;
}

/* ---- Clients of revision 2026-07-28 ----------------------------------------------------------- */

/* Calls a tool; with `answers` as the next round of the dialogue that `reply` belongs to. */
static void modern_round(const char *tool, const char *arguments, const char *answers,
                         const char *capabilities)
{
    static char params[8192];
    static char state[4096];

    if (answers == NULL) {
        snprintf(params, sizeof params, "\"name\":\"%s\",\"arguments\":%s", tool, arguments);
    } else {
        CHECK(member(reply.text, "requestState", state, sizeof state), "a state");
        snprintf(params, sizeof params,
                 "\"name\":\"%s\",\"arguments\":%s,\"inputResponses\":%s,\"requestState\":\"%s\"",
                 tool, arguments, answers, state);
    }
    modern_ask(port, "tools/call", params, capabilities, &reply);
}

static void check_asked(const char *key, const char *method)
{
    char part[128];

    CHECK_HAS(reply.text, "\"resultType\":\"input_required\"");
    snprintf(part, sizeof part, "\"%s\":{\"method\":\"%s\"", key, method);
    CHECK_HAS(reply.text, part);
}

static void modern_survey(const char *expected)
{
    modern_round("survey", "{}", NULL, CAN_BE_ASKED);
    check_asked("who", "elicitation/create");
    check_asked("where", "roots/list");
    CHECK_HAS(reply.text, "\"mode\":\"form\",\"message\":\"Who are you?\"");
    /* An answer that is missing or wrong is asked for again. */
    modern_round("survey", "{}", "{\"where\":" WHERE "}", CAN_BE_ASKED);
    check_asked("who", "elicitation/create");
    CHECK_LACKS(reply.text, "roots/list");
    modern_round("survey", "{}", "{\"who\":{\"action\":\"accept\",\"content\":{}}}", CAN_BE_ASKED);
    check_asked("who", "elicitation/create");
    modern_round("survey", "{}", "{\"who\":" WHO "}", CAN_BE_ASKED);
    check_asked("why", "sampling/createMessage");
    modern_round("survey", "{}", "{\"why\":" WHY "}", CAN_BE_ASKED);
    check_asked("page", "elicitation/create");
    CHECK_HAS(reply.text, "\"mode\":\"url\",\"message\":\"Sign in\",\"url\":\"https://a.example/in\"");
    modern_round("survey", "{}", "{\"page\":" PAGE "}", CAN_BE_ASKED);
    CHECK_HAS(reply.text, expected);
    CHECK_HAS(reply.text, "\"resultType\":\"complete\"");
}

static void modern_confirm(const char *answer, const char *expected)
{
    char answers[128];

    modern_round("confirm", "{}", NULL, CAN_BE_ASKED);
    check_asked("sure", "elicitation/create");
    snprintf(answers, sizeof answers, "{\"sure\":%s}", answer);
    modern_round("confirm", "{}", answers, CAN_BE_ASKED);
    CHECK_HAS(reply.text, expected);
}

static void modern_unable(void)
{
    modern_round("confirm", "{\"anyway\":true}", NULL, CAN_NOTHING);
    CHECK_HAS(reply.text, "went on");
    modern_round("confirm", "{}", NULL, CAN_NOTHING);
    CHECK_HAS(reply.text, "\"code\":-32021");
    CHECK_HAS(reply.text, "\"requiredCapabilities\":{\"elicitation\":{\"form\":{}}}");
    modern_round("unable", "{}", NULL, CAN_NOTHING);
    CHECK_HAS(reply.text, "\"code\":-32021");
    CHECK_HAS(reply.text, "\"requiredCapabilities\":{\"sampling\":{}}");
}

/* Asks for the call that `later` has left. */
static void ask_held(int count)
{
    gate_wait(&entered, count, "the tool is called");
    CHECK_STATUS(emcp_need_input(held), EMCP_OK);
    CHECK_STATUS(emcp_need_input(held), EMCP_E_STATE);
    CHECK_STATUS(emcp_put_text(held, "x", 1), EMCP_E_STATE);
    emcp_call_unref(held);
}

static void modern_later(void)
{
    struct modern call = {"tools/call", "\"name\":\"later\",\"arguments\":{}", CAN_BE_ASKED};
    int fd = modern_send(port, &call);

    ask_held(1);
    reply_finish(fd, &reply);
    check_asked("sure", "elicitation/create");
    modern_round("later", "{}", "{\"sure\":" PAGE "}", CAN_BE_ASKED);
    CHECK_HAS(reply.text, "asked later");
    modern_round("asks_nothing", "{}", NULL, CAN_BE_ASKED);
    CHECK_HAS(reply.text, "has asked nothing");
}

/* ---- Older clients ---------------------------------------------------------------------------- */

static void legacy_call(const char *tool, const char *arguments)
{
    char params[256];

    snprintf(params, sizeof params, "{\"name\":\"%s\",\"arguments\":%s}", tool, arguments);
    link_request(&peer, 7, "tools/call", params);
}

static void legacy_survey(const char *expected)
{
    legacy_call("survey", "{}");
    link_answer(&peer, "elicitation/create", "\"result\":" WHO);
    link_answer(&peer, "roots/list", "\"result\":" WHERE);
    link_answer(&peer, "sampling/createMessage", "\"result\":" WHY);
    link_answer(&peer, "elicitation/create", "\"result\":" PAGE);
    (void)link_wait(&peer, expected);
}

static void legacy_confirm(const char *outcome, const char *expected)
{
    legacy_call("confirm", "{}");
    link_answer(&peer, "elicitation/create", outcome);
    (void)link_wait(&peer, expected);
}

static void legacy_later(int transport)
{
    legacy_call("later", "{}");
    ask_held(2 + transport);
    link_answer(&peer, "elicitation/create", "\"result\":" PAGE);
    (void)link_wait(&peer, "asked later");
    legacy_call("asks_nothing", "{}");
    (void)link_wait(&peer, "has asked nothing");
}

static void legacy_unable(int transport)
{
    link_open(&peer, transport, port, CAN_NOTHING);
    legacy_call("confirm", "{\"anyway\":true}");
    (void)link_wait(&peer, "went on");
    legacy_call("confirm", "{}");
    (void)link_wait(&peer, "\"code\":-32600");
    (void)link_wait(&peer, "\"requiredCapabilities\":{\"elicitation\":{\"form\":{}}}");
    legacy_call("unable", "{}");
    (void)link_wait(&peer, "\"requiredCapabilities\":{\"sampling\":{}}");
    link_close(&peer);
}

/* What the user may say, and what the tool makes of it. */
static const char *const said[][2] = {
    {"{\"action\":\"accept\",\"content\":{\"sure\":true}}", "action 1, status 0, sure 1"},
    {"{\"action\":\"accept\",\"content\":{\"sure\":false}}", "action 1, status 0, sure 0"},
    {"{\"action\":\"accept\",\"content\":{}}", "action 1, status -4, sure -1"},
    {"{\"action\":\"decline\"}", "action 2, status -4, sure -1"},
    {"{\"action\":\"cancel\"}", "action 3, status -4, sure -1"},
};

int main(void)
{
    static const emcp_param anyway = {"anyway", EMCP_BOOLEAN, 0, NULL, NULL, 0, 0, NULL, NULL};
    static const char all[] = "Ada is 36, 1.65 m, sure 1: Because.";
    char outcome[128];
    emcp_tool tool;

    server = server_create(NULL);
    tool_add(server, "survey", survey, NULL);
    tool_init(&tool, "confirm", confirm, NULL);
    tool.params = &anyway;
    tool.params_len = 1;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_add(server, "unable", unable, NULL);
    tool_add(server, "later", later, NULL);
    tool_add(server, "asks_nothing", asks_nothing, NULL);
    port = server_start(server);
    modern_survey(all);
    for (size_t k = 0; k < sizeof said / sizeof said[0]; k++)
        modern_confirm(said[k][0], said[k][1]);
    modern_unable();
    modern_later();
    for (int i = 0; i < TRANSPORTS; i++) {
        link_open(&peer, i, port, CAN_BE_ASKED);
        legacy_survey(all);
        for (size_t k = 0; k < sizeof said / sizeof said[0]; k++) {
            snprintf(outcome, sizeof outcome, "\"result\":%s", said[k][0]);
            legacy_confirm(outcome, said[k][1]);
        }
        legacy_confirm("\"error\":{\"code\":-1,\"message\":\"no thanks\"}", "no thanks");
        legacy_confirm("\"result\":{\"action\":\"accept\",\"content\":{\"sure\":7}}", "refused: ");
        legacy_later(i);
        link_close(&peer);
        legacy_unable(i);
    }
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok input");
    return 0;
}
