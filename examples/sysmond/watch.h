/* The thread behind watch_metric. */
#ifndef SYSMOND_WATCH_H
#define SYSMOND_WATCH_H

struct sysmond;
struct watchers;

/* Starts the one thread that serves all watches. NULL: no memory or thread. */
struct watchers *watchers_start(struct sysmond *sysmond);
/* Answers the watches that still run with an error and joins the thread. Calls that come later are
 * refused. The memory stays: emcp may still report a cancellation. */
void watchers_stop(struct watchers *watchers);
/* After emcp_destroy. NULL is fine. */
void watchers_free(struct watchers *watchers);

#endif
