/* manage.c - the operations on a campaign that stands: add stock, close, grow.
 *
 *   add stock  read the record -> judge -> read shards -> multi: record (version), seal checked,
 *              shards (versions)
 *   close      read the record -> judge -> multi: record (version), the old seal deleted, a new one
 *              made
 *   grow       as close, and the new shards made, empty; claims move stock to them
 *
 * A shard whose versions come to their end is replaced by add stock, as by a claim, and then the
 * seal with it.
 *
 * The new seal is how other clients learn that the record is to be read anew. */
#include <stdlib.h>
#include <string.h>

#include "ledger/change.h"
#include "ledger/rotate.h"

#define WRITE_MAX (3 + 2 * LK_SHARDS_MAX) /* operations: record, seals, shards */

/* A lost write could still be applied as long as the record is as it was: see machine.h. Without
 * memory to look, or where the record has forgotten as much, it may have been. */
void change_finish(struct change *change, int status)
{
    bool bound = change->bound_version != VERSION_NONE && change->bound_version == change->version;
    bool unseen = change->task.unsettled && (status == LK_E_NOMEM || status == LK_E_ID_TOO_OLD);

    if (unseen || (bound && status != LK_OK && status != LK_E_NOT_FOUND))
        status = LK_E_UNKNOWN;
    campaign_free(&change->campaign);
    task_finish(&change->task, status);
}

static void change_read(struct change *change);

static void change_pause_over(struct timer *timer)
{
    change_read(container_of(container_of(timer, struct task, pause), struct change, task));
}

/* Others write the same records: read them anew, after a while if that goes on. */
static void change_again(struct change *change)
{
    lk_client *client = change->task.ledger->client;
    int64_t pause_ns = conflict_pause_ns(client, ++change->conflicts);

    if (pause_ns < 0)
        change_read(change);
    else
        timer_set(client, &change->task.pause, client_now(client) + pause_ns, change_pause_over);
}

/* A part that the record names is not there. It may be that the campaign was deleted, and another
 * one made; but not twice with the same record. */
static void change_miss_part(struct change *change)
{
    if (change->missed_in == change->czxid) {
        change_finish(change, LK_E_CORRUPT);
        return;
    }
    change->missed_in = change->czxid;
    change_again(change);
}

static void change_written(struct flight *flight)
{
    struct change *change = change_of(flight);
    struct lk_ledger *ledger = change->task.ledger;
    const struct answer *answer = &flight->answers[0];

    if (answer_is_lost(answer)) {
        change->bound_version = change->version;
        change_read(change);
        return;
    }
    if (change->bound_version == VERSION_NONE)
        change->task.unsettled = false;
    if (answer->rc == KEEPER_NO_NODE && answer_culprit(answer) > 0) {
        change_miss_part(change);
        return;
    }
    if (answer->rc == KEEPER_BAD_VERSION || answer->rc == KEEPER_NO_NODE) {
        change_again(change);
        return;
    }
    /* The record is as it was read, so what stands in the way of a seal or shard is not ours. */
    if (answer->rc == KEEPER_NODE_EXISTS) {
        change_finish(change, LK_E_FOREIGN);
        return;
    }
    if (answer->rc == KEEPER_OK && change->campaign.seal != change->old_seal)
        campaign_forget(ledger);
    /* Our own watches would tell, but only those set: what is known of the stock is old from here
     * on. */
    if (answer->rc == KEEPER_OK && ledger->campaign_state == CAMPAIGN_KNOWN)
        shelves_forget(ledger);
    change_finish(change, answer_status(answer));
}

/* The first operation is the record's, the next are what change_seal() made. */
static void change_write(struct change *change, struct keeper_request *operations, size_t count)
{
    const struct lk_ledger *ledger = change->task.ledger;
    struct record_out record = { 0 };
    int status = campaign_encode(&change->campaign, &record);

    operations[0] = set_of(ledger->path, &record, change->version);
    const struct keeper_request multi = multi_of(ledger->path, operations, count);
    if (status == LK_OK) {
        task_send(&change->task, &multi, 1, change_written);
        change->task.unsettled = true;
    } else {
        change_finish(change, status);
    }
    record_free(&record);
}

struct seals {
    char *old, *renewed;
};

static void seals_free(struct seals *seals)
{
    free(seals->old);
    free(seals->renewed);
}

/* From operations[1] on: the seal is checked, or where the record has a new one, replaced. Answers
 * how many operations there are then; 0 without memory. */
static size_t change_seal(const struct change *change, struct seals *seals,
                          struct keeper_request *operations)
{
    const struct lk_ledger *ledger = change->task.ledger;
    bool renews = change->campaign.seal != change->old_seal;

    *seals = (struct seals){ name_seal(ledger->path, change->old_seal),
                             name_seal(ledger->path, change->campaign.seal) };
    operations[1] = renews ? delete_of(seals->old) : check_there(seals->old);
    operations[2] = create_of(seals->renewed, NULL, client_access(ledger->client));
    if (!seals->old || !seals->renewed)
        return 0;
    return renews ? 3 : 2;
}

/* The new shards of a campaign that has grown; none when it was closed. */
static void reseal_write(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    struct keeper_request operations[WRITE_MAX] = { 0 };
    struct record_out records[LK_SHARDS_MAX] = { 0 };
    char *names[LK_SHARDS_MAX] = { 0 };
    struct seals seals;
    size_t count = change_seal(change, &seals, operations);
    bool whole = count > 0;

    for (uint32_t i = change->old_shards; i < change->campaign.rules.shards && whole; i++) {
        names[i] = name_shard(ledger->path, i);
        whole = names[i] && shard_encode(&(struct shard){ .index = i }, &records[i]) == LK_OK;
        operations[count++] = create_of(names[i], &records[i], client_access(ledger->client));
    }
    if (whole)
        change_write(change, operations, count);
    else
        change_finish(change, LK_E_NOMEM);
    for (size_t i = 0; i < LK_SHARDS_MAX; i++) {
        record_free(&records[i]);
        free(names[i]);
    }
    seals_free(&seals);
}

/* LK_OK with the shard's new record. */
static int add_to_shard(const struct change *change, size_t nth, const struct answer *answer,
                        struct record_out *out)
{
    struct shard shard = { 0 };
    int status = answer_status(answer);

    if (status == LK_OK && answer->stat.version < 0)
        status = LK_E_SERVER; /* -1 would stand for "any" */
    if (status == LK_OK)
        status = shard_decode(&shard, answer->data, answer->data_size,
                              (uint32_t)change->shards[nth]);
    if (status == LK_OK)
        status = shard_add(&shard, stock_share(change->op.count, change->shard_count, nth));
    if (status == LK_OK)
        status = shard_encode(&shard, out);
    shard_free(&shard);
    return status;
}

/* A shard whose versions come to their end begins anew, under a new seal: see rotate.h. */
static bool add_rotates(const struct change *change, const struct answer *shards)
{
    for (size_t i = 0; i < change->shard_count; i++) {
        if (shards[i].stat.version >= VERSION_ROTATE)
            return true;
    }
    return false;
}

static void add_shards_read(struct flight *flight)
{
    struct change *change = change_of(flight);
    struct lk_ledger *ledger = change->task.ledger;
    struct keeper_request operations[WRITE_MAX] = { 0 };
    struct record_out records[LK_SHARDS_MAX] = { 0 };
    char *names[LK_SHARDS_MAX] = { 0 };
    struct seals seals;

    if (add_rotates(change, flight->answers))
        change->campaign.seal = client_random(ledger->client);
    size_t count = change_seal(change, &seals, operations);
    int status = count ? LK_OK : LK_E_NOMEM;
    for (size_t i = 0; i < change->shard_count && status == LK_OK; i++) {
        status = add_to_shard(change, i, &flight->answers[i], &records[i]);
        names[i] = name_shard(ledger->path, change->shards[i]);
        if (!names[i])
            status = LK_E_NOMEM;
        count += write_of(&operations[count], names[i], &records[i],
                          flight->answers[i].stat.version, client_access(ledger->client));
    }
    if (status == LK_OK)
        change_write(change, operations, count);
    else if (status == LK_E_NOT_FOUND)
        change_miss_part(change);
    else
        change_finish(change, status);
    for (size_t i = 0; i < change->shard_count; i++) {
        record_free(&records[i]);
        free(names[i]);
    }
    seals_free(&seals);
}

/* Stock is dealt to all shards; where claims keep changing them under our hands, to fewer and
 * fewer. */
static void add_read_shards(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    size_t shards = change->campaign.rules.shards, count = shards;
    struct keeper_request gets[LK_SHARDS_MAX] = { 0 };
    int status = LK_OK;

    for (unsigned i = 1; i < change->conflicts && count > 1; i++)
        count /= 2;
    size_t first = count < shards ? client_random(ledger->client) % shards : 0;
    change->shard_count = count;
    for (size_t i = 0; i < count; i++) {
        change->shards[i] = (first + i) % shards;
        char *name = name_shard(ledger->path, change->shards[i]);
        if (!name)
            status = LK_E_NOMEM;
        gets[i] = (struct keeper_request){ .verb = KEEPER_GET, .path = name };
    }
    if (status == LK_OK)
        task_send(&change->task, gets, count, add_shards_read);
    else
        change_finish(change, status);
    for (size_t i = 0; i < count; i++)
        free((char *)gets[i].path);
}

static void change_judge(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    const char *differs = NULL;
    int status;

    change->old_seal = change->campaign.seal;
    change->old_shards = change->campaign.rules.shards;
    enum campaign_verdict verdict = campaign_apply(&change->campaign, &change->op,
                                                   ledger_now_ms(ledger), &status, &differs);
    if (verdict == CAMPAIGN_APPLIED) {
        if (change->op.verb == CAMPAIGN_ADD_STOCK)
            add_read_shards(change);
        else
            reseal_write(change);
        return;
    }
    if (differs)
        client_log(ledger->client, LK_LOG_INFO, "ledger: %s: this id was used with another %s",
                   ledger->path, differs);
    change_finish(change, status);
}

static void change_landed(struct flight *flight)
{
    struct change *change = change_of(flight);
    struct lk_ledger *ledger = change->task.ledger;
    const struct answer *record = &flight->answers[1], *clock = &flight->answers[2];

    if (answer_is_lost(clock)) {
        change_read(change);
        return;
    }
    if (clock->rc == KEEPER_OK)
        servertime_tell(&ledger->time, clock->stat.mtime_ms, client_now(ledger->client));
    campaign_free(&change->campaign);
    int status = campaign_read(&change->campaign, record);
    if (status == LK_OK && (record->stat.version < 0 || record->stat.version > VERSION_MAX))
        status = LK_E_ACCOUNT_FULL;
    if (status != LK_OK) {
        change_finish(change, status);
        return;
    }
    change->version = record->stat.version;
    change->czxid = record->stat.czxid;
    change_judge(change);
}

static void change_read(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    char *clock = name_clock(ledger->path);
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = ledger->path },
        { .verb = KEEPER_SET, .path = clock, .version = KEEPER_ANY_VERSION },
    };

    if (clock)
        task_send(&change->task, requests, 3, change_landed);
    else
        change_finish(change, LK_E_NOMEM);
    free(clock);
}

static void change_start(struct task *task)
{
    change_read(container_of(task, struct change, task));
}

/* ---- what the public calls ---- */

int change_run(struct change *change, lk_ledger *ledger, lk_id *inout_id, int64_t deadline_ns,
               void (*start)(struct task *task))
{
    change->op.id = inout_id ? *inout_id : LK_ID_NONE;
    if (id_is_none(change->op.id))
        change->op.id = lk_id_new(ledger->client);
    if (inout_id)
        *inout_id = change->op.id;
    change->version = change->bound_version = VERSION_NONE;
    change->parents_status = 1;
    if (change->op.verb == CAMPAIGN_CREATE) {
        int status = applied_add(&change->campaign.applied,
                                 &(struct applied){ .id = change->op.id, .verb = CAMPAIGN_CREATE });
        if (status != LK_OK)
            return status;
    }
    int status = task_run(&change->task, ledger, deadline_ns, start);
    campaign_free(&change->campaign);
    task_clear(&change->task);
    return status;
}

/* Not guessable need it not be, only never the same twice at one path. */
static int seal_new(lk_ledger *ledger, uint64_t *out)
{
    int status = client_enter(ledger->client);
    if (status != LK_OK)
        return status;
    *out = client_random(ledger->client);
    client_leave(ledger->client);
    return LK_OK;
}

int lk_campaign_add_stock(lk_ledger *ledger, uint64_t count, lk_id *inout_id, int64_t deadline_ns)
{
    struct change change = { .op = { .verb = CAMPAIGN_ADD_STOCK, .count = count } };

    if (!ledger || count == 0 || count > STOCK_MAX)
        return LK_E_INVALID;
    return change_run(&change, ledger, inout_id, deadline_ns, change_start);
}

static int reseal_run(struct change *change, lk_ledger *ledger, lk_id *inout_id,
                      int64_t deadline_ns)
{
    int status = seal_new(ledger, &change->op.seal);
    return status == LK_OK ? change_run(change, ledger, inout_id, deadline_ns, change_start)
                           : status;
}

int lk_campaign_close(lk_ledger *ledger, lk_id *inout_id, int64_t deadline_ns)
{
    struct change change = { .op.verb = CAMPAIGN_CLOSE };

    return ledger ? reseal_run(&change, ledger, inout_id, deadline_ns) : LK_E_INVALID;
}

int lk_campaign_grow(lk_ledger *ledger, uint32_t shards, lk_id *inout_id, int64_t deadline_ns)
{
    struct change change = { .op = { .verb = CAMPAIGN_GROW, .count = shards } };

    return ledger && shards > 0 && shards <= LK_SHARDS_MAX
               ? reseal_run(&change, ledger, inout_id, deadline_ns)
               : LK_E_INVALID;
}
