/* bench_ledger_load.c - campaigns to sell in, and callers who claim there.
 *
 * Closed: as many callers as told wait at the same time, and who is answered is followed by the
 * next at once, from the callback. */
#include <pthread.h>
#include <string.h>

#include "bench_ledger.h"

enum { PATIENCE_MS = 120000 };
static const uint64_t stock = 100 * 1000 * 1000;

/* ---- campaigns ---- */

void user_name(size_t number, char user[USER_SIZE])
{
    user += sprintf(user, "user-");
    user[8] = '\0';
    for (size_t i = 8; i-- > 0; number /= 10)
        user[i] = (char)('0' + number % 10);
}

struct venue venue_open(struct bench *bench, uint32_t shards)
{
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    struct venue venue;

    rules.stock = stock;
    rules.per_user = 1;
    rules.shards = shards;
    snprintf(venue.path, sizeof venue.path, "/bench/c%06u", bench->campaigns++);
    MUST(lk_ledger_new(&venue.ledger, bench->client, venue.path) == LK_OK);
    MUST(lk_campaign_create(venue.ledger, &rules, NULL, lk_in_ms(PATIENCE_MS)) == LK_OK);
    raw_make_buckets(bench, venue.path);
    return venue;
}

void venue_close(struct venue *venue)
{
    MUST(lk_campaign_delete(venue->ledger, NULL, NULL, lk_in_ms(PATIENCE_MS)) == LK_OK);
    venue->ledger = lk_ledger_free(venue->ledger);
}

/* ---- closed ---- */

struct crowd {
    lk_ledger *ledger;
    struct load load;
    uint64_t random;
    size_t next, under_way; /* next: how many have begun */
    size_t newest;          /* user */
    size_t sold, refused;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

/* Who asks for several at once, or for one: the next when these are answered. */
struct caller {
    struct crowd *crowd;
    size_t count;
    lk_ledger_op *ops;
    char (*users)[USER_SIZE];
};

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Under the mutex. */
static void crowd_choose(struct crowd *crowd, char user[USER_SIZE])
{
    size_t before = crowd->newest - crowd->load.first;

    crowd->next++;
    if (before > 0 && draw(&crowd->random) % 100 < crowd->load.repeat_percent)
        user_name(crowd->load.first + draw(&crowd->random) % before, user);
    else
        user_name(crowd->newest++, user);
}

/* Under the mutex: what the caller asks for next; false: all have come. */
static bool caller_choose(struct caller *caller)
{
    struct crowd *crowd = caller->crowd;
    size_t left = crowd->load.count - crowd->next, most = crowd->load.submit;

    most = most ? most : 1;
    caller->count = left < most ? left : most;
    for (size_t i = 0; i < caller->count; i++) {
        crowd_choose(crowd, caller->users[i]);
        caller->ops[i] = (lk_ledger_op){ .verb = LK_LEDGER_CLAIM, .user = caller->users[i] };
    }
    return caller->count > 0;
}

static void claim_answered(const lk_ledger_result *result, void *arg);
static void claims_answered(const lk_ledger_result *results, size_t count, void *arg);

static void caller_ask(struct caller *caller)
{
    lk_ledger *ledger = caller->crowd->ledger;
    int64_t deadline_ns = lk_in_ms(PATIENCE_MS);

    if (caller->crowd->load.submit)
        MUST(lk_ledger_submit_start(ledger, caller->ops, caller->count, deadline_ns,
                                    claims_answered, caller, NULL)
             == LK_OK);
    else
        MUST(lk_ledger_do_start(ledger, caller->ops, deadline_ns, claim_answered, caller, NULL)
             == LK_OK);
}

static void claims_answered(const lk_ledger_result *results, size_t count, void *arg)
{
    struct caller *caller = arg;
    struct crowd *crowd = caller->crowd;

    pthread_mutex_lock(&crowd->mutex);
    for (size_t i = 0; i < count; i++) {
        MUST(results[i].status == LK_OK || results[i].status == LK_E_LIMIT);
        crowd->sold += results[i].status == LK_OK;
        crowd->refused += results[i].status == LK_E_LIMIT;
    }
    bool goes_on = caller_choose(caller);
    if (!goes_on && --crowd->under_way == 0)
        pthread_cond_signal(&crowd->changed);
    pthread_mutex_unlock(&crowd->mutex);
    if (goes_on)
        caller_ask(caller);
}

static void claim_answered(const lk_ledger_result *result, void *arg)
{
    claims_answered(result, 1, arg);
}

static struct caller *callers_new(struct crowd *crowd, size_t count)
{
    struct caller *callers = calloc(count, sizeof *callers);
    size_t each = crowd->load.submit ? crowd->load.submit : 1;

    MUST(callers);
    for (size_t i = 0; i < count; i++) {
        callers[i].crowd = crowd;
        callers[i].ops = calloc(each, sizeof *callers[i].ops);
        callers[i].users = calloc(each, sizeof *callers[i].users);
        MUST(callers[i].ops && callers[i].users);
    }
    return callers;
}

static void callers_free(struct caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(callers[i].ops);
        free(callers[i].users);
    }
    free(callers);
}

static void callers_come(struct crowd *crowd, struct caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&crowd->mutex);
        bool comes = caller_choose(&callers[i]);
        crowd->under_way += comes;
        pthread_mutex_unlock(&crowd->mutex);
        if (comes)
            caller_ask(&callers[i]);
    }
    pthread_mutex_lock(&crowd->mutex);
    while (crowd->under_way > 0)
        pthread_cond_wait(&crowd->changed, &crowd->mutex);
    pthread_mutex_unlock(&crowd->mutex);
}

struct loaded load_run(lk_ledger *ledger, const struct load *load)
{
    struct crowd crowd = { .ledger = ledger,
                           .load = *load,
                           .random = 88172645463325252u,
                           .newest = load->first,
                           .mutex = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER };
    size_t count = load->submit ? load->outstanding / load->submit : load->outstanding;
    struct caller *callers = callers_new(&crowd, count);
    double began_cpu_us = cpu_us_now();
    int64_t began_ns = lk_now_ns();

    callers_come(&crowd, callers, count);
    double us = us_since(began_ns), cpu_us = cpu_us_now() - began_cpu_us;
    callers_free(callers, count);
    pthread_cond_destroy(&crowd.changed);
    pthread_mutex_destroy(&crowd.mutex);
    double sold = (double)crowd.sold, answered = sold + (double)crowd.refused;
    return (struct loaded){ .sold = { sold, sold / us * 1e6, cpu_us / sold, 0 },
                            .answered = { answered, answered / us * 1e6, cpu_us / answered, 0 } };
}
