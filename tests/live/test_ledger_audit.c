/* test_ledger_audit.c - the audit, and a repair, beside traffic that claims, freezes, redeems and moves
 * stock: each audit is of one moment, and what is in its way is nobody's fault. */
#include "ledger_repair.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "ledger/restock.h"

enum { SELLERS = 4, AUDITS = 50, USERS = 40 };

/* ---- the traffic ---- */

static atomic_bool closing_time;

struct clerk {
    pthread_t thread;
    lk_ledger *ledger;
    unsigned number;
    atomic_uint done;
    int status;
};

static int step(struct clerk *clerk, lk_ledger_op op, lk_ledger_result *result)
{
    int status = lk_ledger_do(clerk->ledger, &op, patience(), result);

    clerk->done += status == LK_OK;
    live_changed();
    return status;
}

static bool is_an_answer(int status)
{
    return status == LK_OK || (status <= LK_E_SOLD_OUT && status >= LK_E_ACCOUNT_FULL);
}

/* One user after another claims, orders, and buys, or thinks again. */
static void *serve(void *arg)
{
    struct clerk *clerk = arg;
    lk_ledger_result result;
    char user[30];

    for (unsigned i = 0; !closing_time && clerk->status == LK_OK; i++) {
        snprintf(user, sizeof(user), "user-%u", (i * SELLERS + clerk->number) % USERS);
        lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user, .count = 1 + i % 3 };
        int status = step(clerk, op, &result);
        op = (lk_ledger_op){
            .verb = LK_LEDGER_FREEZE, .user = user, .coupon = result.coupons[0], .order = "order"
        };
        bool claimed = status == LK_OK;
        if (claimed)
            status = step(clerk, op, &result);
        op.verb = i % 2 ? LK_LEDGER_REDEEM : LK_LEDGER_UNFREEZE;
        if (claimed && status == LK_OK)
            status = step(clerk, op, &result);
        op.verb = i % 2 ? LK_LEDGER_REFUND : LK_LEDGER_VOID;
        op.order = NULL;
        if (claimed && status == LK_OK)
            status = step(clerk, op, &result);
        clerk->status = is_an_answer(status) ? LK_OK : status;
    }
    return NULL;
}

/* Moves ranges from one shard to the next by hand, as the commit of a claim may. */
struct porter {
    pthread_t thread;
    zhandle_t *handle;
    char paths[2][64];
    atomic_uint moved;
};

static void *carry(void *arg)
{
    struct porter *porter = arg;

    for (unsigned turn = 0; !closing_time; turn++) {
        struct shard shards[2] = { { 0 } };
        struct record_out records[2] = { { 0 } };
        struct Stat stats[2];
        zoo_op_t sets[2];
        zoo_op_result_t results[2];
        bool ready = true, cut = false;

        for (int i = 0; i < 2; i++) {
            char bytes[RECORD_SIZE_MAX];
            int size = sizeof(bytes);
            int rc = zoo_get(porter->handle, porter->paths[i], 0, bytes, &size, &stats[i]);
            ready = ready && rc == ZOK
                    && shard_decode(&shards[i], bytes, (size_t)size, (uint32_t)i) == LK_OK;
        }
        struct shard *from = &shards[turn % 2], *to = &shards[(turn + 1) % 2];
        if (ready && from->range_count > 0) {
            struct range stretch = from->ranges[from->range_count - 1];
            stretch.count = (stretch.count + 1) / 2;
            ready = shard_cut(from, &stretch, &cut) == LK_OK && shard_put(to, &stretch) == LK_OK;
        }
        for (int i = 0; i < 2 && cut && ready; i++) {
            ready = shard_encode(&shards[i], &records[i]) == LK_OK;
            zoo_set_op_init(&sets[i], porter->paths[i], (char *)records[i].bytes,
                            (int)records[i].size, stats[i].version, NULL);
        }
        if (cut && ready)
            porter->moved += zoo_multi(porter->handle, 2, sets, results) == ZOK;
        live_changed();
        for (int i = 0; i < 2; i++) {
            record_free(&records[i]);
            shard_free(&shards[i]);
        }
    }
    return NULL;
}

static struct {
    struct clerk clerks[SELLERS];
    struct porter porter;
} traffic; /* of the present test */

static bool is_lively(void *arg)
{
    bool lively = traffic.porter.moved > 0;

    (void)arg;
    for (unsigned i = 0; i < SELLERS; i++)
        lively = lively && traffic.clerks[i].done > 0;
    return lively;
}

/* Stock is carried between the first two shards. */
static void traffic_begins(const char *campaign)
{
    memset(&traffic, 0, sizeof(traffic));
    traffic.porter.handle = raw_open(zkbox_address(live_box(), 0), CALM_MS);
    closing_time = false;
    for (unsigned i = 0; i < SELLERS; i++) {
        struct clerk *clerk = &traffic.clerks[i];
        clerk->number = i;
        clerk->ledger = ledger(live_client("clerk", (struct live_client){ 0 }), campaign);
        pthread_create(&clerk->thread, NULL, serve, clerk);
    }
    for (int i = 0; i < 2; i++)
        snprintf(traffic.porter.paths[i], sizeof(traffic.porter.paths[i]), "%s/stock/%04d",
                 live_path(campaign), i);
    pthread_create(&traffic.porter.thread, NULL, carry, &traffic.porter);
    live_await("traffic", is_lively, NULL);
}

static void traffic_ends(void)
{
    closing_time = true;
    pthread_join(traffic.porter.thread, NULL);
    for (unsigned i = 0; i < SELLERS; i++)
        pthread_join(traffic.clerks[i].thread, NULL);
    for (unsigned i = 0; i < SELLERS; i++)
        assert_status(traffic.clerks[i].status, LK_OK);
}

/* ---- the tests ---- */

static void audits_are_clean_while_coupons_states_and_stock_move(void)
{
    lk_ledger *office = OPEN(live_client("office", (struct live_client){ 0 }), "/sale",
                             .stock = 100000, .shards = 16);
    int status = LK_OK;
    int64_t zxid = 0;
    bool clean = true;

    traffic_begins("/sale");
    for (int i = 0; i < AUDITS && clean && status == LK_OK; i++) {
        lk_audit *audit;
        status = lk_ledger_audit(office, patience(), &audit);
        if (status != LK_OK)
            break;
        live_tell("audit of %llx: issued %llu", (unsigned long long)audit->zxid,
                  (unsigned long long)audit->issued);
        clean = is_clean(audit) && audit->zxid >= zxid;
        zxid = audit->zxid;
        lk_audit_free(audit);
    }
    traffic_ends();
    assert_status(status, LK_OK);
    assert_true(clean);
    lk_audit *audit;
    assert_status(lk_ledger_audit(office, patience(), &audit), LK_OK);
    assert_true(is_clean(audit));
    lk_audit_free(audit);
}

static void a_repair_is_done_while_claims_write_the_same_shards(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 100000,
                           .shards = 2);
    lk_audit *audit = NULL;
    struct steps steps = { 0 };

    claim(shop, "ann");
    traffic_begins("/sale");
    raw_delete(account_path("/sale", "ann"));
    int status = lk_ledger_audit(shop, patience(), &audit);
    if (status == LK_OK) {
        steps.audit = audit;
        status = lk_ledger_repair(shop, audit, true, note_step, &steps, patience());
    }
    traffic_ends();
    assert_status(status, LK_OK);
    assert_int_equal(audit->fault_count, 1);
    assert_int_equal(steps.ok, 1);
    lk_audit_free(audit);
    audit = audit_of(shop);
    assert_true(is_clean(audit));
    lk_audit_free(audit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(audits_are_clean_while_coupons_states_and_stock_move),
        SHOP_TEST(a_repair_is_done_while_claims_write_the_same_shards),
    };
    return live_main("ledger audit", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
