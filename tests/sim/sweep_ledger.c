/* sweep_ledger.c - the ledger's calls: done once, or not at all, whatever befalls them.
 *
 * A campaign of two shards with ten coupons; ann has claimed one of them where a row needs it. */
#include "sweep.h"

#include <string.h>

#include "ledger/shard.h"

#define USER "ann"
#define OTHER_USER "bob"
#define ORDER "order-1"
#define STOCK 10

/* ---- what is asked ---- */

static lk_id id_of(const char *text)
{
    lk_id id = LK_ID_NONE;
    return lk_id_from_text(text, &id) == LK_OK ? id : LK_ID_NONE;
}

static int ledger_new(struct scene *scene)
{
    return scene->ledger ? LK_OK : lk_ledger_new(&scene->ledger, scene->client->lk, SALE_PATH);
}

static int create_by(lk_ledger *ledger)
{
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    lk_id id = id_of("create");

    rules.stock = STOCK;
    rules.shards = 2;
    return lk_campaign_create(ledger, &rules, &id, LK_FOREVER);
}

static int create(struct scene *scene)
{
    return create_by(scene->ledger);
}

static int others_campaign(struct scene *scene)
{
    int status = lk_ledger_new(&scene->others_ledger, scene->other->lk, SALE_PATH);
    return status == LK_OK ? create_by(scene->others_ledger) : status;
}

static int others_ledger(struct scene *scene)
{
    return lk_ledger_new(&scene->others_ledger, scene->other->lk, SALE_PATH);
}

static int do_by(struct scene *scene, lk_ledger *ledger, lk_ledger_verb verb, const char *id,
                 const char *order)
{
    const lk_ledger_op op = { .verb = verb,
                              .id = id_of(id),
                              .user = USER,
                              .order = order,
                              .coupon = scene->result.coupons[0] };
    lk_ledger_result result;
    int status = lk_ledger_do(ledger, &op, LK_FOREVER, &result);

    if (status == LK_OK)
        scene->result = result;
    return status;
}

static int claim(struct scene *scene)
{
    return do_by(scene, scene->ledger, LK_LEDGER_CLAIM, "claim", NULL);
}

static int freeze(struct scene *scene)
{
    return do_by(scene, scene->ledger, LK_LEDGER_FREEZE, "freeze", ORDER);
}

static int unfreeze(struct scene *scene)
{
    return do_by(scene, scene->ledger, LK_LEDGER_UNFREEZE, "unfreeze", ORDER);
}

static int redeem(struct scene *scene)
{
    return do_by(scene, scene->ledger, LK_LEDGER_REDEEM, "redeem", NULL);
}

static int refund(struct scene *scene)
{
    return do_by(scene, scene->ledger, LK_LEDGER_REFUND, "refund", NULL);
}

static int void_it(struct scene *scene)
{
    return do_by(scene, scene->ledger, LK_LEDGER_VOID, "void", NULL);
}

static void done(const lk_ledger_result *result, void *arg)
{
    struct scene *scene = arg;

    if (result->status == LK_OK)
        scene->result = *result;
    scene_done(result->status, scene);
}

static int claim_start(struct scene *scene)
{
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .id = id_of("claim"), .user = USER };
    return scene_end_of(
        scene, lk_ledger_do_start(scene->ledger, &op, LK_FOREVER, done, scene, &scene->op));
}

/* Each a coupon, and both of the other user; in a chain, or not. */
static void two_claims(lk_ledger_op ops[2], bool is_chain)
{
    ops[0] = (lk_ledger_op){
        .verb = LK_LEDGER_CLAIM, .id = id_of("claim"), .user = USER, .linked = is_chain
    };
    ops[1] = (lk_ledger_op){ .verb = LK_LEDGER_CLAIM, .id = id_of("other"), .user = OTHER_USER };
}

static int submit_by(struct scene *scene, bool is_chain)
{
    lk_ledger_result results[2];
    lk_ledger_op ops[2];

    two_claims(ops, is_chain);
    int status = lk_ledger_submit(scene->ledger, ops, 2, results, LK_FOREVER);
    if (is_chain && results[0].status != results[1].status && results[0].status != LK_E_LINKED
        && results[1].status != LK_E_LINKED)
        scene_wrong(scene, "a chain is answered in pieces", results[1].status);
    /* That of the first that is not done; it may be that of another's trouble. */
    return status == LK_E_LINKED ? results[1].status : status;
}

static int submit(struct scene *scene)
{
    return submit_by(scene, false);
}

static int submit_chain(struct scene *scene)
{
    return submit_by(scene, true);
}

static void submitted(const lk_ledger_result *results, size_t count, void *arg)
{
    int status = LK_OK;

    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = results[i].status;
    scene_done(status, arg);
}

static int submit_start(struct scene *scene)
{
    lk_ledger_op ops[2];

    two_claims(ops, false);
    return scene_end_of(scene, lk_ledger_submit_start(scene->ledger, ops, 2, LK_FOREVER, submitted,
                                                      scene, &scene->op));
}

static int lookup(struct scene *scene)
{
    lk_ledger_result found;
    int status = lk_ledger_lookup(scene->ledger, USER, id_of("claim"), LK_FOREVER, &found);

    if (status == LK_OK && found.coupons[0].serial != scene->result.coupons[0].serial)
        scene_wrong(scene, "the look-up shows another answer", status);
    return status;
}

static int add_stock(struct scene *scene)
{
    lk_id id = id_of("stock");
    return lk_campaign_add_stock(scene->ledger, 5, &id, LK_FOREVER);
}

static int close_campaign(struct scene *scene)
{
    lk_id id = id_of("close");
    return lk_campaign_close(scene->ledger, &id, LK_FOREVER);
}

static int grow(struct scene *scene)
{
    lk_id id = id_of("grow");
    return lk_campaign_grow(scene->ledger, 4, &id, LK_FOREVER);
}

static int see_progress(uint64_t done, uint64_t total, void *arg)
{
    if (done > total)
        scene_wrong(arg, "more is done than there is", LK_OK);
    return 0;
}

static int stop_at_once(uint64_t done, uint64_t total, void *arg)
{
    (void)done;
    (void)total;
    (void)arg;
    return LK_E_CANCELLED;
}

static int delete_campaign(struct scene *scene)
{
    return lk_campaign_delete(scene->ledger, see_progress, scene, LK_FOREVER);
}

static int begin_to_delete(struct scene *scene)
{
    int status = lk_campaign_delete(scene->ledger, stop_at_once, scene, LK_FOREVER);
    return status == LK_OK ? LK_E_CANCELLED : status; /* it is small: nobody may have been asked */
}

static int sweep_all(struct scene *scene)
{
    lk_sweep swept;
    int status = lk_ledger_sweep(scene->ledger, see_progress, scene, LK_FOREVER, &swept);

    if (status == LK_OK && (swept.accounts != 1 || swept.voided || swept.unfrozen > 1))
        scene_wrong(scene, "the sweep tells what was not", status);
    return status;
}

static int delete_again(struct scene *scene)
{
    int status = delete_campaign(scene);
    return status == LK_E_NOT_FOUND ? LK_OK : status;
}

static int free_under_way(struct scene *scene)
{
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .id = id_of("claim"), .user = USER };
    int status = lk_ledger_do_start(scene->ledger, &op, LK_FOREVER, done, scene, &scene->op);

    program_sleep(scene->program, 1 * MS);
    scene->ledger = lk_ledger_free(scene->ledger);
    status = scene_end_of(scene, status);
    return status == LK_E_CANCELLED || status == LK_E_UNKNOWN ? LK_OK : status;
}

/* ---- what is shown ---- */

static int show(struct scene *scene)
{
    lk_campaign_info info;
    int status = lk_campaign_show(scene->ledger, LK_FOREVER, &info);

    if (status == LK_OK && (info.stocked != STOCK || info.rules.shards != 2 || info.closed))
        scene_wrong(scene, "the campaign is shown otherwise than it is", status);
    return status;
}

static int account_show(struct scene *scene)
{
    lk_account *account = NULL;
    int status = lk_account_show(scene->ledger, USER, LK_FOREVER, &account);

    if (status == LK_OK && (account->count != 1 || strcmp(account->user, USER) != 0))
        scene_wrong(scene, "the account is shown otherwise than it is", status);
    lk_account_free(account);
    return status;
}

static int count_account(const lk_account *account, void *arg)
{
    *(size_t *)arg += account->count;
    return 0;
}

static int account_each(struct scene *scene)
{
    size_t coupons = 0;
    int status = lk_account_each(scene->ledger, count_account, &coupons, LK_FOREVER);

    if (status == LK_OK && coupons != 1)
        scene_wrong(scene, "not every account was shown once", status);
    return status;
}

static int audit_by(struct scene *scene, lk_ledger *ledger, lk_audit **out)
{
    int status = lk_ledger_audit(ledger, LK_FOREVER, out);

    if (status == LK_OK && (*out)->fault_count)
        scene_wrong(scene, (*out)->faults[0], status);
    return status;
}

static int audit(struct scene *scene)
{
    lk_audit *found = NULL;
    int status = audit_by(scene, scene->ledger, &found);
    lk_audit_free(found);
    return status;
}

static void proposed(const lk_repair_step *step, void *arg)
{
    if (step->status != LK_OK && step->status != LK_E_VERSION && step->status != LK_E_UNKNOWN
        && step->status != LK_E_NOMEM)
        scene_wrong(arg, step->proposal, step->status);
}

static int repair(struct scene *scene)
{
    lk_audit *found = NULL;
    int status = lk_ledger_audit(scene->ledger, LK_FOREVER, &found);

    if (status == LK_OK)
        status = lk_ledger_repair(scene->ledger, found, true, proposed, scene, LK_FOREVER);
    lk_audit_free(found);
    return status;
}

static void campaign_told(lk_campaign_event event, const lk_campaign_info *info, void *arg)
{
    struct scene *scene = arg;

    if (event != LK_CAMPAIGN_OPENED || !info || info->stocked != STOCK)
        scene_wrong(scene, lk_campaign_event_name(event), LK_OK);
    scene->campaign_tellings++;
}

static bool campaign_is_told(struct scene *scene)
{
    return scene->campaign_tellings > 0;
}

static int watch_campaign(struct scene *scene)
{
    int status = lk_campaign_watch_new(&scene->campaign_watch, scene->client->lk, SALE_PATH,
                                       campaign_told, scene);
    if (status == LK_OK)
        scene_await(scene, campaign_is_told);
    return status;
}

/* ---- set-ups ---- */

/* A stranger's hand: two coupons are nowhere. */
static int lose_two(struct scene *scene)
{
    struct range rest = { .first = 3, .count = STOCK / 2 - 2 };
    const struct shard shard = { .stocked = STOCK / 2, .ranges = &rest, .range_count = 1 };
    struct record_out record = { 0 };
    int status = others_campaign(scene);

    if (status == LK_OK)
        status = shard_encode(&shard, &record);
    if (status != LK_OK)
        return status;
    bool is_done = ensemble_stranger(&scene->sim.ensemble,
                                     &(struct keeper_request){ .verb = KEEPER_SET,
                                                               .path = SALE_PATH "/stock/0000",
                                                               .version = KEEPER_ANY_VERSION,
                                                               .data = record.bytes,
                                                               .data_size = record.size });
    record_free(&record);
    program_sleep(scene->program, 100 * MS); /* until it is committed everywhere */
    return is_done ? LK_OK : LK_E_NO_SERVER;
}

static int sell_one(struct scene *scene)
{
    int status = ledger_new(scene);
    return status == LK_OK ? claim(scene) : status;
}

static int freeze_one(struct scene *scene)
{
    int status = sell_one(scene);
    return status == LK_OK ? freeze(scene) : status;
}

/* Nobody has looked at it since its freeze ran out. */
static int freeze_for_a_moment(struct scene *scene)
{
    int status = sell_one(scene);
    if (status != LK_OK)
        return status;
    const lk_ledger_op op = { .verb = LK_LEDGER_FREEZE,
                              .id = id_of("freeze"),
                              .user = USER,
                              .order = ORDER,
                              .coupon = scene->result.coupons[0],
                              .ttl_ms = 1 };
    status = lk_ledger_do(scene->ledger, &op, LK_FOREVER, &scene->result);
    program_sleep(scene->program, 10 * MS);
    return status;
}

static int redeem_one(struct scene *scene)
{
    int status = sell_one(scene);
    return status == LK_OK ? redeem(scene) : status;
}

/* ---- verdicts: by the bystander's ledger, and an audit ---- */

static int counts_are(struct scene *scene, uint64_t stocked, uint64_t claimed, uint64_t frozen,
                      uint64_t redeemed, uint64_t voided)
{
    lk_audit *found = NULL;
    int status = audit_by(scene, scene->others_ledger, &found);

    if (status != LK_OK || found->stocked != stocked || found->claimed != claimed
        || found->frozen != frozen || found->redeemed != redeemed || found->voided != voided
        || found->issued != claimed + frozen + redeemed + voided)
        scene_wrong(scene, "the books do not show it done once", status);
    lk_audit_free(found);
    return LK_OK;
}

static int none_is_sold(struct scene *scene)
{
    return counts_are(scene, STOCK, 0, 0, 0, 0);
}

static int more_is_stocked(struct scene *scene)
{
    return counts_are(scene, STOCK + 5, 0, 0, 0, 0);
}

static int one_is_claimed(struct scene *scene)
{
    return counts_are(scene, STOCK, 1, 0, 0, 0);
}

static int one_is_frozen(struct scene *scene)
{
    return counts_are(scene, STOCK, 0, 1, 0, 0);
}

static int one_is_redeemed(struct scene *scene)
{
    return counts_are(scene, STOCK, 0, 0, 1, 0);
}

static int one_is_void(struct scene *scene)
{
    return counts_are(scene, STOCK, 0, 0, 0, 1);
}

static int two_are_claimed(struct scene *scene)
{
    return counts_are(scene, STOCK, 2, 0, 0, 0);
}

static int there_are_more_shards(struct scene *scene)
{
    lk_campaign_info info;
    int status = lk_campaign_show(scene->others_ledger, LK_FOREVER, &info);

    if (status != LK_OK || info.rules.shards != 4)
        scene_wrong(scene, "the campaign has not grown", status);
    return none_is_sold(scene);
}

static int at_most_one_is_claimed(struct scene *scene)
{
    lk_campaign_info info;
    int status = lk_campaign_show(scene->others_ledger, LK_FOREVER, &info);
    return status == LK_OK && info.issued == 0 ? none_is_sold(scene) : one_is_claimed(scene);
}

static int is_closed(struct scene *scene)
{
    lk_campaign_info info;
    int status = lk_campaign_show(scene->others_ledger, LK_FOREVER, &info);

    if (status != LK_OK || !info.closed)
        scene_wrong(scene, "the campaign is not closed", status);
    return none_is_sold(scene);
}

static int is_gone(struct scene *scene)
{
    if (tree_find(ensemble_truth(&scene->sim.ensemble), SALE_PATH))
        scene_wrong(scene, "the campaign is still there", LK_E_EXISTS);
    return LK_OK;
}

/* ---- the table ---- */

static int settled(struct scene *scene)
{
    (void)scene;
    return LK_OK;
}

#define UNKNOWN MAY_BE_UNKNOWN

const struct row sweep_ledger_rows[] = {
    { "lk_ledger_new", "", .run = ledger_new, .flags = ASKS_NOTHING },
    { "lk_campaign_create", "", .before = others_ledger, .prepare = ledger_new, .run = create,
      .again = create, .verdict = none_is_sold, .flags = UNKNOWN },
    { "lk_campaign_add_stock", "", .before = others_campaign, .prepare = ledger_new,
      .run = add_stock, .again = add_stock, .verdict = more_is_stocked, .flags = UNKNOWN },
    { "lk_campaign_close", "", .before = others_campaign, .prepare = ledger_new,
      .run = close_campaign, .again = close_campaign, .verdict = is_closed, .flags = UNKNOWN },
    { "lk_campaign_delete", "one sold", .before = others_campaign, .prepare = sell_one,
      .run = delete_campaign, .again = delete_again, .verdict = is_gone, .flags = UNKNOWN },
    { "lk_campaign_delete", "ended by the caller, then whole", .before = others_campaign,
      .prepare = sell_one, .run = begin_to_delete, .again = delete_again, .verdict = is_gone,
      .expected = LK_E_CANCELLED, .flags = UNKNOWN },
    { "lk_campaign_grow", "", .before = others_campaign, .prepare = ledger_new, .run = grow,
      .again = grow, .verdict = there_are_more_shards, .flags = UNKNOWN },
    { "lk_campaign_watch_new", "", .before = others_campaign, .run = watch_campaign },
    { "lk_campaign_show", "", .before = others_campaign, .prepare = ledger_new, .run = show },
    { "lk_ledger_do", "claim", .before = others_campaign, .prepare = ledger_new, .run = claim,
      .again = claim, .verdict = one_is_claimed, .flags = UNKNOWN },
    { "lk_ledger_do", "freeze", .before = others_campaign, .prepare = sell_one, .run = freeze,
      .again = freeze, .verdict = one_is_frozen, .flags = UNKNOWN },
    { "lk_ledger_do", "unfreeze", .before = others_campaign, .prepare = freeze_one, .run = unfreeze,
      .again = unfreeze, .verdict = one_is_claimed, .flags = UNKNOWN },
    { "lk_ledger_do", "redeem", .before = others_campaign, .prepare = sell_one, .run = redeem,
      .again = redeem, .verdict = one_is_redeemed, .flags = UNKNOWN },
    { "lk_ledger_do", "refund", .before = others_campaign, .prepare = redeem_one, .run = refund,
      .again = refund, .verdict = one_is_claimed, .flags = UNKNOWN },
    { "lk_ledger_do", "void", .before = others_campaign, .prepare = sell_one, .run = void_it,
      .again = void_it, .verdict = one_is_void, .flags = UNKNOWN },
    { "lk_ledger_do_start", "claim", .before = others_campaign, .prepare = ledger_new,
      .run = claim_start, .again = claim, .verdict = one_is_claimed, .flags = UNKNOWN },
    { "lk_ledger_submit", "two users", .before = others_campaign, .prepare = ledger_new,
      .run = submit, .again = submit, .verdict = two_are_claimed, .flags = UNKNOWN },
    { "lk_ledger_submit", "a chain", .before = others_campaign, .prepare = ledger_new,
      .run = submit_chain, .again = submit_chain, .verdict = two_are_claimed, .flags = UNKNOWN },
    { "lk_ledger_submit_start", "two users", .before = others_campaign, .prepare = ledger_new,
      .run = submit_start, .again = submit, .verdict = two_are_claimed, .flags = UNKNOWN },
    { "lk_ledger_sweep", "a freeze has run out", .before = others_campaign,
      .prepare = freeze_for_a_moment, .run = sweep_all, .verdict = one_is_claimed },
    { "lk_ledger_repair", "two are nowhere", .before = lose_two, .prepare = ledger_new,
      .run = repair, .again = repair, .verdict = none_is_sold, .flags = UNKNOWN },
    { "lk_ledger_free", "a claim under way", .before = others_campaign, .prepare = ledger_new,
      .run = free_under_way, .again = settled, .verdict = at_most_one_is_claimed },
    { "lk_ledger_lookup", "", .before = others_campaign, .prepare = sell_one, .run = lookup },
    { "lk_account_show", "", .before = others_campaign, .prepare = sell_one, .run = account_show },
    { "lk_account_each", "", .before = others_campaign, .prepare = sell_one, .run = account_each },
    { "lk_ledger_audit", "", .before = others_campaign, .prepare = sell_one, .run = audit },
};
const size_t sweep_ledger_count = sizeof(sweep_ledger_rows) / sizeof(*sweep_ledger_rows);
