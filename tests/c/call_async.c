/* A tool may answer later, from any thread, exactly once; a forgotten call still gets an answer. */
#include "client.h"

static struct reply reply;
static pthread_t answerer;

/* Answers as `user` wants, after the tool function has returned. */
struct later {
    emcp_call *call;
    void (*answer)(emcp_call *call);
    struct gate returned;
};

static void answer_text(emcp_call *call)
{
    CHECK_STATUS(emcp_put_text(call, "from a thread", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_finish(call), EMCP_OK);
}

static void answer_nothing(emcp_call *call)
{
    (void)call;
}

static void answer_twice(emcp_call *call)
{
    answer_text(call);
    CHECK_STATUS(emcp_finish(call), EMCP_E_STATE);
    CHECK_STATUS(emcp_put_text(call, "too late", EMCP_NUL), EMCP_E_STATE);
    CHECK_STATUS(emcp_fail(call, "too late"), EMCP_E_STATE);
    CHECK_STATUS(emcp_fail_rpc(call, -32000, "too late", NULL), EMCP_E_STATE);
}

static void answer_failure(emcp_call *call)
{
    CHECK_STATUS(emcp_fail(call, "failed later"), EMCP_OK);
    CHECK_STATUS(emcp_finish(call), EMCP_E_STATE);
}

static void answer_with_many_references(emcp_call *call)
{
    for (int i = 0; i < 100; i++)
        CHECK(emcp_call_ref(call) == call, "a reference is the call itself");
    for (int i = 0; i < 100; i++)
        emcp_call_unref(call);
    answer_text(call);
}

static void *run_later(void *argument)
{
    struct later *later = argument;

    gate_wait(&later->returned, 1, "the tool function returns");
    later->answer(later->call);
    emcp_call_unref(later->call);
    return NULL;
}

static int32_t pending(emcp_call *call, void *user)
{
    struct later *later = user;

    later->call = emcp_call_ref(call);
    CHECK(pthread_create(&answerer, NULL, run_later, later) == 0, "thread");
    gate_open(&later->returned);
    return EMCP_PENDING;
}

/* Says "later" and keeps no reference: nobody can answer any more. */
static int32_t pending_without_reference(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_PENDING;
}

/* Finishes by itself and then returns good: emcp must not answer a second time. */
static int32_t finishes_itself(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_put_text(call, "finished inside", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_finish(call), EMCP_OK);
    return EMCP_OK;
}

static void check(void (*answer)(emcp_call *call), const char *expected)
{
    struct later later = {NULL, NULL, GATE_INIT};
    emcp_server *server = server_create(NULL);

    later.answer = answer;
    tool_add(server, "later", pending, &later);
    tool_call(server_start(server), "later", "{}", &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 200");
    CHECK_HAS(reply.text, expected);
    CHECK_LACKS(reply.text, "too late");
    pthread_join(answerer, NULL);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

static void calls_without_thread(void)
{
    emcp_server *server = server_create(NULL);
    int port;

    tool_add(server, "dropped", pending_without_reference, NULL);
    tool_add(server, "inside", finishes_itself, NULL);
    port = server_start(server);
    tool_call(port, "dropped", "{}", &reply);
    CHECK_HAS(reply.text, "\"isError\":true");
    tool_call(port, "inside", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"finished inside\"");
    emcp_destroy(server);
}

int main(void)
{
    check(answer_text, "\"text\":\"from a thread\"");
    check(answer_nothing, "\"isError\":true");
    check(answer_twice, "\"text\":\"from a thread\"");
    check(answer_failure, "\"text\":\"failed later\"");
    check(answer_with_many_references, "\"text\":\"from a thread\"");
    calls_without_thread();
    puts("ok call_async");
    return 0;
}
