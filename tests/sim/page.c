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
    uint64_t shard = record_get_number(in);

    in->bad |= shard >= LK_SHARDS_MAX;
    return (lk_coupon){ (uint32_t)shard, record_get_number(in) };
}

/* NULL where they can't be: no record is that large. */
static void *room_for(struct record_in *in, struct arena *arena, size_t count, size_t size)
{
    if (!in->bad && count <= in->left)
        return arena_take(arena, (count + 1) * size);
    in->bad = true;
    return NULL;
}

enum { HAS_FLOOR = 1, HAS_ENTRIES = 2 };
enum {
    ENTRY_STATE = 7,
    ENTRY_ID = 8,
    ENTRY_ORDER = 16,
    ENTRY_ORDER_AS_BEFORE = 32,
    ENTRY_ORDER_HASH = 64,
    ENTRY_NUMBER = 128
};

/* 0: not known; 1: of the write itself. */
static int64_t get_zxid(struct record_in *in)
{
    uint64_t number = record_get_number(in);
    return number == 0 ? 0 : number == 1 ? PAGE_ZXID_OWN : (int64_t)(number - 1);
}

static uint64_t get_order(struct record_in *in)
{
    size_t size = record_get_number(in);
    const unsigned char *order = record_get_bytes(in, size);

    in->bad |= size == 0 || size > LK_ORDER_MAX;
    return order && !in->bad ? law_order((const char *)order, size) : 0;
}

/* `nth` of the entries. */
static void get_entry(struct record_in *in, struct law_entry *entry, size_t nth)
{
    entry->op.verb = record_get_u8(in);
    unsigned tag = record_get_u8(in);

    entry->state = (lk_coupon_state)(tag & ENTRY_STATE);
    if (tag & ENTRY_ID)
        entry->op.id = get_id(in);
    entry->time_ms = (int64_t)record_get_number(in);
    entry->zxid = get_zxid(in);
    entry->op.coupon = get_coupon(in);
    if (tag & ENTRY_ORDER)
        entry->op.order = get_order(in);
    if (tag & ENTRY_ORDER_AS_BEFORE) {
        size_t back = record_get_u8(in);
        in->bad |= back == 0 || back > 8 || back > nth;
        entry->op.order = in->bad ? 0 : entry[-(ptrdiff_t)back].op.order;
    }
    if (tag & ENTRY_ORDER_HASH)
        entry->op.order = record_get_u64(in);
    if (tag & ENTRY_NUMBER)
        entry->op.number = (int64_t)record_get_number(in);
    entry->is_kept = true;
}

static void get_applied(struct record_in *in, struct arena *arena, struct page_applied *applied)
{
    unsigned tag = record_get_u8(in);

    *applied = (struct page_applied){ 0 };
    if (tag & HAS_FLOOR)
        applied->floor = get_id(in);
    size_t count = tag & HAS_ENTRIES ? record_get_number(in) : 0;
    struct law_entry *entries = room_for(in, arena, count, sizeof(*entries));
    applied->entries = room_for(in, arena, count, sizeof(*entries));
    applied->times = room_for(in, arena, count, sizeof(*entries));
    for (size_t i = 0; !in->bad && i < count; i++) {
        get_entry(in, &entries[i], i);
        if (law_id_is(entries[i].op.id, LK_ID_NONE))
            applied->times[applied->time_count++] = entries[i];
        else
            applied->entries[applied->count++] = entries[i];
    }
}

enum {
    COUPON_STATE = 7,
    COUPON_NEXT = 8,
    COUPON_CHANGED = 16,
    COUPON_ORDER = 32,
    COUPON_UNFROZEN = 64
};

/* `before`: the coupon before it in its claim, or NULL. */
static void get_law_coupon(struct record_in *in, struct law_coupon *coupon,
                           const struct law_coupon *before, int64_t claimed_ms)
{
    unsigned tag = record_get_u8(in);

    coupon->state = (lk_coupon_state)(tag & COUPON_STATE);
    in->bad |= ((tag & COUPON_NEXT) && !before) || coupon->state < LK_CLAIMED
               || coupon->state > LK_VOID;
    if (in->bad)
        return;
    if (tag & COUPON_NEXT)
        coupon->name = (lk_coupon){ before->name.shard, before->name.serial + 1 };
    else
        coupon->name = get_coupon(in);
    coupon->changed_ms = tag & COUPON_CHANGED ? (int64_t)record_get_number(in) : claimed_ms;
    if (coupon->state == LK_FROZEN)
        coupon->until_ms = (int64_t)record_get_number(in);
    if (tag & COUPON_ORDER)
        coupon->order = get_order(in);
    if (tag & COUPON_UNFROZEN)
        coupon->dead_count = record_get_u8(in);
    in->bad |= coupon->dead_count > LAW_DEAD_MAX;
    for (size_t i = 0; !in->bad && i < coupon->dead_count; i++)
        coupon->dead[i] = record_get_u64(in);
}

static void get_claim(struct record_in *in, struct page_account *page, size_t coupons)
{
    struct law_entry *claim = &page->claims[page->claim_count++];

    claim->op.id = get_id(in);
    claim->op.verb = LK_LEDGER_CLAIM;
    claim->state = LK_CLAIMED;
    claim->time_ms = (int64_t)record_get_number(in);
    claim->zxid = get_zxid(in);
    uint64_t count = record_get_number(in);
    claim->first = page->coupon_count;
    claim->is_kept = true;
    in->bad |= count > coupons - page->coupon_count;
    for (size_t i = 0; !in->bad && i < count; i++) {
        struct law_coupon *coupon = &page->coupons[page->coupon_count++];
        get_law_coupon(in, coupon, i ? coupon - 1 : NULL, claim->time_ms);
    }
    claim->op.count = (uint32_t)count;
}

bool page_read_account(struct page_account *page, struct arena *arena, const void *data,
                       size_t size)
{
    struct record_in in;

    *page = (struct page_account){ 0 };
    if (record_open(&in, data, size, RECORD_ACCOUNT, 2) != LK_OK)
        return false;
    size_t user_size = record_get_number(&in);
    const unsigned char *user = record_get_bytes(&in, user_size);
    if (!user || user_size > LK_USER_MAX)
        return false;
    memcpy(page->user, user, user_size);
    size_t claims = record_get_number(&in), coupons = record_get_number(&in);
    page->claims = room_for(&in, arena, claims, sizeof(*page->claims));
    page->coupons = room_for(&in, arena, coupons, sizeof(*page->coupons));
    while (!in.bad && page->claim_count < claims)
        get_claim(&in, page, coupons);
    get_applied(&in, arena, &page->applied);
    return page->coupon_count == coupons && record_close(&in) == LK_OK;
}

bool page_read_campaign(struct page_campaign *page, struct arena *arena, const void *data,
                        size_t size)
{
    const lk_campaign_options defaults = LK_CAMPAIGN_OPTIONS_INIT;
    struct record_in in;

    *page = (struct page_campaign){ .law.options = defaults };
    if (record_open(&in, data, size, RECORD_CAMPAIGN, 2) != LK_OK)
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
    page->grown = record_get_u16(&in);
    options->history = record_get_u16(&in);
    get_applied(&in, arena, &page->applied);
    return options->shards <= LK_SHARDS_MAX && page->grown < options->shards
           && record_close(&in) == LK_OK;
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
