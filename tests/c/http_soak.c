/* A hundred thousand exchanges of every kind leave memory, descriptors and threads as they were. */
#include "parsed.h"

#include <malloc.h>

#ifdef __SANITIZE_ADDRESS__
/* Of the sanitizer's own interface, whose header not every system installs. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* Before this many the library still fills its pools. */
#define WARM_UP 2000
/* Bytes that may be added in all: what an exchange leaks would be far more. */
#define GROWTH_MAX (256 * 1024)

static emcp_server *server;
static struct reply text;

static int32_t step(emcp_call *call, void *user)
{
    (void)user;
    (void)emcp_call_progress(call, 1, 2, "half");
    return emcp_put_text(call, "whole", EMCP_NUL);
}

static void ready(void *user)
{
    (void)user;
}

/* Bytes on the heap that are in use. */
static size_t live_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    /* Valgrind counts by itself, at the end. */
    return on_valgrind() ? 0 : mallinfo2().uordblks;
#endif
}

static void whole(emcp_http *http, const char *expected)
{
    emcp_response head;

    CHECK(pull_head(http, &head) == 200, "status");
    pull_all(http, &text);
    CHECK_HAS(text.text, expected);
    emcp_http_close(http);
}

static void watched(struct parsed *parsed)
{
    emcp_http *http;
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    parsed->request.watch_fd = ends[0];
    http = parsed_start(server, parsed);
    close(ends[1]);
    emcp_http_close(http);
    close(ends[0]);
}

static void exchange(int kind)
{
    static struct parsed parsed;
    emcp_response head;
    emcp_http *http;

    parsed_call(&parsed, kind == 1 ? "step" : "hello", kind == 1 ? ",\"progressToken\":1" : "");
    parsed.request.ready = kind == 2 ? ready : NULL;
    switch (kind) {
    case 1:
        whole(parsed_start(server, &parsed), "whole");
        break;
    case 3: /* leaves in the middle of its body */
        http = parsed_open(server, &parsed);
        CHECK_STATUS(emcp_http_body(http, parsed.body, 10, 0), EMCP_OK);
        emcp_http_close(http);
        break;
    case 4: /* leaves before the answer */
        emcp_http_close(parsed_start(server, &parsed));
        break;
    case 5:
        watched(&parsed);
        break;
    case 6: /* may not come in, and does not read why */
        parsed_header(&parsed, "Origin", "http://evil.example");
        http = parsed_open(server, &parsed);
        CHECK(pull_head(http, &head) == 403, "status");
        emcp_http_close(http);
        break;
    default:
        whole(parsed_start(server, &parsed), "hello");
    }
}

static int is_quiet(const emcp_stats *stats)
{
    return stats->calls == 0 && stats->connections == 0 && stats->streams == 0;
}

static void rounds(int count)
{
    for (int i = 0; i < count; i++)
        exchange(i % 8);
    stats_wait(server, is_quiet, "calls are left over");
}

int main(void)
{
    int total = on_valgrind() ? 2000 : 100000;
    int warm_up = on_valgrind() ? 200 : WARM_UP;
    int descriptors, threads;
    size_t before, after;

    server = server_create(NULL);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "step", step, NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    rounds(warm_up);
    descriptors = count_entries("/proc/self/fd");
    threads = count_entries("/proc/self/task");
    before = live_bytes();
    rounds(total - warm_up);
    after = live_bytes();
    CHECK(count_entries("/proc/self/fd") == descriptors, "descriptors are left over");
    CHECK(count_entries("/proc/self/task") == threads, "threads are left over");
    if (after > before + GROWTH_MAX)
        fprintf(stderr, "grew from %zu to %zu bytes\n", before, after);
    CHECK(after <= before + GROWTH_MAX, "memory is left over");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok http_soak");
    return 0;
}
