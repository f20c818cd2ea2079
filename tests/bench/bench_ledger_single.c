/* bench_ledger_single.c - one caller, one operation at a time, against what of ZooKeeper it can't do
 * without; taking turns operation by operation. */
#include "bench_ledger.h"

enum { PATIENCE_MS = 30000 };

static void must_do(lk_ledger *ledger, const lk_ledger_op *op, lk_ledger_result *result)
{
    MUST(lk_ledger_do(ledger, op, lk_in_ms(PATIENCE_MS), result) == LK_OK);
}

static lk_coupon claim(lk_ledger *ledger, const char *user)
{
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
    lk_ledger_result result;

    must_do(ledger, &op, &result);
    return result.coupons[0];
}

/* What was measured of both, in turns. */
struct turns {
    double *base, *ours;
    size_t count;
};

static struct turns turns_new(size_t count)
{
    struct turns turns = { calloc(count, sizeof(double)), calloc(count, sizeof(double)), 0 };

    MUST(turns.base && turns.ours);
    return turns;
}

static void turns_put(struct turns *turns, int64_t base_ns, int64_t middle_ns, int64_t end_ns)
{
    turns->base[turns->count] = (double)(middle_ns - base_ns) / 1e3;
    turns->ours[turns->count++] = (double)(end_ns - middle_ns) / 1e3;
}

static void turns_tell(struct bench *bench, struct turns *turns, const char *name,
                       const char *base_words, const char *words)
{
    struct spread base = spread_of(turns->base, turns->count);
    struct spread ours = spread_of(turns->ours, turns->count);
    char key[60];

    snprintf(key, sizeof key, "single_%s_base_us", name);
    report_figure(&bench->report, key, base.median, "us", "%s", base_words);
    snprintf(key, sizeof key, "single_%s_us", name);
    report_figure(&bench->report, key, ours.median, "us", "%s", words);
    snprintf(key, sizeof key, "single_%s_ratio", name);
    report_figure(&bench->report, key, ours.median / base.median, "x",
                  "  of medians of %zu (at the quartiles %.3f, %.3f)", turns->count,
                  ours.lower / base.lower, ours.upper / base.upper);
    free(turns->base);
    free(turns->ours);
}

/* ---- claims ---- */

static void single_claims(struct bench *bench, size_t count)
{
    struct raw_till *till = raw_till_open(bench);
    struct venue venue = venue_open(bench, 0);
    struct turns turns = turns_new(count);
    char user[USER_SIZE];

    for (size_t i = 0; i < count + 50; i++) {
        if (i == 50)
            turns.count = 0; /* what came before was for warmth */
        user_name(i, user);
        int64_t base_ns = lk_now_ns();
        raw_till_claim(till);
        int64_t middle_ns = lk_now_ns();
        claim(venue.ledger, user);
        turns_put(&turns, base_ns, middle_ns, lk_now_ns());
    }
    turns_tell(bench, &turns, "claim", "raw multi { set, create }, one at a time",
               "a claim, one at a time");
    venue_close(&venue);
    raw_till_close(till);
}

/* ---- what is done with a coupon ---- */

static const struct kind {
    lk_ledger_verb verb;
    const char *name, *order;
} kinds[] = { { LK_LEDGER_FREEZE, "freeze", "order-1" },
              { LK_LEDGER_UNFREEZE, "unfreeze", "order-1" },
              { LK_LEDGER_REDEEM, "redeem", NULL } };
enum { KINDS = sizeof kinds / sizeof *kinds };

static void turn(struct turns *turns, struct raw_till *till, void (*base)(struct raw_till *till),
                 lk_ledger *ledger, const struct kind *kind, const char *user, lk_coupon coupon)
{
    const lk_ledger_op op = {
        .verb = kind->verb, .user = user, .order = kind->order, .coupon = coupon
    };
    lk_ledger_result result;
    int64_t base_ns = lk_now_ns();

    base(till);
    int64_t middle_ns = lk_now_ns();
    must_do(ledger, &op, &result);
    turns_put(turns, base_ns, middle_ns, lk_now_ns());
}

/* Frozen, unfrozen and redeemed one after the other, by the handle that has claimed. */
static void single_known(struct bench *bench, size_t count)
{
    struct raw_till *till = raw_till_open(bench);
    struct venue venue = venue_open(bench, 0);
    struct turns turns[KINDS];
    char user[USER_SIZE], name[40], words[80];

    for (size_t kind = 0; kind < KINDS; kind++)
        turns[kind] = turns_new(count);
    for (size_t i = 0; i < count; i++) {
        user_name(i, user);
        lk_coupon coupon = claim(venue.ledger, user);
        for (size_t kind = 0; kind < KINDS; kind++)
            turn(&turns[kind], till, raw_till_set, venue.ledger, &kinds[kind], user, coupon);
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        snprintf(name, sizeof name, "%s_known", kinds[kind].name);
        snprintf(words, sizeof words, "%s of an account that is known", kinds[kind].name);
        turns_tell(bench, &turns[kind], name, "raw set", words);
    }
    venue_close(&venue);
    raw_till_close(till);
}

/* Each time by a handle that knows the campaign, but not the account. */
static void single_unknown(struct bench *bench, size_t count)
{
    struct raw_till *till = raw_till_open(bench);
    struct venue venue = venue_open(bench, 0);
    char user[USER_SIZE], name[40], words[80];
    lk_coupon *coupons = calloc(count, sizeof *coupons);
    lk_ledger *stranger;

    MUST(coupons);
    for (size_t i = 0; i < count; i++) {
        user_name(i, user);
        coupons[i] = claim(venue.ledger, user);
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct turns turns = turns_new(count);
        MUST(lk_ledger_new(&stranger, bench->client, venue.path) == LK_OK);
        user_name(count + kind, user);
        claim(stranger, user);
        for (size_t i = 0; i < count; i++) {
            user_name(i, user);
            turn(&turns, till, raw_till_get_set, stranger, &kinds[kind], user, coupons[i]);
        }
        snprintf(name, sizeof name, "%s_unknown", kinds[kind].name);
        snprintf(words, sizeof words, "%s of an account that is not", kinds[kind].name);
        turns_tell(bench, &turns, name, "raw get + set", words);
        lk_ledger_free(stranger);
    }
    free(coupons);
    venue_close(&venue);
    raw_till_close(till);
}

void part_single(struct bench *bench)
{
    size_t count = bench->is_quick ? 300 : 2000;

    report_note(&bench->report, "One caller, one operation at a time, raw and ours in turns.");
    single_claims(bench, count);
    single_known(bench, count / 2);
    single_unknown(bench, count / 2);
}
