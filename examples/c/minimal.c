/* The smallest useful emcp server: one tool with one parameter, on its own port.
 * Usage: minimal [ADDR:PORT]; the default picks a free port. */
#define _POSIX_C_SOURCE 200809L
#include <emcp.h>
#include <signal.h>
#include <stdio.h>

static int32_t greet(emcp_call *call, void *user)
{
    emcp_str name;
    char text[160];
    (void)user;
    if (emcp_arg_str(call, "name", &name) != EMCP_OK)
        return EMCP_E_INVALID;
    snprintf(text, sizeof text, "Hello, %s!", name.p);
    return emcp_put_text(call, text, EMCP_NUL);
}

int main(int argc, char **argv)
{
    static const emcp_param params[] = {
        {"name", EMCP_STRING, EMCP_P_REQUIRED, "Who to greet", NULL, 1, 32, NULL, NULL}};
    char address[128];
    sigset_t signals;
    int received;
    emcp_server *server = NULL;
    emcp_config config;
    emcp_tool tool;

    /* Blocked before any thread starts, so that sigwait alone receives them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    EMCP_INIT(&config);
    config.name = "minimal";
    config.version = "1.0";
    EMCP_INIT(&tool);
    tool.name = "greet";
    tool.description = "Greets someone.";
    tool.params = params;
    tool.params_len = 1;
    tool.call = greet;

    snprintf(address, sizeof address, "tcp:%s", argc > 1 ? argv[1] : "127.0.0.1:0");
    if (emcp_create(&config, &server) < 0 || emcp_tool_add(server, &tool) < 0 ||
        emcp_listen(server, address) < 0 || emcp_start(server) < 0 ||
        emcp_listen_address(server, 0, address, sizeof address) < 0) {
        fprintf(stderr, "minimal: %s\n", emcp_last_error());
        emcp_destroy(server);
        return 1;
    }
    printf("listening on http://%s/mcp\n", address);
    fflush(stdout);
    sigwait(&signals, &received);
    emcp_destroy(server); /* Stops first. */
    return 0;
}
