/* What the families of fixtures share. */
#define _POSIX_C_SOURCE 200809L

#include "fixtures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Shared by the calls of one trigger; `lock` keeps two of them in order. */
struct toggle {
    emcp_server *server;
    const char *name;
    int32_t (*enable)(emcp_server *server, const char *name, int32_t on);
    pthread_mutex_t lock;
    int32_t shown;
};

static int32_t trigger(emcp_call *call, void *user)
{
    struct toggle *toggle = user;
    int32_t status;

    pthread_mutex_lock(&toggle->lock);
    status = toggle->enable(toggle->server, toggle->name, !toggle->shown);
    if (status >= 0)
        toggle->shown = !toggle->shown;
    pthread_mutex_unlock(&toggle->lock);

    if (status < 0)
        return status;
    return emcp_put_text(call, "The list has changed", EMCP_NUL);
}

static void free_toggle(void *user)
{
    struct toggle *toggle = user;

    pthread_mutex_destroy(&toggle->lock);
    free(toggle);
}

int32_t fixtures_add_toggle(emcp_server *server, const char *trigger_name, const char *name,
                            int32_t (*enable)(emcp_server *server, const char *name, int32_t on))
{
    emcp_tool tool;
    struct toggle *toggle = malloc(sizeof *toggle);

    if (toggle == NULL)
        return EMCP_E_LIMIT;
    toggle->server = server;
    toggle->name = name;
    toggle->enable = enable;
    toggle->shown = 1;
    pthread_mutex_init(&toggle->lock, NULL);

    EMCP_INIT(&tool);
    tool.flags = EMCP_T_WRITE;
    tool.name = trigger_name;
    tool.description = "Shows or hides one entry, so that clients are told of a changed list";
    tool.call = trigger;
    tool.user = toggle;
    tool.free_user = free_toggle;
    return emcp_tool_add(server, &tool);
}

int32_t fixtures_add_table(emcp_server *server, const struct fixture *table, size_t count,
                           void *user)
{
    for (size_t i = 0; i < count; i++) {
        emcp_tool tool;

        EMCP_INIT(&tool);
        tool.flags = table[i].flags;
        tool.name = table[i].name;
        tool.description = table[i].description;
        tool.params = table[i].params;
        tool.params_len = table[i].params_len;
        tool.input_schema = table[i].input_schema;
        tool.call = table[i].call;
        tool.user = user;
        int32_t status = emcp_tool_add(server, &tool);
        if (status < 0)
            return status;
    }
    return EMCP_OK;
}

char *fixtures_join(const char *before, emcp_str middle, const char *after)
{
    size_t before_len = strlen(before), after_len = strlen(after);
    char *text = malloc(before_len + middle.n + after_len + 1);

    if (text == NULL)
        return NULL;
    memcpy(text, before, before_len);
    memcpy(text + before_len, middle.p, middle.n);
    memcpy(text + before_len + middle.n, after, after_len + 1);
    return text;
}

int32_t fixtures_put(emcp_call *call, const char *before, emcp_str middle, const char *after)
{
    char *text = fixtures_join(before, middle, after);

    if (text == NULL)
        return EMCP_E_LIMIT;
    /* Not EMCP_NUL: a client's text may hold NULs. */
    int32_t status = emcp_put_text(call, text, strlen(before) + middle.n + strlen(after));
    free(text);
    return status;
}

int32_t fixtures_suggest(emcp_call *call, const char *const *values, size_t count)
{
    emcp_str typed = emcp_complete_value(call);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(values[i], typed.p, typed.n) != 0)
            continue;
        int32_t status = emcp_put_value(call, values[i]);
        if (status < 0)
            return status;
    }
    return EMCP_OK;
}

int32_t fixtures_add(emcp_server *server, struct timer *timer)
{
    int32_t status = fixtures_tools_add(server);

    if (status >= 0)
        status = fixtures_input_add(server);
    if (status >= 0)
        status = fixtures_tasks_add(server, timer);
    if (status >= 0)
        status = fixtures_resources_add(server);
    if (status >= 0)
        status = fixtures_prompts_add(server);
    return status;
}
