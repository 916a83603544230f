/* Writes log lines and keeps the latest. Knows neither who writes them nor who reads. */
#define _GNU_SOURCE
#include "journal.h"

#include <emcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct journal {
    bool verbose;
    journal_fn grown;
    void *user;
    pthread_mutex_t lock; /* guards the rest */
    uint64_t count;       /* lines ever kept; number n lives in slot n % JOURNAL_LINES */
    char lines[JOURNAL_LINES][JOURNAL_LINE_MAX];
};

struct journal *journal_new(bool verbose, journal_fn grown, void *user)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return NULL;
    if (pthread_mutex_init(&journal->lock, NULL) != 0) {
        free(journal);
        return NULL;
    }
    journal->verbose = verbose;
    journal->grown = grown;
    journal->user = user;
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

static void keep(struct journal *journal, const char *level, const char *source, const char *text)
{
    char time_text[TIME_TEXT_MAX];
    format_time(time_text, (int64_t)time(NULL));
    pthread_mutex_lock(&journal->lock);
    char *line = journal->lines[journal->count++ % JOURNAL_LINES];
    int len = snprintf(line, JOURNAL_LINE_MAX, "%s %s %s: %s", time_text, level, source, text);
    if (len >= JOURNAL_LINE_MAX)
        memcpy(line + JOURNAL_LINE_MAX - sizeof "...", "...", sizeof "...");
    pthread_mutex_unlock(&journal->lock);
}

void journal_add(struct journal *journal, int32_t level, const char *source, const char *message,
                 size_t len)
{
    static const char *const names[] = {"debug", "info",     "notice", "warning",
                                        "error", "critical", "alert",  "emergency"};
    if (level < EMCP_LOG_DEBUG || level > EMCP_LOG_EMERGENCY)
        return;
    char text[512]; /* Peers choose parts of a message: no control bytes for the terminal. */
    copy_name(text, sizeof text, message, len);
    if (level >= EMCP_LOG_WARNING || journal->verbose)
        fprintf(stderr, "sysmond: %s: %s: %s\n", names[level], source, text);
    if (level < EMCP_LOG_NOTICE)
        return;
    keep(journal, names[level], source, text);
    journal->grown(journal->user);
}

void journal_addf(struct journal *journal, int32_t level, const char *source, const char *format,
                  ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    journal_add(journal, level, source, text, strlen(text));
}

void journal_read(struct journal *journal, struct text *out)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t first = journal->count > JOURNAL_LINES ? journal->count - JOURNAL_LINES : 0;
    for (uint64_t n = first; n < journal->count; n++)
        text_addf(out, "%s\n", journal->lines[n % JOURNAL_LINES]);
    pthread_mutex_unlock(&journal->lock);
}
