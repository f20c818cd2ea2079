/* applied.c - the memory of applied operations, see applied.h.
 *
 * The *oldest* id is forgotten, not the one applied first, and never one that is dated in the
 * future: so no machine's false clock can lift the floor above the ids that honest clocks make. */
#include "ledger/applied.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

const struct applied *applied_find(const struct applied_list *list, lk_id id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (id_equals(list->entries[i].id, id))
            return &list->entries[i];
    }
    return NULL;
}

bool applied_is_too_old(const struct applied_list *list, lk_id id)
{
    return !id_is_text(id) && id_compare(id, list->floor) <= 0;
}

bool applied_is_for(const struct applied *entry, const char *order)
{
    size_t size = order ? strlen(order) : 0;

    if (entry->order_hash)
        return order && entry->order_hash == order_hash(order, size);
    return entry->order_size == size && (size == 0 || memcmp(entry->order, order, size) == 0);
}

int applied_reserve(struct applied_list *list, size_t count)
{
    if (count <= list->capacity)
        return LK_OK;
    size_t capacity = list->capacity * 2 > count ? list->capacity * 2 : count + 4;
    struct applied *entries = realloc(list->entries, capacity * sizeof(*entries));
    if (!entries)
        return LK_E_NOMEM;
    list->entries = entries;
    list->capacity = capacity;
    return LK_OK;
}

int applied_add(struct applied_list *list, const struct applied *entry)
{
    int status = applied_reserve(list, list->count + 1);
    if (status != LK_OK)
        return status;
    list->entries[list->count++] = *entry;
    return LK_OK;
}

void applied_free(struct applied_list *list)
{
    free(list->entries);
    *list = (struct applied_list){ 0 };
}

/* ---- what time did ---- */

static bool applied_is_of_time(const struct applied *entry)
{
    return id_is_none(entry->id);
}

/* At one moment a freeze runs out before the campaign's end voids the coupon: the verbs' order. */
static int applied_compare_time(const void *a, const void *b)
{
    const struct applied *x = a, *y = b;

    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    if (x->verb != y->verb)
        return x->verb < y->verb ? -1 : 1;
    if (x->coupon.shard != y->coupon.shard)
        return x->coupon.shard < y->coupon.shard ? -1 : 1;
    return (x->coupon.serial > y->coupon.serial) - (x->coupon.serial < y->coupon.serial);
}

void applied_sort_time(struct applied_list *list, size_t first)
{
    if (list->count - first > 1)
        qsort(&list->entries[first], list->count - first, sizeof(*list->entries),
              applied_compare_time);
}

static size_t applied_entry_size(const struct applied *entry)
{
    if (entry->order_hash)
        return APPLIED_SIZE + sizeof(entry->order_hash);
    return APPLIED_SIZE + entry->order_size;
}

void applied_forget_time(struct applied_list *list, size_t keep, size_t bytes)
{
    size_t of_time = 0, left = 0, freed = 0;

    for (size_t i = 0; i < list->count; i++)
        of_time += applied_is_of_time(&list->entries[i]);
    if (of_time <= keep && (bytes == 0 || of_time == 0))
        return;
    for (size_t i = 0; i < list->count; i++) {
        const struct applied *entry = &list->entries[i];
        if (applied_is_of_time(entry) && (of_time > keep || freed < bytes)) {
            of_time--;
            freed += applied_entry_size(entry);
        } else {
            list->entries[left++] = *entry;
        }
    }
    list->count = left;
}

/* ---- what operations did ---- */

bool applied_id_can_go(lk_id id, int64_t now_ms)
{
    return !id_is_none(id) && !id_is_text(id) && id_time_ms(id) <= now_ms + APPLIED_AHEAD_MS;
}

bool applied_forget_oldest(struct applied_list *list, size_t keep, int64_t now_ms)
{
    size_t can_go = 0, oldest = 0;

    if (list->count <= keep)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (!applied_id_can_go(list->entries[i].id, now_ms))
            continue;
        if (can_go++ == 0 || id_compare(list->entries[i].id, list->entries[oldest].id) < 0)
            oldest = i;
    }
    if (can_go <= keep)
        return false;
    if (id_compare(list->entries[oldest].id, list->floor) > 0)
        list->floor = list->entries[oldest].id;
    memmove(&list->entries[oldest], &list->entries[oldest + 1],
            (list->count - oldest - 1) * sizeof(*list->entries));
    list->count--;
    return true;
}

/* ---- in a record ---- */

enum { LIST_FLOOR = 1, LIST_ENTRIES = 2 };

enum {
    ENTRY_STATE = 7,
    ENTRY_ID = 8, /* it has one: time did not do it */
    ENTRY_ORDER = 16,
    ENTRY_ORDER_BACK = 32, /* the order of the entry so many before this one */
    ENTRY_ORDER_HASH = 64,
    ENTRY_NUMBER = 128, /* it is not 0 */
};

/* An order is named by its freeze and again by what ends the freeze, mostly soon after. */
#define ORDER_BACK_MAX 8
#define ENTRY_SIZE_LEAST 6
#define ENTRY_SIZE_1 52 /* of version 1 */

size_t applied_size(const struct applied_list *list)
{
    size_t size = 1 + sizeof(list->floor.bytes) + 3;

    for (size_t i = 0; i < list->count; i++)
        size += applied_entry_size(&list->entries[i]);
    return size;
}

/* 0: none of the last ones has the same order. */
static size_t order_back(const struct applied_list *list, size_t at)
{
    const struct applied *entry = &list->entries[at];

    for (size_t back = 1; back <= ORDER_BACK_MAX && back <= at; back++) {
        const struct applied *other = &list->entries[at - back];
        if (other->order_size == entry->order_size
            && memcmp(other->order, entry->order, entry->order_size) == 0)
            return back;
    }
    return 0;
}

static void applied_encode_entry(const struct applied_list *list, size_t at, struct record_out *out)
{
    const struct applied *entry = &list->entries[at];
    size_t back = entry->order_size ? order_back(list, at) : 0;
    unsigned tag = entry->state;

    if (!applied_is_of_time(entry))
        tag |= ENTRY_ID;
    if (entry->order_hash)
        tag |= ENTRY_ORDER_HASH;
    else if (entry->order_size)
        tag |= back ? ENTRY_ORDER_BACK : ENTRY_ORDER;
    if (entry->number)
        tag |= ENTRY_NUMBER;
    record_put_u8(out, entry->verb);
    record_put_u8(out, (uint8_t)tag);
    if (tag & ENTRY_ID)
        record_put_bytes(out, entry->id.bytes, sizeof(entry->id.bytes));
    record_put_number(out, (uint64_t)entry->time_ms);
    zxid_put(out, entry->zxid);
    record_put_number(out, entry->coupon.shard);
    record_put_number(out, entry->coupon.serial);
    if (tag & ENTRY_ORDER) {
        record_put_number(out, entry->order_size);
        record_put_bytes(out, entry->order, entry->order_size);
    }
    if (tag & ENTRY_ORDER_BACK)
        record_put_u8(out, (uint8_t)back);
    if (tag & ENTRY_ORDER_HASH)
        record_put_u64(out, entry->order_hash);
    if (tag & ENTRY_NUMBER)
        record_put_number(out, (uint64_t)entry->number);
}

void applied_encode(const struct applied_list *list, struct record_out *out)
{
    bool has_floor = !id_is_none(list->floor);

    record_put_u8(out, (uint8_t)((has_floor ? LIST_FLOOR : 0) | (list->count ? LIST_ENTRIES : 0)));
    if (has_floor)
        record_put_bytes(out, list->floor.bytes, sizeof(list->floor.bytes));
    if (list->count)
        record_put_number(out, list->count);
    for (size_t i = 0; i < list->count; i++)
        applied_encode_entry(list, i, out);
}

static void get_id(struct record_in *in, lk_id *id)
{
    const unsigned char *bytes = record_get_bytes(in, sizeof(id->bytes));
    if (bytes)
        memcpy(id->bytes, bytes, sizeof(id->bytes));
}

static void applied_decode_entry_1(struct applied *entry, struct record_in *in)
{
    get_id(in, &entry->id);
    entry->verb = record_get_u8(in);
    entry->state = record_get_u8(in);
    entry->time_ms = (int64_t)record_get_u64(in);
    entry->coupon.shard = record_get_u16(in);
    entry->coupon.serial = record_get_u64(in);
    entry->order_hash = record_get_u64(in);
    entry->number = (int64_t)record_get_u64(in);
    entry->zxid = ZXID_UNKNOWN;
}

/* Only what applied_encode_entry() would write: the order's text where none of the last entries has
 * it, else how far before the nearest is. */
static void applied_decode_order(struct applied_list *list, unsigned tag, struct record_in *in)
{
    struct applied *entry = &list->entries[list->count];
    size_t back = 0;

    if (tag & ENTRY_ORDER) {
        entry->order_size = record_get_number(in);
        entry->order = (const char *)record_get_bytes(in, entry->order_size);
        in->bad |= entry->order_size == 0 || entry->order_size > LK_ORDER_MAX;
    } else if (tag & ENTRY_ORDER_BACK) {
        back = record_get_u8(in);
        in->bad |= back == 0 || back > ORDER_BACK_MAX || back > list->count;
        if (in->bad)
            return;
        entry->order = list->entries[list->count - back].order;
        entry->order_size = list->entries[list->count - back].order_size;
        in->bad |= entry->order_size == 0;
    } else if (tag & ENTRY_ORDER_HASH) {
        entry->order_hash = record_get_u64(in);
        in->bad |= entry->order_hash == 0;
    }
    if (!in->bad && entry->order_size)
        in->bad |= order_back(list, list->count) != back;
}

static void applied_decode_entry(struct applied_list *list, struct record_in *in)
{
    struct applied *entry = &list->entries[list->count];

    entry->verb = record_get_u8(in);
    unsigned tag = record_get_u8(in),
             orders = tag & (ENTRY_ORDER | ENTRY_ORDER_BACK | ENTRY_ORDER_HASH);
    entry->state = tag & ENTRY_STATE;
    if (tag & ENTRY_ID) {
        get_id(in, &entry->id);
        in->bad |= id_is_none(entry->id);
    }
    entry->time_ms = (int64_t)record_get_number(in);
    entry->zxid = zxid_get(in);
    uint64_t shard = record_get_number(in);
    entry->coupon = (lk_coupon){ (uint32_t)shard, record_get_number(in) };
    in->bad |= shard > UINT16_MAX || (orders & (orders - 1)) != 0;
    if (!in->bad)
        applied_decode_order(list, tag, in);
    if (tag & ENTRY_NUMBER) {
        entry->number = (int64_t)record_get_number(in);
        in->bad |= entry->number == 0;
    }
}

static bool applied_is_sound(const struct applied *entry)
{
    return entry->state <= LK_VOID && entry->time_ms >= 0 && entry->time_ms <= APPLIED_TIME_MAX_MS
           && entry->coupon.serial <= SERIAL_MAX && entry->number >= 0
           && entry->number <= APPLIED_NUMBER_MAX;
}

static int applied_decode_entries(struct applied_list *list, struct record_in *in, size_t count,
                                  uint8_t first, uint8_t last)
{
    size_t least = in->version > 1 ? ENTRY_SIZE_LEAST : ENTRY_SIZE_1;

    /* Checked against the bytes there are before memory is asked for. */
    if (in->bad || count > in->left / least)
        return LK_E_CORRUPT;
    int status = count ? applied_reserve(list, count) : LK_OK;
    if (status != LK_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        struct applied *entry = &list->entries[i];
        *entry = (struct applied){ 0 };
        if (in->version > 1)
            applied_decode_entry(list, in);
        else
            applied_decode_entry_1(entry, in);
        if (in->bad || entry->verb < first || entry->verb > last || !applied_is_sound(entry))
            return LK_E_CORRUPT;
        list->count = i + 1;
    }
    return LK_OK;
}

int applied_decode(struct applied_list *list, struct record_in *in, uint8_t first, uint8_t last)
{
    if (in->version == 1) {
        get_id(in, &list->floor);
        size_t count = record_get_u32(in);
        return applied_decode_entries(list, in, count, first, last);
    }
    unsigned parts = record_get_u8(in);
    if (in->bad || parts > (LIST_FLOOR | LIST_ENTRIES))
        return LK_E_CORRUPT;
    if (parts & LIST_FLOOR) {
        get_id(in, &list->floor);
        in->bad |= id_is_none(list->floor);
    }
    if (in->bad || !(parts & LIST_ENTRIES))
        return in->bad ? LK_E_CORRUPT : LK_OK;
    size_t count = record_get_number(in);
    return count ? applied_decode_entries(list, in, count, first, last) : LK_E_CORRUPT;
}

/* One more than it is, so that what is mostly written takes one byte. */
void zxid_put(struct record_out *out, int64_t zxid)
{
    record_put_number(out, (uint64_t)(zxid + 1));
}

int64_t zxid_get(struct record_in *in)
{
    uint64_t number = record_get_number(in);

    in->bad |= number > INT64_MAX;
    return in->bad ? ZXID_UNKNOWN : (int64_t)number - 1;
}

uint64_t order_hash(const char *order, size_t size)
{
    uint64_t hash = XXH3_64bits(order, size);
    return hash ? hash : 1;
}
