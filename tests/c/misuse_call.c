/* What a call is asked for in a wrong way: refused with a status and a text, and the call goes on. */
#include "dialogue.h"

#define FORM "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"
#define SAMPLING "{\"messages\":[],\"maxTokens\":1}"

static struct reply reply;

/* Expects a refusal that says why. */
#define REFUSED(call)                                                   \
    do {                                                                \
        CHECK_STATUS(call, EMCP_E_INVALID);                             \
        CHECK(emcp_last_error()[0] != '\0', "a refusal says why");      \
    } while (0)

static void no_call(void)
{
    emcp_str text = {"unchanged", 9};
    int64_t whole = 7;
    double number = 7;
    int32_t tick = 7;

    REFUSED(emcp_call_kind(NULL));
    REFUSED(emcp_call_has_extension(NULL, "x"));
    REFUSED(emcp_put_blob(NULL, "x", 1));
    REFUSED(emcp_put_role(NULL, EMCP_ROLE_USER));
    REFUSED(emcp_put_description(NULL, "x"));
    REFUSED(emcp_put_value(NULL, "x"));
    REFUSED(emcp_put_value_total(NULL, 1));
    REFUSED(emcp_fail_not_found(NULL));
    REFUSED(emcp_need_form(NULL, "k", "m", FORM, &text));
    REFUSED(emcp_need_url(NULL, "k", "m", "https://a.example", &text));
    REFUSED(emcp_need_sampling(NULL, "k", SAMPLING, &text));
    REFUSED(emcp_need_roots(NULL, "k", &text));
    REFUSED(emcp_need_input(NULL));
    REFUSED(emcp_answer_action(NULL, "k"));
    REFUSED(emcp_answer_str(NULL, "k", "f", &text));
    REFUSED(emcp_answer_i64(NULL, "k", "f", &whole));
    REFUSED(emcp_answer_f64(NULL, "k", "f", &number));
    REFUSED(emcp_answer_bool(NULL, "k", "f", &tick));
    REFUSED(emcp_answer_text(NULL, "k", &text));
    REFUSED(emcp_keep(NULL, "x", 1));
    REFUSED(emcp_task_begin(NULL));
    REFUSED(emcp_task_status(NULL, "x"));
    REFUSED(emcp_json_text(NULL, &text));
    CHECK(emcp_call_name(NULL).n == 0 && emcp_call_name(NULL).p != NULL, "empty");
    CHECK(emcp_complete_argument(NULL).n == 0 && emcp_complete_argument(NULL).p != NULL, "empty");
    CHECK(emcp_complete_value(NULL).n == 0 && emcp_complete_value(NULL).p != NULL, "empty");
    CHECK(emcp_kept(NULL).n == 0 && emcp_kept(NULL).p != NULL, "empty");
    CHECK(str_is(text, "unchanged") && whole == 7 && number == 7 && tick == 7, "unchanged");
}

static void wrong_questions(emcp_call *call)
{
    static const char *const schemas[] = {
        NULL, "", "{", "[]", "{}", "{\"type\":\"object\"}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\"}}}",
        "{\"type\":\"object\",\"properties\":{\"a\":7}}"};
    static const char *const urls[] = {NULL, "", "nowhere", "http://a.example", "ftp://a.example",
                                       "javascript:x", "https://\xff"};
    static const char *const params[] = {NULL, "", "{", "[]", "{}", "{\"messages\":[]}",
                                         "{\"maxTokens\":1}"};
    emcp_str answer = {"unchanged", 9};

    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++)
        REFUSED(emcp_need_form(call, "k", "m", schemas[i], &answer));
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        REFUSED(emcp_need_url(call, "k", "m", urls[i], &answer));
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
        REFUSED(emcp_need_sampling(call, "k", params[i], &answer));
    REFUSED(emcp_need_form(call, NULL, "m", FORM, &answer));
    REFUSED(emcp_need_form(call, "k", NULL, FORM, &answer));
    REFUSED(emcp_need_url(call, NULL, "m", "https://a.example", &answer));
    REFUSED(emcp_need_url(call, "k", NULL, "https://a.example", &answer));
    REFUSED(emcp_need_sampling(call, NULL, SAMPLING, &answer));
    REFUSED(emcp_need_roots(call, NULL, &answer));
    REFUSED(emcp_need_roots(call, "\xff", &answer));
    CHECK(str_is(answer, "unchanged"), "unchanged");
}

static void wrong_answers(emcp_call *call)
{
    emcp_str text;
    int64_t whole;
    double number;
    int32_t tick;

    REFUSED(emcp_answer_action(call, NULL));
    REFUSED(emcp_answer_str(call, NULL, "f", &text));
    REFUSED(emcp_answer_str(call, "k", NULL, &text));
    REFUSED(emcp_answer_str(call, "k", "f", NULL));
    REFUSED(emcp_answer_i64(call, "k", "f", NULL));
    REFUSED(emcp_answer_f64(call, "k", "f", NULL));
    REFUSED(emcp_answer_bool(call, "k", "f", NULL));
    REFUSED(emcp_answer_text(call, "k", NULL));
    REFUSED(emcp_answer_text(call, NULL, &text));
    CHECK_STATUS(emcp_answer_action(call, "k"), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_str(call, "k", "f", &text), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_i64(call, "k", "f", &whole), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_f64(call, "k", "f", &number), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_bool(call, "k", "f", &tick), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_answer_text(call, "k", &text), EMCP_E_NOT_FOUND);
}

static int32_t wrong(emcp_call *call, void *user)
{
    emcp_json *json;
    emcp_str text;

    (void)user;
    CHECK_STATUS(emcp_call_kind(call), EMCP_KIND_TOOL);
    CHECK(emcp_complete_argument(call).n == 0 && emcp_complete_value(call).n == 0, "empty");
    REFUSED(emcp_call_has_extension(call, NULL));
    wrong_questions(call);
    wrong_answers(call);
    REFUSED(emcp_keep(call, NULL, 1));
    CHECK_STATUS(emcp_keep(call, NULL, 0), EMCP_OK);
    CHECK(emcp_kept(call).n == 0, "nothing was kept");
    REFUSED(emcp_task_status(call, NULL));
    CHECK_STATUS(emcp_task_status(call, "no task"), EMCP_OK);
    CHECK_STATUS(emcp_task_begin(call), EMCP_E_CAPABILITY);
    REFUSED(emcp_put_role(call, EMCP_ROLE_USER));
    REFUSED(emcp_put_description(call, "x"));
    REFUSED(emcp_put_description(call, NULL));
    REFUSED(emcp_put_value(call, "x"));
    REFUSED(emcp_put_value(call, NULL));
    REFUSED(emcp_put_value_total(call, 1));
    REFUSED(emcp_put_blob(call, "x", 1));
    REFUSED(emcp_put_blob(call, NULL, 1));
    json = emcp_json_begin(call);
    emcp_json_obj(json);
    REFUSED(emcp_json_text(json, &text));
    json = emcp_json_begin(call);
    emcp_json_null(json);
    REFUSED(emcp_json_text(json, NULL));
    json = emcp_json_begin(call);
    emcp_json_null(json);
    CHECK_STATUS(emcp_json_text(json, &text), EMCP_OK);
    CHECK(str_is(text, "null") && text.p[4] == '\0', "the text");
    return emcp_put_text(call, "went on", EMCP_NUL);
}

/* Everything comes too late for a call that was answered. */
static int32_t late(emcp_call *call, void *user)
{
    emcp_str text;

    (void)user;
    CHECK_STATUS(emcp_put_text(call, "answered", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_finish(call), EMCP_OK);
    CHECK_STATUS(emcp_need_form(call, "k", "m", FORM, &text), EMCP_E_STATE);
    CHECK_STATUS(emcp_need_roots(call, "k", &text), EMCP_E_STATE);
    CHECK_STATUS(emcp_need_input(call), EMCP_E_STATE);
    CHECK_STATUS(emcp_task_begin(call), EMCP_E_STATE);
    CHECK_STATUS(emcp_task_status(call, "late"), EMCP_OK);
    return EMCP_NEED_INPUT;
}

/* A tool has no resource to miss. */
static int32_t not_found(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_fail_not_found(call), EMCP_E_INVALID);
    return emcp_put_text(call, "nothing was missed", EMCP_NUL);
}

int main(void)
{
    emcp_server *server = server_create(NULL);
    int port;

    no_call();
    tool_add(server, "wrong", wrong, NULL);
    tool_add(server, "late", late, NULL);
    tool_add(server, "not_found", not_found, NULL);
    port = server_start(server);
    modern_ask(port, "tools/call", "\"name\":\"wrong\",\"arguments\":{}", CAN_BE_ASKED, &reply);
    CHECK_HAS(reply.text, "went on");
    modern_ask(port, "tools/call", "\"name\":\"late\",\"arguments\":{}", CAN_BE_ASKED, &reply);
    CHECK_HAS(reply.text, "answered");
    modern_ask(port, "tools/call", "\"name\":\"not_found\",\"arguments\":{}", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "nothing was missed");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok misuse_call");
    return 0;
}
