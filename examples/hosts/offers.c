#include "offers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

#define MANUAL "demo://manual"
#define LINES 3

static int32_t read_manual(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "Ask for a line: demo://line/1 is the first one.\n", EMCP_NUL);
}

static int32_t read_line(emcp_call *call, void *user)
{
    char line[32];
    emcp_str number;

    (void)user;
    int32_t status = emcp_arg_str(call, "number", &number);
    if (status < 0)
        return status;
    long wanted = strtol(number.p, NULL, 10);
    if (wanted < 1 || wanted > LINES)
        return emcp_fail_not_found(call);
    snprintf(line, sizeof line, "line %ld of %d", wanted, LINES);
    return emcp_put_text(call, line, EMCP_NUL);
}

static int32_t suggest_line(emcp_call *call, void *user)
{
    static const char *const numbers[LINES] = {"1", "2", "3"};
    emcp_str typed = emcp_complete_value(call);

    (void)user;
    for (size_t i = 0; i < LINES; i++) {
        if (strncmp(numbers[i], typed.p, typed.n) == 0)
            emcp_put_value(call, numbers[i]);
    }
    return EMCP_OK;
}

static int32_t get_explain(emcp_call *call, void *user)
{
    char text[128];
    emcp_str topic;

    (void)user;
    int32_t status = emcp_arg_str(call, "topic", &topic);
    if (status < 0)
        return status;
    snprintf(text, sizeof text, "Explain %.*s to me.", topic.n < 64 ? (int)topic.n : 64, topic.p);
    return emcp_put_text(call, text, EMCP_NUL);
}

/* Runs once more, from here on, when the user has answered. */
static int32_t confirm(emcp_call *call, void *user)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}";
    int32_t sure = 0;

    (void)user;
    int32_t status = emcp_need_form(call, "sure", "Are you sure?", schema, NULL);
    if (status != EMCP_OK)
        return status;
    if (emcp_answer_action(call, "sure") != EMCP_ANSWER_ACCEPT)
        return emcp_put_text(call, "nobody is sure", EMCP_NUL);
    emcp_answer_bool(call, "sure", "sure", &sure);
    return emcp_put_text(call, sure ? "sure" : "not sure", EMCP_NUL);
}

static int32_t inspect(emcp_call *call, void *user)
{
    (void)user;
    emcp_task_status(call, "inspected");
    return emcp_put_text(call, "all is well", EMCP_NUL);
}

static int32_t touch(emcp_call *call, void *user)
{
    int32_t status = emcp_resource_updated(user, MANUAL);

    return status < 0 ? status : emcp_put_text(call, "touched", EMCP_NUL);
}

static void add_tools(emcp_server *server)
{
    static const struct {
        const char *name, *description;
        emcp_call_fn call;
        uint32_t flags;
    } tools[] = {
        {"confirm", "Asks the user.", confirm, 0},
        {"inspect", "Inspects the program, as a task where the client knows them.", inspect,
         EMCP_T_LONG},
        {"touch", "Says that the manual has changed.", touch, 0},
    };

    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        emcp_tool tool;

        EMCP_INIT(&tool);
        tool.name = tools[i].name;
        tool.description = tools[i].description;
        tool.call = tools[i].call;
        tool.flags = tools[i].flags;
        tool.user = server;
        demo_check(emcp_tool_add(server, &tool), tool.name);
    }
}

static void add_resources(emcp_server *server)
{
    emcp_resource manual, line;

    EMCP_INIT(&manual);
    manual.uri = MANUAL;
    manual.name = "manual";
    manual.mime = "text/plain";
    manual.read = read_manual;
    demo_check(emcp_resource_add(server, &manual), manual.name);
    EMCP_INIT(&line);
    line.uri_template = "demo://line/{number}";
    line.name = "line";
    line.mime = "text/plain";
    line.read = read_line;
    line.complete = suggest_line;
    demo_check(emcp_resource_add(server, &line), line.name);
}

void offers_add(emcp_server *server)
{
    static const emcp_param topic = {"topic", EMCP_STRING, EMCP_P_REQUIRED, "What to explain",
                                     "uptime,load", 0, 0, NULL, NULL};
    emcp_prompt prompt;

    add_tools(server);
    add_resources(server);
    EMCP_INIT(&prompt);
    prompt.name = "explain";
    prompt.description = "Has something explained.";
    prompt.arguments = &topic;
    prompt.arguments_len = 1;
    prompt.get = get_explain;
    demo_check(emcp_prompt_add(server, &prompt), prompt.name);
}
