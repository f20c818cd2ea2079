/* suspects.c - coupons in question, and who has them: found when the accounts are read once more, see
 * audit.h. What another reading does not show any more is no fault. */
#include "ledger/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct holder {
    char user[LK_USER_MAX + 1];
    int32_t version;
    int64_t zxid, time_ms; /* of the claim; zxid 0: not known */
    size_t place;          /* within the account */
    lk_coupon_state state;
};

struct suspect {
    UT_hash_handle hh;
    struct {
        uint64_t shard, serial;
    } key;
    unsigned questions;
    struct holder *holders;
    size_t holder_count;
};

static struct suspect *suspect_find(struct audit *audit, lk_coupon coupon)
{
    struct suspect *suspect, wanted = { .key = { coupon.shard, coupon.serial } };

    HASH_FIND(hh, audit->suspects, &wanted.key, sizeof(wanted.key), suspect);
    return suspect;
}

void audit_suspect(struct audit *audit, lk_coupon coupon, enum question question)
{
    struct suspect *suspect = suspect_find(audit, coupon);

    if (suspect) {
        suspect->questions |= question;
        return;
    }
    if (audit->suspect_count == AUDIT_FAULTS_MAX) {
        audit->suspects_left_out++;
        return;
    }
    suspect = calloc(1, sizeof(*suspect));
    if (!suspect) {
        audit->no_memory = true;
        return;
    }
    suspect->key.shard = coupon.shard;
    suspect->key.serial = coupon.serial;
    suspect->questions = question;
    HASH_ADD(hh, audit->suspects, key, sizeof(suspect->key), suspect);
    if (suspect->hh.tbl) {
        audit->suspect_count++;
        return;
    }
    free(suspect);
    audit->no_memory = true;
}

bool audit_has_suspects(const struct audit *audit)
{
    return audit->suspect_count > 0;
}

void suspects_free(struct audit *audit)
{
    struct suspect *suspect, *next;

    HASH_ITER(hh, audit->suspects, suspect, next)
    {
        HASH_DEL(audit->suspects, suspect);
        free(suspect->holders);
        free(suspect);
    }
}

/* ---- who has them ---- */

static void suspect_held(struct audit *audit, struct suspect *suspect, const struct holder *holder)
{
    struct holder *holders = realloc(suspect->holders,
                                     (suspect->holder_count + 1) * sizeof(*holders));
    if (!holders) {
        audit->no_memory = true;
        return;
    }
    holders[suspect->holder_count++] = *holder;
    suspect->holders = holders;
}

void audit_name(struct audit *audit, const struct audit_znode *znode)
{
    struct holder holder = { .version = znode->version };
    struct account account = { 0 };

    if (audit->no_memory)
        return;
    int status = audit_open(&account, holder.user, znode);
    audit->no_memory = status == LK_E_NOMEM;
    if (status != LK_OK)
        return;
    for (size_t i = 0; i < account.coupon_count; i++) {
        struct suspect *suspect = suspect_find(audit, account.coupons[i].name);
        if (!suspect)
            continue;
        const struct claim *claim = account.claims;
        while (claim->first + claim->count <= i)
            claim++;
        holder.zxid = account_zxid(&account, claim->zxid);
        holder.time_ms = claim->time_ms;
        holder.place = i;
        holder.state = account.coupons[i].state;
        suspect_held(audit, suspect, &holder);
    }
    account_free(&account);
}

/* ---- the judgement ---- */

static int holder_compare(const void *a, const void *b)
{
    const struct holder *left = a, *right = b;

    if (left->zxid && right->zxid && left->zxid != right->zxid)
        return left->zxid < right->zxid ? -1 : 1;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    int users = strcmp(left->user, right->user);
    return users ? users : left->place < right->place ? -1 : left->place > right->place;
}

static struct audit_fault fault_of(const struct suspect *suspect, lk_fault_kind kind,
                                   const struct holder *holder)
{
    return (struct audit_fault){
        .kind = kind,
        .coupon = { (uint32_t)suspect->key.shard, suspect->key.serial },
        .count = 1,
        .user = (char *)holder->user,
        .version = holder->version,
        .used = holder->state != LK_CLAIMED,
    };
}

/* The first who claimed it has it; each later one is a fault. A void one is nobody's any more. */
static void judge_two_accounts(struct audit *audit, const struct suspect *suspect)
{
    const struct holder *owner = NULL;
    char name[LK_COUPON_TEXT_SIZE];

    for (size_t i = 0; i < suspect->holder_count; i++) {
        const struct holder *holder = &suspect->holders[i];
        if (holder->state == LK_VOID)
            continue;
        if (!owner) {
            owner = holder;
            continue;
        }
        struct audit_fault fault = fault_of(suspect, LK_FAULT_TWICE, holder);
        lk_coupon_text(fault.coupon, name);
        fault.same_account = strcmp(owner->user, holder->user) == 0;
        if (fault.same_account)
            audit_tell(audit, fault, "twice: coupon %s stands twice in the account of user %s",
                       name, holder->user);
        else
            audit_tell(audit, fault,
                       "twice: coupon %s of user %s is also user %s's, who claimed it before", name,
                       holder->user, owner->user);
    }
}

static void judge_suspect(struct audit *audit, struct suspect *suspect)
{
    char name[LK_COUPON_TEXT_SIZE];

    if (suspect->holder_count > 1)
        qsort(suspect->holders, suspect->holder_count, sizeof(*suspect->holders), holder_compare);
    if (suspect->questions & IN_TWO_ACCOUNTS)
        judge_two_accounts(audit, suspect);
    for (size_t i = 0; i < suspect->holder_count; i++) {
        const struct holder *holder = &suspect->holders[i];
        if (suspect->questions & AVAILABLE_TOO) {
            struct audit_fault fault = fault_of(suspect, LK_FAULT_ONCE, holder);
            audit_tell(audit, fault, "once: coupon %s of user %s is also still available",
                       lk_coupon_text(fault.coupon, name), holder->user);
        }
        if (suspect->questions & NEVER_STOCKED) {
            struct audit_fault fault = fault_of(suspect, LK_FAULT_STOCK, holder);
            audit_tell(audit, fault, "stock: coupon %s of user %s was never stocked",
                       lk_coupon_text(fault.coupon, name), holder->user);
        }
    }
}

void audit_finish(struct audit *audit)
{
    struct suspect *suspect, *next;

    if (audit->no_memory)
        return;
    HASH_ITER(hh, audit->suspects, suspect, next)
    {
        judge_suspect(audit, suspect);
    }
    size_t left_out = audit->faults_left_out + audit->suspects_left_out;
    if (left_out == 0)
        return;
    struct audit_fault *more = &audit->faults[audit->fault_count];
    *more = (struct audit_fault){ .kind = LK_FAULT_MORE };
    if (asprintf(&more->line, "more: %zu faults are not listed", left_out) < 0)
        audit->no_memory = true;
    else
        audit->fault_count++;
}
