/* campaign.h - one pool of coupons: its rules, and whether it may be claimed from now.
 *
 * The rules never change, but for the number of shards. What changes (stock is added, the campaign
 * is closed, it gets more shards) is an operation with an id, remembered in this record. The seal
 * is the name of a znode beside the record. Every write to the ledger checks that it is there;
 * closing and growing give the campaign a new seal and delete the old one, deleting takes it away.
 * So a client with an old picture of the campaign, or of an older campaign at the same path, can't
 * write: its checks fail. (A version alone would not do: the versions of a znode that was deleted
 * and made again start anew.) */
#ifndef LEDGER_CAMPAIGN_H
#define LEDGER_CAMPAIGN_H

#include "ledger/applied.h"

#define CAMPAIGN_SIZE_MAX (256 * 1024)
#define CAMPAIGN_SHARDS 16
#define CAMPAIGN_FREEZE_TTL_MS (15 * 60 * 1000)

enum campaign_verb {
    CAMPAIGN_CREATE = 64,
    CAMPAIGN_ADD_STOCK,
    CAMPAIGN_CLOSE,
    CAMPAIGN_GROW,
}; /* apart from lk_ledger_verb */

struct campaign {
    uint64_t seal;
    bool closed, deleting;
    lk_campaign_options rules; /* no zeros where they stand for a default */
    uint32_t grown;            /* how many of the shards came after the creation */
    struct applied_list applied;
};

/* LK_OK or LK_E_INVALID; *rules gets the options with the defaults filled in. */
int campaign_rules(const lk_campaign_options *options, lk_campaign_options *rules);

int campaign_decode(struct campaign *campaign, const void *data, size_t size);
int campaign_encode(const struct campaign *campaign, struct record_out *out);
void campaign_free(struct campaign *campaign);

bool campaign_has_ended(const struct campaign *campaign, int64_t now_ms);
/* LK_OK, LK_E_CAMPAIGN_ENDED, LK_E_CAMPAIGN_CLOSED, LK_E_NOT_OPEN (then *retry_ms is when it
 * opens). */
int campaign_may_claim(const struct campaign *campaign, int64_t now_ms, int64_t *retry_ms);

/* One operation on a campaign. `count`: how many coupons add stock adds, how many shards there shall
 * be when it has grown; else 0. */
struct campaign_op {
    enum campaign_verb verb;
    lk_id id;
    uint64_t count;
    uint64_t seal;                    /* close, grow: the new one */
    const lk_campaign_options *rules; /* create: what is wanted */
};

enum campaign_verdict {
    CAMPAIGN_REFUSED,  /* *status says why; nothing changed */
    CAMPAIGN_REPEATED, /* the id was applied before, with this body */
    CAMPAIGN_APPLIED,  /* the record changed */
};
/* Judges and applies. LK_E_ID_DIFFERS sets *differs to the field's name. Of a create only whether
 * it is the one that made this campaign is asked: it is repeated, or refused. */
enum campaign_verdict campaign_apply(struct campaign *campaign, const struct campaign_op *op,
                                     int64_t now_ms, int *status, const char **differs);

/* Fills in what was issued. Shards that were read one after the other, or that a stranger has
 * written to, may tell of more stock than there is: then none was. */
void campaign_info_sum(lk_campaign_info *info);

#endif
