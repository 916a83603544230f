/* Fixture prompts, one of which asks before it answers, and the tool that changes their list. */
#include "fixtures.h"

#include <stdlib.h>

#include "media.h"

/* The prompt that test_trigger_prompt_change shows and hides. */
#define CHANGING_PROMPT "test_changing_prompt"

static int32_t simple(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This is a simple prompt for testing.", EMCP_NUL);
}

static int32_t with_arguments(emcp_call *call, void *user)
{
    emcp_str arg1, arg2;

    (void)user;
    int32_t status = emcp_arg_str(call, "arg1", &arg1);
    if (status >= 0)
        status = emcp_arg_str(call, "arg2", &arg2);
    if (status < 0)
        return status;
    char *start = fixtures_join("Prompt with arguments: arg1='", arg1, "', arg2='");
    if (start == NULL)
        return EMCP_E_LIMIT;
    status = fixtures_put(call, start, arg2, "'");
    free(start);
    return status;
}

static int32_t suggest(emcp_call *call, void *user)
{
    static const char *const values[] = {"paris", "park", "party", "test"};

    (void)user;
    return fixtures_suggest(call, values, COUNT_OF(values));
}

static int32_t with_embedded_resource(emcp_call *call, void *user)
{
    emcp_str uri;

    (void)user;
    int32_t status = emcp_arg_str(call, "resourceUri", &uri);
    if (status < 0)
        return status;
    status = emcp_put_resource_text(call, uri.p, "text/plain",
                                    "Embedded resource content for testing.", EMCP_NUL);
    if (status < 0)
        return status;
    return emcp_put_text(call, "Please process the embedded resource above.", EMCP_NUL);
}

static int32_t with_image(emcp_call *call, void *user)
{
    (void)user;
    int32_t status = emcp_put_image(call, "image/png", RED_PIXEL_PNG, sizeof RED_PIXEL_PNG);
    if (status < 0)
        return status;
    return emcp_put_text(call, "Please analyze the image above.", EMCP_NUL);
}

static int32_t input_required(emcp_call *call, void *user)
{
    emcp_str context;

    (void)user;
    int32_t status = emcp_need_form(
        call, "user_context", "What context should the prompt use?",
        "{\"type\":\"object\",\"properties\":{\"context\":{\"type\":\"string\"}},"
        "\"required\":[\"context\"]}",
        NULL);
    if (status != EMCP_OK)
        return status;
    if (emcp_answer_str(call, "user_context", "context", &context) < 0)
        return emcp_put_text(call, "Prompt without context", EMCP_NUL);
    return fixtures_put(call, "Prompt with context: ", context, "");
}

static int32_t changing(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This prompt comes and goes", EMCP_NUL);
}

static const emcp_param TWO_ARGUMENTS[] = {
    {"arg1", EMCP_STRING, EMCP_P_REQUIRED, "First test argument", NULL, 0, 0, NULL, NULL},
    {"arg2", EMCP_STRING, EMCP_P_REQUIRED, "Second test argument", NULL, 0, 0, NULL, NULL},
};

static const emcp_param RESOURCE_URI[] = {
    {"resourceUri", EMCP_STRING, EMCP_P_REQUIRED, "URI of the resource to embed", NULL, 0, 0, NULL,
     NULL},
};

/* Listed to clients in this order. */
static const struct {
    const char *name, *description;
    const emcp_param *arguments;
    size_t arguments_len;
    emcp_call_fn get, complete;
} PROMPTS[] = {
    {"test_simple_prompt", "One message, no arguments", NO_PARAMS, simple, NULL},
    {"test_prompt_with_arguments", "One message made of two arguments", PARAMS(TWO_ARGUMENTS),
     with_arguments, suggest},
    {"test_prompt_with_embedded_resource", "Embeds the resource named by its argument",
     PARAMS(RESOURCE_URI), with_embedded_resource, NULL},
    {"test_prompt_with_image", "Has an image in it", NO_PARAMS, with_image, NULL},
    {"test_input_required_result_prompt", "Asks the user for a context first", NO_PARAMS,
     input_required, NULL},
    {CHANGING_PROMPT, "Shown and hidden by test_trigger_prompt_change", NO_PARAMS, changing, NULL},
};

int32_t fixtures_prompts_add(emcp_server *server)
{
    for (size_t i = 0; i < COUNT_OF(PROMPTS); i++) {
        emcp_prompt prompt;

        EMCP_INIT(&prompt);
        prompt.name = PROMPTS[i].name;
        prompt.description = PROMPTS[i].description;
        prompt.arguments = PROMPTS[i].arguments;
        prompt.arguments_len = PROMPTS[i].arguments_len;
        prompt.get = PROMPTS[i].get;
        prompt.complete = PROMPTS[i].complete;
        int32_t status = emcp_prompt_add(server, &prompt);
        if (status < 0)
            return status;
    }
    return fixtures_add_toggle(server, "test_trigger_prompt_change", CHANGING_PROMPT,
                               emcp_prompt_enable);
}
