/* Likeness of ids, counted in words: edit distance would take seconds on a large collectd. */
#include "suggest.h"

#include "series.h"

#include <stdio.h>
#include <string.h>

#define SEPARATORS "/-_. "
#define WORDS_MAX 8
#define WORD_MAX 64

struct words {
    char list[WORDS_MAX][WORD_MAX + 2];
    size_t len;
};

static void split(const char *text, struct words *out)
{
    out->len = 0;
    for (text += strspn(text, SEPARATORS); *text && out->len < WORDS_MAX;
         text += strspn(text, SEPARATORS)) {
        size_t n = strcspn(text, SEPARATORS);
        snprintf(out->list[out->len++], sizeof out->list[0], "*%.*s*",
                 (int)(n < WORD_MAX - 1 ? n : WORD_MAX - 1), text);
        text += n;
    }
}

static size_t score(const struct words *words, const char *id)
{
    size_t found = 0, len = strlen(id);
    for (size_t i = 0; i < words->len; i++)
        found += glob_match(words->list[i], id, len);
    return found;
}

size_t suggest(const struct snapshot *snapshot, const char *wanted,
               const struct series *out[SUGGESTIONS])
{
    struct words words;
    size_t scores[SUGGESTIONS + 1] = {0}, len = 0;
    split(wanted, &words);
    for (size_t i = 0; i < snapshot->len; i++) {
        size_t points = score(&words, snapshot->series[i].id), at = len;
        if (points == 0)
            continue;
        while (at > 0 && points > scores[at - 1])
            at--;
        if (at == SUGGESTIONS)
            continue;
        len += len < SUGGESTIONS;
        memmove(&out[at + 1], &out[at], (len - at - 1) * sizeof out[0]);
        memmove(&scores[at + 1], &scores[at], (len - at - 1) * sizeof scores[0]);
        out[at] = &snapshot->series[i];
        scores[at] = points;
    }
    return len;
}
