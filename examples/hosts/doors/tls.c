/* TLS of the program's own, with OpenSSL: emcp asks for bytes and knows nothing of records. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "doors.h"

struct tls {
    SSL_CTX *context;
};

struct stream {
    SSL *ssl;
    int fd;
    int32_t want; /* What OpenSSL waits for, whatever was tried. */
};

struct tls *tls_new(const char *cert, const char *key)
{
    struct tls *tls = calloc(1, sizeof *tls);

    if (tls != NULL)
        tls->context = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || tls->context == NULL ||
        SSL_CTX_use_certificate_chain_file(tls->context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls->context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    /* emcp takes a write up where it stopped, with the same bytes at another address. */
    SSL_CTX_set_mode(tls->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

static int length(size_t size)
{
    return size > INT_MAX ? INT_MAX : (int)size;
}

/* Says in emcp's words why OpenSSL moved nothing. */
static int32_t explain(struct stream *stream, int returned)
{
    switch (SSL_get_error(stream->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        stream->want = EMCP_WANT_READ;
        return EMCP_E_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        stream->want = EMCP_WANT_WRITE;
        return EMCP_E_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return EMCP_E_IO;
    }
}

static int64_t stream_read(void *io, void *buf, size_t cap)
{
    struct stream *stream = io;

    ERR_clear_error();
    int count = SSL_read(stream->ssl, buf, length(cap));
    return count > 0 ? count : explain(stream, count);
}

static int64_t stream_write(void *io, const void *bytes, size_t len)
{
    struct stream *stream = io;

    ERR_clear_error();
    int count = SSL_write(stream->ssl, bytes, length(len));
    if (count > 0)
        return count;
    int32_t status = explain(stream, count);
    return status == 0 ? EMCP_E_IO : status;
}

static int32_t stream_want(void *io)
{
    const struct stream *stream = io;

    return stream->want;
}

static int32_t stream_pending(void *io)
{
    const struct stream *stream = io;

    return SSL_has_pending(stream->ssl);
}

/* Only our side: clients seldom answer, and nobody waits for them. */
static int32_t stream_shutdown(void *io)
{
    struct stream *stream = io;

    ERR_clear_error();
    int result = SSL_shutdown(stream->ssl);
    return result >= 0 ? EMCP_OK : explain(stream, result);
}

static void stream_close(void *io)
{
    struct stream *stream = io;

    SSL_free(stream->ssl);
    close(stream->fd);
    free(stream);
}

void tls_serve(struct tls *tls, emcp_server *server, int fd)
{
    struct stream *stream = calloc(1, sizeof *stream);
    emcp_adopt options;
    emcp_io io;

    if (stream == NULL || (stream->ssl = SSL_new(tls->context)) == NULL ||
        SSL_set_fd(stream->ssl, fd) != 1) {
        if (stream != NULL)
            SSL_free(stream->ssl);
        free(stream);
        close(fd);
        return;
    }
    stream->fd = fd;
    SSL_set_accept_state(stream->ssl);

    EMCP_INIT(&io);
    io.read = stream_read;
    io.write = stream_write;
    io.want = stream_want;
    io.pending = stream_pending;
    io.shutdown = stream_shutdown;
    io.close = stream_close;
    EMCP_INIT(&options);
    options.io = &io;
    options.io_user = stream;
    /* A refused connection is still ours. */
    if (emcp_adopt_fd(server, fd, &options) != EMCP_OK)
        stream_close(stream);
}
