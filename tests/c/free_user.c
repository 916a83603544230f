/* free_user runs exactly once for every tool handed over, whatever becomes of it. */
#include "client.h"

static struct gate freed = GATE_INIT;

static int32_t nothing(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_OK;
}

static void free_user(void *user)
{
    CHECK(user == &freed, "free_user gets the tool's user pointer");
    gate_open(&freed);
}

static void init(emcp_tool *tool, const char *name)
{
    tool_init(tool, name, nothing, &freed);
    tool->free_user = free_user;
}

/* Adds a tool that must be refused with `status`, and expects one more free at once. */
static void freed_when_refused(emcp_server *server, const emcp_tool *tool, int32_t status)
{
    int before = gate_count(&freed);

    CHECK_STATUS(emcp_tool_add(server, tool), status);
    CHECK(gate_count(&freed) == before + 1, "a refused tool is freed once, at once");
}

static void refused_tools(emcp_server *server)
{
    struct {
        emcp_tool known;
        uint64_t more;
    } future;
    emcp_tool tool;

    init(&tool, "kept");
    freed_when_refused(server, &tool, EMCP_E_EXISTS);
    freed_when_refused(NULL, &tool, EMCP_E_INVALID);
    init(&tool, "bad name");
    freed_when_refused(server, &tool, EMCP_E_INVALID);
    init(&tool, "schema");
    tool.input_schema = "{";
    freed_when_refused(server, &tool, EMCP_E_INVALID);
    init(&tool, "nothing");
    tool.call = NULL;
    freed_when_refused(server, &tool, EMCP_E_INVALID);
    init(&future.known, "future");
    future.known.size = sizeof future;
    future.more = 1;
    freed_when_refused(server, &future.known, EMCP_E_ABI);
}

int main(void)
{
    emcp_server *server = server_create(NULL);
    emcp_tool tool;
    int before;

    init(&tool, "kept");
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    init(&tool, "removed");
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK(gate_count(&freed) == 0, "a tool in use is not freed");

    refused_tools(server);

    before = gate_count(&freed);
    CHECK_STATUS(emcp_tool_remove(server, "removed"), EMCP_OK);
    CHECK(gate_count(&freed) == before + 1, "remove frees once");

    server_start(server);
    init(&tool, "late");
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    CHECK(gate_count(&freed) == before + 3, "destroy frees each remaining tool once");
    puts("ok free_user");
    return 0;
}
