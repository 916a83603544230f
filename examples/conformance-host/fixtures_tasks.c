/* Fixture tools that take long: tasks for clients that know them, slow calls for the others. The
 * timer ends them, so that no worker waits. */
#include "fixtures.h"

#include <stdio.h>

#define SECONDS_MAX 3600
#define SHORT_JOB_MS 1000

static int32_t computed(emcp_call *call)
{
    emcp_str label = {"unnamed", 7};

    /* Optional: without one it has the name above. */
    (void)emcp_arg_str(call, "label", &label);
    return fixtures_put(call, "Computed ", label, "");
}

static int32_t slow_compute(emcp_call *call, void *user)
{
    int64_t seconds;
    char status_text[64];

    int32_t status = emcp_arg_i64(call, "seconds", &seconds);
    if (status < 0)
        return status;
    if (seconds == 0)
        return computed(call);
    snprintf(status_text, sizeof status_text, "computing for %lld s", (long long)seconds);
    (void)emcp_task_status(call, status_text);
    return timer_answer(user, call, seconds * 1000, computed);
}

static int32_t fail(emcp_call *call)
{
    return emcp_fail(call, "This job always fails");
}

static int32_t failing_job(emcp_call *call, void *user)
{
    return timer_answer(user, call, SHORT_JOB_MS, fail);
}

static int32_t protocol_error_job(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail_rpc(call, -32603, "This job ends with a protocol error", NULL);
}

#define CONFIRM_SCHEMA                                                        \
    "{\"type\":\"object\",\"properties\":{\"confirm\":{\"type\":\"boolean\"," \
    "\"title\":\"Delete the file\"}},\"required\":[\"confirm\"]}"

static int32_t confirm_delete(emcp_call *call, void *user)
{
    emcp_str filename;
    int32_t confirmed = 0;

    (void)user;
    int32_t status = emcp_arg_str(call, "filename", &filename);
    if (status < 0)
        return status;
    status = emcp_need_form(call, "confirm", "Delete the file?", CONFIRM_SCHEMA, NULL);
    if (status != EMCP_OK)
        return status;
    /* Whoever declines has confirmed nothing. */
    (void)emcp_answer_bool(call, "confirm", "confirm", &confirmed);
    return fixtures_put(call, confirmed ? "Deleted " : "Kept ", filename, "");
}

#define NAME_SCHEMA                                                         \
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}," \
    "\"required\":[\"name\"]}"

/* Two questions at once, so that one can be answered while the other is open. */
static int32_t multi_input(emcp_call *call, void *user)
{
    (void)user;
    int32_t first = emcp_need_form(call, "first", "What is the first name?", NAME_SCHEMA, NULL);
    int32_t second = emcp_need_form(call, "second", "What is the second name?", NAME_SCHEMA, NULL);
    if (first < 0)
        return first;
    if (second < 0)
        return second;
    if (first == EMCP_NEED_INPUT || second == EMCP_NEED_INPUT)
        return EMCP_NEED_INPUT;
    return emcp_put_text(call, "Both questions were answered", EMCP_NUL);
}

static int32_t greet_after_work(emcp_call *call)
{
    emcp_str name;

    if (emcp_answer_str(call, "user_name", "name", &name) < 0)
        return emcp_put_text(call, "The work for nobody is done", EMCP_NUL);
    return fixtures_put(call, "The work for ", name, " is done");
}

/* Becomes a task only after its question: asking needs no task yet. */
static int32_t tool_with_task(emcp_call *call, void *user)
{
    int32_t status = emcp_need_form(call, "user_name", "What is your name?", NAME_SCHEMA, NULL);

    if (status != EMCP_OK)
        return status;
    status = emcp_task_begin(call);
    if (status < 0 && status != EMCP_E_CAPABILITY)
        return status;
    return timer_answer(user, call, SHORT_JOB_MS, greet_after_work);
}

static const emcp_param SLOW_COMPUTE[] = {
    {"seconds", EMCP_INTEGER, EMCP_P_REQUIRED, "How long it takes", NULL, 0, SECONDS_MAX, NULL,
     NULL},
    {"label", EMCP_STRING, 0, "What is computed", NULL, 0, 0, NULL, NULL},
};

static const emcp_param FILENAME[] = {
    {"filename", EMCP_STRING, EMCP_P_REQUIRED, "Which file", NULL, 0, 0, NULL, NULL},
};

static const struct fixture FIXTURES[] = {
    {"slow_compute", "Computes for some seconds", slow_compute, PARAMS(SLOW_COMPUTE), EMCP_T_LONG,
     NULL},
    {"failing_job", "Fails after a second; a task only", failing_job, NO_PARAMS, EMCP_T_TASK, NULL},
    {"protocol_error_job", "Ends with a JSON-RPC error", protocol_error_job, NO_PARAMS, EMCP_T_LONG,
     NULL},
    {"confirm_delete", "Asks before it deletes; deletes nothing really", confirm_delete,
     PARAMS(FILENAME), EMCP_T_LONG, NULL},
    {"multi_input", "Asks two things at once", multi_input, NO_PARAMS, EMCP_T_LONG, NULL},
    {"test_tool_with_task", "Asks the user's name, then works as a task", tool_with_task, NO_PARAMS,
     0, NULL},
};

int32_t fixtures_tasks_add(emcp_server *server, struct timer *timer)
{
    return fixtures_add_table(server, FIXTURES, COUNT_OF(FIXTURES), timer);
}
