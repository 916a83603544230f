/* Finds the socket of a connection, which civetweb keeps to itself, by the client's address. */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

/* Whether `fd` is a socket of this server whose other end is the client's address and port. */
static int is_socket_of(int fd, const struct mg_request_info *client)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[64], port[16];

    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
        strcmp(host, client->remote_addr) != 0 || atoi(port) != client->remote_port)
        return 0;
    length = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
           getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, sizeof port,
                       NI_NUMERICSERV) == 0 &&
           atoi(port) == client->server_port;
}

/* The addresses and ports of both ends name one socket, which stays open as long as the connection.
 * It is looked for with the first request, when nobody has a duplicate of it yet. */
static int find_socket(const struct mg_request_info *client)
{
    DIR *descriptors = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = 0;

    while (descriptors != NULL && found == 0 && (entry = readdir(descriptors)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd > 0 && is_socket_of(fd, client))
            found = fd;
    }
    if (descriptors != NULL)
        closedir(descriptors);
    return found;
}

int socket_of(const struct mg_connection *connection)
{
    void *known = mg_get_user_connection_data(connection);

    if (known == NULL) {
        known = (void *)(intptr_t)find_socket(mg_get_request_info(connection));
        mg_set_user_connection_data(connection, known);
    }
    return (int)(intptr_t)known;
}
