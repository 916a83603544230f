/* A server starts and stops two hundred times in one process, in each mode, with work under way
 * when it ends: memory, descriptors and threads stay where they were. While it runs no descriptor
 * is inherited by what the program executes; afterwards one helper thread is left. */
#include "client.h"

#include <fcntl.h>

#define ROUNDS 200
#define WARM_UP 40
/* Pages that the allocator may keep from one round to the next in its own ways. */
#define SLACK_KIB 2048

static struct reply reply;
static struct gate cancelled = GATE_INIT;
static struct gate clients = GATE_INIT;
static emcp_call *kept;

static void on_cancel(void *user)
{
    (void)user;
    gate_open(&cancelled);
}

static int32_t keep(emcp_call *call, void *user)
{
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, user), EMCP_OK);
    CHECK_STATUS(emcp_call_progress(call, 1, 0, NULL), EMCP_OK);
    kept = emcp_call_ref(call);
    return EMCP_PENDING;
}

static void no_audit(const emcp_audit *record, void *user)
{
    CHECK(record->name.n > 0, "a record");
    (void)user;
}

static void no_log(int32_t level, const char *target, const char *text, size_t len, void *user)
{
    (void)level;
    (void)target;
    (void)text;
    (void)len;
    (void)user;
}

#ifdef __SANITIZE_ADDRESS__
/* By default freed memory is kept for a while, to find its users. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=0:thread_local_quarantine_size_kb=0";
}
#endif

/* Valgrind keeps it too; there its own search for leaks does the work. */
static int keeps_freed_memory(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

/* Resident memory in KiB, from /proc/self/statm. */
static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;
    long resident = 0;

    CHECK(file != NULL, "statm");
    CHECK(fscanf(file, "%ld %ld", &pages, &resident) == 2, "statm");
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* What the program had open when it began. */
static char was_open[1024];

/* Notes what is open, or fails on every descriptor that is not close-on-exec and came later. */
static void check_descriptors(int note)
{
    for (int fd = 0; fd < (int)sizeof was_open; fd++) {
        int flags = fcntl(fd, F_GETFD);
        char path[64];
        char target[128] = "";

        if (note)
            was_open[fd] = flags >= 0;
        if (flags < 0 || was_open[fd] || (flags & FD_CLOEXEC) != 0)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        CHECK(readlink(path, target, sizeof target - 1) < 0, target);
    }
}

/* Counts the threads whose name begins with `name`. */
static int count_threads(const char *name)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;

    CHECK(dir != NULL, "task");
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[300];
        char comm[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file == NULL)
            continue; /* It may end while we look. */
        if (fgets(comm, sizeof comm, file) != NULL && strncmp(comm, name, strlen(name)) == 0)
            count++;
        fclose(file);
    }
    closedir(dir);
    return count;
}

static void *client(void *of)
{
    int port = *(int *)of;

    tool_call(port, "hello", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
    gate_open(&clients);
    return NULL;
}

/* One call from beginning to end; in host mode this thread dispatches it. */
static void one_call(emcp_server *server, int port, uint32_t mode)
{
    int before = gate_count(&clients);
    pthread_t thread;

    if (mode == 0) {
        client(&port);
        return;
    }
    CHECK(pthread_create(&thread, NULL, client, &port) == 0, "thread");
    while (gate_count(&clients) == before) {
        struct pollfd wait = {emcp_event_fd(server), POLLIN, 0};

        CHECK(poll(&wait, 1, 5) >= 0, "poll");
        CHECK(emcp_dispatch(server, 0, 0) >= 0, emcp_last_error());
    }
    pthread_join(thread, NULL);
}

/* Reads what the server has to say to its end, and leaves: a server that ends waits for that. */
static void *reader(void *of)
{
    static struct reply last;

    reply_finish(*(int *)of, &last);
    CHECK_HAS(last.text, "server is stopping");
    return NULL;
}

/* Leaves a call open, a stream with it, and an idle connection. */
static void leave_open(emcp_server *server, int port, uint32_t mode, int fds[2])
{
    struct pollfd arrived;
    uint64_t end = now_ms() + WAIT_MS;

    fds[0] = tcp_connect(port);
    fds[1] = tcp_connect(port);
    CHECK(fcntl(fds[0], F_SETFD, FD_CLOEXEC) == 0, "fcntl");
    CHECK(fcntl(fds[1], F_SETFD, FD_CLOEXEC) == 0, "fcntl");
    call_send(fds[0], "keep", "{}", ",\"progressToken\":1");
    arrived.fd = fds[0];
    arrived.events = POLLIN;
    do {
        CHECK(now_ms() < end, "the call arrives");
        if (mode != 0)
            CHECK(emcp_dispatch(server, 0, 0) >= 0, emcp_last_error());
    } while (poll(&arrived, 1, 5) == 0);
}

static void round_trip(emcp_server *server, uint32_t mode)
{
    int before = gate_count(&cancelled);
    int port = server_start(server);
    pthread_t thread;
    int fds[2];

    one_call(server, port, mode);
    leave_open(server, port, mode, fds);
    check_descriptors(0);
    CHECK(pthread_create(&thread, NULL, reader, &fds[0]) == 0, "thread");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&cancelled) == before + 1, "stop cancels");
    emcp_call_unref(kept);
    pthread_join(thread, NULL);
    close(fds[1]);
}

static void rounds(uint32_t mode)
{
    emcp_config config;
    emcp_hooks hooks;
    emcp_server *server;
    int descriptors = 0;
    long memory = 0;

    EMCP_INIT(&config);
    config.flags = mode;
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.audit = no_audit;
    hooks.log = no_log;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "keep", keep, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        round_trip(server, mode);
        if (i == 0)
            descriptors = count_entries("/proc/self/fd");
        if (i == WARM_UP)
            memory = resident_kib();
        CHECK(count_entries("/proc/self/fd") == descriptors, "descriptors stay the same");
    }
    wait_threads(2);
    CHECK(count_threads("async-io") == 1, "the helper thread is left");
    CHECK(count_threads("emcp") == 0, "nothing else is");
    if (!keeps_freed_memory())
        CHECK(resident_kib() <= memory + SLACK_KIB, "memory stays the same");
    emcp_destroy(server);
}

int main(void)
{
    static const uint32_t modes[] = {0, EMCP_F_HOST, EMCP_F_HOST | EMCP_F_NO_IO_THREAD};

    check_descriptors(1);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        rounds(modes[i]);
    puts("ok restart");
    return 0;
}
