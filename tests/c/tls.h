/* TLS that belongs to the program: a throw-away certificate, and both ends of a connection. */
#ifndef TLS_H
#define TLS_H

#include "pair.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* The program's side of one connection, as emcp_io drives it. */
struct tls {
    SSL *ssl;
    int want;
    /* What emcp is to write next: the same bytes as before EMCP_E_AGAIN. */
    size_t retry_len;
    unsigned char retry_first, retry_last;
    /* What a test sets. */
    size_t read_cap;      /* Most bytes of one read; 0: all. */
    int shutdown_again;   /* The end never gets done. */
    /* What a test looks at. */
    int reads_again, writes_again, pendings, shutdowns;
    struct gate write_wants_read;
    struct gate closed;
    struct gate released;
};

static emcp_server *server;
static SSL_CTX *server_context, *client_context;

static inline SSL_CTX *tls_server_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    CHECK(context != NULL && key != NULL && certificate != NULL, "openssl");
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1", -1,
                               -1, 0);
    X509_set_issuer_name(certificate, name);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0, "sign");
    CHECK(SSL_CTX_use_certificate(context, certificate) == 1, "certificate");
    CHECK(SSL_CTX_use_PrivateKey(context, key) == 1, "key");
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

/* Turns what OpenSSL says into what emcp understands. */
static inline int64_t tls_result(struct tls *tls, int done)
{
    switch (SSL_get_error(tls->ssl, done)) {
    case SSL_ERROR_WANT_READ:
        tls->want = EMCP_WANT_READ;
        return EMCP_E_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        tls->want = EMCP_WANT_WRITE;
        return EMCP_E_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return EMCP_E_IO;
    }
}

static inline int64_t tls_read(void *io, void *buf, size_t cap)
{
    struct tls *tls = io;
    int64_t result;
    int got;

    CHECK(gate_count(&tls->closed) == 0, "close is the last call");
    if (tls->read_cap > 0 && cap > tls->read_cap)
        cap = tls->read_cap;
    ERR_clear_error();
    got = SSL_read(tls->ssl, buf, (int)cap);
    if (got > 0)
        return got;
    result = tls_result(tls, got);
    tls->reads_again += result == EMCP_E_AGAIN;
    return result;
}

static inline int64_t tls_write(void *io, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    struct tls *tls = io;
    int64_t result;
    int sent;

    CHECK(gate_count(&tls->closed) == 0, "close is the last call");
    CHECK(len > 0, "there is something to write");
    if (tls->retry_len > 0)
        CHECK(len == tls->retry_len && at[0] == tls->retry_first && at[len - 1] == tls->retry_last,
              "the same bytes are tried again");
    tls->retry_len = 0;
    ERR_clear_error();
    sent = SSL_write(tls->ssl, bytes, (int)len);
    if (sent > 0)
        return sent;
    result = tls_result(tls, sent);
    if (result == EMCP_E_AGAIN) {
        tls->retry_len = len;
        tls->retry_first = at[0];
        tls->retry_last = at[len - 1];
        tls->writes_again++;
        if (tls->want == EMCP_WANT_READ)
            gate_open(&tls->write_wants_read);
    }
    /* A peer that says goodbye while we write takes no more. */
    return result == 0 ? EMCP_E_IO : result;
}

static inline int32_t tls_want(void *io)
{
    struct tls *tls = io;

    return tls->want;
}

static inline int32_t tls_pending(void *io)
{
    struct tls *tls = io;

    CHECK(gate_count(&tls->closed) == 0, "close is the last call");
    tls->pendings++;
    return SSL_has_pending(tls->ssl);
}

static inline int32_t tls_shutdown(void *io)
{
    struct tls *tls = io;
    int done;

    CHECK(gate_count(&tls->closed) == 0, "close is the last call");
    tls->shutdowns++;
    if (tls->shutdown_again) {
        tls->want = EMCP_WANT_READ;
        return EMCP_E_AGAIN;
    }
    ERR_clear_error();
    done = SSL_shutdown(tls->ssl);
    return done >= 0 ? EMCP_OK : (int32_t)tls_result(tls, done);
}

static inline void tls_close(void *io)
{
    struct tls *tls = io;

    CHECK(gate_count(&tls->closed) == 0, "close is called once");
    gate_open(&tls->closed);
}

static inline void tls_released(void *user)
{
    struct tls *tls = user;

    CHECK(gate_count(&tls->closed) == 1, "close comes before released");
    gate_open(&tls->released);
}

static const emcp_io tls_io = {
    sizeof(emcp_io), 0, tls_read, tls_write, tls_want, tls_pending, tls_shutdown, tls_close,
};

/* Prepares the program's side on `fd`. */
static inline void tls_init(struct tls *tls, SSL_CTX *context, int fd)
{
    static const struct gate gate = GATE_INIT;

    memset(tls, 0, sizeof *tls);
    tls->write_wants_read = tls->closed = tls->released = gate;
    tls->ssl = SSL_new(context);
    CHECK(tls->ssl != NULL && SSL_set_fd(tls->ssl, fd) == 1, "SSL_new");
    SSL_set_accept_state(tls->ssl);
    set_nonblocking(fd);
}

static inline void tls_options(emcp_adopt *options, struct tls *tls)
{
    EMCP_INIT(options);
    options->io = &tls_io;
    options->io_user = tls;
    options->released = tls_released;
    options->user = tls;
}

static inline int32_t tls_adopt(emcp_server *server, struct tls *tls, int fd)
{
    emcp_adopt options;

    tls_options(&options, tls);
    return emcp_adopt_fd(server, fd, &options);
}

/* Waits for the end and frees the program's side. */
static inline void tls_finish(struct tls *tls, int fd)
{
    gate_wait(&tls->released, 1, "released is called");
    CHECK(gate_count(&tls->released) == 1, "released is called once");
    CHECK(is_open(fd), "the descriptor is the program's");
    SSL_free(tls->ssl);
    close(fd);
}

/* The client: blocking, on a connected socket, after its handshake. */
static inline SSL *tls_connect(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);

    CHECK(ssl != NULL && SSL_set_fd(ssl, fd) == 1, "SSL_new");
    CHECK(SSL_connect(ssl) == 1, "handshake");
    return ssl;
}

static inline void tls_send(SSL *ssl, const char *bytes, size_t len)
{
    CHECK(SSL_write(ssl, bytes, (int)len) == (int)len, "SSL_write");
}

/* Reads until `part` has come, or to the end when it is NULL; the end must be a close_notify. The
 * caller frees the text. */
static inline char *tls_receive(SSL *ssl, const char *part, size_t piece)
{
    size_t len = 0, cap = 64 * 1024;
    char *text = malloc(cap + piece + 1);

    for (;;) {
        int got;

        CHECK(text != NULL, "memory");
        got = SSL_read(ssl, text + len, (int)piece);
        if (got <= 0) {
            CHECK(SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN, "the end is a close_notify");
            CHECK(part == NULL, part);
            return text;
        }
        len += (size_t)got;
        text[len] = '\0';
        if (part != NULL && strstr(text, part) != NULL)
            return text;
        if (len > cap)
            text = realloc(text, (cap = 2 * len) + piece + 1);
    }
}

/* One connection: the program's side, and the client's. */
struct link {
    struct tls tls;
    int ends[2];
    SSL *client;
};

/* Connects; `setup` may change the program's side before emcp sees it. */
static inline void link_open(struct link *link, void (*setup)(struct tls *tls))
{
    tcp_pair(link->ends);
    tls_init(&link->tls, server_context, link->ends[0]);
    if (setup != NULL)
        setup(&link->tls);
    CHECK_STATUS(tls_adopt(server, &link->tls, link->ends[0]), EMCP_OK);
    link->client = tls_connect(client_context, link->ends[1]);
}

/* The client is polite; then the program's side has ended too. */
static inline void link_close(struct link *link)
{
    SSL_shutdown(link->client);
    SSL_free(link->client);
    close(link->ends[1]);
    tls_finish(&link->tls, link->ends[0]);
}

/* The socket takes less than a record of TLS. */
static inline void small_buffers(struct link *link)
{
    int size = 4096;

    setsockopt(link->ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(link->ends[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

#endif
