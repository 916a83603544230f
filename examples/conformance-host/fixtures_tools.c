/* Fixture tools that answer at once and ask nobody. */
#define _POSIX_C_SOURCE 200809L

#include "fixtures.h"

#include <time.h>

#include "media.h"

/* The tool that test_trigger_tool_change shows and hides. */
#define CHANGING_TOOL "test_changing_tool"

/* The suite reads this schema back keyword by keyword (SEP-1613, SEP-2106). */
#define JSON_SCHEMA_2020_12                                                                   \
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","      \
    "\"$defs\":{\"address\":{\"$anchor\":\"addressDef\",\"type\":\"object\",\"properties\":{" \
    "\"street\":{\"type\":\"string\"},\"city\":{\"type\":\"string\"}}}},"                     \
    "\"properties\":{\"name\":{\"type\":\"string\"},"                                         \
    "\"address\":{\"$ref\":\"#/$defs/address\"},"                                             \
    "\"contactMethod\":{\"type\":\"string\",\"enum\":[\"phone\",\"email\"]},"                 \
    "\"phone\":{\"type\":\"string\"},\"email\":{\"type\":\"string\"}},"                       \
    "\"allOf\":[{\"anyOf\":[{\"required\":[\"phone\"]},{\"required\":[\"email\"]}]}],"        \
    "\"if\":{\"properties\":{\"contactMethod\":{\"const\":\"phone\"}},"                       \
    "\"required\":[\"contactMethod\"]},"                                                      \
    "\"then\":{\"required\":[\"phone\"]},\"else\":{\"required\":[\"email\"]},"                \
    "\"additionalProperties\":false}"

static void sleep_ms(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&wait, NULL);
}

static int32_t simple_text(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This is a simple text response for testing.", EMCP_NUL);
}

static int32_t image_content(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_image(call, "image/png", RED_PIXEL_PNG, sizeof RED_PIXEL_PNG);
}

static int32_t audio_content(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_audio(call, "audio/wav", SILENCE_WAV, sizeof SILENCE_WAV);
}

static int32_t embedded_resource(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_resource_text(call, "test://embedded-resource", "text/plain",
                                  "This is an embedded resource content.", EMCP_NUL);
}

static int32_t multiple_content_types(emcp_call *call, void *user)
{
    int32_t status;

    (void)user;
    status = emcp_put_text(call, "Multiple content types test:", EMCP_NUL);
    if (status < 0)
        return status;
    status = emcp_put_image(call, "image/png", RED_PIXEL_PNG, sizeof RED_PIXEL_PNG);
    if (status < 0)
        return status;
    return emcp_put_resource_text(call, "test://mixed-content-resource", "application/json",
                                  "{\"test\":\"data\",\"value\":123}", EMCP_NUL);
}

static void log_info(emcp_call *call, const char *json)
{
    /* A client that asked for no log lines gets none: nothing to do about it here. */
    (void)emcp_call_log(call, EMCP_LOG_INFO, "conformance-host", json, EMCP_NUL);
}

static int32_t tool_with_logging(emcp_call *call, void *user)
{
    (void)user;
    log_info(call, "\"Tool execution started\"");
    sleep_ms(50);
    log_info(call, "\"Tool processing data\"");
    sleep_ms(50);
    log_info(call, "\"Tool execution completed\"");
    return emcp_put_text(call, "Tool with logging executed successfully", EMCP_NUL);
}

static int32_t logging_tool(emcp_call *call, void *user)
{
    (void)user;
    log_info(call, "\"test_logging_tool was called\"");
    return emcp_put_text(call, "Logging tool executed successfully", EMCP_NUL);
}

static int32_t error_handling(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail(call, "This tool intentionally returns an error for testing");
}

static int32_t tool_with_progress(emcp_call *call, void *user)
{
    (void)user;
    for (int done = 0; done <= 100; done += 50) {
        if (done > 0)
            sleep_ms(50);
        (void)emcp_call_progress(call, done, 100, NULL);
    }
    return emcp_put_text(call, "Tool with progress executed successfully", EMCP_NUL);
}

static int32_t json_schema_tool(emcp_call *call, void *user)
{
    emcp_str arguments = emcp_call_arguments(call);

    (void)user;
    return emcp_put_text(call, arguments.p, arguments.n);
}

/* Closes the client's stream in mid-call; the answer waits for it to resume. */
static int32_t reconnection(emcp_call *call, void *user)
{
    (void)user;
    /* Only revision 2025-11-25 can resume; elsewhere the answer comes on the open reply. */
    (void)emcp_call_disconnect(call, 100);
    sleep_ms(500);
    return emcp_put_text(call, "Reconnection test completed successfully", EMCP_NUL);
}

static int32_t missing_capability(emcp_call *call, void *user)
{
    (void)user;
    if (emcp_call_require(call, "sampling") < 0)
        return EMCP_OK; /* Already answered with the missing capability. */
    return emcp_put_text(call, "The client declared sampling", EMCP_NUL);
}

/* The suite checks that no request of ours shares the stream with the answer. */
static int32_t streaming_elicitation(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "Streaming elicitation completed", EMCP_NUL);
}

static int32_t changing_tool(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This tool comes and goes", EMCP_NUL);
}

static int32_t x_mcp_header(emcp_call *call, void *user)
{
    emcp_str region;

    (void)user;
    if (emcp_arg_str(call, "region", &region) < 0)
        return emcp_put_text(call, "No region given", EMCP_NUL);
    return emcp_put_text(call, region.p, region.n);
}

static int32_t greet(emcp_call *call, void *user)
{
    emcp_str name;

    (void)user;
    int32_t status = emcp_arg_str(call, "name", &name);
    if (status < 0)
        return status;
    return fixtures_put(call, "Hello, ", name, "!");
}

static const emcp_param REGION[] = {
    {"region", EMCP_STRING, 0, "Copied by the client into the header Mcp-Param-Region", NULL, 0, 0,
     NULL, "Region"},
};

static const emcp_param NAME[] = {
    {"name", EMCP_STRING, EMCP_P_REQUIRED, "Who is greeted", NULL, 0, 0, NULL, NULL},
};

/* Listed to clients in this order. The first one is called without arguments. */
static const struct fixture FIXTURES[] = {
    {"test_simple_text", "Answers one text", simple_text, NO_PARAMS, 0, NULL},
    {"test_image_content", "Answers a PNG image", image_content, NO_PARAMS, 0, NULL},
    {"test_audio_content", "Answers WAV audio", audio_content, NO_PARAMS, 0, NULL},
    {"test_embedded_resource", "Answers an embedded text resource", embedded_resource, NO_PARAMS, 0,
     NULL},
    {"test_multiple_content_types", "Answers text, an image and a resource",
     multiple_content_types, NO_PARAMS, 0, NULL},
    {"test_tool_with_logging", "Sends three log messages before it answers", tool_with_logging,
     NO_PARAMS, 0, NULL},
    {"test_logging_tool", "Sends one log message, if the client wants any", logging_tool,
     NO_PARAMS, 0, NULL},
    {"test_error_handling", "Always fails", error_handling, NO_PARAMS, 0, NULL},
    {"test_tool_with_progress", "Reports 0, 50 and 100 of 100", tool_with_progress, NO_PARAMS, 0,
     NULL},
    {"json_schema_2020_12_tool", "Takes arguments described with JSON Schema 2020-12",
     json_schema_tool, NO_PARAMS, 0, JSON_SCHEMA_2020_12},
    {"test_reconnection", "Closes the stream in mid-call and answers after the client resumes",
     reconnection, NO_PARAMS, 0, NULL},
    {"test_missing_capability", "Needs a client that declares sampling", missing_capability,
     NO_PARAMS, 0, NULL},
    {"test_streaming_elicitation", "Answers without asking the client anything",
     streaming_elicitation, NO_PARAMS, 0, NULL},
    {"test_x_mcp_header", "Takes a parameter that is also sent as a header", x_mcp_header,
     PARAMS(REGION), 0, NULL},
    {"greet", "Greets by name", greet, PARAMS(NAME), 0, NULL},
    {CHANGING_TOOL, "Shown and hidden by test_trigger_tool_change", changing_tool, NO_PARAMS, 0,
     NULL},
};

int32_t fixtures_tools_add(emcp_server *server)
{
    int32_t status = fixtures_add_table(server, FIXTURES, COUNT_OF(FIXTURES), NULL);

    if (status < 0)
        return status;
    return fixtures_add_toggle(server, "test_trigger_tool_change", CHANGING_TOOL,
                               emcp_tool_enable);
}
