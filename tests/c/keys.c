/* Keys of the host, from C and from a file: who comes in, as whom, and what each may call. */
#include "client.h"

#include <sys/stat.h>

#define ANN "sesame-of-ann-000001"
#define BOB "sesame-of-bob-000002"
#define FAY "sesame-of-fay-000003"

static struct reply reply;
static emcp_server *server;
static int port;
static struct gate told = GATE_INIT;

/* Answers with who calls and what that one may do. */
static int32_t whoami(emcp_call *call, void *user)
{
    char answer[128];
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    snprintf(answer, sizeof answer, "%.*s may %.*s", (int)who.principal.n, who.principal.p,
             (int)who.scopes.n, who.scopes.p);
    return emcp_put_text(call, answer, EMCP_NUL);
}

/* Calls with a key, or without one when it is NULL. */
static void call_with(const char *tool, const char *key)
{
    int fd = tcp_connect(port);

    call_send_with(fd, tool, "Authorization: Bearer", key);
    reply_finish(fd, &reply);
}

static void expect(const char *tool, const char *key, const char *part)
{
    call_with(tool, key);
    CHECK_HAS(reply.text, part);
}

static int32_t key_add(const char *name, const char *secret, const char *scopes,
                       const char *expires)
{
    emcp_key key;

    EMCP_INIT(&key);
    key.name = name;
    key.secret = secret;
    key.scopes = scopes;
    key.expires = expires;
    return emcp_key_add(server, &key);
}

static void log_line(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    (void)level;
    (void)len;
    (void)user;
    CHECK(strstr(message, "sesame") == NULL, "no key in the log");
    if (strcmp(target, "auth") == 0)
        gate_open(&told);
}

static void refused_keys(void)
{
    CHECK_STATUS(emcp_key_add(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(key_add(NULL, ANN, NULL, NULL), EMCP_E_INVALID);
    CHECK_STATUS(key_add("ann", NULL, NULL, NULL), EMCP_E_INVALID);
    CHECK_STATUS(key_add("ann", "sesame", NULL, NULL), EMCP_E_INVALID);
    CHECK_LACKS(emcp_last_error(), "sesame");
    CHECK_STATUS(key_add("ann", ANN, "a b", NULL), EMCP_E_INVALID);
    CHECK_STATUS(key_add("ann", ANN, NULL, "tomorrow"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_keys_file(server, "/none/such"), EMCP_E_IO);
}

static void keys_of_the_program(void)
{
    /* Required, and none is there. */
    expect("open", ANN, "HTTP/1.1 401");
    gate_wait(&told, 1, "the log tells of it");
    CHECK_STATUS(key_add("ann", ANN, "*", NULL), EMCP_OK);
    CHECK_STATUS(key_add("bob", BOB, "units:read", NULL), EMCP_OK);
    CHECK_STATUS(key_add("eve", BOB, NULL, NULL), EMCP_E_EXISTS);
    expect("open", NULL, "HTTP/1.1 401");
    CHECK_HAS(reply.text, "www-authenticate: Bearer realm=\"c-test\"\r\n");
    CHECK_HAS(reply.text, "send Authorization: Bearer KEY");
    expect("open", FAY, "error=\"invalid_token\"");
    expect("open", ANN, "ann may *");
    expect("open", BOB, "bob may units:read");
    expect("scoped", ANN, "ann may *");
    expect("scoped", BOB, "HTTP/1.1 403");
    CHECK_HAS(reply.text, "scope=\"units:write\"");
    CHECK_STATUS(emcp_keys_clear(server), EMCP_OK);
    expect("open", ANN, "HTTP/1.1 401");
    CHECK_STATUS(key_add("old", ANN, NULL, "2001-01-01T00:00:00Z"), EMCP_OK);
    expect("open", ANN, "has expired");
}

static void keys_of_a_file(void)
{
    char path[] = "/tmp/emcp-keys-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    CHECK(file != NULL, "a file");
    fprintf(file, "# ours\nfay %s scopes=units:write\n", FAY);
    CHECK(fclose(file) == 0, "the file is written");
    CHECK(chmod(path, 0644) == 0, "chmod");
    CHECK_STATUS(emcp_keys_file(server, path), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "mode 0644");
    CHECK(chmod(path, 0600) == 0, "chmod");
    CHECK_STATUS(emcp_keys_file(server, path), EMCP_OK);
    expect("scoped", FAY, "fay may units:write");
    CHECK_STATUS(emcp_keys_file(server, NULL), EMCP_OK);
    expect("scoped", FAY, "HTTP/1.1 401");
    CHECK(unlink(path) == 0, "unlink");
}

int main(void)
{
    emcp_config config;
    emcp_hooks hooks;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.flags = EMCP_F_KEYS_REQUIRED;
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.log = log_line;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "open", whoami, NULL);
    tool_init(&tool, "scoped", whoami, NULL);
    tool.scope = "units:write";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);
    refused_keys();
    keys_of_the_program();
    keys_of_a_file();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok keys");
    return 0;
}
