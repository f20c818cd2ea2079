/* test_ledger_audit.c - the audit names each planted fault, and nothing when all is well, traffic
 * or not. */
#include "ledger_story.h"

#include "ledger/audit.h"
#include "ledger/names.h"

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
    } books[BOOKS_MAX];
    size_t book_count;
    uint64_t last_id;
    struct audit audit;
};

static int world_begin(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    assert_non_null(w);
    options.shards = SHARDS;
    options.per_user = 5;
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
    change(&account, arg);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    free(book->bytes);
    book->bytes = out.bytes;
    book->size = out.size;
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

static void audit_starts(struct world *w)
{
    for (size_t i = 0; i < SHARDS; i++)
        assert_int_equal(shard_copy(&w->before[i], &w->shards[i]), LK_OK);
    audit_begin(&w->audit, &w->campaign, NOON, w->before, w->status);
}

static void audit_reads_accounts(struct world *w)
{
    char bucket[BUCKET_NAME_SIZE], name[USER_NAME_SIZE];

    for (size_t i = 0; i < w->book_count; i++) {
        bucket_name(user_bucket(w->books[i].user), bucket);
        user_encode(w->books[i].user, name);
        audit_account(&w->audit, bucket, name, LK_OK, w->books[i].bytes, w->books[i].size);
    }
}

static void audit_ends(struct world *w)
{
    audit_end(&w->audit, w->shards, w->status);
    assert_false(w->audit.no_memory);
}

static void audit_all(struct world *w)
{
    audit_starts(w);
    audit_reads_accounts(w);
    audit_ends(w);
}

static void assert_faults(struct world *w, size_t count, const char *first)
{
    for (size_t i = 0; i < w->audit.fault_count; i++)
        if (w->audit.fault_count != count)
            print_error("%s\n", w->audit.faults[i]);
    assert_int_equal(w->audit.fault_count, count);
    if (count > 0)
        assert_string_equal(w->audit.faults[0], first);
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
    audit_reads_accounts(w);
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
    assert_faults(w, 2,
                  "once: coupon 0-1 of user bob stands a second time, here or in another account");
    assert_string_equal(w->audit.faults[1], "lost: coupon 0-2 was issued, and no account has it");
}

static void a_coupon_that_is_still_available_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 1, 10 });
    audit_all(w);
    assert_faults(w, 2, "lost: coupon 0-1 was issued, and no account has it");
    assert_string_equal(w->audit.faults[1],
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
    assert_string_equal(w->audit.faults[2], "stock: coupon 0-11 of user ann was never stocked");
    assert_string_equal(w->audit.faults[3], "stock: coupon 9-1 of user bob was never stocked");
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
    assert_non_null(strstr(w->audit.faults[0], "of user ann was applied twice"));
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
    assert_faults(w, 1, "once: coupon 0-4 is available twice");
}

static void a_damaged_account_is_named_and_the_others_are_counted(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    w->books[0].bytes[w->books[0].size - 1] ^= 1;
    audit_all(w);
    assert_faults(w, 2, "record: the account of ann can't be read: the record is damaged");
    assert_string_equal(w->audit.faults[1],
                        "lost: coupon 0-1 was issued, and no account that could be read has it");
    assert_int_equal(w->audit.claimed, 1);
}

static void an_account_in_a_wrong_bucket_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    audit_starts(w);
    audit_account(&w->audit, "fff", "ann", LK_OK, w->books[0].bytes, w->books[0].size);
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0], "place: user ann stands in bucket fff"));
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
        audit_account(&w->audit, "000", "ann", LK_E_NO_RIGHTS, NULL, 0);
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, AUDIT_FAULTS_MAX);
    assert_string_equal(w->audit.faults[AUDIT_FAULTS_MAX - 1], "more: 51 faults are not listed");
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
