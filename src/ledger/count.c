/* count.c - the audit's arithmetic, see audit.h. Two bits a coupon, in pages of 4,096: a million
 * coupons take 270 KB, wherever their serials stand. */
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
    uint64_t held[PAGE_BITS / 64], voided[PAGE_BITS / 64];
};

void audit_tell(struct audit *audit, struct audit_fault fault, const char *format, ...)
{
    va_list arguments;

    if (audit->fault_count == AUDIT_FAULTS_MAX - 1) {
        audit->faults_left_out++;
        return;
    }
    bool has_user = fault.user != NULL;
    fault.user = has_user ? strdup(fault.user) : NULL;
    va_start(arguments, format);
    int size = vasprintf(&fault.line, format, arguments);
    va_end(arguments);
    if (size < 0)
        fault.line = NULL;
    if (!fault.line || (has_user && !fault.user))
        audit->no_memory = true;
    audit->faults[audit->fault_count++] = fault;
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

static bool bit_get(const uint64_t *bits, uint64_t serial)
{
    return bits[serial % PAGE_BITS / 64] >> (serial % 64) & 1;
}

static void bit_set(uint64_t *bits, uint64_t serial)
{
    bits[serial % PAGE_BITS / 64] |= UINT64_C(1) << (serial % 64);
}

/* ---- the picture ---- */

static void tell_available_twice(const struct range *stretch, void *arg)
{
    const struct audit_fault fault = { .kind = LK_FAULT_DOUBLE,
                                       .coupon = { stretch->shard, stretch->first },
                                       .count = stretch->count };

    audit_tell(arg, fault,
               "double: %" PRIu64 " of the coupons from %" PRIu32 "-%" PRIu64
               " on are available twice",
               stretch->count, stretch->shard, stretch->first);
}

/* Of a mint whose record could not be read nobody knows what it made. */
static void audit_never_minted(struct audit *audit, const struct range *range)
{
    const struct shelf_view *view = &audit->view.shelves;
    uint64_t stocked = stockmap_stocked(&audit->picture, range->shard);
    uint64_t end = range->first + range->count;

    if (range->shard < view->count && view->status[range->shard] != LK_OK)
        return;
    if (end - 1 <= stocked)
        return;
    uint64_t first = range->first > stocked ? range->first : stocked + 1;
    const struct audit_fault fault = { .kind = LK_FAULT_STOCK,
                                       .coupon = { range->shard, first },
                                       .count = end - first };
    audit_tell(audit, fault,
               "stock: %" PRIu64 " coupons from %" PRIu32 "-%" PRIu64
               " on are available but were never stocked",
               end - first, range->shard, first);
}

/* What the campaign's record remembers of stock must have been minted. Operations that it does not
 * remember any more may have minted more. */
static void audit_minted(struct audit *audit)
{
    const struct campaign *campaign = audit->view.campaign;
    uint64_t minted = 0, wanted = campaign->rules.stock;

    for (size_t i = 0; i < audit->view.shelves.count; i++)
        minted += audit->view.shelves.shards[i].stocked;
    for (size_t i = 0; i < campaign->applied.count; i++) {
        const struct applied *entry = &campaign->applied.entries[i];
        wanted += entry->verb == CAMPAIGN_ADD_STOCK ? (uint64_t)entry->number : 0;
    }
    bool all_remembered = id_is_none(campaign->applied.floor);
    if (minted < wanted || (all_remembered && minted > wanted))
        audit_tell(audit, (struct audit_fault){ .kind = LK_FAULT_MINTED },
                   "minted: the shards have stocked %" PRIu64
                   " coupons, the campaign's record tells of %" PRIu64,
                   minted, wanted);
}

void audit_begin(struct audit *audit, struct audit_view view)
{
    *audit = (struct audit){ .view = view };
    audit->faults = calloc(AUDIT_FAULTS_MAX, sizeof(*audit->faults));
    if (!audit->faults) {
        audit->no_memory = true;
        return;
    }
    for (size_t i = 0; i < view.shelves.count; i++) {
        int status = view.shelves.status[i];
        if (status != LK_OK)
            audit_tell(audit, (struct audit_fault){ .kind = LK_FAULT_RECORD },
                       "record: shard %zu can't be read: %s", i,
                       status == LK_E_NOT_FOUND ? "it is not there" : lk_status_text(status));
    }
    if (stockmap_make(&audit->picture, view.shelves, tell_available_twice, audit) != LK_OK) {
        audit->no_memory = true;
        return;
    }
    for (size_t i = 0; i < audit->picture.count; i++)
        audit_never_minted(audit, &audit->picture.ranges[i]);
    if (audit->picture.whole)
        audit_minted(audit);
}

/* ---- the accounts ---- */

static void audit_count(struct audit *audit, const struct coupon *coupon)
{
    switch (coupon->state) {
    case LK_CLAIMED:
        audit->claimed++;
        break;
    case LK_FROZEN:
        audit->frozen++;
        if (audit->view.now_ms >= coupon->until_ms)
            audit->ran_out++;
        break;
    case LK_REDEEMED:
        audit->redeemed++;
        break;
    case LK_VOID: /* at the end: another account may have it, not void */
        break;
    }
}

/* A claim of S or before must have taken its coupon out of the picture. (That one after S must not
 * have is not asked: an account that somebody restored was written later than its claims.) `zxid`
 * 0: not known. */
static void audit_moment(struct audit *audit, lk_coupon coupon, enum standing standing,
                         int64_t zxid)
{
    if (zxid == 0 || zxid > audit->view.zxid)
        return;
    if (standing == AVAILABLE)
        audit_suspect(audit, coupon, AVAILABLE_TOO);
    else if (standing == NOT_STOCKED)
        audit_suspect(audit, coupon, NEVER_STOCKED);
}

static void audit_coupon(struct audit *audit, const struct coupon *coupon, int64_t zxid)
{
    struct audit_page *page = audit_page_of(audit, coupon->name, true);
    enum standing standing = stockmap_standing(&audit->picture, coupon->name);

    if (!page)
        return;
    audit_moment(audit, coupon->name, standing, zxid);
    if (coupon->state == LK_VOID) {
        bit_set(page->voided, coupon->name.serial);
    } else if (bit_get(page->held, coupon->name.serial)) {
        audit_suspect(audit, coupon->name, IN_TWO_ACCOUNTS);
    } else {
        bit_set(page->held, coupon->name.serial);
        if (standing == ISSUED)
            audit_count(audit, coupon);
    }
}

int audit_open(struct account *account, char user[LK_USER_MAX + 1], const struct audit_znode *znode)
{
    if (znode->status != LK_OK)
        return znode->status;
    if (!user_decode(znode->name, user, LK_USER_MAX + 1))
        return LK_E_FOREIGN;
    int status = account_decode(account, znode->data, znode->size, user, strlen(user));
    if (status == LK_OK)
        account->zxid = znode->zxid;
    return status;
}

void audit_account(struct audit *audit, const struct audit_znode *znode)
{
    char user[LK_USER_MAX + 1], expected[BUCKET_NAME_SIZE];
    struct account account = { 0 };

    if (audit->no_memory)
        return;
    audit->accounts++;
    int status = audit_open(&account, user, znode);
    if (status == LK_E_NOMEM) {
        audit->no_memory = true;
        return;
    }
    if (status != LK_OK) {
        audit->unread++;
        audit_tell(
            audit, (struct audit_fault){ .kind = LK_FAULT_RECORD, .user = (char *)znode->name },
            "record: the account of %s can't be read: %s", znode->name, lk_status_text(status));
        return;
    }
    bucket_name(user_bucket(user), expected);
    if (strcmp(znode->bucket, expected) != 0)
        audit_tell(audit, (struct audit_fault){ .kind = LK_FAULT_PLACE, .user = user },
                   "place: user %s stands in bucket %s, not in %s, and is not found there", user,
                   znode->bucket, expected);
    for (size_t i = 0; i < account.claim_count; i++) {
        const struct claim *claim = &account.claims[i];
        for (size_t j = 0; j < claim->count; j++)
            audit_coupon(audit, &account.coupons[claim->first + j],
                         account_zxid(&account, claim->zxid));
    }
    audit_conduct(audit, &account, user, znode->version);
    account_free(&account);
}

/* ---- the end ---- */

static void audit_gap(struct audit *audit, struct range *gap)
{
    const char *which = audit->unread ? " that could be read" : "";
    const struct audit_fault fault = { .kind = LK_FAULT_LOST,
                                       .coupon = { gap->shard, gap->first },
                                       .count = gap->count };

    if (gap->count == 1)
        audit_tell(audit, fault,
                   "lost: coupon %" PRIu32 "-%" PRIu64 " was issued, and no account%s has it",
                   gap->shard, gap->first, which);
    else if (gap->count > 1)
        audit_tell(audit, fault,
                   "lost: coupons %" PRIu32 "-%" PRIu64 " to %" PRIu32 "-%" PRIu64
                   " were issued, and no account%s has them",
                   gap->shard, gap->first, gap->shard, gap->first + gap->count - 1, which);
    gap->count = 0;
}

/* From `first` up to, not including, `end`: all were issued, so all must have been found. */
static void audit_expect(struct audit *audit, uint32_t shard, uint64_t first, uint64_t end)
{
    struct range gap = { .shard = shard };

    while (first < end) {
        const struct audit_page *page = audit_page_of(audit, (lk_coupon){ shard, first }, false);
        uint64_t page_end = (first / PAGE_BITS + 1) * PAGE_BITS;
        uint64_t step = page ? 1 : (page_end < end ? page_end : end) - first;
        if (page && (bit_get(page->held, first) || bit_get(page->voided, first))) {
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
static void audit_lost(struct audit *audit)
{
    const struct stockmap *map = &audit->picture;
    size_t at = 0;

    for (uint32_t mint = 0; mint < map->view.count; mint++) {
        uint64_t next = 1, end = stockmap_stocked(map, mint) + 1;
        for (; at < map->count && map->ranges[at].shard == mint; at++) {
            const struct range *range = &map->ranges[at];
            audit_expect(audit, mint, next, range->first < end ? range->first : end);
            next = range->first + range->count;
        }
        audit_expect(audit, mint, next, end);
    }
}

static void audit_look_again(struct audit *audit, const struct stockmap *after, lk_coupon coupon,
                             bool held)
{
    enum standing standing = stockmap_standing(after, coupon);

    if (standing == AVAILABLE)
        audit_suspect(audit, coupon, AVAILABLE_TOO);
    else if (standing == NOT_STOCKED)
        audit_suspect(audit, coupon, NEVER_STOCKED);
    if (!held && stockmap_standing(&audit->picture, coupon) == ISSUED)
        audit->voided++;
}

static void audit_look_at_found(struct audit *audit, const struct stockmap *after)
{
    struct audit_page *page, *next;

    HASH_ITER(hh, audit->pages, page, next)
    {
        for (size_t i = 0; i < PAGE_BITS; i++) {
            bool held = bit_get(page->held, i);
            if (held || bit_get(page->voided, i))
                audit_look_again(
                    audit, after,
                    (lk_coupon){ (uint32_t)page->key.shard, page->key.number * PAGE_BITS + i },
                    held);
        }
    }
}

void audit_end(struct audit *audit, struct shelf_view after)
{
    struct stockmap map = { 0 };

    if (!audit->no_memory && stockmap_make(&map, after, NULL, NULL) != LK_OK)
        audit->no_memory = true;
    if (!audit->no_memory) {
        /* With a shard missing nobody knows what was issued. */
        if (audit->picture.whole)
            audit_lost(audit);
        audit_look_at_found(audit, &map);
    }
    stockmap_free(&map);
}

void audit_free(struct audit *audit)
{
    struct audit_page *page, *next;

    HASH_ITER(hh, audit->pages, page, next)
    {
        HASH_DEL(audit->pages, page);
        free(page);
    }
    suspects_free(audit);
    for (size_t i = 0; i < audit->fault_count; i++) {
        free(audit->faults[i].user);
        free(audit->faults[i].line);
    }
    free(audit->faults);
    stockmap_free(&audit->picture);
    *audit = (struct audit){ 0 };
}
