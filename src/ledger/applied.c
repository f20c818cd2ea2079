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

static bool applied_can_go(const struct applied *entry, int64_t now_ms)
{
    return !id_is_text(entry->id) && id_time_ms(entry->id) <= now_ms + APPLIED_AHEAD_MS;
}

static void applied_forget_oldest(struct applied_list *list, int64_t now_ms)
{
    size_t can_go = 0, oldest = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (!applied_can_go(&list->entries[i], now_ms))
            continue;
        if (can_go++ == 0 || id_compare(list->entries[i].id, list->entries[oldest].id) < 0)
            oldest = i;
    }
    if (can_go <= APPLIED_KEPT)
        return;
    if (id_compare(list->entries[oldest].id, list->floor) > 0)
        list->floor = list->entries[oldest].id;
    memmove(&list->entries[oldest], &list->entries[oldest + 1],
            (list->count - oldest - 1) * sizeof(*list->entries));
    list->count--;
}

static int applied_reserve(struct applied_list *list, size_t count)
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
    applied_forget_oldest(list, entry->time_ms);
    return LK_OK;
}

void applied_free(struct applied_list *list)
{
    free(list->entries);
    *list = (struct applied_list){ 0 };
}

size_t applied_size(const struct applied_list *list)
{
    return sizeof(list->floor.bytes) + 4 + list->count * APPLIED_SIZE;
}

void applied_encode(const struct applied_list *list, struct record_out *out)
{
    record_put_bytes(out, list->floor.bytes, sizeof(list->floor.bytes));
    record_put_u32(out, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct applied *entry = &list->entries[i];
        record_put_bytes(out, entry->id.bytes, sizeof(entry->id.bytes));
        record_put_u8(out, entry->verb);
        record_put_u8(out, entry->state);
        record_put_u64(out, (uint64_t)entry->time_ms);
        record_put_u16(out, (uint16_t)entry->coupon.shard);
        record_put_u64(out, entry->coupon.serial);
        record_put_u64(out, entry->order);
        record_put_u64(out, (uint64_t)entry->number);
    }
}

int applied_decode(struct applied_list *list, struct record_in *in)
{
    const unsigned char *floor = record_get_bytes(in, sizeof(list->floor.bytes));
    uint32_t count = record_get_u32(in);

    /* The count is checked against the bytes there are before memory is asked for. */
    if (!floor || in->bad || count > in->left / APPLIED_SIZE)
        return LK_E_CORRUPT;
    memcpy(list->floor.bytes, floor, sizeof(list->floor.bytes));
    int status = count ? applied_reserve(list, count) : LK_OK;
    if (status != LK_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        struct applied *entry = &list->entries[i];
        const unsigned char *id = record_get_bytes(in, sizeof(entry->id.bytes));
        if (!id)
            return LK_E_CORRUPT;
        memcpy(entry->id.bytes, id, sizeof(entry->id.bytes));
        entry->verb = record_get_u8(in);
        entry->state = record_get_u8(in);
        entry->time_ms = (int64_t)record_get_u64(in);
        entry->coupon.shard = record_get_u16(in);
        entry->coupon.serial = record_get_u64(in);
        entry->order = record_get_u64(in);
        entry->number = (int64_t)record_get_u64(in);
        list->count = i + 1;
    }
    return in->bad ? LK_E_CORRUPT : LK_OK;
}

uint64_t order_hash(const char *order, size_t size)
{
    uint64_t hash = XXH3_64bits(order, size);
    return hash ? hash : 1;
}
