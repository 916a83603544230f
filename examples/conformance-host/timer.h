/* Answers calls after a while, on one thread of the program, so that no worker waits meanwhile. */
#ifndef TIMER_H
#define TIMER_H

#include "emcp.h"

struct timer;

/* Puts what the call is answered with, or fails it. Runs on the timer's thread. A negative status
 * answers as it would from a call function. */
typedef int32_t (*timer_answer_fn)(emcp_call *call);

/* Starts the thread; NULL when it cannot. */
struct timer *timer_new(void);

/* Frees it, after the server. NULL is fine. */
void timer_free(struct timer *timer);

/* Has `answer` called in `ms` milliseconds, unless the call ends before. Returns EMCP_PENDING or a
 * failure: what the call function is to return. */
int32_t timer_answer(struct timer *timer, emcp_call *call, int64_t ms, timer_answer_fn answer);

#endif
