/* page.h - the ledger's records as docs/format-ledger.md describes them, read without src/ledger. */
#ifndef SIM_PAGE_H
#define SIM_PAGE_H

#include "books.h"

#define PAGE_ZXID_OWN (-1) /* that of the write itself */

/* Operations, and apart from them what time did. */
struct page_applied {
    struct law_entry *entries, *times;
    size_t count, time_count;
    lk_id floor;
};

struct page_account {
    char user[LK_USER_MAX + 1];
    struct page_applied applied;
    struct law_entry *claims;
    struct law_coupon *coupons;
    size_t claim_count, coupon_count;
};

struct page_campaign {
    uint64_t seal;
    bool is_deleting;
    struct law_rules law;
    uint64_t stock; /* at the creation */
    uint32_t grown; /* shards that came after it */
    struct page_applied applied;
};

struct page_shard {
    uint32_t index;
    uint64_t stocked;
    struct book_range *ranges;
    size_t range_count;
};

/* Operations on a campaign. */
enum { PAGE_CREATE = 64, PAGE_ADD_STOCK, PAGE_CLOSE, PAGE_GROW };

bool page_read_account(struct page_account *page, struct arena *arena, const void *data,
                       size_t size);
bool page_read_campaign(struct page_campaign *page, struct arena *arena, const void *data,
                        size_t size);
bool page_read_shard(struct page_shard *page, struct arena *arena, const void *data, size_t size);

#endif
