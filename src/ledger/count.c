/* count.c - the audit's arithmetic, see audit.h. A bit a coupon: a million coupons take 128 KiB. */
#include "ledger/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ledger/names.h"

#define PAGE_BITS 4096

struct audit_page {
    UT_hash_handle hh;
    struct {
        uint64_t shard, number;
    } key;
    uint64_t bits[PAGE_BITS / 64];
};

struct audit_late {
    lk_coupon coupon;
    char user[LK_USER_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void audit_fault(struct audit *audit,
                                                              const char *format, ...)
{
    va_list arguments;
    char *line;

    if (audit->fault_count == AUDIT_FAULTS_MAX - 1) {
        audit->faults_left_out++;
        return;
    }
    va_start(arguments, format);
    int size = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (size < 0)
        audit->no_memory = true;
    else
        audit->faults[audit->fault_count++] = line;
}

/* ---- the bits ---- */

static struct audit_page *audit_page_of(struct audit *audit, lk_coupon coupon, bool make)
{
    struct audit_page *page, wanted = { .key = { coupon.shard, coupon.serial / PAGE_BITS } };

    HASH_FIND(hh, audit->pages, &wanted.key, sizeof(wanted.key), page);
    if (page || !make)
        return page;
    page = calloc(1, sizeof(*page));
    if (!page) {
        audit->no_memory = true;
        return NULL;
    }
    page->key = wanted.key;
    HASH_ADD(hh, audit->pages, key, sizeof(page->key), page);
    if (page->hh.tbl)
        return page;
    free(page);
    audit->no_memory = true;
    return NULL;
}

static bool page_has(const struct audit_page *page, uint64_t serial)
{
    return page && page->bits[serial % PAGE_BITS / 64] >> (serial % 64) & 1;
}

/* ---- where a coupon stands in the stock ---- */

enum standing { NOT_STOCKED, AVAILABLE, ISSUED, UNKNOWN_STANDING };

static enum standing coupon_standing(const struct shard *shards, const int *statuses, size_t count,
                                     lk_coupon coupon)
{
    bool all_known = true;

    for (size_t i = 0; i < count; i++) {
        if (statuses[i] != LK_OK) {
            all_known = false;
            continue;
        }
        for (size_t j = 0; j < shards[i].range_count; j++) {
            const struct range *range = &shards[i].ranges[j];
            if (range->shard == coupon.shard && coupon.serial >= range->first
                && coupon.serial - range->first < range->count)
                return AVAILABLE;
        }
    }
    if (coupon.shard >= count)
        return NOT_STOCKED;
    if (statuses[coupon.shard] != LK_OK)
        return UNKNOWN_STANDING;
    if (coupon.serial > shards[coupon.shard].stocked)
        return NOT_STOCKED;
    return all_known ? ISSUED : UNKNOWN_STANDING;
}

/* ---- the shards as first read ---- */

static const struct range *range_of(const struct audit *audit, size_t nth)
{
    for (size_t i = 0; i < audit->campaign->rules.shards; i++) {
        const struct shard *shard = &audit->before[i];
        if (nth < shard->range_count)
            return &shard->ranges[nth];
        nth -= shard->range_count;
    }
    return NULL;
}

static void audit_check_ranges(struct audit *audit)
{
    const struct range *a, *b;

    for (size_t i = 0; (a = range_of(audit, i)) != NULL; i++) {
        if (a->shard >= audit->campaign->rules.shards
            || a->first + a->count - 1 > audit->before[a->shard].stocked)
            audit_fault(audit,
                        "stock: %" PRIu64 " coupons from %" PRIu32 "-%" PRIu64
                        " are available but were never stocked",
                        a->count, a->shard, a->first);
        for (size_t j = 0; j < i && (b = range_of(audit, j)) != NULL; j++) {
            if (a->shard == b->shard && a->first < b->first + b->count
                && b->first < a->first + a->count)
                audit_fault(audit, "once: coupon %" PRIu32 "-%" PRIu64 " is available twice",
                            a->shard, a->first > b->first ? a->first : b->first);
        }
    }
}

void audit_begin(struct audit *audit, const struct campaign *campaign, int64_t now_ms,
                 const struct shard *before, const int *before_status)
{
    *audit = (struct audit){
        .campaign = campaign, .now_ms = now_ms, .before = before, .before_status = before_status
    };
    audit->faults = calloc(AUDIT_FAULTS_MAX, sizeof(*audit->faults));
    if (!audit->faults) {
        audit->no_memory = true;
        return;
    }
    bool whole = true;
    for (size_t i = 0; i < campaign->rules.shards; i++) {
        if (before_status[i] == LK_OK)
            continue;
        whole = false;
        audit_fault(audit, "record: shard %zu can't be read: %s", i,
                    before_status[i] == LK_E_NOT_FOUND ? "it is not there"
                                                       : lk_status_text(before_status[i]));
    }
    if (whole)
        audit_check_ranges(audit);
}

/* ---- one account ---- */

static void audit_count(struct audit *audit, const struct coupon *coupon)
{
    switch (coupon->state) {
    case LK_CLAIMED:
        audit->claimed++;
        break;
    case LK_FROZEN:
        audit->frozen++;
        if (audit->now_ms >= coupon->until_ms)
            audit->ran_out++;
        break;
    case LK_REDEEMED:
        audit->redeemed++;
        break;
    case LK_VOID:
        audit->voided++;
        break;
    }
}

static void audit_late(struct audit *audit, lk_coupon coupon, const char *user)
{
    if (audit->late_count == audit->late_capacity) {
        size_t capacity = audit->late_capacity * 2 + 16;
        struct audit_late *lates = realloc(audit->lates, capacity * sizeof(*lates));
        if (!lates) {
            audit->no_memory = true;
            return;
        }
        audit->lates = lates;
        audit->late_capacity = capacity;
    }
    struct audit_late *late = &audit->lates[audit->late_count++];
    late->coupon = coupon;
    memcpy(late->user, user, strlen(user) + 1);
}

static void audit_coupon(struct audit *audit, const struct coupon *coupon, const char *user)
{
    struct audit_page *page = audit_page_of(audit, coupon->name, true);
    char name[LK_COUPON_TEXT_SIZE];

    if (!page)
        return;
    if (page_has(page, coupon->name.serial)) {
        audit_fault(audit,
                    "once: coupon %s of user %s stands a second time, here or in another account",
                    lk_coupon_text(coupon->name, name), user);
        return;
    }
    page->bits[coupon->name.serial % PAGE_BITS / 64] |= UINT64_C(1) << (coupon->name.serial % 64);
    if (coupon_standing(audit->before, audit->before_status, audit->campaign->rules.shards,
                        coupon->name)
        == ISSUED)
        audit_count(audit, coupon);
    else
        audit_late(audit, coupon->name, user);
}

static bool id_stands_before(const struct account *account, size_t claim)
{
    lk_id id = account->claims[claim].id;

    for (size_t i = 0; i < claim; i++) {
        if (id_equals(account->claims[i].id, id))
            return true;
    }
    return applied_find(&account->applied, id) != NULL;
}

static void audit_rules(struct audit *audit, const struct account *account, const char *user)
{
    uint32_t limit = audit->campaign->rules.per_user;
    size_t counted = account_counted(account);
    char text[LK_ID_TEXT_SIZE];

    if (limit && counted > limit)
        audit_fault(audit, "limit: user %s has %zu coupons that count, the limit is %" PRIu32, user,
                    counted, limit);
    for (size_t i = 0; i < account->claim_count; i++) {
        if (id_stands_before(account, i))
            audit_fault(audit, "id: %s of user %s was applied twice",
                        lk_id_text(account->claims[i].id, text), user);
    }
    for (size_t i = 0; i < account->applied.count; i++) {
        const struct applied *entry = &account->applied.entries[i];
        if (applied_find(&account->applied, entry->id) != entry)
            audit_fault(audit, "id: %s of user %s was applied twice", lk_id_text(entry->id, text),
                        user);
        char name[LK_COUPON_TEXT_SIZE];
        if (!account_find(account, entry->coupon))
            audit_fault(audit, "id: %s of user %s is for coupon %s, which the user does not have",
                        lk_id_text(entry->id, text), user, lk_coupon_text(entry->coupon, name));
    }
}

void audit_account(struct audit *audit, const char *bucket, const char *name, int status,
                   const void *data, size_t size)
{
    char user[LK_USER_MAX + 1], expected[BUCKET_NAME_SIZE];
    struct account account = { 0 };

    if (audit->no_memory)
        return;
    audit->accounts++;
    if (status == LK_OK && !user_decode(name, user, sizeof(user)))
        status = LK_E_FOREIGN;
    if (status == LK_OK)
        status = account_decode(&account, data, size, user, strlen(user));
    if (status == LK_E_NOMEM) {
        audit->no_memory = true;
        return;
    }
    if (status != LK_OK) {
        audit->unread++;
        audit_fault(audit, "record: the account of %s can't be read: %s", name,
                    lk_status_text(status));
        return;
    }
    bucket_name(user_bucket(user), expected);
    if (strcmp(bucket, expected) != 0)
        audit_fault(audit, "place: user %s stands in bucket %s, not in %s, and is not found there",
                    user, bucket, expected);
    for (size_t i = 0; i < account.coupon_count; i++)
        audit_coupon(audit, &account.coupons[i], user);
    audit_rules(audit, &account, user);
    account_free(&account);
}

/* ---- the end ---- */

struct gap {
    uint32_t shard;
    uint64_t first, count;
};

static void audit_gap(struct audit *audit, struct gap *gap)
{
    if (gap->count == 0)
        return;
    if (gap->count == 1)
        audit_fault(audit,
                    "lost: coupon %" PRIu32 "-%" PRIu64 " was issued, and no account%s has it",
                    gap->shard, gap->first, audit->unread ? " that could be read" : "");
    else
        audit_fault(audit,
                    "lost: coupons %" PRIu32 "-%" PRIu64 " to %" PRIu32 "-%" PRIu64
                    " were issued, and no account%s has them",
                    gap->shard, gap->first, gap->shard, gap->first + gap->count - 1,
                    audit->unread ? " that could be read" : "");
    gap->count = 0;
}

static int range_compare(const void *a, const void *b)
{
    const struct range *left = a, *right = b;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* From `first` up to, not including, `end`: all were issued, so all must have been found. */
static void audit_expect(struct audit *audit, uint32_t shard, uint64_t first, uint64_t end)
{
    struct gap gap = { .shard = shard };

    while (first < end) {
        const struct audit_page *page = audit_page_of(audit, (lk_coupon){ shard, first }, false);
        uint64_t page_end = (first / PAGE_BITS + 1) * PAGE_BITS;
        uint64_t step = !page && page_end < end ? page_end - first : !page ? end - first : 1;
        if (page && page_has(page, first)) {
            audit_gap(audit, &gap);
        } else {
            if (gap.count == 0)
                gap.first = first;
            gap.count += step;
        }
        first += step;
    }
    audit_gap(audit, &gap);
}

/* What was issued are the spaces between the ranges that are still available. */
static void audit_lost(struct audit *audit, uint32_t shard)
{
    const struct range *range;
    size_t count = 0;

    for (size_t i = 0; (range = range_of(audit, i)) != NULL; i++)
        count += range->shard == shard;
    struct range *available = calloc(count + 1, sizeof(*available));
    if (!available) {
        audit->no_memory = true;
        return;
    }
    count = 0;
    for (size_t i = 0; (range = range_of(audit, i)) != NULL; i++) {
        if (range->shard == shard)
            available[count++] = *range;
    }
    qsort(available, count, sizeof(*available), range_compare);
    uint64_t next = 1;
    for (size_t i = 0; i < count; i++) {
        audit_expect(audit, shard, next, available[i].first);
        if (available[i].first + available[i].count > next)
            next = available[i].first + available[i].count;
    }
    audit_expect(audit, shard, next, audit->before[shard].stocked + 1);
    free(available);
}

static void audit_judge_late(struct audit *audit, const struct shard *after,
                             const int *after_status)
{
    char name[LK_COUPON_TEXT_SIZE];

    for (size_t i = 0; i < audit->late_count; i++) {
        const struct audit_late *late = &audit->lates[i];
        switch (coupon_standing(after, after_status, audit->campaign->rules.shards, late->coupon)) {
        case NOT_STOCKED:
            audit_fault(audit, "stock: coupon %s of user %s was never stocked",
                        lk_coupon_text(late->coupon, name), late->user);
            break;
        case AVAILABLE:
            audit_fault(audit, "once: coupon %s of user %s is also still available",
                        lk_coupon_text(late->coupon, name), late->user);
            break;
        case ISSUED:
        case UNKNOWN_STANDING:
            break;
        }
    }
}

void audit_end(struct audit *audit, const struct shard *after, const int *after_status)
{
    size_t shards = audit->campaign->rules.shards;
    bool whole = true;

    if (audit->no_memory)
        return;
    for (size_t i = 0; i < shards; i++)
        whole = whole && audit->before_status[i] == LK_OK;
    /* With a shard missing nobody knows what was issued. */
    for (uint32_t i = 0; whole && i < shards; i++)
        audit_lost(audit, i);
    audit_judge_late(audit, after, after_status);
    if (audit->faults_left_out > 0) {
        char *line;
        if (asprintf(&line, "more: %zu faults are not listed", audit->faults_left_out) < 0)
            audit->no_memory = true;
        else
            audit->faults[audit->fault_count++] = line;
    }
}

void audit_free(struct audit *audit)
{
    struct audit_page *page, *next;

    HASH_ITER(hh, audit->pages, page, next)
    {
        HASH_DEL(audit->pages, page);
        free(page);
    }
    for (size_t i = 0; i < audit->fault_count; i++)
        free(audit->faults[i]);
    free(audit->faults);
    free(audit->lates);
    *audit = (struct audit){ 0 };
}
