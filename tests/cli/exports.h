/* exports.h - a campaign whose users' names a naive writer would trip over, and what was exported of
 * one, line by line. */
#ifndef TESTS_CLI_EXPORTS_H
#define TESTS_CLI_EXPORTS_H

#include <jansson.h>

#include "coupons.h"

enum { HOSTILE = 17 };

/* A campaign of so many users, each with one coupon. */
const char *new_hostile_campaign(const char *word);

/* Which of them it is; fails the test when it is none. */
size_t index_of_hostile(const char *user);

/* Calls `each` with every line's object; returns how many there are. */
size_t each_line(const char *text, void (*each)(const json_t *line, void *arg), void *arg);

/* What stands in a line under the key; fails the test when no text does. */
const char *text_of(const json_t *line, const char *key);

#endif
