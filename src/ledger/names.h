/* names.h - where a campaign's znodes stand.
 *
 *   CAMPAIGN                      the rules, and what was applied to them
 *   CAMPAIGN/seal-HHHHHHHHHHHHHHHH  see campaign.h; empty
 *   CAMPAIGN/clock                written to learn the server's time; empty
 *   CAMPAIGN/stock/NNNN           the shards
 *   CAMPAIGN/accounts/BBB/USER    the accounts, in BUCKETS hashed buckets so that each listing
 *                                 stays small
 *
 * What is returned is malloc'ed; NULL without memory. */
#ifndef LEDGER_NAMES_H
#define LEDGER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKETS 1024
#define BUCKET_NAME_SIZE 4
#define USER_NAME_SIZE (3 * 128 + 1) /* a user percent-encoded */

char *name_seal(const char *campaign, uint64_t seal);
char *name_grave(const char *campaign, uint64_t seal);
char *name_clock(const char *campaign);
char *name_stock(const char *campaign);
char *name_shard(const char *campaign, size_t index);
char *name_accounts(const char *campaign);
char *name_bucket(const char *campaign, size_t bucket);
char *name_account(const char *campaign, const char *user);

size_t user_bucket(const char *user);
void bucket_name(size_t bucket, char name[BUCKET_NAME_SIZE]);
/* The same as name_account() into memory of the caller's, of name_account_size() bytes. */
size_t name_account_size(const char *campaign, const char *user);
void name_account_into(const char *campaign, const char *user, char *path);

/* A user as one part of a path: letters, digits, '-', '_', '@', '+' and inner dots stay, all else
 * is %XX. */
void user_encode(const char *user, char name[]); /* USER_NAME_SIZE is room for any */
/* False: not what user_encode() makes. */
bool user_decode(const char *name, char *user, size_t size);

#endif
