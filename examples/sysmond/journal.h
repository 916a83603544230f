/* The daemon's log: stderr, and its latest lines in memory. Any thread may call. */
#ifndef SYSMOND_JOURNAL_H
#define SYSMOND_JOURNAL_H

#include "text.h"

#include <stdint.h>

#define JOURNAL_LINES 256     /* kept in memory, the oldest makes room */
#define JOURNAL_LINE_MAX 320  /* bytes with the NUL: 80 KiB in all */

/* Says that a line has been kept. Runs on the thread that wrote it, with no lock held. */
typedef void (*journal_fn)(void *user);

struct journal;
/* `verbose`: stderr gets everything, not only warnings and worse. NULL: no memory. */
struct journal *journal_new(bool verbose, journal_fn grown, void *user);
void journal_free(struct journal *journal); /* NULL is fine */

/* Adds one line; `level` is EMCP_LOG_*, `source` names the part of the daemon. What is below a
 * notice is not kept: reading the log would fill it. */
void journal_add(struct journal *journal, int32_t level, const char *source, const char *message,
                 size_t len);
void journal_addf(struct journal *journal, int32_t level, const char *source, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

/* Appends the lines that are kept, oldest first. */
void journal_read(struct journal *journal, struct text *out);

#endif
