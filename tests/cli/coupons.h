/* coupons.h - a campaign and its coupons in one line of a test. */
#ifndef TESTS_CLI_COUPONS_H
#define TESTS_CLI_COUPONS_H

#include "expect.h"

/* A new path with a campaign at it. */
const char *new_campaign(const char *word, const char *stock, const char *per_user);

/* One coupon's id, as claim printed it, without its newline. */
void claim(const char *path, const char *user, char coupon[64]);

/* One before the server that loses the nth reply to a multi. */
zkbox_proxy *proxy_that_loses(int nth, int delay_ms);

/* A new file with this text; returns `name`. */
const char *write_file(char name[64], const char *text);

/* A file's text, freed by the caller; fails the test when there is none. */
char *read_whole(const char *name);

/* Waits until something is in it. */
void await_file(const char *name);

#endif
