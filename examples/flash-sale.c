/* flash-sale.c - many operations at once: a batch of claims, then an order for two coupons in which
 * both are frozen or none is.
 *
 *     flash-sale [SERVERS]
 *
 * A batch goes into as few commits as it fits; each operation in it has its own answer. LK_E_UNKNOWN
 * is settled by submitting the same batch again: what was done answers as the first time, and only
 * what was not is done now. For that the ids must be the same, so they are made before. A shop
 * writes them down before it submits; then its own crash is no worse than a lost reply. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CUSTOMERS 100

/* After LK_E_UNKNOWN, "nothing was done" is said of the last try alone. */
static bool has_open(const lk_ledger_result *results, size_t count)
{
    while (count > 0) {
        int status = results[--count].status;
        if (status == LK_E_UNKNOWN || status == LK_E_DEADLINE || status == LK_E_NO_SERVER)
            return true;
    }
    return false;
}

static int settle(lk_ledger *ledger, const lk_ledger_op *ops, size_t count,
                  lk_ledger_result *results)
{
    int status;

    do {
        status = lk_ledger_submit(ledger, ops, count, results, lk_in_ms(10000));
    } while (has_open(results, count));
    return status;
}

static int sell(lk_client *client, lk_ledger *ledger)
{
    static char users[CUSTOMERS][32];
    static lk_ledger_op claims[CUSTOMERS];
    static lk_ledger_result results[CUSTOMERS];
    size_t sold = 0;

    for (size_t i = 0; i < CUSTOMERS; i++) {
        snprintf(users[i], sizeof users[i], "customer-%ld-%zu", (long)getpid(), i);
        claims[i] = (lk_ledger_op){
            .verb = LK_LEDGER_CLAIM, .id = lk_id_new(client), .user = users[i], .count = 2
        };
    }
    int status = settle(ledger, claims, CUSTOMERS, results);
    for (size_t i = 0; i < CUSTOMERS; i++)
        sold += results[i].status == LK_OK; /* else LK_E_SOLD_OUT, LK_E_LIMIT, ... */
    printf("%zu of %d customers have two coupons each\n", sold, CUSTOMERS);
    if (results[0].status != LK_OK)
        return status;

    /* `linked` to the next: one chain, one commit. The last of a chain is not linked. */
    lk_ledger_op order[2];
    for (size_t i = 0; i < 2; i++)
        order[i] = (lk_ledger_op){ .verb = LK_LEDGER_FREEZE,
                                   .id = lk_id_new(client),
                                   .user = users[0],
                                   .coupon = results[0].coupons[i],
                                   .order = "order-1",
                                   .linked = i == 0 };
    lk_ledger_result frozen[2];
    status = settle(ledger, order, 2, frozen);
    if (status == LK_OK)
        printf("both are frozen for order-1\n");
    return status;
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
    rules.stock = 10000;
    rules.per_user = 2;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_ledger_new(&ledger, client, "/shop/flash-sale");
    if (status == LK_OK)
        status = lk_id_from_text("the flash sale", &id); /* whoever comes second finds it made */
    if (status == LK_OK)
        status = lk_campaign_create(ledger, &rules, &id, lk_in_ms(10000));
    if (status == LK_OK)
        status = sell(client, ledger);
    if (status != LK_OK)
        fprintf(stderr, "flash-sale: %s\n", lk_status_text(status));
    lk_ledger_free(ledger);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
