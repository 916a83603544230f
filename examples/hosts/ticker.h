/* Calls that go on after their tool function has returned: one thread counts for all of them and
 * remembers which were cancelled. */
#ifndef TICKER_H
#define TICKER_H

#include <stddef.h>
#include <stdint.h>

#include "emcp.h"

/* Bytes of a label, with its NUL. */
#define TICKER_LABEL_SIZE 65

struct ticker;

/* What to count; `label` finds the call again when it was cancelled. */
struct ticker_count {
    int64_t steps;
    int64_t interval_ms;
    char label[TICKER_LABEL_SIZE];
};

/* Makes a ticker; its thread starts with the first call, so that a daemon may fork before.
 * Returns NULL when there is no memory. */
struct ticker *ticker_new(void);

/* Ends the thread; calls that are still open fail. NULL is fine. */
void ticker_free(struct ticker *ticker);

/* Counts for `call`: progress at every step, the first at once, and an answer with the last.
 * Returns EMCP_PENDING, or a negative status. */
int32_t ticker_count(struct ticker *ticker, emcp_call *call, const struct ticker_count *count);

/* Answers `call` with the last count that was cancelled and has this label (any, when the label is
 * empty); when there is none yet, as soon as there is one, or after `wait_ms` with "none".
 * Returns EMCP_PENDING, or a negative status. */
int32_t ticker_last_cancel(struct ticker *ticker, emcp_call *call, const char *label,
                           int64_t wait_ms);

/* Answers `call` as soon as a count with this label runs, or after `wait_ms`, with whether one
 * does. Returns EMCP_PENDING, or a negative status. */
int32_t ticker_running(struct ticker *ticker, emcp_call *call, const char *label, int64_t wait_ms);

#endif
