/* watch-campaign.c - told when a campaign sells out, and when there is stock again.
 *
 *     watch-campaign [SERVERS]
 *
 * So a shop takes the button off its page without asking the ledger for each visitor. What is told
 * is a picture: whoever wants a coupon finds out by a claim, which alone is certain. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void told(lk_campaign_event event, const lk_campaign_info *info, void *arg)
{
    lk_campaign_event *last = arg;

    printf("%s", lk_campaign_event_name(event));
    if (info) /* of one that is gone there is nothing to say */
        printf(": %llu of %llu available", (unsigned long long)info->available,
               (unsigned long long)info->stocked);
    puts("");
    *last = event;
}

/* The callbacks run in here. */
static void look_until(lk_client *client, const lk_campaign_event *last, lk_campaign_event wanted)
{
    while (*last != wanted)
        if (lk_dispatch(client, lk_in_ms(10000)) <= 0)
            exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_ledger *ledger = NULL;
    lk_campaign_watch *watch = NULL;
    lk_campaign_event last = (lk_campaign_event)0;
    char path[40];

    if (servers)
        options.servers = servers;
    snprintf(path, sizeof path, "/shop/sale-%ld", (long)getpid());
    rules.stock = 2;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_ledger_new(&ledger, client, path);
    if (status == LK_OK)
        status = lk_campaign_watch_new(&watch, client, path, told, &last);
    if (status == LK_OK) {
        look_until(client, &last, LK_CAMPAIGN_GONE); /* not made yet */
        status = lk_campaign_create(ledger, &rules, NULL, lk_in_ms(10000));
    }
    if (status == LK_OK) {
        look_until(client, &last, LK_CAMPAIGN_OPENED);
        lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "customer", .count = 2 };
        lk_ledger_result result;
        status = lk_ledger_do(ledger, &claim, lk_in_ms(10000), &result);
    }
    if (status == LK_OK) {
        look_until(client, &last, LK_CAMPAIGN_SOLD_OUT);
        status = lk_campaign_add_stock(ledger, 5, NULL, lk_in_ms(10000));
    }
    if (status == LK_OK) {
        look_until(client, &last, LK_CAMPAIGN_STOCKED);
        status = lk_campaign_delete(ledger, NULL, NULL, lk_in_ms(10000));
    }
    if (status == LK_OK)
        look_until(client, &last, LK_CAMPAIGN_GONE);
    else
        fprintf(stderr, "watch-campaign: %s\n", lk_status_text(status));
    lk_campaign_watch_free(watch);
    lk_ledger_free(ledger);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
