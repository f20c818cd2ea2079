/* ledger_books.c - see ledger_books.h. */
#include "ledger_books.h"

#include "ledger/names.h"

int world_begin(void **state)
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

int world_end(void **state)
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

void rewrite(struct world *w, const char *user, void (*change)(struct account *, void *), void *arg)
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

void claims(struct world *w, const char *user, size_t shard, uint32_t count)
{
    struct asked asked = { w, shard, { .verb = LK_LEDGER_CLAIM, .user = user, .count = count } };
    rewrite(w, user, apply, &asked);
}

void does(struct world *w, const char *user, lk_ledger_op op)
{
    struct asked asked = { w, 0, op };
    asked.op.user = user;
    rewrite(w, user, apply, &asked);
}

/* The picture: all shards as they are now. */
void audit_starts(struct world *w)
{
    for (size_t i = 0; i < SHARDS; i++)
        assert_int_equal(shard_copy(&w->before[i], &w->shards[i]), LK_OK);
    audit_begin(&w->audit, (struct audit_view){ .campaign = &w->campaign,
                                                .now_ms = NOON,
                                                .zxid = w->zxid,
                                                .shelves = { w->before, w->status, SHARDS } });
}

void audit_reads_accounts(struct world *w, void (*see)(struct audit *, const struct audit_znode *))
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

void audit_ends(struct world *w)
{
    audit_end(&w->audit, (struct shelf_view){ w->shards, w->status, SHARDS });
    if (audit_has_suspects(&w->audit))
        audit_reads_accounts(w, audit_name);
    audit_finish(&w->audit);
    assert_false(w->audit.no_memory);
}

void audit_all(struct world *w)
{
    audit_starts(w);
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
}

void assert_faults(struct world *w, size_t count, const char *first)
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

void rename_last_coupon(struct account *account, void *arg)
{
    account->coupons[account->coupon_count - 1].name = *(lk_coupon *)arg;
}
