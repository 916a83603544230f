/* TLS on emcp's own listener, with OpenSSL at the other end: files that fit and files that do not,
 * certificates that are renewed, and clients that have some. */
#include "tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

/* A certificate and its key. */
struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static char dir[] = "/tmp/emcp-tls-XXXXXX";
static struct pair authority, served, renewed, agent;
static int port;
static struct gate told = GATE_INIT;

/* Where a file of this test is; the text is good until the eighth call from here. */
static const char *file(const char *name)
{
    static char paths[8][64];
    static int turn;

    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", dir, name);
    return paths[turn];
}

static struct pair pair_make(const char *name, const struct pair *issuer)
{
    struct pair pair = {X509_new(), EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    const struct pair *signer = issuer != NULL ? issuer : &pair;
    X509_NAME *subject = X509_get_subject_name(pair.certificate);
    char names[128];
    X509V3_CTX context;
    X509_EXTENSION *extension;
    static int serial;

    CHECK(pair.certificate != NULL && pair.key != NULL, "openssl");
    X509_set_version(pair.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(pair.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(pair.certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(pair.certificate), 3600);
    X509_set_pubkey(pair.certificate, pair.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(pair.certificate, X509_get_subject_name(signer->certificate));
    X509V3_set_ctx(&context, signer->certificate, pair.certificate, NULL, NULL, 0);
    snprintf(names, sizeof names, "DNS:%s", name);
    extension = issuer != NULL
                    ? X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, names)
                    : X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_add_ext(pair.certificate, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
    CHECK(X509_sign(pair.certificate, signer->key, EVP_sha256()) > 0, "sign");
    return pair;
}

static void pair_free(struct pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

static void certificate_write(const char *name, X509 *certificate)
{
    FILE *out = fopen(file(name), "w");

    CHECK(out != NULL && PEM_write_X509(out, certificate) == 1, name);
    CHECK(fclose(out) == 0, name);
}

static void key_write(const char *name, EVP_PKEY *key, mode_t mode)
{
    FILE *out = fopen(file(name), "w");

    CHECK(out != NULL && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1, name);
    CHECK(fclose(out) == 0, name);
    CHECK(chmod(file(name), mode) == 0, "chmod");
}

static void tls_files(emcp_tls *tls)
{
    EMCP_INIT(tls);
    tls->certificate = file("cert.pem");
    tls->key = file("key.pem");
}

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

static void log_line(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    (void)level;
    (void)len;
    (void)user;
    if (strcmp(target, "tls") == 0 && strstr(message, "handshake failed") != NULL)
        gate_open(&told);
}

static SSL_CTX *client_make(const struct pair *own)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context != NULL, "openssl");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    CHECK(SSL_CTX_load_verify_locations(context, file("ca.pem"), NULL) == 1, "ca.pem");
    if (own != NULL)
        CHECK(SSL_CTX_use_certificate(context, own->certificate) == 1 &&
                  SSL_CTX_use_PrivateKey(context, own->key) == 1,
              "own certificate");
    return context;
}

/* Calls a tool; the reply ends with a close_notify. `expected` is the certificate of the server. */
static void call_and_expect(const struct pair *own, const struct pair *expected, const char *part)
{
    SSL_CTX *context = client_make(own);
    int fd = tcp_connect(port);
    SSL *ssl = tls_connect(context, fd);
    char *request = call_request("whoami", "{}", "");
    X509 *shown = SSL_get1_peer_certificate(ssl);
    char *reply;

    CHECK(X509_cmp(shown, expected->certificate) == 0, "the certificate in use");
    tls_send(ssl, request, strlen(request));
    reply = tls_receive(ssl, NULL, 4096);
    CHECK_HAS(reply, part);
    X509_free(shown);
    free(reply);
    free(request);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
}

static void refused_files(void)
{
    emcp_tls tls;

    tls_files(&tls);
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_listen_tls(server, NULL, &tls), EMCP_E_INVALID);
    CHECK_STATUS(emcp_listen_tls(server, "tcp:nowhere", &tls), EMCP_E_INVALID);
    tls.flags = 1024;
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", &tls), EMCP_E_INVALID);
    tls_files(&tls);
    tls.key = NULL;
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", &tls), EMCP_E_INVALID);
    tls_files(&tls);
    tls.client_ca = file("ca.pem");
    tls.client_scopes = "*";
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", &tls), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "EMCP_TLS_CLIENT_IS_KEY");
    tls_files(&tls);
    tls.certificate = file("none.pem");
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", &tls), EMCP_E_IO);
    CHECK_HAS(emcp_last_error(), "none.pem");
    tls_files(&tls);
    tls.key = file("other.pem");
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", &tls), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "does not belong to the certificate");
    key_write("shared.pem", served.key, 0640);
    tls.key = file("shared.pem");
    CHECK_STATUS(emcp_listen_tls(server, "tcp:127.0.0.1:0", &tls), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "mode 0640");
}

/* The listener is a descriptor of the program, and its clients may have certificates. */
static void listen_with(int fd)
{
    char address[32];
    emcp_tls tls;

    tls_files(&tls);
    tls.key = file("shared.pem");
    tls.flags = EMCP_TLS_KEY_SHARED | EMCP_TLS_CLIENT_OPTIONAL | EMCP_TLS_CLIENT_IS_KEY;
    tls.client_ca = file("ca.pem");
    tls.client_scopes = "units:read";
    snprintf(address, sizeof address, "fd:%d", fd);
    CHECK_STATUS(emcp_listen_tls(server, address, &tls), EMCP_OK);
}

static int socket_listening(void)
{
    struct sockaddr_in at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0, "listen");
    return fd;
}

static void renewals(void)
{
    certificate_write("cert.pem", renewed.certificate);
    CHECK_STATUS(emcp_tls_reload(server), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "does not belong to the certificate");
    call_and_expect(&agent, &served, "cert:agent.example may units:read");
    key_write("shared.pem", renewed.key, 0640);
    CHECK_STATUS(emcp_tls_reload(server), EMCP_OK);
    call_and_expect(&agent, &renewed, "cert:agent.example may units:read");
}

static void plain_http(void)
{
    static struct reply reply;

    tool_call(port, "whoami", "{}", &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 400");
    CHECK_HAS(reply.text, "use https://");
    gate_wait(&told, 1, "the log tells of it");
}

static void pairs_make(void)
{
    CHECK(mkdtemp(dir) != NULL, "mkdtemp");
    authority = pair_make("authority", NULL);
    served = pair_make("localhost", &authority);
    renewed = pair_make("localhost", &authority);
    agent = pair_make("agent.example", &authority);
    certificate_write("ca.pem", authority.certificate);
    certificate_write("cert.pem", served.certificate);
    key_write("key.pem", served.key, 0600);
    key_write("other.pem", renewed.key, 0600);
}

static void pairs_free(void)
{
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem", "other.pem", "shared.pem"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(file(names[i]));
    CHECK(rmdir(dir) == 0, "the directory is empty");
    pair_free(&authority);
    pair_free(&served);
    pair_free(&renewed);
    pair_free(&agent);
}

int main(void)
{
    emcp_hooks hooks;

    server = server_create_silent(NULL);
    if (emcp_tls_reload(server) == EMCP_E_UNSUPPORTED) {
        CHECK_HAS(emcp_last_error(), "FEATURES=tls");
        emcp_destroy(server);
        puts("ok listen_tls: not built in");
        return 0;
    }
    pairs_make();
    EMCP_INIT(&hooks);
    hooks.log = log_line;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "whoami", whoami, NULL);
    refused_files();
    listen_with(socket_listening());
    port = server_start(server);
    call_and_expect(&agent, &served, "cert:agent.example may units:read");
    call_and_expect(NULL, &served, "HTTP/1.1 401");
    renewals();
    plain_http();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    pairs_free();
    puts("ok listen_tls");
    return 0;
}
