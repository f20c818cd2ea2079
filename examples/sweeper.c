/* sweeper.c - a freeze that nobody looks after comes back by itself.
 *
 *     sweeper [SERVERS]
 *
 * A customer orders, the coupon is frozen for a moment, and the shop forgets about it. A sweeper,
 * which a shop runs in each of its processes and of which one works, gives the coupon back when its
 * time is over. It has a session and a thread of its own; told() runs on that thread. */
#include <latchkey/latchkey.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct news {
    pthread_mutex_t lock;
    pthread_cond_t came;
    uint64_t unfrozen;
};

static void told(int status, const lk_sweep *sweep, void *arg)
{
    struct news *news = arg;

    if (status != LK_OK) {
        printf("this sweep failed, the next one may not: %s\n", lk_status_text(status));
        return;
    }
    printf("%llu accounts seen, %llu coupons given back\n", (unsigned long long)sweep->accounts,
           (unsigned long long)sweep->unfrozen);
    pthread_mutex_lock(&news->lock);
    news->unfrozen += sweep->unfrozen;
    pthread_cond_signal(&news->came);
    pthread_mutex_unlock(&news->lock);
}

static void await_unfrozen(struct news *news)
{
    pthread_mutex_lock(&news->lock);
    while (!news->unfrozen)
        pthread_cond_wait(&news->came, &news->lock);
    pthread_mutex_unlock(&news->lock);
}

/* Claims a coupon and freezes it for a fifth of a second. */
static int order(lk_client *client, lk_ledger *ledger)
{
    char user[32];
    lk_ledger_result result;

    snprintf(user, sizeof user, "forgotten-%ld", (long)getpid());
    lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .id = lk_id_new(client), .user = user };
    int status = lk_ledger_do(ledger, &claim, lk_in_ms(10000), &result);
    if (status != LK_OK)
        return status;
    lk_ledger_op freeze = { .verb = LK_LEDGER_FREEZE,
                            .id = lk_id_new(client),
                            .user = user,
                            .coupon = result.coupons[0],
                            .order = "order-1",
                            .ttl_ms = 200 };
    return lk_ledger_do(ledger, &freeze, lk_in_ms(10000), &result);
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    lk_sweeper_options sweeps = LK_SWEEPER_OPTIONS_INIT;
    struct news news = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    lk_client *client = NULL;
    lk_ledger *ledger = NULL;
    lk_sweeper *sweeper = NULL;
    lk_id id;

    if (servers)
        options.servers = servers;
    rules.stock = 1000;
    sweeps.told = told;
    sweeps.arg = &news;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_ledger_new(&ledger, client, "/shop/autumn-sale");
    if (status == LK_OK)
        status = lk_id_from_text("the autumn sale", &id);
    if (status == LK_OK)
        status = lk_campaign_create(ledger, &rules, &id, lk_in_ms(10000));
    if (status == LK_OK)
        status = order(client, ledger);
    if (status == LK_OK)
        status = lk_sweeper_new(&sweeper, &options, "/shop/autumn-sale", &sweeps);
    if (status == LK_OK)
        await_unfrozen(&news);
    if (status != LK_OK)
        fprintf(stderr, "sweeper: %s\n", lk_status_text(status));
    lk_sweeper_free(sweeper); /* steps down: another takes over at once */
    lk_ledger_free(ledger);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
