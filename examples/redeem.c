/* redeem.c - a coupon on its way through an order: claimed, frozen, redeemed; nothing of it twice.
 *
 *     redeem [SERVERS]
 *
 * Every operation bears an id. If its reply is lost, the answer is LK_E_UNKNOWN: it was done or it
 * was not. The same id again tells which, and does it if it was not; so a shop can repeat until it
 * knows, also after a crash, if it wrote down the id before. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int settle(lk_ledger *ledger, const lk_ledger_op *op, lk_ledger_result *result)
{
    char coupon[LK_COUPON_TEXT_SIZE];
    int status;

    do {
        status = lk_ledger_do(ledger, op, lk_in_ms(10000), result);
    } while (status == LK_E_UNKNOWN);
    if (status == LK_OK)
        printf("%s: coupon %s is %s\n", lk_ledger_verb_name(op->verb),
               lk_coupon_text(result->coupons[0], coupon), lk_coupon_state_name(result->state));
    return status;
}

static int order(lk_client *client, lk_ledger *ledger)
{
    char user[32];
    lk_ledger_result result;

    snprintf(user, sizeof user, "customer-%ld", (long)getpid());
    lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .id = lk_id_new(client), .user = user };
    int status = settle(ledger, &claim, &result);
    if (status != LK_OK)
        return status; /* LK_E_SOLD_OUT, LK_E_LIMIT: what a customer is told */

    const lk_coupon coupon = result.coupons[0];
    lk_ledger_op freeze = { .verb = LK_LEDGER_FREEZE,
                            .id = lk_id_new(client),
                            .user = user,
                            .coupon = coupon,
                            .order = "order-1" };
    status = settle(ledger, &freeze, &result);
    if (status != LK_OK)
        return status;

    /* The payment goes here. Should it fail: LK_LEDGER_UNFREEZE. Should we die: the freeze runs out
     * by itself. */

    lk_ledger_op redeem = { .verb = LK_LEDGER_REDEEM,
                            .id = lk_id_new(client),
                            .user = user,
                            .coupon = coupon,
                            .order = "order-1" };
    return settle(ledger, &redeem, &result);
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_ledger *ledger = NULL;
    lk_id id;

    if (servers)
        options.servers = servers;
    rules.stock = 1000;
    rules.per_user = 1;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_ledger_new(&ledger, client, "/shop/spring-sale");
    if (status == LK_OK)
        status = lk_id_from_text("the spring sale", &id); /* whoever comes second finds it made */
    if (status == LK_OK)
        status = lk_campaign_create(ledger, &rules, &id, lk_in_ms(10000));
    if (status == LK_OK)
        status = order(client, ledger);
    if (status != LK_OK)
        fprintf(stderr, "redeem: %s\n", lk_status_text(status));
    lk_ledger_free(ledger);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
