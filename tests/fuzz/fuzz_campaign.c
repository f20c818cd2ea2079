/* fuzz_campaign.c - a campaign's record, and operations on it: what was done under an id is not done
 * again under it, and what was changed can be read again. */
#include "fuzz.h"

#include "ledger/campaign.h"
#include "ledger/shard.h"

static bool is_same(const lk_campaign_options *a, const lk_campaign_options *b)
{
    return a->stock == b->stock && a->per_user == b->per_user && a->opens_ms == b->opens_ms
           && a->closes_ms == b->closes_ms && a->ends_ms == b->ends_ms
           && a->freeze_ttl_ms == b->freeze_ttl_ms && a->shards == b->shards
           && a->history == b->history;
}

static void obeys_its_rules(const struct campaign *campaign)
{
    const lk_campaign_options *rules = &campaign->rules;
    lk_campaign_options again;

    MUST(rules->shards >= 1 && rules->shards <= LK_SHARDS_MAX && rules->stock <= STOCK_MAX);
    MUST(campaign->grown < rules->shards);
    MUST(rules->history >= 8 && rules->history <= LK_HISTORY_MAX);
    MUST(rules->freeze_ttl_ms > 0 && rules->opens_ms >= 0 && rules->closes_ms >= 0
         && rules->ends_ms >= 0);
    MUST(campaign_rules(rules, &again) == LK_OK && is_same(rules, &again));
}

static void comes_back_as_it_is(const struct campaign *campaign)
{
    RECORD_OUT written = { 0 }, twice = { 0 };
    struct campaign again = { 0 };

    MUST(campaign_encode(campaign, &written) == LK_OK);
    MUST(campaign_decode(&again, written.bytes, written.size) == LK_OK);
    obeys_its_rules(&again);
    MUST(campaign_encode(&again, &twice) == LK_OK && is_same_record(&written, &twice));
    MUST(again.seal == campaign->seal && again.closed == campaign->closed
         && again.deleting == campaign->deleting && again.applied.count == campaign->applied.count);
    campaign_free(&again);
}

static lk_id some_id(const struct campaign *campaign, struct input *program, int64_t now_ms)
{
    uint8_t which = (uint8_t)take(program, 1);
    lk_id id = id_make(now_ms + which, take(program, 2), 1);

    if (which & 1 && campaign->applied.count)
        return campaign->applied.entries[(which >> 1) % campaign->applied.count].id;
    if (which & 2)
        id.bytes[0] |= 0x80; /* as of a text */
    return id;
}

static void play_one(struct campaign *campaign, struct input *program, int64_t now_ms)
{
    lk_campaign_options rules = campaign->rules;
    struct campaign_op op = {
        .verb = (enum campaign_verb)(CAMPAIGN_CREATE + take(program, 1) % 4),
        .id = some_id(campaign, program, now_ms),
        .seal = take(program, 8),
    };
    bool deleting = campaign->deleting;
    uint64_t seal = campaign->seal;
    const char *differs = NULL;
    int status = LK_E_STATE;

    if (op.verb == CAMPAIGN_CREATE)
        op.rules = &rules;
    if (op.verb == CAMPAIGN_ADD_STOCK || op.verb == CAMPAIGN_GROW)
        op.count = take(program, op.verb == CAMPAIGN_GROW ? 1 : 2);
    enum campaign_verdict verdict = campaign_apply(campaign, &op, now_ms, &status, &differs);

    MUST((verdict == CAMPAIGN_REFUSED) == (status != LK_OK));
    MUST((status == LK_E_ID_DIFFERS) == (differs != NULL));
    MUST(campaign->deleting == deleting);
    if (verdict != CAMPAIGN_APPLIED) {
        MUST(campaign->seal == seal);
        return;
    }
    MUST(op.verb != CAMPAIGN_CREATE);
    if (op.verb == CAMPAIGN_CLOSE)
        MUST(campaign->closed && campaign->seal == op.seal);
    if (op.verb == CAMPAIGN_GROW)
        MUST(campaign->seal == op.seal && campaign->rules.shards == op.count
             && op.count > rules.shards);
    /* Once: unless it is so old that it went at once. */
    verdict = campaign_apply(campaign, &op, now_ms, &status, &differs);
    MUST(verdict == CAMPAIGN_REPEATED || status == LK_E_ID_TOO_OLD);
}

static void play(struct campaign *campaign, struct input *program)
{
    int64_t now_ms = INT64_C(1700000000000);

    for (size_t i = 0; program->left && i < 100; i++) {
        now_ms += (int64_t)take(program, 2) * 1000;
        play_one(campaign, program, now_ms);
    }
    obeys_its_rules(campaign);
    comes_back_as_it_is(campaign);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RECORD_INPUT taken = take_record(data, size, RECORD_CAMPAIGN);
    RECORD_OUT written = { 0 };
    struct campaign campaign = { 0 };

    if (is_read(campaign_decode(&campaign, taken.record.bytes, taken.record.size))) {
        obeys_its_rules(&campaign);
        MUST(campaign_encode(&campaign, &written) == LK_OK);
        MUST(taken.record.bytes[3] < 2 || is_same_record(&written, &taken.record));
        comes_back_as_it_is(&campaign);
        play(&campaign, &taken.program);
    }
    campaign_free(&campaign);
    return 0;
}
