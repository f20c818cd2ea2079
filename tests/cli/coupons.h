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

/* So many different users, one a line; freed by the caller. The names are long enough for a list of
 * several MiB. */
#define LISTED_USER "one-of-a-list-of-customers-%zu"
char *list_of_users(size_t count);

/* `coupon claim` or `coupon do` with --from these lines, while the server dies and comes back; it
 * ends with 0 nevertheless. What was printed, freed by the caller. */
char *run_through_a_crash(const char *verb, const char *path, const char *lines);

/* Behind the ledger's back, as a stranger could: removes a user's account, makes junk of it. */
void lose_account(const char *path, const char *user);
void spoil_account(const char *path, const char *user);

#endif
