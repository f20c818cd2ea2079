/* page.c - see page.h. */
#include "page.h"

#include <string.h>

#include "base/record.h"

static lk_id get_id(struct record_in *in)
{
    const unsigned char *bytes = record_get_bytes(in, sizeof(lk_id));
    lk_id id = LK_ID_NONE;

    if (bytes)
        memcpy(id.bytes, bytes, sizeof(id.bytes));
    return id;
}

static lk_coupon get_coupon(struct record_in *in)
{
    uint32_t shard = record_get_u16(in);
    return (lk_coupon){ shard, record_get_u64(in) };
}

/* NULL where they can't be: no record is that large. */
static void *room_for(struct record_in *in, struct arena *arena, size_t count, size_t size)
{
    if (!in->bad && count <= in->left)
        return arena_take(arena, (count + 1) * size);
    in->bad = true;
    return NULL;
}

static struct law_entry *get_applied(struct record_in *in, struct arena *arena, lk_id *floor,
                                     size_t *out_count)
{
    *floor = get_id(in);
    *out_count = record_get_u32(in);
    struct law_entry *applied = room_for(in, arena, *out_count, sizeof(*applied));

    for (size_t i = 0; applied && i < *out_count; i++) {
        struct law_entry *entry = &applied[i];
        entry->op.id = get_id(in);
        entry->op.verb = record_get_u8(in);
        entry->state = (lk_coupon_state)record_get_u8(in);
        entry->time_ms = (int64_t)record_get_u64(in);
        entry->op.coupon = get_coupon(in);
        entry->op.order = record_get_u64(in);
        entry->op.number = (int64_t)record_get_u64(in);
        entry->is_kept = true;
    }
    return applied;
}

static void get_law_coupon(struct record_in *in, struct law_coupon *coupon)
{
    size_t size = 0;

    coupon->name = get_coupon(in);
    coupon->state = (lk_coupon_state)record_get_u8(in);
    coupon->changed_ms = (int64_t)record_get_u64(in);
    if (coupon->state == LK_FROZEN)
        coupon->until_ms = (int64_t)record_get_u64(in);
    if (coupon->state == LK_FROZEN || coupon->state == LK_REDEEMED) {
        const char *order = record_get_text(in, &size);
        coupon->order = order ? law_order(order, size) : 0;
    }
    coupon->dead_count = record_get_u8(in);
    in->bad |= coupon->dead_count > LAW_DEAD_MAX || coupon->state < LK_CLAIMED
               || coupon->state > LK_VOID;
    for (size_t i = 0; !in->bad && i < coupon->dead_count; i++)
        coupon->dead[i] = record_get_u64(in);
}

bool page_read_account(struct page_account *page, struct arena *arena, const void *data,
                       size_t size)
{
    struct record_in in;
    size_t user_size = 0;

    *page = (struct page_account){ 0 };
    if (record_open(&in, data, size, RECORD_ACCOUNT, 1) != LK_OK)
        return false;
    const char *user = record_get_text(&in, &user_size);
    if (!user || user_size > LK_USER_MAX)
        return false;
    memcpy(page->user, user, user_size);
    page->applied = get_applied(&in, arena, &page->floor, &page->applied_count);
    page->claim_count = record_get_u32(&in);
    size_t coupons = record_get_u32(&in);
    page->claims = room_for(&in, arena, page->claim_count, sizeof(*page->claims));
    page->coupons = room_for(&in, arena, coupons, sizeof(*page->coupons));
    for (size_t i = 0; !in.bad && i < page->claim_count; i++) {
        struct law_entry *claim = &page->claims[i];
        claim->op.id = get_id(&in);
        claim->op.verb = LK_LEDGER_CLAIM;
        claim->state = LK_CLAIMED;
        claim->time_ms = (int64_t)record_get_u64(&in);
        claim->op.count = record_get_u16(&in);
        claim->first = page->coupon_count;
        claim->is_kept = true;
        in.bad |= claim->op.count > coupons - page->coupon_count;
        for (size_t j = 0; !in.bad && j < claim->op.count; j++)
            get_law_coupon(&in, &page->coupons[page->coupon_count++]);
    }
    return page->coupon_count == coupons && record_close(&in) == LK_OK;
}

bool page_read_campaign(struct page_campaign *page, struct arena *arena, const void *data,
                        size_t size)
{
    const lk_campaign_options defaults = LK_CAMPAIGN_OPTIONS_INIT;
    struct record_in in;
    lk_id floor;

    *page = (struct page_campaign){ .law.options = defaults };
    if (record_open(&in, data, size, RECORD_CAMPAIGN, 1) != LK_OK)
        return false;
    lk_campaign_options *options = &page->law.options;
    page->seal = record_get_u64(&in);
    uint8_t flags = record_get_u8(&in);
    page->law.is_closed = flags & 1;
    page->is_deleting = flags & 2;
    page->stock = options->stock = record_get_u64(&in);
    options->per_user = record_get_u32(&in);
    options->opens_ms = (int64_t)record_get_u64(&in);
    options->closes_ms = (int64_t)record_get_u64(&in);
    options->ends_ms = (int64_t)record_get_u64(&in);
    options->freeze_ttl_ms = (int64_t)record_get_u64(&in);
    options->shards = record_get_u16(&in);
    page->applied = get_applied(&in, arena, &floor, &page->applied_count);
    return options->shards <= LK_SHARDS_MAX && record_close(&in) == LK_OK;
}

bool page_read_shard(struct page_shard *page, struct arena *arena, const void *data, size_t size)
{
    struct record_in in;

    *page = (struct page_shard){ 0 };
    if (record_open(&in, data, size, RECORD_SHARD, 1) != LK_OK)
        return false;
    page->index = record_get_u16(&in);
    page->stocked = record_get_u64(&in);
    page->range_count = record_get_u16(&in);
    page->ranges = room_for(&in, arena, page->range_count, sizeof(*page->ranges));
    for (size_t i = 0; page->ranges && i < page->range_count; i++) {
        page->ranges[i].shard = record_get_u16(&in);
        page->ranges[i].first = record_get_u64(&in);
        page->ranges[i].count = record_get_u64(&in);
    }
    return page->index < LK_SHARDS_MAX && record_close(&in) == LK_OK;
}
