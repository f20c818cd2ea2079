/* campaign.c - the campaign's record and its rules, see campaign.h. Pure: no server, no clock. */
#include "ledger/campaign.h"

#include "ledger/shard.h"

#define CAMPAIGN_VERSION 2
#define HISTORY_LEAST 8
#define TIME_MAX_MS INT64_C(4102444800000000) /* far off, and a sum of two stays in range */

enum { FLAG_CLOSED = 1, FLAG_DELETING = 2 };

static bool time_is_sound(int64_t ms)
{
    return ms >= 0 && ms <= TIME_MAX_MS;
}

int campaign_rules(const lk_campaign_options *options, lk_campaign_options *rules)
{
    lk_campaign_options made = *options;

    if (made.shards == 0)
        made.shards = CAMPAIGN_SHARDS;
    if (made.freeze_ttl_ms == 0)
        made.freeze_ttl_ms = CAMPAIGN_FREEZE_TTL_MS;
    if (made.history == 0)
        made.history = APPLIED_KEPT;
    if (made.size != sizeof(made) || made.stock > STOCK_MAX || made.shards > LK_SHARDS_MAX
        || made.history < HISTORY_LEAST || made.history > LK_HISTORY_MAX)
        return LK_E_INVALID;
    if (!time_is_sound(made.opens_ms) || !time_is_sound(made.closes_ms)
        || !time_is_sound(made.ends_ms) || !time_is_sound(made.freeze_ttl_ms))
        return LK_E_INVALID;
    *rules = made;
    return LK_OK;
}

int campaign_decode(struct campaign *campaign, const void *data, size_t size)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_CAMPAIGN, CAMPAIGN_VERSION);
    if (status != LK_OK)
        return status;

    struct campaign read = { .seal = record_get_u64(&in) };
    uint8_t flags = record_get_u8(&in);
    read.closed = flags & FLAG_CLOSED;
    read.deleting = flags & FLAG_DELETING;
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    rules.stock = record_get_u64(&in);
    rules.per_user = record_get_u32(&in);
    rules.opens_ms = (int64_t)record_get_u64(&in);
    rules.closes_ms = (int64_t)record_get_u64(&in);
    rules.ends_ms = (int64_t)record_get_u64(&in);
    rules.freeze_ttl_ms = (int64_t)record_get_u64(&in);
    rules.shards = record_get_u16(&in);
    read.grown = in.version > 1 ? record_get_u16(&in) : 0;
    rules.history = in.version > 1 ? record_get_u16(&in) : APPLIED_KEPT;
    if (in.bad || flags > (FLAG_CLOSED | FLAG_DELETING) || read.grown >= rules.shards
        || rules.history == 0 || rules.freeze_ttl_ms == 0
        || campaign_rules(&rules, &read.rules) != LK_OK)
        return LK_E_CORRUPT;

    status = applied_decode(&read.applied, &in, CAMPAIGN_CREATE, CAMPAIGN_GROW);
    if (status == LK_OK)
        status = record_close(&in);
    if (status != LK_OK) {
        campaign_free(&read);
        return status;
    }
    *campaign = read;
    return LK_OK;
}

int campaign_encode(const struct campaign *campaign, struct record_out *out)
{
    const lk_campaign_options *rules = &campaign->rules;
    uint8_t flags = (uint8_t)((campaign->closed ? FLAG_CLOSED : 0)
                              | (campaign->deleting ? FLAG_DELETING : 0));

    record_begin(out, RECORD_CAMPAIGN, CAMPAIGN_VERSION);
    record_put_u64(out, campaign->seal);
    record_put_u8(out, flags);
    record_put_u64(out, rules->stock);
    record_put_u32(out, rules->per_user);
    record_put_u64(out, (uint64_t)rules->opens_ms);
    record_put_u64(out, (uint64_t)rules->closes_ms);
    record_put_u64(out, (uint64_t)rules->ends_ms);
    record_put_u64(out, (uint64_t)rules->freeze_ttl_ms);
    record_put_u16(out, (uint16_t)rules->shards);
    record_put_u16(out, (uint16_t)campaign->grown);
    record_put_u16(out, (uint16_t)rules->history);
    applied_encode(&campaign->applied, out);
    return record_end(out);
}

void campaign_free(struct campaign *campaign)
{
    applied_free(&campaign->applied);
    *campaign = (struct campaign){ 0 };
}

bool campaign_has_ended(const struct campaign *campaign, int64_t now_ms)
{
    return campaign->rules.ends_ms != 0 && now_ms >= campaign->rules.ends_ms;
}

int campaign_may_claim(const struct campaign *campaign, int64_t now_ms, int64_t *retry_ms)
{
    const lk_campaign_options *rules = &campaign->rules;

    if (campaign_has_ended(campaign, now_ms))
        return LK_E_CAMPAIGN_ENDED;
    if (campaign->closed || (rules->closes_ms != 0 && now_ms >= rules->closes_ms))
        return LK_E_CAMPAIGN_CLOSED;
    if (now_ms < rules->opens_ms) {
        *retry_ms = rules->opens_ms;
        return LK_E_NOT_OPEN;
    }
    return LK_OK;
}

void campaign_info_sum(lk_campaign_info *info)
{
    if (info->available > info->stocked)
        info->available = info->stocked;
    info->issued = info->stocked - info->available;
}

/* The first rule in which what a campaign was made with differs from what is wanted, or NULL. */
static const char *rules_differ(const struct campaign *campaign, const lk_campaign_options *b)
{
    const lk_campaign_options *a = &campaign->rules;

    if (a->stock != b->stock)
        return "stock";
    if (a->per_user != b->per_user)
        return "per_user";
    if (a->opens_ms != b->opens_ms)
        return "opens";
    if (a->closes_ms != b->closes_ms)
        return "closes";
    if (a->ends_ms != b->ends_ms)
        return "ends";
    if (a->freeze_ttl_ms != b->freeze_ttl_ms)
        return "freeze_ttl";
    if (a->shards - campaign->grown != b->shards)
        return "shards";
    return a->history != b->history ? "history" : NULL;
}

static const char *body_differs(const struct campaign *campaign, const struct applied *before,
                                const struct campaign_op *op)
{
    if (before->verb != op->verb)
        return "verb";
    if (op->verb == CAMPAIGN_CREATE)
        return rules_differ(campaign, op->rules);
    if (before->number == (int64_t)op->count)
        return NULL;
    return op->verb == CAMPAIGN_GROW ? "shards" : "count";
}

/* Whether an operation that is new here may be. */
static int campaign_judge(const struct campaign *campaign, const struct campaign_op *op,
                          int64_t now_ms)
{
    bool is_for_claims = op->verb == CAMPAIGN_ADD_STOCK || op->verb == CAMPAIGN_GROW;
    int64_t retry_ms;

    if (op->verb == CAMPAIGN_CREATE)
        return LK_E_EXISTS;
    int status = is_for_claims ? campaign_may_claim(campaign, now_ms, &retry_ms) : LK_OK;
    if (status != LK_OK && status != LK_E_NOT_OPEN)
        return status;
    if (op->verb == CAMPAIGN_GROW
        && (op->count <= campaign->rules.shards || op->count > LK_SHARDS_MAX))
        return LK_E_INVALID;
    return applied_size(&campaign->applied) + APPLIED_SIZE > CAMPAIGN_SIZE_MAX ? LK_E_ACCOUNT_FULL
                                                                               : LK_OK;
}

static void campaign_change(struct campaign *campaign, const struct campaign_op *op)
{
    if (op->verb == CAMPAIGN_CLOSE)
        campaign->closed = true;
    if (op->verb == CAMPAIGN_GROW) {
        campaign->grown += (uint32_t)op->count - campaign->rules.shards;
        campaign->rules.shards = (uint32_t)op->count;
    }
    if (op->verb == CAMPAIGN_CLOSE || op->verb == CAMPAIGN_GROW)
        campaign->seal = op->seal;
}

enum campaign_verdict campaign_apply(struct campaign *campaign, const struct campaign_op *op,
                                     int64_t now_ms, int *status, const char **differs)
{
    const struct applied *before = applied_find(&campaign->applied, op->id);

    if (before) {
        *differs = body_differs(campaign, before, op);
        *status = *differs ? LK_E_ID_DIFFERS : LK_OK;
        return *differs ? CAMPAIGN_REFUSED : CAMPAIGN_REPEATED;
    }
    *status = applied_is_too_old(&campaign->applied, op->id) ? LK_E_ID_TOO_OLD
                                                             : campaign_judge(campaign, op, now_ms);
    if (*status == LK_OK)
        *status = applied_add(&campaign->applied, &(struct applied){
                                                      .id = op->id,
                                                      .verb = (uint8_t)op->verb,
                                                      .time_ms = now_ms,
                                                      .number = (int64_t)op->count,
                                                  });
    if (*status != LK_OK)
        return CAMPAIGN_REFUSED;
    applied_forget_oldest(&campaign->applied, APPLIED_KEPT, now_ms);
    campaign_change(campaign, op);
    return CAMPAIGN_APPLIED;
}
