/* Growing text and safe copies of names. Of formats it knows how HTML escapes. */
#define _GNU_SOURCE
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool text_reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more < text->cap - text->len)
        return true;
    size_t cap = text->cap ? text->cap : 1024;
    while (cap - text->len <= more)
        cap *= 2;
    char *p = realloc(text->p, cap);
    if (!p) {
        text->failed = true;
        return false;
    }
    text->p = p;
    text->cap = cap;
    return true;
}

void text_add(struct text *text, const char *bytes, size_t len)
{
    if (!text_reserve(text, len))
        return;
    memcpy(text->p + text->len, bytes, len);
    text->len += len;
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* One byte beyond `need` is always there for the NUL: text_reserve keeps len + more < cap. */
    if (need < 0 || !text_reserve(text, (size_t)need))
        return;
    va_start(args, format);
    vsnprintf(text->p + text->len, (size_t)need + 1, format, args);
    va_end(args);
    text->len += (size_t)need;
}

void text_add_html(struct text *text, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': text_add(text, "&amp;", 5); break;
        case '<': text_add(text, "&lt;", 4); break;
        case '>': text_add(text, "&gt;", 4); break;
        case '"': text_add(text, "&quot;", 6); break;
        case '\'': text_add(text, "&#39;", 5); break;
        default: text_add(text, s, 1);
        }
    }
}

void text_free(struct text *text)
{
    free(text->p);
    memset(text, 0, sizeof *text);
}

void format_time(char out[TIME_TEXT_MAX], int64_t unix_time)
{
    time_t when = (time_t)unix_time;
    struct tm tm;
    if (!gmtime_r(&when, &tm) || strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}

void copy_name(char *out, size_t cap, const char *bytes, size_t len)
{
    if (len > cap - 1)
        len = cap - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : bytes[i];
    }
    out[len] = '\0';
}
