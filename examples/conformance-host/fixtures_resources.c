/* Fixture resources: two of fixed contents, one that clients subscribe to with a tool that says it
 * has changed, one template. */
#include "fixtures.h"

#include <stdlib.h>

#include "media.h"

#define WATCHED_URI "test://watched-resource"

static int32_t static_text(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This is the content of the static text resource.", EMCP_NUL);
}

static int32_t static_binary(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_blob(call, RED_PIXEL_PNG, sizeof RED_PIXEL_PNG);
}

static int32_t watched(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This resource can be watched.", EMCP_NUL);
}

static int32_t trigger_update(emcp_call *call, void *user)
{
    int32_t status = emcp_resource_updated(user, WATCHED_URI);

    if (status < 0)
        return status;
    return emcp_put_text(call, "The watched resource has changed", EMCP_NUL);
}

static int32_t template_data(emcp_call *call, void *user)
{
    emcp_str id;

    (void)user;
    int32_t status = emcp_arg_str(call, "id", &id);
    if (status < 0)
        return status;
    char *data = fixtures_join("Data for ID: ", id, "");
    if (data == NULL)
        return EMCP_E_LIMIT;

    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    emcp_json_key(json, "id");
    emcp_json_str(json, id.p, id.n);
    emcp_json_key(json, "templateTest");
    emcp_json_bool(json, 1);
    emcp_json_key(json, "data");
    emcp_json_str(json, data, EMCP_NUL);
    emcp_json_end(json);
    free(data);
    return emcp_json_commit(json);
}

/* Any id can be read; these are the ones suggested. */
static int32_t suggest_ids(emcp_call *call, void *user)
{
    static const char *const ids[] = {"123", "124", "456"};

    (void)user;
    return fixtures_suggest(call, ids, COUNT_OF(ids));
}

/* Listed to clients in this order: the suite reads the first one. */
static const struct {
    const char *uri, *uri_template, *name, *description, *mime;
    emcp_call_fn read, complete;
} RESOURCES[] = {
    {"test://static-text", NULL, "static-text", "A text that never changes", "text/plain",
     static_text, NULL},
    {"test://static-binary", NULL, "static-binary", "A PNG image that never changes", "image/png",
     static_binary, NULL},
    {WATCHED_URI, NULL, "watched-resource", "A text that clients subscribe to",
     "text/plain", watched, NULL},
    {NULL, "test://template/{id}/data", "template-data", "The data of one id", "application/json",
     template_data, suggest_ids},
};

static const struct fixture TRIGGERS[] = {
    {"test_trigger_resource_update", "Tells subscribers that the watched resource has changed",
     trigger_update, NO_PARAMS, EMCP_T_WRITE, NULL},
};

int32_t fixtures_resources_add(emcp_server *server)
{
    for (size_t i = 0; i < COUNT_OF(RESOURCES); i++) {
        emcp_resource resource;

        EMCP_INIT(&resource);
        resource.uri = RESOURCES[i].uri;
        resource.uri_template = RESOURCES[i].uri_template;
        resource.name = RESOURCES[i].name;
        resource.description = RESOURCES[i].description;
        resource.mime = RESOURCES[i].mime;
        resource.read = RESOURCES[i].read;
        resource.complete = RESOURCES[i].complete;
        int32_t status = emcp_resource_add(server, &resource);
        if (status < 0)
            return status;
    }
    return fixtures_add_table(server, TRIGGERS, COUNT_OF(TRIGGERS), server);
}
