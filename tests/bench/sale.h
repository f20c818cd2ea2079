/* sale.h - a flash sale: many more users than coupons, several sellers, some of whom are killed and
 * begin again with the same ids, on a server that is killed once.
 *
 * Each user comes to one seller, every tenth to a second one too. A seller writes down each answer,
 * one line in a file of its own (USER STATUS COUPON), so that what users were told can be held
 * against the ledger afterwards, whoever died. Begun again it asks for all its users anew, each
 * under the id that it had. */
#ifndef SALE_H
#define SALE_H

#include <stdbool.h>
#include <stddef.h>

#include "raw.h"

enum { SELLERS = 4, PARTS = 100, SALE_PATH_SIZE = 300 };

struct terms {
    size_t users, stock;
    const char *servers, *folder; /* of the sellers' files */
};

#define SALE_CAMPAIGN "/sale"

void sale_user(size_t number, char name[20]);
void sale_file(const struct terms *terms, size_t seller, char path[SALE_PATH_SIZE]);
bool sale_has_two_sellers(size_t user);
bool sale_comes_to(size_t user, size_t seller);

/* A seller is this program, started again: tells "part N" for each hundredth of its users that it
 * has answered, and "done". */
void seller_arguments(const struct terms *terms, size_t seller, char *argv[6]);
bool is_seller(char **argv);
int sell(char **argv);

/* All that was told is true: ends the program where it is not. */
void sale_judge(const struct terms *terms, lk_ledger *ledger);

#endif
