/* Memory that is not there: a program whose own malloc() fails, and one that hands over more than
 * there is room for. The call ends with an error, nothing is kept, and the daemon goes on. */
/* For MAP_ANONYMOUS. */
#define _DEFAULT_SOURCE
#include "client.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* More than the process may still take; the text itself was mapped before. */
#define HUGE_BYTES ((size_t)256 * 1024 * 1024)
/* What it may still take: enough for all that is not huge. */
#define ROOM_BYTES ((size_t)192 * 1024 * 1024)
/* Above what a text that ends with NUL may have; measuring it takes time under valgrind. */
#define LONG_BYTES ((size_t)6 * 1024 * 1024)

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer reserves terabytes, so that no limit on them would mean anything. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=192";
}
#endif

static struct reply reply;
static emcp_server *server;
static int port;

/* All of 'x', and all of what is not UTF-8, which would have to be repaired: three times as long. */
static char *huge_text, *huge_noise;
/* A text that ends with NUL. */
static char *long_text;

/* Maps one piece of a file again and again: a lot of address space and hardly any memory. */
static char *map_huge(char filling)
{
    static char piece[1024 * 1024];
    FILE *file = tmpfile();
    int prot = PROT_READ | PROT_WRITE;
    char *text = mmap(NULL, HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(file != NULL && text != MAP_FAILED, "address space");
    memset(piece, filling, sizeof piece);
    CHECK(fwrite(piece, 1, sizeof piece, file) == sizeof piece && fflush(file) == 0, "a file");
    for (size_t at = 0; at < HUGE_BYTES; at += sizeof piece)
        CHECK(mmap(text + at, sizeof piece, prot, MAP_SHARED | MAP_FIXED, fileno(file), 0) ==
                  text + at,
              "a piece");
    fclose(file);
    return text;
}

static void run_short_of_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
    struct rlimit limit;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1, "/proc/self/statm");
    fclose(file);
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0, "getrlimit");
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ROOM_BYTES;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
#endif
}

/* What a program gets that wants too much. The size is not for the compiler to see. */
static char *no_memory(void)
{
    volatile size_t size = HUGE_BYTES;
    char *text = malloc(size);

    CHECK(text == NULL, "the test has taken the memory away");
    return text;
}

/* The program does not look at what malloc() gave it, and returns what emcp says to that. */

static int32_t puts_nothing(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_put_text(call, "the first half", EMCP_NUL), EMCP_OK);
    return emcp_put_text(call, no_memory(), EMCP_NUL);
}

static int32_t puts_no_bytes(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_image(call, "image/png", no_memory(), HUGE_BYTES);
}

static int32_t writes_nothing(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);

    (void)user;
    emcp_json_obj(json);
    emcp_json_key(json, "host");
    emcp_json_str(json, no_memory(), EMCP_NUL);
    emcp_json_end(json);
    return emcp_json_commit(json);
}

static int32_t names_nothing(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);

    (void)user;
    emcp_json_obj(json);
    emcp_json_key(json, no_memory());
    emcp_json_i64(json, 1);
    emcp_json_end(json);
    return emcp_json_commit(json);
}

/* Gives up in the middle; the writer ends with the call. */
static int32_t stops_writing(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);

    (void)user;
    emcp_json_obj(json);
    emcp_json_key(json, "half");
    return no_memory() == NULL ? EMCP_E_LIMIT : EMCP_OK;
}

/* Fails with a text that it has no memory for, and takes that for done. */
static int32_t fails_without_words(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_put_text(call, "the first half", EMCP_NUL), EMCP_OK);
    (void)emcp_fail(call, no_memory());
    return EMCP_OK;
}

static int32_t fails_rpc_without_words(emcp_call *call, void *user)
{
    (void)user;
    (void)emcp_fail_rpc(call, 7, no_memory(), no_memory());
    return EMCP_OK;
}

/* There is no memory for what would answer the call later. */
static int32_t forgets(emcp_call *call, void *user)
{
    (void)user;
    (void)emcp_call_ref(call);
    if (no_memory() == NULL)
        emcp_call_unref(call);
    return EMCP_PENDING;
}

static int32_t asks_nothing(emcp_call *call, void *user)
{
    (void)user;
    return emcp_need_form(call, "sure", no_memory(), no_memory(), NULL);
}

/* The program has got its memory, and hands over more than emcp may copy. */

static void put_far_too_much(emcp_call *call)
{
    const char *uri = "test://huge", *text[] = {huge_text, huge_noise};

    for (size_t i = 0; i < 2; i++) {
        CHECK_STATUS(emcp_put_text(call, text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_put_image(call, "image/png", text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_put_audio(call, "audio/wav", text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_put_blob(call, text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_put_resource_text(call, uri, NULL, text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_put_resource_blob(call, uri, NULL, text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_keep(call, text[i], HUGE_BYTES), EMCP_E_LIMIT);
        CHECK_STATUS(emcp_call_log(call, EMCP_LOG_ERROR, NULL, text[i], HUGE_BYTES), EMCP_E_LIMIT);
    }
    CHECK_STATUS(emcp_put_json(call, huge_text, HUGE_BYTES), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_content(call, huge_text, HUGE_BYTES), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_meta(call, huge_text, HUGE_BYTES), EMCP_E_LIMIT);
    /* Lengths that cannot be are no reason to look. */
    CHECK_STATUS(emcp_put_text(call, "x", EMCP_NUL - 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_image(call, "image/png", "x", EMCP_NUL - 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_put_text(call, "x", EMCP_NUL / 2), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_blob(call, "x", EMCP_NUL / 2), EMCP_E_LIMIT);
}

static void say_far_too_much(emcp_call *call)
{
    emcp_str out;

    CHECK_STATUS(emcp_put_link(call, "test://l", long_text, NULL, NULL), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_link(call, "test://l", "l", NULL, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_truncated(call, 1, 2, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_description(call, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_value(call, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_call_log(call, EMCP_LOG_ERROR, long_text, "1", 1), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_call_progress(call, 1, 2, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_call_require(call, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_task_status(call, long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_need_form(call, "k", long_text, "{}", NULL), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_need_form(call, "k", "sure?", long_text, NULL), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_need_url(call, "k", long_text, "https://x.example", NULL), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_need_sampling(call, "k", long_text, NULL), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_fail_rpc(call, 7, "x", long_text), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_arg_str(call, long_text, &out), EMCP_E_LIMIT);
}

static void write_far_too_much(emcp_call *call)
{
    emcp_json *json = emcp_json_begin(call);

    emcp_json_str(json, huge_noise, HUGE_BYTES);
    CHECK_STATUS(emcp_json_commit(json), EMCP_E_LIMIT);
    json = emcp_json_begin(call);
    emcp_json_obj(json);
    emcp_json_key(json, long_text);
    CHECK_STATUS(emcp_json_commit(json), EMCP_E_LIMIT);
    json = emcp_json_begin(call);
    emcp_json_arr(json);
    while (emcp_json_len(json) < 4000000)
        emcp_json_str(json, huge_text, 100000);
    emcp_json_str(json, huge_text, 1000000);
    CHECK_STATUS(emcp_json_commit(json), EMCP_E_LIMIT);
}

static int32_t too_much(emcp_call *call, void *user)
{
    (void)user;
    put_far_too_much(call);
    say_far_too_much(call);
    write_far_too_much(call);
    return emcp_put_text(call, "still here", EMCP_NUL);
}

/* A tool whose result may be as large as it likes: then memory itself is the limit. */
static int32_t no_limit(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_put_text(call, huge_text, HUGE_BYTES), EMCP_E_LIMIT);
    CHECK_HAS(emcp_last_error(), "no memory for the result");
    CHECK_STATUS(emcp_put_text(call, huge_noise, HUGE_BYTES), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_image(call, "image/png", huge_noise, HUGE_BYTES), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_put_json(call, huge_text, HUGE_BYTES), EMCP_E_LIMIT);
    return emcp_put_text(call, "still here", EMCP_NUL);
}

static int32_t fails_at_length(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_fail(call, long_text), EMCP_OK);
    return EMCP_OK;
}

/* What is no call. */
static void hand_over_far_too_much(void)
{
    emcp_header header = {{"host", 4}, {"localhost", 9}};
    emcp_request request;
    emcp_adopt adopt;
    emcp_config config;
    emcp_server *other = NULL;
    emcp_http *http = NULL;
    emcp_conn *conn = NULL;
    emcp_key key;
    emcp_tool tool;

    EMCP_INIT(&adopt);
    adopt.prefix = huge_text;
    adopt.prefix_len = HUGE_BYTES;
    CHECK_STATUS(emcp_conn_open(server, &adopt, NULL, NULL, &conn), EMCP_E_LIMIT);
    CHECK_HAS(emcp_last_error(), "no memory for prefix");
    EMCP_INIT(&request);
    request.method = emcp_str_of("GET");
    request.target = emcp_str_of("/mcp");
    request.headers = &header;
    request.header_count = EMCP_NUL;
    CHECK_STATUS(emcp_http_open(server, &request, &http), EMCP_E_INVALID);
    request.header_count = HUGE_BYTES;
    CHECK_STATUS(emcp_http_open(server, &request, &http), EMCP_E_LIMIT);
    request.header_count = 1;
    request.principal.p = huge_text;
    request.principal.n = HUGE_BYTES;
    CHECK_STATUS(emcp_http_open(server, &request, &http), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_notify_log(server, EMCP_LOG_ERROR, NULL, huge_noise, HUGE_BYTES),
                 EMCP_E_LIMIT);
    CHECK_STATUS(emcp_notify_log(server, EMCP_LOG_ERROR, long_text, "1", 1), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_resource_updated(server, long_text), EMCP_E_LIMIT);
    EMCP_INIT(&key);
    key.name = "ann";
    key.secret = long_text;
    CHECK_STATUS(emcp_key_add(server, &key), EMCP_E_LIMIT);
    tool_init(&tool, "long", say_hello, NULL);
    tool.description = long_text;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_E_LIMIT);
    EMCP_INIT(&config);
    config.name = long_text;
    config.version = "1";
    CHECK_STATUS(emcp_create(&config, &other), EMCP_E_LIMIT);
}

static void expect(const char *tool, const char *part)
{
    tool_call(port, tool, "{}", &reply);
    CHECK_HAS(reply.text, part);
    CHECK_LACKS(reply.text, "the first half");
}

/* The answer is longer than what a reply has room for: its end tells whether it has failed. */
static void expect_long_failure(void)
{
    static const char end[] = "\"isError\":true";
    int fd = tcp_connect(port), failed = 0;

    call_send(fd, "fails_at_length", "{}", "");
    do {
        /* Two halves, so that what is looked for is in one of them or across both. */
        size_t kept = reply.len < sizeof end ? reply.len : sizeof end;

        memmove(reply.text, reply.text + reply.len - kept, kept);
        reply.len = (size_t)recv(fd, reply.text + kept, 65536, 0);
        CHECK(reply.len <= 65536, "recv");
        reply.text[kept + reply.len] = '\0';
        failed |= strstr(reply.text, end) != NULL;
        reply.len += reply.len > 0 ? kept : 0;
    } while (reply.len > 0);
    close(fd);
    CHECK(failed, "the call has failed");
}

static void add_tools(void)
{
    emcp_tool tool;

    tool_add(server, "puts_nothing", puts_nothing, NULL);
    tool_add(server, "puts_no_bytes", puts_no_bytes, NULL);
    tool_add(server, "writes_nothing", writes_nothing, NULL);
    tool_add(server, "names_nothing", names_nothing, NULL);
    tool_add(server, "stops_writing", stops_writing, NULL);
    tool_add(server, "fails_without_words", fails_without_words, NULL);
    tool_add(server, "fails_rpc_without_words", fails_rpc_without_words, NULL);
    tool_add(server, "forgets", forgets, NULL);
    tool_add(server, "asks_nothing", asks_nothing, NULL);
    tool_add(server, "too_much", too_much, NULL);
    tool_add(server, "fails_at_length", fails_at_length, NULL);
    tool_init(&tool, "no_limit", no_limit, NULL);
    tool.max_result_bytes = UINT32_MAX;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
}

int main(void)
{
    static const char failed[] = "\"isError\":true";

    huge_text = map_huge('x');
    huge_noise = map_huge('\xff');
    long_text = malloc(LONG_BYTES);
    CHECK(long_text != NULL, "memory");
    memset(long_text, 'x', LONG_BYTES - 1);
    long_text[LONG_BYTES - 1] = '\0';
    server = server_create(NULL);
    add_tools();
    port = server_start(server);
    run_short_of_memory();
    expect("puts_nothing", failed);
    expect("puts_no_bytes", failed);
    expect("writes_nothing", failed);
    expect("names_nothing", failed);
    expect("stops_writing", failed);
    expect("fails_without_words", failed);
    CHECK_HAS(reply.text, "no reason was given");
    expect("fails_rpc_without_words", "\"error\":{\"code\":7,\"message\":\"no reason was given\"}");
    expect("forgets", failed);
    expect("asks_nothing", failed);
    expect("too_much", "still here");
    CHECK_LACKS(reply.text, failed);
    expect("no_limit", "still here");
    CHECK_LACKS(reply.text, failed);
    expect_long_failure();
    hand_over_far_too_much();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    free(long_text);
    munmap(huge_text, HUGE_BYTES);
    munmap(huge_noise, HUGE_BYTES);
    puts("ok no_memory");
    return 0;
}
