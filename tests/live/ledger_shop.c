/* ledger_shop.c - see ledger_shop.h. */
#include "ledger_shop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/names.h"

static lk_ledger *ledgers[LEDGERS_MAX];
static size_t ledger_count;

lk_ledger *ledger(lk_client *client, const char *path)
{
    assert_true(ledger_count < LEDGERS_MAX);
    assert_status(lk_ledger_new(&ledgers[ledger_count], client, path), LK_OK);
    return ledgers[ledger_count++];
}

void ledgers_free(void)
{
    while (ledger_count > 0)
        lk_ledger_free(ledgers[--ledger_count]);
}

int64_t patience(void)
{
    return lk_in_ms(PATIENCE_MS);
}

lk_ledger *open_campaign(lk_client *client, const char *path, lk_campaign_options options)
{
    lk_ledger *made = ledger(client, path);

    assert_status(lk_campaign_create(made, &options, NULL, patience()), LK_OK);
    return made;
}

lk_ledger_result last;

int do_op(lk_ledger *at, lk_ledger_op op)
{
    char coupon[LK_COUPON_TEXT_SIZE], id[LK_ID_TEXT_SIZE];
    int status = lk_ledger_do(at, &op, patience(), &last);

    live_tell("%s %s %s for %s: %s%s, id %s", lk_ledger_verb_name(op.verb), op.user,
              lk_coupon_text(last.count ? last.coupons[0] : op.coupon, coupon),
              op.order ? op.order : "-", lk_status_name(status), last.repeated ? " (repeated)" : "",
              lk_id_text(last.id, id));
    assert_int_equal(status, last.status);
    return status;
}

lk_coupon claim(lk_ledger *at, const char *user)
{
    assert_status(DO(at, .verb = LK_LEDGER_CLAIM, .user = user), LK_OK);
    return last.coupons[0];
}

void fill(lk_ledger *at, const char *user)
{
    int status = LK_OK;

    while (status == LK_OK)
        status = DO(at, .verb = LK_LEDGER_CLAIM, .user = user, .count = LK_CLAIM_MAX);
    assert_status(status, LK_E_ACCOUNT_FULL);
    while ((status = DO(at, .verb = LK_LEDGER_CLAIM, .user = user)) == LK_OK)
        ;
    assert_status(status, LK_E_ACCOUNT_FULL);
}

int64_t server_time(lk_ledger *at)
{
    lk_campaign_info info;

    assert_status(lk_campaign_show(at, patience(), &info), LK_OK);
    return info.server_ms;
}

void await_server_time(lk_ledger *at, int64_t until_ms)
{
    while (server_time(at) < until_ms)
        ;
}

lk_coupon_state state_of(lk_ledger *at, const char *user, lk_coupon coupon)
{
    lk_coupon_state state = (lk_coupon_state)0;
    lk_account *account;

    assert_status(lk_account_show(at, user, patience(), &account), LK_OK);
    for (size_t i = 0; i < account->count; i++)
        if (account->coupons[i].coupon.serial == coupon.serial
            && account->coupons[i].coupon.shard == coupon.shard)
            state = account->coupons[i].state;
    lk_account_free(account);
    return state;
}

void audit_clean(lk_ledger *at, struct sums sums)
{
    lk_audit *audit;

    assert_status(lk_ledger_audit(at, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++)
        print_error("%s\n", audit->faults[i]);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->available, sums.available);
    assert_int_equal(audit->claimed, sums.claimed);
    assert_int_equal(audit->frozen, sums.frozen);
    assert_int_equal(audit->redeemed, sums.redeemed);
    assert_int_equal(audit->voided, sums.voided);
    assert_int_equal(audit->accounts, sums.accounts);
    assert_int_equal(audit->issued,
                     audit->claimed + audit->frozen + audit->redeemed + audit->voided);
    assert_int_equal(audit->stocked, audit->issued + audit->available);
    lk_audit_free(audit);
}

bool audit_names(lk_ledger *at, const char *words)
{
    lk_audit *audit;
    bool named = false;

    assert_status(lk_ledger_audit(at, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++) {
        live_tell("fault: %s", audit->faults[i]);
        named = named || strstr(audit->faults[i], words);
    }
    lk_audit_free(audit);
    return named;
}

const char *account_path(const char *campaign, const char *user)
{
    char *path = name_account(live_path(campaign), user);
    static char kept[2048];

    assert_non_null(path);
    snprintf(kept, sizeof(kept), "%s", path);
    free(path);
    return kept;
}

struct campaign campaign_at(const char *path)
{
    char bytes[4096];
    struct campaign campaign = { 0 };

    size_t size = raw_get(live_path(path), bytes, sizeof(bytes), NULL);
    assert_int_equal(campaign_decode(&campaign, bytes, size), LK_OK);
    return campaign;
}

void *sell(void *arg)
{
    struct seller *seller = arg;
    lk_ledger_result result;
    char user[30];

    for (unsigned i = 0; i < EACH; i++) {
        snprintf(user, sizeof(user), "user-%u", i % 2 ? i : seller->number * EACH + i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user, .count = 1 + i % 3 };
        int status = lk_ledger_do(seller->ledger, &op, patience(), &result);
        if (status == LK_OK)
            seller->sold += result.count;
        else if (status == LK_E_SOLD_OUT || status == LK_E_LIMIT)
            seller->refused++;
        else
            seller->status = status;
    }
    return NULL;
}

static pthread_mutex_t told_mutex = PTHREAD_MUTEX_INITIALIZER;

void tell(const lk_ledger_result *result, void *arg)
{
    struct told *told = arg;

    pthread_mutex_lock(&told_mutex);
    told->count++;
    told->ok += result->status == LK_OK;
    told->sold_out += result->status == LK_E_SOLD_OUT;
    pthread_mutex_unlock(&told_mutex);
    live_changed();
}

bool all_are_told(void *arg)
{
    pthread_mutex_lock(&told_mutex);
    bool all = ((struct told *)arg)->count == 1000;
    pthread_mutex_unlock(&told_mutex);
    return all;
}

struct child child_start(const char *program)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    struct child child = { .pid = fork(), .says = ready[0] };
    if (child.pid == 0) {
        dup2(ready[1], STDOUT_FILENO);
        execl(program, program, zkbox_address(live_box(), 0), live_root(), (char *)NULL);
        _exit(4);
    }
    assert_true(child.pid > 0);
    close(ready[1]);
    assert_int_equal(read(child.says, &byte, 1), 1);
    return child;
}

void child_kill(struct child child)
{
    assert_int_equal(kill(child.pid, SIGKILL), 0);
    assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
    close(child.says);
}

int shop_end(void **state)
{
    /* While their clients still live. */
    ledgers_free();
    return live_end(state);
}
