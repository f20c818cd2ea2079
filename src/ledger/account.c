/* account.c - the account's record. What may happen to it is judged in transition.c.
 *
 * Coupons stand under the claim that issued them, so the claim's id lives exactly as long as they
 * do. */
#include "ledger/account.h"

#include <stdlib.h>
#include <string.h>

#define ACCOUNT_VERSION 2
#define CLAIM_SIZE_LEAST 20 /* with its first coupon */
#define COUPON_COUNT_MAX (ACCOUNT_SIZE_MAX / COUPON_SIZE)

enum {
    COUPON_STATE = 7,
    COUPON_NEXT = 8,      /* of the same claim, and its serial follows on the one before */
    COUPON_CHANGED = 16,  /* later than it was claimed */
    COUPON_ORDER = 32,    /* frozen or redeemed for one */
    COUPON_UNFROZEN = 64, /* some orders can't freeze it any more */
};

static bool time_is_sound(int64_t ms)
{
    return ms >= 0 && ms <= APPLIED_TIME_MAX_MS;
}

/* ---- reading ---- */

static void coupon_decode_unfrozen(struct coupon *coupon, struct record_in *in)
{
    coupon->unfrozen_count = record_get_u8(in);
    if (coupon->unfrozen_count > COUPON_UNFROZEN_MAX) {
        in->bad = true;
        return;
    }
    for (size_t i = 0; i < coupon->unfrozen_count; i++)
        coupon->unfrozen[i] = record_get_u64(in);
}

static void coupon_decode_1(struct coupon *coupon, struct record_in *in)
{
    coupon->name.shard = record_get_u16(in);
    coupon->name.serial = record_get_u64(in);
    coupon->state = (lk_coupon_state)record_get_u8(in);
    coupon->changed_ms = (int64_t)record_get_u64(in);
    if (coupon->state == LK_FROZEN)
        coupon->until_ms = (int64_t)record_get_u64(in);
    if (coupon->state == LK_FROZEN || coupon->state == LK_REDEEMED) {
        const char *order = record_get_text(in, &coupon->order_size);
        coupon->order = coupon->order_size ? order : NULL;
    }
    coupon_decode_unfrozen(coupon, in);
}

static bool coupon_follows(const struct coupon *before, lk_coupon name)
{
    return before->name.shard == name.shard && before->name.serial + 1 == name.serial;
}

/* `before`: the claim's coupon before it, or NULL. What could have been left out and was not is as
 * bad as anything else that account_encode() does not write. */
static void coupon_decode(struct coupon *coupon, const struct coupon *before, int64_t claimed_ms,
                          struct record_in *in)
{
    unsigned tag = record_get_u8(in);

    coupon->state = (lk_coupon_state)(tag & COUPON_STATE);
    in->bad |= tag > (COUPON_UNFROZEN | (COUPON_UNFROZEN - 1)) || ((tag & COUPON_NEXT) && !before);
    if (in->bad)
        return;
    if (tag & COUPON_NEXT) {
        coupon->name = (lk_coupon){ before->name.shard, before->name.serial + 1 };
    } else {
        uint64_t shard = record_get_number(in);
        coupon->name = (lk_coupon){ (uint32_t)shard, record_get_number(in) };
        in->bad |= shard > UINT16_MAX || (before && coupon_follows(before, coupon->name));
    }
    coupon->changed_ms = claimed_ms;
    if (tag & COUPON_CHANGED) {
        coupon->changed_ms = (int64_t)record_get_number(in);
        in->bad |= coupon->changed_ms == claimed_ms;
    }
    if (coupon->state == LK_FROZEN)
        coupon->until_ms = (int64_t)record_get_number(in);
    if (tag & COUPON_ORDER) {
        coupon->order_size = record_get_number(in);
        coupon->order = (const char *)record_get_bytes(in, coupon->order_size);
        in->bad |= coupon->order_size == 0
                   || (coupon->state != LK_FROZEN && coupon->state != LK_REDEEMED);
    }
    if (tag & COUPON_UNFROZEN) {
        coupon_decode_unfrozen(coupon, in);
        in->bad |= coupon->unfrozen_count == 0;
    }
}

static bool coupon_is_sound(const struct coupon *coupon)
{
    return coupon->state >= LK_CLAIMED && coupon->state <= LK_VOID && coupon->name.serial != 0
           && coupon->name.serial <= SERIAL_MAX && coupon->order_size <= LK_ORDER_MAX
           && (coupon->state != LK_FROZEN || coupon->order) && time_is_sound(coupon->changed_ms)
           && time_is_sound(coupon->until_ms);
}

static int account_decode_claim(struct account *account, size_t coupons, struct record_in *in)
{
    struct claim *claim = &account->claims[account->claim_count++];
    const unsigned char *id = record_get_bytes(in, sizeof(claim->id.bytes));
    bool is_old = in->version == 1;

    if (!id)
        return LK_E_CORRUPT;
    memcpy(claim->id.bytes, id, sizeof(claim->id.bytes));
    claim->time_ms = (int64_t)(is_old ? record_get_u64(in) : record_get_number(in));
    claim->zxid = is_old ? ZXID_UNKNOWN : zxid_get(in);
    claim->first = account->coupon_count;
    claim->count = is_old ? record_get_u16(in) : record_get_number(in);
    if (in->bad || !time_is_sound(claim->time_ms) || claim->count == 0
        || claim->count > LK_CLAIM_MAX || claim->count > coupons - claim->first)
        return LK_E_CORRUPT;
    for (size_t i = 0; i < claim->count; i++) {
        struct coupon *coupon = &account->coupons[account->coupon_count++];
        if (is_old)
            coupon_decode_1(coupon, in);
        else
            coupon_decode(coupon, i ? coupon - 1 : NULL, claim->time_ms, in);
        if (in->bad || !coupon_is_sound(coupon))
            return LK_E_CORRUPT;
    }
    return LK_OK;
}

static int account_decode_claims(struct account *account, struct record_in *in)
{
    size_t claims = in->version == 1 ? record_get_u32(in) : record_get_number(in);
    size_t coupons = in->version == 1 ? record_get_u32(in) : record_get_number(in);

    /* Checked against the bytes there are before memory is asked for. */
    if (in->bad || claims > in->left / CLAIM_SIZE_LEAST || coupons > in->left
        || coupons > COUPON_COUNT_MAX)
        return LK_E_CORRUPT;
    account->claims = calloc(claims + 1, sizeof(*account->claims));
    account->coupons = calloc(coupons + 1, sizeof(*account->coupons));
    if (!account->claims || !account->coupons)
        return LK_E_NOMEM;
    for (size_t i = 0; i < claims; i++) {
        int status = account_decode_claim(account, coupons, in);
        if (status != LK_OK)
            return status;
    }
    return account->coupon_count == coupons ? LK_OK : LK_E_CORRUPT;
}

/* The memory of operations stands before the claims in version 1, behind them since. */
static int account_decode_body(struct account *account, struct record_in *in)
{
    int status = LK_OK;

    if (in->version == 1)
        status = applied_decode(&account->applied, in, LK_LEDGER_FREEZE, LK_LEDGER_VOID);
    if (status == LK_OK)
        status = account_decode_claims(account, in);
    if (status == LK_OK && in->version > 1)
        status = applied_decode(&account->applied, in, LK_LEDGER_FREEZE, LK_LEDGER_VOID);
    return status == LK_OK ? record_close(in) : status;
}

int account_decode(struct account *account, const void *data, size_t size, const char *user,
                   size_t user_size)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_ACCOUNT, ACCOUNT_VERSION);
    if (status != LK_OK)
        return status;

    struct account read = { 0 };
    read.user_size = in.version == 1 ? record_get_u16(&in) : record_get_number(&in);
    read.user = (const char *)record_get_bytes(&in, read.user_size);
    /* A record that was copied to another user's place is as bad as a damaged one. */
    if (!read.user || read.user_size != user_size || memcmp(read.user, user, user_size) != 0)
        return LK_E_CORRUPT;
    status = account_decode_body(&read, &in);
    if (status != LK_OK) {
        account_free(&read);
        return status;
    }
    *account = read;
    return LK_OK;
}

/* ---- writing ---- */

static void coupon_encode(const struct coupon *coupon, const struct coupon *before,
                          int64_t claimed_ms, struct record_out *out)
{
    bool next = before && coupon_follows(before, coupon->name);
    bool changed = coupon->changed_ms != claimed_ms;

    record_put_u8(out, (uint8_t)((unsigned)coupon->state | (next ? COUPON_NEXT : 0)
                                 | (changed ? COUPON_CHANGED : 0)
                                 | (coupon->order_size ? COUPON_ORDER : 0)
                                 | (coupon->unfrozen_count ? COUPON_UNFROZEN : 0)));
    if (!next) {
        record_put_number(out, coupon->name.shard);
        record_put_number(out, coupon->name.serial);
    }
    if (changed)
        record_put_number(out, (uint64_t)coupon->changed_ms);
    if (coupon->state == LK_FROZEN)
        record_put_number(out, (uint64_t)coupon->until_ms);
    if (coupon->order_size) {
        record_put_number(out, coupon->order_size);
        record_put_bytes(out, coupon->order, coupon->order_size);
    }
    if (coupon->unfrozen_count)
        record_put_u8(out, (uint8_t)coupon->unfrozen_count);
    for (size_t i = 0; i < coupon->unfrozen_count; i++)
        record_put_u64(out, coupon->unfrozen[i]);
}

int account_encode(const struct account *account, struct record_out *out)
{
    record_begin(out, RECORD_ACCOUNT, ACCOUNT_VERSION);
    record_put_number(out, account->user_size);
    record_put_bytes(out, account->user, account->user_size);
    record_put_number(out, account->claim_count);
    record_put_number(out, account->coupon_count);
    for (size_t i = 0; i < account->claim_count; i++) {
        const struct claim *claim = &account->claims[i];
        record_put_bytes(out, claim->id.bytes, sizeof(claim->id.bytes));
        record_put_number(out, (uint64_t)claim->time_ms);
        zxid_put(out, claim->zxid);
        record_put_number(out, claim->count);
        for (size_t j = 0; j < claim->count; j++) {
            const struct coupon *coupon = &account->coupons[claim->first + j];
            coupon_encode(coupon, j ? coupon - 1 : NULL, claim->time_ms, out);
        }
    }
    applied_encode(&account->applied, out);
    return record_end(out);
}

size_t account_size(const struct account *account)
{
    size_t size = RECORD_HEADER_SIZE + 2 + account->user_size + 6 + applied_size(&account->applied)
                  + account->claim_count * CLAIM_SIZE + account->coupon_count * COUPON_SIZE;

    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        if (coupon->order_size)
            size += 2 + coupon->order_size;
        /* A frozen one has its unfreezing still to come, which must not make it larger. */
        size_t unfrozen = coupon->unfrozen_count + (coupon->state == LK_FROZEN);
        size += unfrozen * UNFROZEN_SIZE;
    }
    return size;
}

/* ---- what it knows ---- */

void account_touch(struct account *account)
{
    int64_t zxid = account->zxid ? account->zxid : ZXID_UNKNOWN;

    if (account->changed)
        return;
    account->changed = true;
    for (size_t i = 0; i < account->claim_count; i++) {
        if (account->claims[i].zxid == ZXID_OF_LAST_WRITE)
            account->claims[i].zxid = zxid;
    }
    for (size_t i = 0; i < account->applied.count; i++) {
        if (account->applied.entries[i].zxid == ZXID_OF_LAST_WRITE)
            account->applied.entries[i].zxid = zxid;
    }
}

int64_t account_zxid(const struct account *account, int64_t zxid)
{
    if (zxid == ZXID_OF_LAST_WRITE)
        return account->changed ? 0 : account->zxid;
    return zxid == ZXID_UNKNOWN ? 0 : zxid;
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
        if (coupon_equals(coupon->name, name))
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
    out->zxid = account_zxid(account, claim->zxid);
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
    out->zxid = account_zxid(account, entry->zxid);
    out->count = 1;
    out->coupons[0] = entry->coupon;
    return LK_OK;
}
