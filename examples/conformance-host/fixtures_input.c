/* Fixture tools that ask the user or the model before they answer. Each function runs again from
 * its start with the answers, whatever revision the client speaks. */
#include "fixtures.h"

#include <stdlib.h>
#include <string.h>

#define FORM_OF(name, type)                                                                       \
    "{\"type\":\"object\",\"properties\":{\"" name "\":{\"type\":\"" type "\"}},\"required\":[\"" \
    name "\"]}"

#define USER_SCHEMA                                                                       \
    "{\"type\":\"object\",\"properties\":{"                                               \
    "\"username\":{\"type\":\"string\",\"description\":\"The name of the user\"},"        \
    "\"email\":{\"type\":\"string\",\"description\":\"The email address of the user\"}}," \
    "\"required\":[\"username\",\"email\"]}"

/* SEP-1034: a default of every primitive type. */
#define DEFAULTS_SCHEMA                                                                   \
    "{\"type\":\"object\",\"properties\":{"                                               \
    "\"name\":{\"type\":\"string\",\"description\":\"Name\",\"default\":\"John Doe\"},"   \
    "\"age\":{\"type\":\"integer\",\"description\":\"Age\",\"default\":30},"              \
    "\"score\":{\"type\":\"number\",\"description\":\"Score\",\"default\":95.5},"         \
    "\"status\":{\"type\":\"string\",\"description\":\"Status\","                         \
    "\"enum\":[\"active\",\"inactive\",\"pending\"],\"default\":\"active\"},"             \
    "\"verified\":{\"type\":\"boolean\",\"description\":\"Verified\",\"default\":true}}," \
    "\"required\":[]}"

/* SEP-1330: every way to write a choice. */
#define ENUMS_SCHEMA                                                                           \
    "{\"type\":\"object\",\"properties\":{"                                                    \
    "\"untitledSingle\":{\"type\":\"string\",\"enum\":[\"option1\",\"option2\",\"option3\"]}," \
    "\"titledSingle\":{\"type\":\"string\",\"oneOf\":["                                        \
    "{\"const\":\"value1\",\"title\":\"First Option\"},"                                       \
    "{\"const\":\"value2\",\"title\":\"Second Option\"},"                                      \
    "{\"const\":\"value3\",\"title\":\"Third Option\"}]},"                                     \
    "\"legacyEnum\":{\"type\":\"string\",\"enum\":[\"opt1\",\"opt2\",\"opt3\"],"               \
    "\"enumNames\":[\"Option One\",\"Option Two\",\"Option Three\"]},"                         \
    "\"untitledMulti\":{\"type\":\"array\",\"items\":{\"type\":\"string\","                    \
    "\"enum\":[\"option1\",\"option2\",\"option3\"]}},"                                        \
    "\"titledMulti\":{\"type\":\"array\",\"items\":{\"anyOf\":["                               \
    "{\"const\":\"value1\",\"title\":\"First Choice\"},"                                       \
    "{\"const\":\"value2\",\"title\":\"Second Choice\"},"                                      \
    "{\"const\":\"value3\",\"title\":\"Third Choice\"}]}}},"                                   \
    "\"required\":[]}"

#define SAMPLING_START \
    "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":"
#define SAMPLING_END "}}],\"maxTokens\":100}"
#define SAMPLING_OF(text) SAMPLING_START "\"" text "\"" SAMPLING_END

#define INVALID_PARAMS -32602

/* Asks for what `status` of an emcp_need_ function says is missing, and keeps `state` for then. */
static int32_t keep_and_ask(emcp_call *call, int32_t status, const char *state)
{
    if (status != EMCP_NEED_INPUT)
        return status;
    int32_t kept = emcp_keep(call, state, strlen(state));
    return kept < 0 ? kept : EMCP_NEED_INPUT;
}

static int has_kept(const emcp_call *call, const char *state)
{
    emcp_str kept = emcp_kept(call);

    return kept.n == strlen(state) && memcmp(kept.p, state, kept.n) == 0;
}

static int32_t put_said(emcp_call *call, const char *key, const char *before)
{
    emcp_str said;

    if (emcp_answer_text(call, key, &said) < 0)
        return emcp_fail(call, "the model has answered without a text");
    return fixtures_put(call, before, said, "");
}

static int32_t sampling(emcp_call *call, void *user)
{
    emcp_str prompt;

    (void)user;
    /* As JSON text, quotes included: it goes into JSON as it is. */
    int32_t status = emcp_arg_json(call, "prompt", &prompt);
    if (status < 0)
        return status;
    char *params = fixtures_join(SAMPLING_START, prompt, SAMPLING_END);
    if (params == NULL)
        return EMCP_E_LIMIT;
    status = emcp_need_sampling(call, "response", params, NULL);
    free(params);
    return status == EMCP_OK ? put_said(call, "response", "LLM response: ") : status;
}

static int32_t elicitation(emcp_call *call, void *user)
{
    emcp_str message, answer;

    (void)user;
    int32_t status = emcp_arg_str(call, "message", &message);
    if (status < 0)
        return status;
    status = emcp_need_form(call, "response", message.p, USER_SCHEMA, &answer);
    if (status != EMCP_OK)
        return status;
    return fixtures_put(call, "User response: ", answer, "");
}

static int32_t ask_form(emcp_call *call, const char *message, const char *schema)
{
    emcp_str answer;

    int32_t status = emcp_need_form(call, "values", message, schema, &answer);
    if (status != EMCP_OK)
        return status;
    return fixtures_put(call, "Elicitation completed: ", answer, "");
}

static int32_t elicitation_defaults(emcp_call *call, void *user)
{
    (void)user;
    return ask_form(call, "Please check these values", DEFAULTS_SCHEMA);
}

static int32_t elicitation_enums(emcp_call *call, void *user)
{
    (void)user;
    return ask_form(call, "Please choose", ENUMS_SCHEMA);
}

static int32_t input_elicitation(emcp_call *call, void *user)
{
    emcp_str name;

    (void)user;
    int32_t status =
        emcp_need_form(call, "user_name", "What is your name?", FORM_OF("name", "string"), NULL);
    if (status != EMCP_OK)
        return status;
    if (emcp_answer_str(call, "user_name", "name", &name) >= 0)
        return fixtures_put(call, "Hello, ", name, "!");
    int32_t action = emcp_answer_action(call, "user_name");
    if (action == EMCP_ANSWER_DECLINE || action == EMCP_ANSWER_CANCEL)
        return emcp_put_text(call, "Hello, whoever you are!", EMCP_NUL);
    return emcp_fail_rpc(call, INVALID_PARAMS, "the answer has no name", NULL);
}

static int32_t input_sampling(emcp_call *call, void *user)
{
    (void)user;
    int32_t status = emcp_need_sampling(call, "capital_question",
                                        SAMPLING_OF("What is the capital of France?"), NULL);
    return status == EMCP_OK ? put_said(call, "capital_question", "The model says: ") : status;
}

static int32_t input_list_roots(emcp_call *call, void *user)
{
    emcp_str answer;

    (void)user;
    int32_t status = emcp_need_roots(call, "client_roots", &answer);
    if (status != EMCP_OK)
        return status;
    return fixtures_put(call, "The client has: ", answer, "");
}

/* Asks once and insists on getting back what it kept. */
static int32_t confirm_with_state(emcp_call *call, const char *state)
{
    int32_t status =
        emcp_need_form(call, "confirm", "Please confirm", FORM_OF("ok", "boolean"), NULL);

    if (status != EMCP_OK)
        return keep_and_ask(call, status, state);
    if (!has_kept(call, state))
        return emcp_fail_rpc(call, INVALID_PARAMS, "the answer came without its state", NULL);
    return emcp_put_text(call, "Confirmed: state-ok", EMCP_NUL);
}

static int32_t input_request_state(emcp_call *call, void *user)
{
    (void)user;
    return confirm_with_state(call, "to be confirmed");
}

/* emcp signs what is kept, so that the function never sees a state that was tampered with. */
static int32_t input_tampered_state(emcp_call *call, void *user)
{
    (void)user;
    return confirm_with_state(call, "not to be tampered with");
}

/* Asks everything at once, so that one round is enough. */
static int32_t input_multiple(emcp_call *call, void *user)
{
    emcp_str name, greeting, roots;
    int32_t statuses[3];

    (void)user;
    statuses[0] =
        emcp_need_form(call, "user_name", "What is your name?", FORM_OF("name", "string"), &name);
    statuses[1] =
        emcp_need_sampling(call, "greeting", SAMPLING_OF("Generate a greeting"), &greeting);
    statuses[2] = emcp_need_roots(call, "client_roots", &roots);

    int32_t status = EMCP_OK;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (statuses[i] < 0)
            return statuses[i];
        if (statuses[i] == EMCP_NEED_INPUT)
            status = EMCP_NEED_INPUT;
    }
    if (status == EMCP_NEED_INPUT)
        return keep_and_ask(call, status, "three questions");
    status = fixtures_put(call, "Name: ", name, "");
    if (status >= 0)
        status = fixtures_put(call, "Greeting: ", greeting, "");
    if (status >= 0)
        status = fixtures_put(call, "Roots: ", roots, "");
    return status;
}

static int32_t input_multi_round(emcp_call *call, void *user)
{
    emcp_str name = {"", 0}, color = {"", 0};

    (void)user;
    int32_t status = emcp_need_form(call, "step1", "Step 1: What is your name?",
                                    FORM_OF("name", "string"), NULL);
    if (status != EMCP_OK)
        return keep_and_ask(call, status, "round 1");
    status = emcp_need_form(call, "step2", "Step 2: What is your favorite color?",
                            FORM_OF("color", "string"), NULL);
    if (status != EMCP_OK)
        return keep_and_ask(call, status, "round 2");

    /* Somebody who declines has neither: the texts stay empty. */
    (void)emcp_answer_str(call, "step1", "name", &name);
    (void)emcp_answer_str(call, "step2", "color", &color);
    char *start = fixtures_join("Name: ", name, ", color: ");
    if (start == NULL)
        return EMCP_E_LIMIT;
    status = fixtures_put(call, start, color, "");
    free(start);
    return status;
}

/* Asks what the client can answer and goes on without the rest. */
static int32_t input_capabilities(emcp_call *call, void *user)
{
    int32_t statuses[2];
    int missing = 0, answered = 0;

    (void)user;
    statuses[0] =
        emcp_need_form(call, "user_name", "What is your name?", FORM_OF("name", "string"), NULL);
    statuses[1] = emcp_need_sampling(call, "greeting", SAMPLING_OF("Generate a greeting"), NULL);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (statuses[i] < 0 && statuses[i] != EMCP_E_CAPABILITY)
            return statuses[i];
        missing += statuses[i] == EMCP_NEED_INPUT;
        answered += statuses[i] == EMCP_OK;
    }
    if (missing > 0)
        return EMCP_NEED_INPUT;
    return emcp_put_text(call,
                         answered > 0 ? "The client answered what it can be asked"
                                      : "The client can be asked nothing",
                         EMCP_NUL);
}

static const emcp_param PROMPT[] = {
    {"prompt", EMCP_STRING, EMCP_P_REQUIRED, "What the model is asked", NULL, 0, 0, NULL, NULL},
};

static const emcp_param MESSAGE[] = {
    {"message", EMCP_STRING, EMCP_P_REQUIRED, "What the user is shown", NULL, 0, 0, NULL, NULL},
};

static const struct fixture FIXTURES[] = {
    {"test_sampling", "Asks the client's model", sampling, PARAMS(PROMPT), 0, NULL},
    {"test_elicitation", "Asks the user for a name and an address", elicitation, PARAMS(MESSAGE), 0,
     NULL},
    {"test_elicitation_sep1034_defaults", "Asks with default values", elicitation_defaults,
     NO_PARAMS, 0, NULL},
    {"test_elicitation_sep1330_enums", "Asks for choices of every kind", elicitation_enums,
     NO_PARAMS, 0, NULL},
    {"test_input_required_result_elicitation", "Asks the user's name and greets", input_elicitation,
     NO_PARAMS, 0, NULL},
    {"test_input_required_result_sampling", "Asks the client's model for a capital",
     input_sampling, NO_PARAMS, 0, NULL},
    {"test_input_required_result_list_roots", "Asks for the client's roots", input_list_roots,
     NO_PARAMS, 0, NULL},
    {"test_input_required_result_request_state", "Asks and keeps something until the answer",
     input_request_state, NO_PARAMS, 0, NULL},
    {"test_input_required_result_multiple_inputs", "Asks three things at once", input_multiple,
     NO_PARAMS, 0, NULL},
    {"test_input_required_result_multi_round", "Asks one thing after the other", input_multi_round,
     NO_PARAMS, 0, NULL},
    {"test_input_required_result_tampered_state", "Refuses a state that it did not send",
     input_tampered_state, NO_PARAMS, 0, NULL},
    {"test_input_required_result_capabilities", "Asks only what the client can answer",
     input_capabilities, NO_PARAMS, 0, NULL},
};

int32_t fixtures_input_add(emcp_server *server)
{
    return fixtures_add_table(server, FIXTURES, COUNT_OF(FIXTURES), NULL);
}
