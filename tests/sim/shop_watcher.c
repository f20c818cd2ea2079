/* shop_watcher.c - who watches the campaign.
 *
 * What a watcher is told must be found in the history of the path, as the servers committed it, one
 * telling after the other; and once all is calm what was told last is how it is. */
#include "shop.h"

struct watcher {
    struct list node;
    struct shop *shop;
    struct sim_client *client;
    lk_campaign_watch *handle; /* NULL: none just now */
    size_t at;                 /* of the history: what was told last was so here, or later */
    /* What it was told, for the end. */
    bool is_told, is_gone, is_over, has_ended;
    enum { STOCK_UNTOLD, STOCK_LEFT, STOCK_NONE } stock;
    struct event act;
};

/* ---- history ---- */

static unsigned fact(lk_campaign_event event)
{
    return 1u << event;
}

static bool is_past(int64_t moment_ms, int64_t now_ms)
{
    return moment_ms && moment_ms <= now_ms;
}

/* What may be told now, by whoever's picture of the servers' clock. */
static unsigned facts_of(const struct books *books)
{
    const struct sale *sale = books_sale(books);
    int64_t now_ms = books_now_ms(books) + books_ahead_ms(books);
    unsigned facts = 0;

    if (!books_are_open(books))
        return fact(LK_CAMPAIGN_GONE);
    const lk_campaign_options *rules = &sale->law.options;
    facts |= fact(sale->law.available ? LK_CAMPAIGN_STOCKED : LK_CAMPAIGN_SOLD_OUT);
    if (rules->opens_ms <= now_ms)
        facts |= fact(LK_CAMPAIGN_OPENED);
    if (sale->law.is_closed || is_past(rules->closes_ms, now_ms))
        facts |= fact(LK_CAMPAIGN_CLOSED);
    if (is_past(rules->ends_ms, now_ms))
        facts |= fact(LK_CAMPAIGN_ENDED);
    return facts;
}

void shop_watchers_see_change(struct shop *shop)
{
    unsigned facts = facts_of(&shop->books);

    if (shop->fact_count && shop->facts[shop->fact_count - 1] == facts)
        return;
    shop->facts = books_grown(shop->sim, shop->facts, shop->fact_count, &shop->fact_capacity,
                              sizeof(*shop->facts));
    shop->facts[shop->fact_count++] = facts;
}

/* ---- tellings ---- */

static void note(struct watcher *watcher, lk_campaign_event event)
{
    bool is_first = !watcher->is_told || watcher->is_gone;

    watcher->is_told = true;
    watcher->is_gone = event == LK_CAMPAIGN_GONE;
    if (is_first || watcher->is_gone) {
        watcher->is_over = watcher->has_ended = false;
        watcher->stock = STOCK_UNTOLD;
    }
    if (event == LK_CAMPAIGN_SOLD_OUT)
        watcher->stock = STOCK_NONE;
    if (event == LK_CAMPAIGN_STOCKED || (event == LK_CAMPAIGN_OPENED && is_first))
        watcher->stock = STOCK_LEFT;
    watcher->is_over |= event == LK_CAMPAIGN_CLOSED || event == LK_CAMPAIGN_ENDED;
    watcher->has_ended |= event == LK_CAMPAIGN_ENDED;
}

static void acted(struct event *event);

static void told(lk_campaign_event event, const lk_campaign_info *info, void *arg)
{
    struct watcher *watcher = arg;
    struct shop *shop = watcher->shop;
    struct world *world = &shop->sim->world;

    if (watcher->client->is_dead)
        return;
    world_tell(world, "%s is told that the campaign is %s", watcher->client->name,
               lk_campaign_event_name(event));
    shop_watchers_see_change(shop);
    while (watcher->at < shop->fact_count && !(shop->facts[watcher->at] & fact(event)))
        watcher->at++;
    if (watcher->at == shop->fact_count)
        world_fail(world, "%s is told that the campaign is %s, which it never was since",
                   watcher->client->name, lk_campaign_event_name(event));
    if ((event == LK_CAMPAIGN_GONE) != !info)
        world_fail(world, "%s is told of no campaign, or of one that is gone",
                   watcher->client->name);
    if (info
        && (info->available > info->stocked || info->issued != info->stocked - info->available))
        world_fail(world, "%s is told sums that do not add up", watcher->client->name);
    note(watcher, event);
    if (!shop->is_settling && shop_percent(shop, 3)) {
        watcher->handle = lk_campaign_watch_free(watcher->handle);
        event_at(world, &watcher->act, world->now_ns + shop_between(shop, 0, 500) * MS, acted);
    }
}

/* ---- who watches, and when ---- */

static void watch(struct watcher *watcher)
{
    struct shop *shop = watcher->shop;

    watcher->is_told = false;
    watcher->at = 0;
    int status = lk_campaign_watch_new(&watcher->handle, watcher->client->lk, SHOP_PATH, told,
                                       watcher);
    if (status == LK_E_NOMEM && shop->sim->memory.refused)
        watcher->handle = NULL;
    else if (status != LK_OK)
        world_fail(&shop->sim->world, "watching the campaign answers %s", lk_status_name(status));
}

static void acted(struct event *event)
{
    struct watcher *watcher = container_of(event, struct watcher, act);
    struct world *world = &watcher->shop->sim->world;

    if (sim_client_puts_off(watcher->client, event))
        return;
    if (watcher->handle)
        watcher->handle = lk_campaign_watch_free(watcher->handle);
    else
        watch(watcher);
    sim_client_touch(watcher->client);
    if (!watcher->handle)
        event_at(world, event, world->now_ns + 100 * MS, acted);
    else if (shop_percent(watcher->shop, 20))
        event_at(world, event, world->now_ns + shop_between(watcher->shop, 0, 5000) * MS, acted);
}

void shop_watcher_begin(struct shop *shop, struct sim_client *client)
{
    struct world *world = &shop->sim->world;
    struct watcher *watcher = arena_take(&world->arena, sizeof(*watcher));

    watcher->shop = shop;
    watcher->client = client;
    list_append(&shop->watchers, &watcher->node);
    event_at(world, &watcher->act, world->now_ns + shop_between(shop, 0, 500) * MS, acted);
}

/* Those who watch go on to the end. */
void shop_watchers_settle(struct shop *shop)
{
    list_for_each (node, &shop->watchers) {
        struct watcher *watcher = container_of(node, struct watcher, node);
        if (watcher->handle)
            event_stop(&shop->sim->world, &watcher->act);
    }
}

/* Time goes on: what it does may be told a moment later. */
static bool knows_all(const struct watcher *watcher)
{
    const struct books *books = &watcher->shop->books;
    unsigned facts = facts_of(books);

    if (!watcher->is_told || watcher->is_gone != !books_are_open(books))
        return false;
    if (watcher->is_gone)
        return true;
    if (watcher->stock == (facts & fact(LK_CAMPAIGN_SOLD_OUT) ? STOCK_LEFT : STOCK_NONE))
        return false;
    bool has_ended = facts & fact(LK_CAMPAIGN_ENDED);
    return watcher->has_ended == has_ended
           && watcher->is_over == (has_ended || (facts & fact(LK_CAMPAIGN_CLOSED)));
}

bool shop_watchers_are_settled(const struct shop *shop)
{
    list_for_each (node, &shop->watchers) {
        const struct watcher *watcher = container_of(node, struct watcher, node);
        if (!watcher->client->is_dead && !knows_all(watcher))
            return false;
    }
    return true;
}

void shop_watchers_free(struct shop *shop)
{
    list_for_each (node, &shop->watchers) {
        struct watcher *watcher = container_of(node, struct watcher, node);
        event_stop(&shop->sim->world, &watcher->act);
        if (!watcher->handle)
            continue;
        watcher->handle = lk_campaign_watch_free(watcher->handle);
        sim_client_touch(watcher->client);
    }
}
