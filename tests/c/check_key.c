/* The program's own check of a key: at once, later from a thread of the program, too late, and taken
 * back. */
#include "client.h"

#define ANN "sesame-of-ann-000001"
#define BOB "sesame-of-bob-000002"
#define EVE "sesame-of-eve-000003"

static struct reply reply;
static emcp_server *server;
static int port;
/* How often the program was asked, and checks that it has put aside. */
static struct gate asked = GATE_INIT;
static struct gate aside = GATE_INIT;
static emcp_check *kept;

static int32_t whoami(emcp_call *call, void *user)
{
    char answer[128];
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    CHECK(who.uid == -1, "nobody knows who is behind TCP");
    snprintf(answer, sizeof answer, "%.*s may %.*s", (int)who.principal.n, who.principal.p,
             (int)who.scopes.n, who.scopes.p);
    return emcp_put_text(call, answer, EMCP_NUL);
}

static int32_t check_key(emcp_check *check, const emcp_credential *key, void *user)
{
    CHECK(user == &asked, "the user of the hooks");
    CHECK(key->size == sizeof *key && key->uid == -1, "a credential");
    CHECK(str_is(key->path, "/mcp"), "the path");
    CHECK(key->remote_addr.n > 10 && memcmp(key->remote_addr.p, "127.0.0.1:", 10) == 0, "from");
    gate_open(&asked);
    if (str_is(key->secret, ANN)) {
        CHECK_STATUS(emcp_check_allow(check, "Ann A.", "*", 3600 * 1000), EMCP_OK);
        return EMCP_OK;
    }
    if (str_is(key->secret, BOB)) {
        kept = check;
        gate_open(&aside);
        return EMCP_PENDING;
    }
    if (str_is(key->secret, "no-name-of-anybody")) {
        CHECK_STATUS(emcp_check_allow(check, "", NULL, 0), EMCP_E_INVALID);
        return EMCP_OK;
    }
    if (str_is(key->secret, "said-in-so-many-words")) {
        CHECK_STATUS(emcp_check_refuse(check), EMCP_OK);
        return EMCP_OK;
    }
    /* Forgotten, and refused by the return value. */
    return str_is(key->secret, EVE) ? EMCP_E_DENIED : EMCP_OK;
}

static int send_with(const char *key)
{
    int fd = tcp_connect(port);

    call_send_with(fd, "whoami", "X-API-Key:", key);
    return fd;
}

static void expect(const char *key, const char *part)
{
    reply_finish(send_with(key), &reply);
    CHECK_HAS(reply.text, part);
}

static void *answer_bob(void *unused)
{
    (void)unused;
    gate_wait(&aside, 1, "a check is put aside");
    CHECK_STATUS(emcp_check_allow(kept, "bob", NULL, 0), EMCP_OK);
    return NULL;
}

static void at_once(void)
{
    expect(ANN, "Ann A. may *");
    expect(ANN, "Ann A. may *");
    CHECK(gate_count(&asked) == 1, "what is kept is not asked again");
    CHECK_STATUS(emcp_keys_forget(server, "somebody else"), EMCP_OK);
    expect(ANN, "Ann A. may *");
    CHECK(gate_count(&asked) == 1, "nor for somebody else's sake");
    CHECK_STATUS(emcp_keys_forget(server, "Ann A."), EMCP_OK);
    expect(ANN, "Ann A. may *");
    CHECK(gate_count(&asked) == 2, "what is taken back is");
    CHECK_STATUS(emcp_keys_forget(server, NULL), EMCP_OK);
    expect(EVE, "HTTP/1.1 401");
    expect("forgotten-by-all-of-us", "HTTP/1.1 401");
    expect("said-in-so-many-words", "HTTP/1.1 401");
    expect("no-name-of-anybody", "HTTP/1.1 401");
}

static void later(void)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, answer_bob, NULL) == 0, "a thread");
    expect(BOB, "bob may ");
    CHECK(pthread_join(thread, NULL) == 0, "it ends");
}

static void too_late(void)
{
    int fd = send_with(BOB);

    gate_wait(&aside, 2, "a check is put aside");
    /* The server ends before the program has made up its mind. */
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    close(fd);
    CHECK_STATUS(emcp_check_allow(kept, "bob", NULL, 1000), EMCP_E_CANCELED);
    CHECK_STATUS(emcp_check_allow(NULL, "bob", NULL, 0), EMCP_E_INVALID);
    CHECK_STATUS(emcp_check_refuse(NULL), EMCP_E_INVALID);
}

int main(void)
{
    emcp_config config;
    emcp_hooks hooks;

    EMCP_INIT(&config);
    config.check_timeout_ms = 2 * WAIT_MS;
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.check_key = check_key;
    hooks.user = &asked;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "whoami", whoami, NULL);
    port = server_start(server);
    at_once();
    later();
    too_late();
    emcp_destroy(server);
    puts("ok check_key");
    return 0;
}
