/* id.h - 128-bit names of operations, and names of coupons. */
#ifndef LEDGER_ID_H
#define LEDGER_ID_H

#include <stdbool.h>

#include <latchkey/ledger.h>

/* Made here: top bit 0, 48 bits of milliseconds, 80 of chance; so they sort by time. */
lk_id id_make(int64_t now_ms, uint64_t chance_a, uint64_t chance_b);

lk_id id_next(lk_id id); /* of the same time, and above it but once in 2^80 */
bool id_is_none(lk_id id);
bool id_is_text(lk_id id);    /* made from a caller's text: never forgotten */
int64_t id_time_ms(lk_id id); /* of one made here */
bool id_equals(lk_id a, lk_id b);
bool coupon_equals(lk_coupon a, lk_coupon b);
int id_compare(lk_id a, lk_id b); /* by age, for ids made here */

#endif
