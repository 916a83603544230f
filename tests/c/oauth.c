/* Access tokens, from C: whom they let in, keys that the program brings, what clients are told. */
#include "client.h"

/* Signed by an authorization server that exists here alone; good until the year 2255, but for the
 * one that says in its name that it is not. */
static const char ann[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6Imh"
    "0dHBzOi8vci5leGFtcGxlL21jcCIsImV4cCI6OTAwMDAwMDAwMCwic3ViIjoiYW5uIiwic2NvcGUiOiJ1bml"
    "0czpyZWFkIn0.pBbx8FqQk5i60abGBABoZ-6Hx4Eyd0oi-5MKWEUyggdyGaQzB3ctcUyy-p5HpNiBshxttnT"
    "6AaNVEyqIeLmdCA";
static const char admin[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6Imh"
    "0dHBzOi8vci5leGFtcGxlL21jcCIsImV4cCI6OTAwMDAwMDAwMCwic3ViIjoiYm9iIiwic2NvcGUiOiJ1bml"
    "0czphZG1pbiJ9.F4NoGZhH_ms87ieWBsFuEK6gAX8fbyWsiAk1kNUgrTGEFw-qv5cEQAy0Lb-kr-kyXAx2io"
    "Qoa3z6KWPKcP2VBg";
static const char others[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6Imh"
    "0dHBzOi8veC5leGFtcGxlIiwiZXhwIjo5MDAwMDAwMDAwLCJzdWIiOiJhbm4iLCJzY29wZSI6InVuaXRzOnJ"
    "lYWQifQ._Z6Jx89M-cz-CBj6XamkR2IXdwyYW90D5hQCHcjxmmYNk25sKk-OmFlhhDIOEB-FUouC90G_xh7k"
    "L_W_yIhTDA";
static const char old[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6Imh"
    "0dHBzOi8vci5leGFtcGxlL21jcCIsImV4cCI6MSwic3ViIjoiYW5uIiwic2NvcGUiOiJ1bml0czpyZWFkIn0"
    ".4PyO5ti1Ujhh691y8kpDKtv5OpKb-BhFwiP-zP1Tqg3_NQEdyHW0HypdId6M4UC1gNgHCXPO5V-eWtiW3q9"
    "ZCA";
static const char next[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6InR3byJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6Imh"
    "0dHBzOi8vci5leGFtcGxlL21jcCIsImV4cCI6OTAwMDAwMDAwMCwic3ViIjoiYW5uIiwic2NvcGUiOiJ1bml"
    "0czpyZWFkIn0.OncxlqzB7M4TZSX-f1crP4UXUsEuTB0r2Jn01AIH8YelZvsC6OqJWVuQSksJwRt1xflsFZc"
    "s4wlUuNXSRbr2CA";
static const char keys[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"one\",\"x\":\"iojj3XQJ8ZX9"
    "UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}]}";
static const char next_keys[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"one\",\"x\":\"iojj3XQJ8ZX9"
    "UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"tw"
    "o\",\"x\":\"gTl3Dqh9F19Wo1Rmw0x-zMuNipG07jeiXfYPW4_Js5Q\"}]}";

#define ISSUER "https://i.example"
#define BOB_KEY "sesame-of-bob-000002"

static struct reply reply;
static emcp_server *server;
static int port;
static struct gate wanted = GATE_INIT;

/* Answers with who calls, what that one may do, and what its issuer says. */
static int32_t whoami(emcp_call *call, void *user)
{
    char answer[512];
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    snprintf(answer, sizeof answer, "%.*s may %.*s, %.*s", (int)who.principal.n, who.principal.p,
             (int)who.scopes.n, who.scopes.p, (int)who.claims.n, who.claims.p);
    return emcp_put_text(call, answer, EMCP_NUL);
}

/* A program built before emcp_who had claims. */
static int32_t old_program(emcp_call *call, void *user)
{
    emcp_who who;

    (void)user;
    memset(&who, 0x55, sizeof who);
    who.size = (uint32_t)offsetof(emcp_who, claims);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    CHECK(who.claims.n == (size_t)0x5555555555555555, "what it does not know is not written");
    return emcp_put_text(call, "old", EMCP_NUL);
}

/* Calls with a credential, or without one when it is NULL. */
static void call_with(const char *tool, const char *credential)
{
    int fd = tcp_connect(port);

    call_send_with(fd, tool, "Authorization: Bearer", credential);
    reply_finish(fd, &reply);
}

static void expect(const char *tool, const char *credential, const char *part)
{
    call_with(tool, credential);
    CHECK_HAS(reply.text, part);
}

static void get(const char *path)
{
    char request[256];
    int fd = tcp_connect(port);

    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    send_all(fd, request, strlen(request));
    reply_finish(fd, &reply);
}

static void log_line(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    (void)level;
    (void)target;
    (void)len;
    (void)user;
    CHECK(strstr(message, "eyJ") == NULL, "no token in the log");
}

/* Brings the keys that are missing, from inside the hook. */
static void bring_keys(const char *issuer, void *user)
{
    CHECK(user == &server, "the user pointer comes back");
    CHECK_STATUS(emcp_oauth_jwks(server, issuer, next_keys, EMCP_NUL), 2);
    gate_open(&wanted);
}

static void rules(emcp_oauth *oauth)
{
    EMCP_INIT(oauth);
    oauth->resource = "https://r.example/mcp";
    oauth->issuers = ISSUER;
}

static void refused_rules(void)
{
    emcp_oauth oauth;

    CHECK_STATUS(emcp_oauth_set(NULL, NULL), EMCP_E_INVALID);
#define REFUSED(member, value, status, part)               \
    do {                                                   \
        rules(&oauth);                                     \
        oauth.member = (value);                            \
        CHECK_STATUS(emcp_oauth_set(server, &oauth), status); \
        CHECK_HAS(emcp_last_error(), part);                \
    } while (0)
    REFUSED(size, 4, EMCP_E_INVALID, "4 bytes");
    REFUSED(flags, 2, EMCP_E_INVALID, "unknown flags: 0x2");
    REFUSED(resource, NULL, EMCP_E_INVALID, "resource is NULL");
    REFUSED(resource, "/mcp", EMCP_E_INVALID, "no URL like https://host/mcp");
    REFUSED(issuers, NULL, EMCP_E_INVALID, "issuers is NULL");
    REFUSED(issuers, " , ", EMCP_E_INVALID, "issuers are empty");
    REFUSED(issuers, "http://i.example", EMCP_E_INVALID, "not a URL of https");
    REFUSED(issuers, ISSUER "," ISSUER, EMCP_E_EXISTS, ISSUER);
    REFUSED(algorithms, "RS256,HS256", EMCP_E_INVALID, "\"HS256\"");
    REFUSED(scopes, "offline_access", EMCP_E_INVALID, "offline_access");
    REFUSED(required_scopes, "a b", EMCP_E_INVALID, "scope \"a b\"");
    REFUSED(scopes_implied, "a:b", EMCP_E_INVALID, "BROAD>NARROW");
    REFUSED(documentation_url, "file:///", EMCP_E_INVALID, "no URL of http");
    REFUSED(leeway_s, 601, EMCP_E_INVALID, "leeway");
    REFUSED(max_token_bytes, 1, EMCP_E_INVALID, "256 to 65536");
#undef REFUSED
    /* Nothing has closed the door. */
    expect("open", NULL, " may *, ");
}

static void tokens(void)
{
    emcp_oauth oauth;
    emcp_key key;

    rules(&oauth);
    oauth.scopes_implied = "units:admin>units:write, units:read;units:write>units:log;";
    oauth.title = "Units";
    oauth.scopes = "units:read";
    oauth.documentation_url = "https://r.example/docs";
    CHECK_STATUS(emcp_oauth_set(server, &oauth), EMCP_OK);
    CHECK_STATUS(emcp_oauth_jwks(server, "https://x.example", keys, EMCP_NUL), EMCP_E_NOT_FOUND);
    CHECK_STATUS(emcp_oauth_jwks(server, NULL, keys, 3), EMCP_E_INVALID);
    CHECK_STATUS(emcp_oauth_jwks(server, NULL, NULL, EMCP_NUL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_oauth_jwks(server, NULL, keys, strlen(keys)), 1);
    expect("open", NULL, "HTTP/1.1 401");
    CHECK_HAS(reply.text, "www-authenticate: Bearer realm=\"c-test\", scope=\"units:read\", "
                          "resource_metadata=\"https://r.example/.well-known/"
                          "oauth-protected-resource/mcp\"\r\n");
    expect("open", ann, ISSUER " ann may units:read, {\\\"iss\\\":\\\"" ISSUER "\\\"");
    expect("old", ann, "old");
    expect("scoped", ann, "HTTP/1.1 403");
    CHECK_HAS(reply.text, "error=\"insufficient_scope\", scope=\"units:write\"");
    expect("scoped", admin, ISSUER " bob may units:admin,units:write,units:read,units:log");
    expect("open", others, "for another resource");
    expect("open", old, "has expired");
    expect("open", "a.b.c", "error=\"invalid_token\"");
    /* Keys are as good as before. */
    EMCP_INIT(&key);
    key.name = "bob";
    key.secret = BOB_KEY;
    CHECK_STATUS(emcp_key_add(server, &key), EMCP_OK);
    expect("open", BOB_KEY, "bob may , \"");
}

static void metadata(void)
{
    static const char *const members[] = {
        "\"resource\":\"https://r.example/mcp\"", "\"authorization_servers\":[\"" ISSUER "\"]",
        "\"scopes_supported\":[\"units:read\"]",  "\"bearer_methods_supported\":[\"header\"]",
        "\"resource_name\":\"Units\"",            "\"resource_documentation\":\"https://r.example/docs\"",
    };

    get("/.well-known/oauth-protected-resource/mcp");
    CHECK_HAS(reply.text, "HTTP/1.1 200");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        CHECK_HAS(reply.text, members[i]);
    get("/.well-known/oauth-protected-resource");
    CHECK_HAS(reply.text, members[0]);
}

static void keys_that_are_missing(void)
{
    expect("open", next, "a key that is not known here");
    gate_wait(&wanted, 1, "the program is asked for keys");
    expect("open", next, ISSUER " ann may units:read");
    expect("open", ann, ISSUER " ann may units:read");
}

static void no_tokens_any_more(void)
{
    CHECK_STATUS(emcp_oauth_set(server, NULL), EMCP_OK);
    expect("open", ann, "HTTP/1.1 401");
    expect("open", BOB_KEY, "bob may ");
    get("/.well-known/oauth-protected-resource");
    CHECK_HAS(reply.text, "HTTP/1.1 404");
}

/* A library without tokens has the same functions, which say how to get one that has them. */
static int is_built_in(void)
{
    emcp_oauth oauth;
    int32_t status = emcp_oauth_jwks(server, NULL, keys, EMCP_NUL);

    if (status == EMCP_E_STATE) {
        CHECK_HAS(emcp_last_error(), "no issuer is trusted");
        return 1;
    }
    CHECK_STATUS(status, EMCP_E_UNSUPPORTED);
    CHECK_HAS(emcp_last_error(), "make FEATURES=jwt");
    rules(&oauth);
    CHECK_STATUS(emcp_oauth_set(server, &oauth), EMCP_E_UNSUPPORTED);
    CHECK_HAS(emcp_last_error(), "make FEATURES=jwt");
    CHECK_STATUS(emcp_oauth_set(server, NULL), EMCP_E_UNSUPPORTED);
    expect("open", NULL, " may *, ");
    return 0;
}

static emcp_server *make_server(void)
{
    emcp_config config;
    emcp_hooks hooks;
    emcp_tool tool;

    EMCP_INIT(&config);
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.log = log_line;
    hooks.jwks_wanted = bring_keys;
    hooks.user = &server;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "open", whoami, NULL);
    tool_add(server, "old", old_program, NULL);
    tool_init(&tool, "scoped", whoami, NULL);
    tool.scope = "units:write";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);
    return server;
}

int main(void)
{
    int built_in;

    make_server();
    refused_rules();
    built_in = is_built_in();
    if (built_in) {
        tokens();
        metadata();
        keys_that_are_missing();
        no_tokens_any_more();
    }
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts(built_in ? "ok oauth" : "ok oauth: not built in");
    return 0;
}
