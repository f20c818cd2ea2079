/* test_ledger_audit.c - the audit names each planted fault, of every kind, and nothing when all is
 * well, whatever moves while it reads. */
#include "ledger_story.h"

#include "ledger/audit.h"
#include "ledger/names.h"
#include "ledger/restock.h"

enum { SHARDS = 2, BOOKS_MAX = 8 };

/* A campaign of two shards with ten coupons each, and some accounts. */
struct world {
    struct campaign campaign;
    struct shard shards[SHARDS], before[SHARDS];
    int status[SHARDS];
    struct book {
        char user[20];
        unsigned char *bytes;
        size_t size;
        int64_t zxid;
    } books[BOOKS_MAX];
    size_t book_count;
    uint64_t last_id;
    int64_t zxid; /* of the last write */
    struct audit audit;
};

static int world_begin(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    assert_non_null(w);
    options.shards = SHARDS;
    options.per_user = 5;
    options.stock = SHARDS * 10;
    assert_int_equal(campaign_rules(&options, &w->campaign.rules), LK_OK);
    for (uint32_t i = 0; i < SHARDS; i++) {
        w->shards[i].index = i;
        assert_int_equal(shard_add(&w->shards[i], 10), LK_OK);
    }
    *state = w;
    return 0;
}

static int world_end(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < SHARDS; i++) {
        shard_free(&w->shards[i]);
        shard_free(&w->before[i]);
    }
    for (size_t i = 0; i < w->book_count; i++)
        free(w->books[i].bytes);
    audit_free(&w->audit);
    campaign_free(&w->campaign);
    free(w);
    return 0;
}

static struct book *book_of(struct world *w, const char *user)
{
    for (size_t i = 0; i < w->book_count; i++)
        if (strcmp(w->books[i].user, user) == 0)
            return &w->books[i];
    struct book *book = &w->books[w->book_count++];
    assert_true(w->book_count <= BOOKS_MAX);
    snprintf(book->user, sizeof(book->user), "%s", user);
    return book;
}

/* Opens a user's book, lets `change` write in it, closes it. */
static void rewrite(struct world *w, const char *user, void (*change)(struct account *, void *),
                    void *arg)
{
    struct book *book = book_of(w, user);
    struct account account = { .user = book->user, .user_size = strlen(user) };
    struct record_out out = { 0 };

    if (book->bytes)
        assert_int_equal(account_decode(&account, book->bytes, book->size, user, strlen(user)),
                         LK_OK);
    account.zxid = book->zxid;
    account_touch(&account);
    change(&account, arg);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    free(book->bytes);
    book->bytes = out.bytes;
    book->size = out.size;
    book->zxid = ++w->zxid;
    account_free(&account);
}

struct asked {
    struct world *world;
    size_t home;
    lk_ledger_op op;
};

static void apply(struct account *account, void *arg)
{
    struct asked *asked = arg;
    struct world *w = asked->world;
    bool known[SHARDS] = { true, true }, touched[SHARDS];
    struct stock stock = { w->shards, known, touched, SHARDS, asked->home };
    const struct judge judge = { &w->campaign, NOON, &stock };
    lk_ledger_result result;

    asked->op.id = story_id(++w->last_id);
    assert_int_equal(account_apply(account, &judge, &asked->op, &result), VERDICT_APPLIED);
}

static void claims(struct world *w, const char *user, size_t shard, uint32_t count)
{
    struct asked asked = { w, shard, { .verb = LK_LEDGER_CLAIM, .user = user, .count = count } };
    rewrite(w, user, apply, &asked);
}

static void does(struct world *w, const char *user, lk_ledger_op op)
{
    struct asked asked = { w, 0, op };
    asked.op.user = user;
    rewrite(w, user, apply, &asked);
}

/* The picture: all shards as they are now. */
static void audit_starts(struct world *w)
{
    for (size_t i = 0; i < SHARDS; i++)
        assert_int_equal(shard_copy(&w->before[i], &w->shards[i]), LK_OK);
    audit_begin(&w->audit, (struct audit_view){ .campaign = &w->campaign,
                                                .now_ms = NOON,
                                                .zxid = w->zxid,
                                                .shelves = { w->before, w->status, SHARDS } });
}

static void audit_reads_accounts(struct world *w,
                                 void (*see)(struct audit *, const struct audit_znode *))
{
    char bucket[BUCKET_NAME_SIZE], name[USER_NAME_SIZE];

    for (size_t i = 0; i < w->book_count; i++) {
        const struct book *book = &w->books[i];
        bucket_name(user_bucket(book->user), bucket);
        user_encode(book->user, name);
        see(&w->audit, &(struct audit_znode){ .bucket = bucket,
                                              .name = name,
                                              .data = book->bytes,
                                              .size = book->size,
                                              .zxid = book->zxid });
    }
}

static void audit_ends(struct world *w)
{
    audit_end(&w->audit, (struct shelf_view){ w->shards, w->status, SHARDS });
    if (audit_has_suspects(&w->audit))
        audit_reads_accounts(w, audit_name);
    audit_finish(&w->audit);
    assert_false(w->audit.no_memory);
}

static void audit_all(struct world *w)
{
    audit_starts(w);
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
}

static void assert_faults(struct world *w, size_t count, const char *first)
{
    for (size_t i = 0; i < w->audit.fault_count; i++) {
        const struct audit_fault *fault = &w->audit.faults[i];
        const char *kind = lk_fault_kind_name(fault->kind);
        if (w->audit.fault_count != count)
            print_error("%s\n", fault->line);
        assert_memory_equal(fault->line, kind, strlen(kind));
    }
    assert_int_equal(w->audit.fault_count, count);
    if (count > 0)
        assert_string_equal(w->audit.faults[0].line, first);
}

static void books_that_are_in_order_have_no_fault(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    claims(w, "bob", 1, 2);
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_FREEZE, .coupon = { 0, 1 }, .order = "o" });
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = { 0, 2 } });
    does(w, "bob", (lk_ledger_op){ .verb = LK_LEDGER_VOID, .coupon = { 1, 1 } });
    audit_all(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 2);
    assert_int_equal(w->audit.frozen, 1);
    assert_int_equal(w->audit.redeemed, 1);
    assert_int_equal(w->audit.voided, 1);
    assert_int_equal(w->audit.accounts, 2);
}

static void what_is_claimed_while_it_runs_is_neither_counted_nor_a_fault(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    audit_starts(w);
    claims(w, "bob", 1, 2);
    claims(w, "ann", 0, 1);
    assert_int_equal(shard_add(&w->shards[1], 5), LK_OK);
    claims(w, "cid", 1, 5);
    claims(w, "dan", 1, 5);
    audit_reads_accounts(w, audit_account);
    claims(w, "eve", 0, 5);
    audit_ends(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 3);
}

static void drop_last_coupon(struct account *account, void *arg)
{
    (void)arg;
    account->coupon_count--;
    account->claims[account->claim_count - 1].count--;
}

static void a_coupon_that_no_account_has_is_lost(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    rewrite(w, "ann", drop_last_coupon, NULL);
    audit_all(w);
    assert_faults(w, 1, "lost: coupon 0-3 was issued, and no account has it");
}

static void lost_coupons_in_a_row_are_one_line(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 4);
    claims(w, "cid", 0, 1);
    free(w->books[1].bytes);
    w->books[1] = w->books[2];
    w->book_count = 2;
    audit_all(w);
    assert_faults(w, 1, "lost: coupons 0-2 to 0-5 were issued, and no account has them");
}

static void rename_last_coupon(struct account *account, void *arg)
{
    account->coupons[account->coupon_count - 1].name = *(lk_coupon *)arg;
}

static void a_coupon_in_two_accounts_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_all(w);
    assert_faults(w, 2, "lost: coupon 0-2 was issued, and no account has it");
    assert_string_equal(w->audit.faults[1].line,
                        "twice: coupon 0-1 of user bob is also user ann's, who claimed it before");
    assert_int_equal(w->audit.claimed, 1);
}

static void a_coupon_that_is_still_available_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 1, 10 });
    audit_all(w);
    assert_faults(w, 2, "lost: coupon 0-1 was issued, and no account has it");
    assert_string_equal(w->audit.faults[1].line,
                        "once: coupon 1-10 of user ann is also still available");
}

static void a_coupon_that_was_never_stocked_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 2);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 0, 11 });
    claims(w, "bob", 1, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 9, 1 });
    audit_all(w);
    assert_faults(w, 4, "lost: coupon 0-2 was issued, and no account has it");
    assert_string_equal(w->audit.faults[2].line,
                        "stock: coupon 0-11 of user ann was never stocked");
    assert_string_equal(w->audit.faults[3].line, "stock: coupon 9-1 of user bob was never stocked");
}

static void a_user_above_the_limit_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 5);
    w->campaign.rules.per_user = 4;
    audit_all(w);
    assert_faults(w, 1, "limit: user ann has 5 coupons that count, the limit is 4");
}

static void one_id_for_all(struct account *account, void *arg)
{
    (void)arg;
    account->claims[1].id = account->claims[0].id;
}

static void an_id_that_was_applied_twice_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "ann", 0, 1);
    rewrite(w, "ann", one_id_for_all, NULL);
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0].line, "of user ann was applied twice"));
}

static void a_range_that_is_available_twice_is_named(void **state)
{
    struct world *w = *state;

    struct range *ranges = realloc(w->shards[1].ranges, 2 * sizeof(*ranges));
    assert_non_null(ranges);
    ranges[1] = (struct range){ 0, 4, 2 };
    w->shards[1].ranges = ranges;
    w->shards[1].range_count = 2;
    audit_all(w);
    assert_faults(w, 1, "double: 2 of the coupons from 0-4 on are available twice");
}

static void a_damaged_account_is_named_and_the_others_are_counted(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    w->books[0].bytes[w->books[0].size - 1] ^= 1;
    audit_all(w);
    assert_faults(w, 2, "record: the account of ann can't be read: the record is damaged");
    assert_string_equal(w->audit.faults[1].line,
                        "lost: coupon 0-1 was issued, and no account that could be read has it");
    assert_int_equal(w->audit.claimed, 1);
}

static void an_account_in_a_wrong_bucket_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    audit_starts(w);
    audit_account(&w->audit, &(struct audit_znode){ .bucket = "fff",
                                                    .name = "ann",
                                                    .data = w->books[0].bytes,
                                                    .size = w->books[0].size });
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0].line, "place: user ann stands in bucket fff"));
}

static void a_shard_that_can_not_be_read_is_named_and_nothing_is_invented(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 1, 1);
    w->status[1] = LK_E_CORRUPT;
    audit_all(w);
    assert_faults(w, 1, "record: shard 1 can't be read: the record is damaged");
}

static void a_flood_of_faults_is_cut_and_that_is_said(void **state)
{
    struct world *w = *state;

    audit_starts(w);
    for (int i = 0; i < AUDIT_FAULTS_MAX + 50; i++)
        audit_account(&w->audit, &(struct audit_znode){
                                     .bucket = "000", .name = "ann", .status = LK_E_NO_RIGHTS });
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, AUDIT_FAULTS_MAX);
    assert_string_equal(w->audit.faults[AUDIT_FAULTS_MAX - 1].line,
                        "more: 51 faults are not listed");
}

/* ---- while traffic runs ---- */

/* As a claim's commit moves stock: from the back of one shard to another. */
static void moves(struct world *w, size_t from, size_t to, uint64_t count)
{
    struct shard *giver = &w->shards[from];
    struct range *last = &giver->ranges[giver->range_count - 1];

    assert_true(last->count > count);
    last->count -= count;
    const struct range moved = { last->shard, last->first + last->count, count };
    assert_int_equal(shard_put(&w->shards[to], &moved), LK_OK);
}

static void ranges_that_move_are_neither_missed_nor_counted_twice(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    moves(w, 0, 1, 4);
    claims(w, "bob", 1, 2);
    audit_starts(w);
    moves(w, 1, 0, 2);
    claims(w, "cid", 0, 5);
    audit_reads_accounts(w, audit_account);
    moves(w, 1, 0, 1);
    audit_ends(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 5);
}

static void a_claim_that_the_picture_does_not_know_is_named_though_all_is_well_later(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    /* Its claim is older than the picture, in which it is available. */
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 1, 1 });
    audit_starts(w);
    claims(w, "bob", 1, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
    assert_faults(w, 1, "once: coupon 1-1 of user ann is also still available");
}

static void forget_zxids(struct account *account, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < account->claim_count; i++)
        account->claims[i].zxid = ZXID_UNKNOWN;
}

static void claims_of_unknown_zxid_are_counted_by_the_picture(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 2);
    rewrite(w, "ann", forget_zxids, NULL);
    audit_starts(w);
    claims(w, "bob", 1, 2);
    rewrite(w, "bob", forget_zxids, NULL);
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 2);
}

static void what_is_mended_while_it_runs_is_no_fault(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_starts(w);
    audit_reads_accounts(w, audit_account);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 2 });
    audit_ends(w);
    /* That one was not found at its time. */
    assert_faults(w, 1, "lost: coupon 0-2 was issued, and no account has it");
}

/* ---- more kinds ---- */

static void void_last_coupon(struct account *account, void *arg)
{
    (void)arg;
    account->coupons[account->coupon_count - 1].state = LK_VOID;
}

static void a_coupon_that_is_void_in_the_other_account_is_nobodys_twice(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 1, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    rewrite(w, "bob", void_last_coupon, NULL);
    w->campaign.rules.ends_ms = NOON + DAY;
    audit_all(w);
    assert_faults(w, 1, "lost: coupon 1-1 was issued, and no account has it");
    assert_int_equal(w->audit.claimed, 1);
    assert_int_equal(w->audit.voided, 0);
}

static void the_later_of_two_accounts_is_named_whatever_their_names(void **state)
{
    struct world *w = *state;

    claims(w, "zoe", 0, 1);
    claims(w, "ann", 0, 1);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 2);
    assert_string_equal(w->audit.faults[1].line,
                        "twice: coupon 0-1 of user ann is also user zoe's, who claimed it before");
    assert_string_equal(w->audit.faults[1].user, "ann");
    assert_false(w->audit.faults[1].used);
}

static void a_coupon_twice_in_one_account_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 2);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 2);
    assert_string_equal(w->audit.faults[1].line,
                        "twice: coupon 0-1 stands twice in the account of user ann");
    assert_true(w->audit.faults[1].same_account);
}

static void a_range_that_was_never_stocked_is_named(void **state)
{
    struct world *w = *state;

    assert_int_equal(shard_put(&w->shards[1], &(struct range){ 0, 9, 4 }), LK_OK);
    audit_all(w);
    assert_faults(w, 2, "double: 2 of the coupons from 0-9 on are available twice");
    assert_string_equal(w->audit.faults[1].line,
                        "stock: 2 coupons from 0-11 on are available but were never stocked");
    assert_int_equal(w->audit.faults[1].count, 2);
}

static void more_stock_than_the_campaign_tells_of_is_named(void **state)
{
    struct world *w = *state;

    assert_int_equal(shard_add(&w->shards[1], 3), LK_OK);
    audit_all(w);
    assert_faults(w, 1,
                  "minted: the shards have stocked 23 coupons, the campaign's record tells of 20");
}

static void stock_that_was_added_is_no_fault_also_where_the_record_forgot_it(void **state)
{
    struct world *w = *state;
    struct applied added = { .id = story_id(1), .verb = CAMPAIGN_ADD_STOCK, .number = 3 };

    assert_int_equal(shard_add(&w->shards[1], 5), LK_OK);
    assert_int_equal(applied_add(&w->campaign.applied, &added), LK_OK);
    w->campaign.applied.floor = story_id(1);
    audit_all(w);
    assert_faults(w, 0, NULL);
}

static void redeem_behind_the_back(struct account *account, void *arg)
{
    (void)arg;
    account->coupons[0].state = LK_REDEEMED;
}

static void a_state_that_no_operation_led_to_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    rewrite(w, "ann", redeem_behind_the_back, NULL);
    audit_all(w);
    assert_faults(w, 1,
                  "state: coupon 0-1 of user ann is redeemed, its last operation made it claimed");
}

static void redeem_once_more(struct account *account, void *arg)
{
    struct applied again = account->applied.entries[account->applied.count - 1];

    (void)arg;
    again.id = story_id(99);
    assert_int_equal(applied_add(&account->applied, &again), LK_OK);
}

static void a_coupon_redeemed_twice_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = { 0, 1 } });
    rewrite(w, "ann", redeem_once_more, NULL);
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(
        strstr(w->audit.faults[0].line, "state: coupon 0-1 of user ann was redeemed, and redeem "));
}

static void forget_something(struct account *account, void *arg)
{
    redeem_once_more(account, arg);
    account->applied.floor = story_id(1);
}

static void an_account_that_forgot_operations_is_not_judged_by_those_that_stay(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = { 0, 1 } });
    /* As if a refund had stood between them. */
    rewrite(w, "ann", forget_something, NULL);
    audit_all(w);
    assert_faults(w, 0, NULL);
}

static void a_whole_life_is_no_fault(void **state)
{
    struct world *w = *state;
    const lk_coupon coupon = { 0, 1 };

    claims(w, "ann", 0, 1);
    for (int i = 0; i < 3; i++) {
        does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_FREEZE, .coupon = coupon, .order = "o" });
        does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = coupon, .order = "o" });
        does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REFUND, .coupon = coupon });
    }
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_UNFREEZE, .coupon = coupon, .order = "p" });
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_VOID, .coupon = coupon });
    audit_all(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.voided, 1);
}

static void a_claim_outside_of_the_campaigns_times_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    w->campaign.rules.opens_ms = NOON + 1;
    audit_starts(w);
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0].line, "of user ann came before the campaign opened"));
}

/* ---- what repairs do to shards ---- */

static void a_stretch_is_cut_out_of_ranges_and_put_back(void **state)
{
    struct world *w = *state;
    struct shard *shard = &w->shards[0];
    const struct range middle = { 0, 4, 3 }, others = { 1, 4, 3 };
    bool cut = false;

    assert_int_equal(shards_cover(w->shards, SHARDS, &middle), 3);
    assert_int_equal(shard_cut(shard, &others, &cut), LK_OK);
    assert_false(cut);
    assert_int_equal(shard_cut(shard, &middle, &cut), LK_OK);
    assert_true(cut);
    assert_int_equal(shard->range_count, 2);
    assert_int_equal(shard_available(shard), 7);
    assert_int_equal(shards_cover(shard, 1, &middle), 0);
    assert_int_equal(shard_put(shard, &middle), LK_OK);
    assert_int_equal(shard->range_count, 2);
    assert_int_equal(shards_cover(shard, 1, &(struct range){ 0, 1, 10 }), 10);
}

static void a_cut_that_makes_too_many_ranges_changes_nothing(void **state)
{
    struct world *w = *state;
    struct shard *shard = &w->shards[0];
    bool cut = false;

    shard->stocked = 1000;
    for (uint64_t i = 1; i < SHARD_RANGES_MAX; i++)
        assert_int_equal(shard_put(shard, &(struct range){ 0, 10 + 3 * i, 1 }), LK_OK);
    assert_int_equal(shard->range_count, SHARD_RANGES_MAX);
    assert_int_equal(shard_cut(shard, &(struct range){ 0, 5, 1 }, &cut), LK_E_TOO_LARGE);
    assert_false(cut);
    assert_int_equal(shard_put(shard, &(struct range){ 0, 900, 1 }), LK_E_TOO_LARGE);
    assert_int_equal(shard_available(shard), 10 + SHARD_RANGES_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(books_that_are_in_order_have_no_fault),
        TEST(what_is_claimed_while_it_runs_is_neither_counted_nor_a_fault),
        TEST(a_coupon_that_no_account_has_is_lost),
        TEST(lost_coupons_in_a_row_are_one_line),
        TEST(a_coupon_in_two_accounts_is_named),
        TEST(a_coupon_that_is_still_available_is_named),
        TEST(a_coupon_that_was_never_stocked_is_named),
        TEST(a_user_above_the_limit_is_named),
        TEST(an_id_that_was_applied_twice_is_named),
        TEST(a_range_that_is_available_twice_is_named),
        TEST(a_damaged_account_is_named_and_the_others_are_counted),
        TEST(an_account_in_a_wrong_bucket_is_named),
        TEST(a_shard_that_can_not_be_read_is_named_and_nothing_is_invented),
        TEST(a_flood_of_faults_is_cut_and_that_is_said),
        TEST(ranges_that_move_are_neither_missed_nor_counted_twice),
        TEST(a_claim_that_the_picture_does_not_know_is_named_though_all_is_well_later),
        TEST(claims_of_unknown_zxid_are_counted_by_the_picture),
        TEST(what_is_mended_while_it_runs_is_no_fault),
        TEST(a_coupon_that_is_void_in_the_other_account_is_nobodys_twice),
        TEST(the_later_of_two_accounts_is_named_whatever_their_names),
        TEST(a_coupon_twice_in_one_account_is_named),
        TEST(a_range_that_was_never_stocked_is_named),
        TEST(more_stock_than_the_campaign_tells_of_is_named),
        TEST(stock_that_was_added_is_no_fault_also_where_the_record_forgot_it),
        TEST(a_state_that_no_operation_led_to_is_named),
        TEST(a_coupon_redeemed_twice_is_named),
        TEST(an_account_that_forgot_operations_is_not_judged_by_those_that_stay),
        TEST(a_whole_life_is_no_fault),
        TEST(a_claim_outside_of_the_campaigns_times_is_named),
        TEST(a_stretch_is_cut_out_of_ranges_and_put_back),
        TEST(a_cut_that_makes_too_many_ranges_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
