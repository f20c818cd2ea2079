/* account.c - the account's record. What may happen to it is judged in transition.c.
 *
 * Coupons stand under the claim that issued them, so the claim's id lives exactly as long as they
 * do. */
#include "ledger/account.h"

#include <stdlib.h>
#include <string.h>

#define ACCOUNT_VERSION 1
#define TIME_MAX_MS (INT64_MAX / 2) /* the sum of two stays in range */

static bool time_is_sound(int64_t ms)
{
    return ms >= 0 && ms <= TIME_MAX_MS;
}

static int account_decode_coupon(struct coupon *coupon, struct record_in *in)
{
    coupon->name.shard = record_get_u16(in);
    coupon->name.serial = record_get_u64(in);
    coupon->state = (lk_coupon_state)record_get_u8(in);
    coupon->changed_ms = (int64_t)record_get_u64(in);
    if (coupon->state < LK_CLAIMED || coupon->state > LK_VOID || coupon->name.serial == 0)
        return LK_E_CORRUPT;
    if (coupon->state == LK_FROZEN)
        coupon->until_ms = (int64_t)record_get_u64(in);
    if (coupon->state == LK_FROZEN || coupon->state == LK_REDEEMED) {
        const char *order = record_get_text(in, &coupon->order_size);
        coupon->order = coupon->order_size ? order : NULL;
        if (coupon->order_size > LK_ORDER_MAX || (coupon->state == LK_FROZEN && !coupon->order))
            return LK_E_CORRUPT;
    }
    if (!time_is_sound(coupon->changed_ms) || !time_is_sound(coupon->until_ms))
        return LK_E_CORRUPT;
    coupon->unfrozen_count = record_get_u8(in);
    if (coupon->unfrozen_count > COUPON_UNFROZEN_MAX)
        return LK_E_CORRUPT;
    for (size_t i = 0; i < coupon->unfrozen_count; i++)
        coupon->unfrozen[i] = record_get_u64(in);
    return in->bad ? LK_E_CORRUPT : LK_OK;
}

static int account_decode_claims(struct account *account, struct record_in *in)
{
    size_t claims = record_get_u32(in), coupons = record_get_u32(in);

    /* Checked against the bytes there are before memory is asked for. */
    if (in->bad || claims > in->left / CLAIM_SIZE || coupons > in->left / COUPON_SIZE)
        return LK_E_CORRUPT;
    account->claims = calloc(claims + 1, sizeof(*account->claims));
    account->coupons = calloc(coupons + 1, sizeof(*account->coupons));
    if (!account->claims || !account->coupons)
        return LK_E_NOMEM;
    for (size_t i = 0; i < claims; i++) {
        struct claim *claim = &account->claims[i];
        const unsigned char *id = record_get_bytes(in, sizeof(claim->id.bytes));
        if (!id)
            return LK_E_CORRUPT;
        memcpy(claim->id.bytes, id, sizeof(claim->id.bytes));
        claim->time_ms = (int64_t)record_get_u64(in);
        claim->first = account->coupon_count;
        claim->count = record_get_u16(in);
        if (claim->count == 0 || claim->count > LK_CLAIM_MAX
            || claim->count > coupons - claim->first)
            return LK_E_CORRUPT;
        account->claim_count = i + 1;
        for (size_t j = 0; j < claim->count; j++) {
            int status = account_decode_coupon(&account->coupons[account->coupon_count++], in);
            if (status != LK_OK)
                return status;
        }
    }
    return account->coupon_count == coupons ? LK_OK : LK_E_CORRUPT;
}

int account_decode(struct account *account, const void *data, size_t size, const char *user,
                   size_t user_size)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_ACCOUNT, ACCOUNT_VERSION);
    if (status != LK_OK)
        return status;

    struct account read = { 0 };
    read.user = record_get_text(&in, &read.user_size);
    /* A record that was copied to another user's place is as bad as a damaged one. */
    if (!read.user || read.user_size != user_size || memcmp(read.user, user, user_size) != 0)
        return LK_E_CORRUPT;
    status = applied_decode(&read.applied, &in);
    if (status == LK_OK)
        status = account_decode_claims(&read, &in);
    if (status == LK_OK)
        status = record_close(&in);
    if (status != LK_OK) {
        account_free(&read);
        return status;
    }
    *account = read;
    return LK_OK;
}

static void account_encode_coupon(const struct coupon *coupon, struct record_out *out)
{
    record_put_u16(out, (uint16_t)coupon->name.shard);
    record_put_u64(out, coupon->name.serial);
    record_put_u8(out, (uint8_t)coupon->state);
    record_put_u64(out, (uint64_t)coupon->changed_ms);
    if (coupon->state == LK_FROZEN)
        record_put_u64(out, (uint64_t)coupon->until_ms);
    if (coupon->state == LK_FROZEN || coupon->state == LK_REDEEMED)
        record_put_text(out, coupon->order, coupon->order_size);
    record_put_u8(out, (uint8_t)coupon->unfrozen_count);
    for (size_t i = 0; i < coupon->unfrozen_count; i++)
        record_put_u64(out, coupon->unfrozen[i]);
}

int account_encode(const struct account *account, struct record_out *out)
{
    record_begin(out, RECORD_ACCOUNT, ACCOUNT_VERSION);
    record_put_text(out, account->user, account->user_size);
    applied_encode(&account->applied, out);
    record_put_u32(out, (uint32_t)account->claim_count);
    record_put_u32(out, (uint32_t)account->coupon_count);
    for (size_t i = 0; i < account->claim_count; i++) {
        const struct claim *claim = &account->claims[i];
        record_put_bytes(out, claim->id.bytes, sizeof(claim->id.bytes));
        record_put_u64(out, (uint64_t)claim->time_ms);
        record_put_u16(out, (uint16_t)claim->count);
        for (size_t j = 0; j < claim->count; j++)
            account_encode_coupon(&account->coupons[claim->first + j], out);
    }
    return record_end(out);
}

size_t account_size(const struct account *account)
{
    size_t size = RECORD_HEADER_SIZE + 2 + account->user_size + applied_size(&account->applied) + 8
                  + account->claim_count * CLAIM_SIZE + account->coupon_count * COUPON_SIZE;

    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        if (coupon->state == LK_FROZEN)
            size += FROZEN_SIZE;
        if (coupon->state == LK_FROZEN || coupon->state == LK_REDEEMED)
            size += 2 + coupon->order_size;
        size += coupon->unfrozen_count * sizeof(coupon->unfrozen[0]);
    }
    return size;
}

void account_free(struct account *account)
{
    applied_free(&account->applied);
    free(account->claims);
    free(account->coupons);
    *account = (struct account){ 0 };
}

const struct coupon *account_find(const struct account *account, lk_coupon name)
{
    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        if (coupon->name.serial == name.serial && coupon->name.shard == name.shard)
            return coupon;
    }
    return NULL;
}

size_t account_counted(const struct account *account)
{
    size_t count = 0;

    for (size_t i = 0; i < account->coupon_count; i++)
        count += account->coupons[i].state != LK_VOID;
    return count;
}

static void claim_answer(const struct account *account, const struct claim *claim,
                         lk_ledger_result *out)
{
    out->state = LK_CLAIMED;
    out->time_ms = claim->time_ms;
    out->count = (uint32_t)claim->count;
    for (size_t i = 0; i < claim->count; i++)
        out->coupons[i] = account->coupons[claim->first + i].name;
}

int account_lookup(const struct account *account, lk_id id, lk_ledger_result *out)
{
    for (size_t i = 0; i < account->claim_count; i++) {
        if (!id_equals(account->claims[i].id, id))
            continue;
        claim_answer(account, &account->claims[i], out);
        return LK_OK;
    }
    const struct applied *entry = applied_find(&account->applied, id);
    if (!entry)
        return applied_is_too_old(&account->applied, id) ? LK_E_ID_TOO_OLD : LK_E_NOT_FOUND;
    out->state = (lk_coupon_state)entry->state;
    out->time_ms = entry->time_ms;
    out->count = 1;
    out->coupons[0] = entry->coupon;
    return LK_OK;
}
