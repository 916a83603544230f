/* A growable text buffer for pages and reports, and what is written into it. */
#ifndef SYSMOND_TEXT_H
#define SYSMOND_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero it to begin. After `failed` is set (no memory) every addition is ignored. */
struct text {
    char *p;
    size_t len, cap;
    bool failed;
};

/* Makes room for `more` bytes beyond `len`, so that a caller can write there itself. */
bool text_reserve(struct text *text, size_t more);
void text_add(struct text *text, const char *bytes, size_t len);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a NUL-terminated string with the five HTML specials escaped. */
void text_add_html(struct text *text, const char *s);
void text_free(struct text *text);

/* Writes a unix time as MCP wants dates: "2026-11-28T12:00:00Z". */
#define TIME_TEXT_MAX 32
void format_time(char out[TIME_TEXT_MAX], int64_t unix_time);

/* Copies `len` bytes as a NUL-terminated name: control bytes become '?', what does not fit is cut.
 * Process names and mount points are chosen by others and end up in a terminal or a prompt. */
void copy_name(char *out, size_t cap, const char *bytes, size_t len);

#endif
