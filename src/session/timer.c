/* timer.c - which timer is due next: a pairing heap (Fredman et al., 1986), intrusive, so that
 * setting one can't fail.
 *
 * A node's children form a list through `next`; `link` points at whatever points at the node. */
#include "session/engine.h"

static void timer_link(struct timer **link, struct timer *timer)
{
    *link = timer;
    if (timer)
        timer->link = link;
}

/* Both are roots; the earlier becomes the parent. */
static struct timer *timer_merge(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->at_ns < a->at_ns) {
        struct timer *earlier = b;
        b = a;
        a = earlier;
    }
    timer_link(&b->next, a->child);
    timer_link(&a->child, b);
    return a;
}

/* Two passes: pairs from the left, then all together. Iterative, since lists can be long. */
static struct timer *timer_merge_list(struct timer *list)
{
    struct timer *pairs = NULL, *root = NULL;

    while (list) {
        struct timer *a = list, *b = a->next;
        list = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        struct timer *pair = timer_merge(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = timer_merge(root, pair);
    }
    return root;
}

void timer_stop(lk_client *client, struct timer *timer)
{
    if (!timer->link)
        return;
    struct timer **link = timer->link;
    struct timer *orphans = timer_merge_list(timer->child);

    timer_link(link, timer->next);
    timer->child = timer->next = NULL;
    timer->link = NULL;
    timer_link(&client->timers, timer_merge(client->timers, orphans));
}

void timer_set(lk_client *client, struct timer *timer, int64_t at_ns,
               void (*fire)(struct timer *timer))
{
    timer_stop(client, timer);
    timer->at_ns = at_ns;
    timer->fire = fire;
    timer_link(&client->timers, timer_merge(client->timers, timer));
}

void timers_run(lk_client *client)
{
    while (client->timers && client->timers->at_ns <= client->now_ns) {
        struct timer *due = client->timers;
        timer_stop(client, due);
        due->fire(due);
    }
}
