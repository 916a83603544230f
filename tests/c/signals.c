/* emcp's threads take no signal of the host, and the host's handlers and mask stay as they are. */
#include "client.h"

#include <signal.h>

/* What a daemon handles on its own threads. */
static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE};
#define SIGNALS_LEN (sizeof SIGNALS / sizeof SIGNALS[0])

static struct reply reply;

/* The signals that a thread blocks, as the kernel counts them: bit 0 is signal 1. */
static unsigned long long blocked_signals(const char *thread)
{
    char path[300];
    char line[256];
    unsigned long long mask = 0;
    int found = 0;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *status = fopen(path, "r");
    CHECK(status != NULL, path);
    while (fgets(line, sizeof line, status) != NULL)
        found += sscanf(line, "SigBlk: %llx", &mask) == 1;
    fclose(status);
    CHECK(found == 1, "the thread's status names its mask");
    return mask;
}

/* Checks every thread but the first, which is the host's. Returns how many there are. */
static int check_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;

    CHECK(tasks != NULL, "/proc/self/task");
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid())
            continue;
        for (size_t i = 0; i < SIGNALS_LEN; i++)
            CHECK(blocked_signals(task->d_name) >> (SIGNALS[i] - 1) & 1, "a signal is let through");
        count++;
    }
    closedir(tasks);
    return count;
}

static void remember(struct sigaction *actions, sigset_t *mask)
{
    for (size_t i = 0; i < SIGNALS_LEN; i++)
        sigaction(SIGNALS[i], NULL, &actions[i]);
    pthread_sigmask(SIG_BLOCK, NULL, mask);
}

int main(void)
{
    struct sigaction before[SIGNALS_LEN];
    struct sigaction after[SIGNALS_LEN];
    sigset_t mask_before;
    sigset_t mask_after;
    emcp_server *server = server_create(NULL);

    tool_add(server, "hello", say_hello, NULL);
    remember(before, &mask_before);
    tool_call(server_start(server), "hello", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
    CHECK(check_threads() >= 2, "the server has threads");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    remember(after, &mask_after);

    for (size_t i = 0; i < SIGNALS_LEN; i++) {
        CHECK(before[i].sa_handler == after[i].sa_handler, "a handler was changed");
        CHECK(sigismember(&mask_before, SIGNALS[i]) == sigismember(&mask_after, SIGNALS[i]),
              "the host's mask was changed");
    }
    emcp_destroy(server);
    puts("ok signals");
    return 0;
}
