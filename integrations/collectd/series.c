/* Identifiers: splitting, encoding and searching. */
#include "series.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct part cut(const char *p, const char *end)
{
    const char *dash = memchr(p, '-', (size_t)(end - p));
    return (struct part){p, (size_t)((dash ? dash : end) - p)};
}

bool series_split(const char *id, struct series_parts *out)
{
    const char *plugin = strchr(id, '/'), *type = plugin ? strchr(plugin + 1, '/') : NULL;
    if (!type)
        return false;
    /* The host may hold dashes; only plugin and type have instances. */
    out->host = (struct part){id, (size_t)(plugin - id)};
    out->plugin = cut(plugin + 1, type);
    out->type = cut(type + 1, id + strlen(id));
    return true;
}

int part_compare(struct part a, struct part b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* Length of the UTF-8 character at `s`; 0 when there is none. RFC 3629, section 4. */
static size_t utf8_length(const unsigned char *s)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

void series_encode(const char *id, char out[SERIES_SHOWN_MAX])
{
    const unsigned char *s = (const unsigned char *)id;
    char *end = out + SERIES_SHOWN_MAX - 4;
    while (*s && out < end) {
        size_t len = utf8_length(s);
        /* 0xc2 0x80 to 0xc2 0x9f are control characters too. */
        bool control = *s < 0x20 || *s == 0x7f || (*s == 0xc2 && len == 2 && s[1] < 0xa0);
        if (len == 0 || control || *s == '%') {
            snprintf(out, 4, "%%%02X", *s++);
            out += 3;
            continue;
        }
        memcpy(out, s, len);
        out += len;
        s += len;
    }
    *out = '\0';
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool series_decode(const char *shown, size_t len, char out[SERIES_ID_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++, n++) {
        if (n == SERIES_ID_MAX - 1)
            return false;
        out[n] = shown[i];
        if (shown[i] == '%') {
            int high = i + 2 < len ? hex_digit(shown[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(shown[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            out[n] = (char)(high << 4 | low);
            i += 2;
        }
        if (!out[n])
            return false;
    }
    out[n] = '\0';
    return true;
}

bool part_is_plain(struct part name)
{
    if (name.n == 0 || name.n > 63)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && (!c || !strchr("_.:-", c)))
            return false;
    }
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool glob_match(const char *pattern, const char *text, size_t len)
{
    /* Only the last * is ever tried again: more would take exponential time. */
    const char *star = NULL, *end = text + len, *retry = text;
    while (text < end) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern && (*pattern == '?' || lower(*pattern) == lower(*text))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool search_match(const char *search, const char *id)
{
    char word[SERIES_ID_MAX + 2];
    for (search += strspn(search, " "); *search; search += strspn(search, " ")) {
        size_t n = strcspn(search, " ");
        if (n >= SERIES_ID_MAX)
            return false;
        bool glob = memchr(search, '*', n) || memchr(search, '?', n);
        snprintf(word, sizeof word, glob ? "%.*s" : "*%.*s*", (int)n, search);
        if (!glob_match(word, id, strlen(id)))
            return false;
        search += n;
    }
    return true;
}
