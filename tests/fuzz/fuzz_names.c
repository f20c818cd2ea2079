/* fuzz_names.c - what the ledger's znodes are called, and what a user calls things: users, coupons,
 * ids. One spelling each: a text that is read as a thing is what that thing is written as. */
#include "fuzz.h"

#include "base/path.h"
#include "ledger/account.h"
#include "ledger/names.h"

/* A znode's name from a stranger. */
static void judge_znode(const char *name)
{
    char user[LK_USER_MAX + 1], encoded[USER_NAME_SIZE];

    if (!user_decode(name, user, sizeof(user)))
        return;
    MUST(strlen(user) > 0 && strlen(user) <= LK_USER_MAX);
    user_encode(user, encoded);
    MUST(strcmp(encoded, name) == 0);
}

/* A user as an operation names one: of the forms that are refused none must get here. */
static void judge_user(const char *user)
{
    char encoded[USER_NAME_SIZE], decoded[LK_USER_MAX + 1], bucket[BUCKET_NAME_SIZE];

    if (ledger_user_check(user) != LK_OK)
        return;
    user_encode(user, encoded);
    MUST(strlen(encoded) < USER_NAME_SIZE && !strchr(encoded, '/'));
    MUST(user_decode(encoded, decoded, sizeof(decoded)) && strcmp(decoded, user) == 0);
    MUST(user_bucket(user) < BUCKETS);
    bucket_name(user_bucket(user), bucket);
    MUST(strlen(bucket) == BUCKET_NAME_SIZE - 1);
    char *path = name_account("/sale", user);
    MUST(path && path_check(path) == LK_OK && strcmp(path_name(path), encoded) == 0);
    free(path);
}

static void judge_coupon(const char *text)
{
    char written[LK_COUPON_TEXT_SIZE];
    lk_coupon coupon;
    int status = lk_coupon_parse(text, &coupon);

    MUST(status == LK_OK || status == LK_E_INVALID);
    if (status != LK_OK)
        return;
    MUST(coupon.serial > 0 && coupon.shard <= UINT16_MAX);
    MUST(strcmp(lk_coupon_text(coupon, written), text) == 0);
}

static void judge_id(const char *text)
{
    char written[LK_ID_TEXT_SIZE];
    lk_id id, again;
    int status = lk_id_from_text(text, &id);

    MUST(status == LK_OK || status == LK_E_INVALID);
    if (status != LK_OK)
        return;
    MUST(!id_is_none(id));
    bool is_written_id = strcmp(lk_id_text(id, written), text) == 0;
    MUST(is_written_id || id_is_text(id));
    MUST(lk_id_from_text(written, &again) == LK_OK && id_equals(again, id));
}

static void judge_numbers(struct input in)
{
    char text[LK_COUPON_TEXT_SIZE];
    lk_coupon coupon = { (uint32_t)take(&in, 2), take(&in, 8) }, read = { 0 };
    uint64_t seal = take(&in, 8);

    if (coupon.serial > 0) {
        MUST(lk_coupon_parse(lk_coupon_text(coupon, text), &read) == LK_OK);
        MUST(read.shard == coupon.shard && read.serial == coupon.serial);
    }
    char *name = name_seal("/sale", seal), *grave = name_grave("/sale", seal);
    MUST(name && grave && path_check(name) == LK_OK && path_check(grave) == LK_OK);
    MUST(strtoull(strchr(name, '-') + 1, NULL, 16) == seal && strlen(path_name(name)) == 21);
    MUST(strcmp(strchr(grave, '-'), strchr(name, '-')) == 0);
    free(name);
    free(grave);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };

    judge_numbers(in);
    char *text = take_text(&in);
    judge_znode(text);
    judge_user(text);
    judge_coupon(text);
    judge_id(text);
    free(text);
    return 0;
}
