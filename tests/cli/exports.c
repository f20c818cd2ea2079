/* exports.c - see exports.h. */
#include "exports.h"

#include <string.h>

/* What a naive writer of CSV or JSON would trip over. The last reorders what a terminal shows. */
static const char *const hostile[HOSTILE] = {
    "plain",
    "with,comma",
    "with \"quotes\"",
    "\"",
    " blanks at both ends ",
    "=1+1",
    "a;b'c",
    "{\"user\":\"root\"}",
    "back\\slash",
    "sm\303\266r",
    "\\u0041",
    "%41%",
    "../up",
    "\360\237\216\237",
    "-",
    "#,\"",
    "\342\200\256kcab",
};

const char *new_hostile_campaign(const char *word)
{
    const char *path = new_campaign(word, "100", "0");
    char coupon[64];

    for (size_t i = 0; i < HOSTILE; i++)
        claim(path, hostile[i], coupon);
    return path;
}

size_t index_of_hostile(const char *user)
{
    size_t i = 0;

    while (i < HOSTILE && strcmp(hostile[i], user) != 0)
        i++;
    if (i == HOSTILE)
        fail_msg("there is no user '%s'", user);
    return i;
}

size_t each_line(const char *text, void (*each)(const json_t *line, void *arg), void *arg)
{
    size_t count = 0;

    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1, count++) {
        json_t *line = json_loadb(text, (size_t)(end - text), 0, NULL);
        if (!line)
            fail_msg("this is no JSON: %.*s", (int)(end - text), text);
        each(line, arg);
        json_decref(line);
    }
    assert_string_equal(text, "");
    return count;
}

const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    if (!text)
        fail_msg("a line has no '%s'", key);
    return text;
}
