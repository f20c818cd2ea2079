/* shop_inside.h - between the files of the clerks: shop_clerk.c, shop_judge.c. */
#ifndef SIM_SHOP_INSIDE_H
#define SIM_SHOP_INSIDE_H

#include "shop.h"

/* shop_judge.c */
/* Commits that the clerk's handle lost, so far. */
uint64_t lost_by(const struct clerk *clerk);
/* What the clerk was told about all that it asked for, in that order. */
void judge_all(struct clerk *clerk, const lk_ledger_result *results);

#endif
