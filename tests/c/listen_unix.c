/* Unix sockets: mode bits, a stale socket is replaced, a socket or file in use is left alone. */
#include "client.h"

#include <sys/stat.h>
#include <sys/un.h>

static struct reply reply;
static char folder[] = "/tmp/emcp-c-test-XXXXXX";
static char path[64];

static emcp_server *create(const char *query)
{
    emcp_config config;
    emcp_server *server = NULL;
    char address[128];

    EMCP_INIT(&config);
    config.name = "c-test";
    config.version = "1.0.0";
    CHECK_STATUS(emcp_create(&config, &server), EMCP_OK);
    snprintf(address, sizeof address, "unix:%s%s", path, query);
    CHECK_STATUS(emcp_listen(server, address), EMCP_OK);
    tool_add(server, "hello", say_hello, NULL);
    return server;
}

static void name_socket(struct sockaddr_un *at)
{
    memset(at, 0, sizeof *at);
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path, path, strlen(path));
}

static void check_serves(void)
{
    struct sockaddr_un to;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    name_socket(&to);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    call_send(fd, "hello", "{}", "");
    reply_finish(fd, &reply);
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
}

static void mode_bits(const char *query, mode_t expected)
{
    emcp_server *server = create(query);
    struct stat status;

    CHECK_STATUS(emcp_start(server), EMCP_OK);
    CHECK(stat(path, &status) == 0 && S_ISSOCK(status.st_mode), "the socket is there");
    CHECK((status.st_mode & 0777) == expected, "its mode is the one asked for");
    check_serves();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

/* What a killed daemon leaves behind: a socket file that nobody listens on. */
static void stale_socket_is_replaced(void)
{
    struct sockaddr_un at;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    emcp_server *server = create("");

    unlink(path);
    name_socket(&at);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    close(fd);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    check_serves();
    emcp_destroy(server);
}

static void used_socket_is_left_alone(void)
{
    emcp_server *first = create("");
    emcp_server *second = create("");

    CHECK_STATUS(emcp_start(first), EMCP_OK);
    CHECK_STATUS(emcp_start(second), EMCP_E_IO);
    CHECK(emcp_last_error()[0] != '\0', "a failed start says why");
    emcp_destroy(second);
    check_serves();
    emcp_destroy(first);
}

static void plain_file_is_left_alone(void)
{
    emcp_server *server = create("");
    struct stat status;

    unlink(path);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs("precious", file) >= 0, "a file");
    fclose(file);
    CHECK_STATUS(emcp_start(server), EMCP_E_IO);
    CHECK(stat(path, &status) == 0 && status.st_size == 8, "the file is as it was");
    emcp_destroy(server);
    unlink(path);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL, "a folder");
    snprintf(path, sizeof path, "%s/mcp.sock", folder);

    mode_bits("?mode=0600", 0600);
    mode_bits("?mode=0660", 0660);
    stale_socket_is_replaced();
    used_socket_is_left_alone();
    plain_file_is_left_alone();

    rmdir(folder);
    puts("ok listen_unix");
    return 0;
}
