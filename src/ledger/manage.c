/* manage.c - the operations on a campaign: create, add stock, close.
 *
 *   create     multi: the record, its seal, its clock, the folders, all shards. Whole or not at
 *              all.
 *   add stock  read the record -> judge -> read shards -> multi: record (version), seal checked,
 *              shards (versions)
 *   close      read the record -> judge -> multi: record (version), the old seal deleted, a new one
 *              made
 *
 * Exactly once as for coupons: the id stands in the record, and the record's version lets one of
 * two resends through at most. */
#include <stdlib.h>
#include <string.h>

#include "ledger/task.h"

#define MS INT64_C(1000000)

struct change {
    struct task task;
    struct campaign_op op;
    lk_campaign_options rules; /* create */
    struct campaign campaign;  /* the record as it will be */
    uint64_t old_seal;
    int32_t version, bound_version; /* of the record; bound: of the write that was lost */
    int parents_status; /* create: what making the parents answered; positive: not tried */
    unsigned conflicts;
    size_t shards[LK_SHARDS_MAX]; /* add stock: which ones get some */
    size_t shard_count;
};

static struct change *change_of(struct flight *flight)
{
    return container_of(container_of(flight, struct task, flight), struct change, task);
}

/* A lost write could still be applied as long as the record is as it was: see machine.h. Without
 * memory to look, or where the record has forgotten as much, it may have been. */
static void change_finish(struct change *change, int status)
{
    bool bound = change->bound_version != VERSION_NONE && change->bound_version == change->version;
    bool unseen = change->task.unsettled && (status == LK_E_NOMEM || status == LK_E_ID_TOO_OLD);

    if (unseen || (bound && status != LK_OK && status != LK_E_NOT_FOUND))
        status = LK_E_UNKNOWN;
    campaign_free(&change->campaign);
    task_finish(&change->task, status);
}

/* ---- create ---- */

static void create_landed(struct flight *flight);

enum { CREATE_RECORD, CREATE_SEAL, CREATE_CLOCK, CREATE_ACCOUNTS, CREATE_STOCK, CREATE_SHARDS };

static bool create_names(const struct lk_ledger *ledger, const struct campaign *campaign,
                         char **names)
{
    bool whole = true;

    names[CREATE_RECORD] = strdup(ledger->path);
    names[CREATE_SEAL] = name_seal(ledger->path, campaign->seal);
    names[CREATE_CLOCK] = name_clock(ledger->path);
    names[CREATE_ACCOUNTS] = name_accounts(ledger->path);
    names[CREATE_STOCK] = name_stock(ledger->path);
    for (size_t i = 0; i < campaign->rules.shards; i++)
        names[CREATE_SHARDS + i] = name_shard(ledger->path, i);
    for (size_t i = 0; i < CREATE_SHARDS + campaign->rules.shards; i++)
        whole = whole && names[i];
    return whole;
}

static bool create_records(const struct campaign *campaign, struct record_out *records)
{
    const lk_campaign_options *rules = &campaign->rules;
    bool whole = campaign_encode(campaign, &records[CREATE_RECORD]) == LK_OK;

    for (size_t i = 0; i < rules->shards && whole; i++) {
        struct shard shard = { .index = (uint32_t)i };
        whole = shard_add(&shard, stock_share(rules->stock, rules->shards, i)) == LK_OK
                && shard_encode(&shard, &records[CREATE_SHARDS + i]) == LK_OK;
        shard_free(&shard);
    }
    return whole;
}

static void create_send(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    size_t count = CREATE_SHARDS + change->campaign.rules.shards;
    char *names[CREATE_SHARDS + LK_SHARDS_MAX] = { 0 };
    struct record_out records[CREATE_SHARDS + LK_SHARDS_MAX] = { 0 };
    struct keeper_request creates[CREATE_SHARDS + LK_SHARDS_MAX] = { 0 };

    /* A new one each time: the campaign that an earlier try made may have been deleted, and who
     * knows that one must not be able to write here. */
    change->campaign.seal = client_random(ledger->client);
    bool whole = create_names(ledger, &change->campaign, names)
                 && create_records(&change->campaign, records);
    for (size_t i = 0; i < count; i++)
        creates[i] = (struct keeper_request){
            .verb = KEEPER_CREATE,
            .path = names[i],
            .data = records[i].bytes,
            .data_size = records[i].size,
            .access = client_access(ledger->client),
        };
    const struct keeper_request multi = {
        .verb = KEEPER_MULTI, .path = ledger->path, .operations = creates, .operation_count = count
    };
    if (whole) {
        task_send(&change->task, &multi, 1, create_landed);
        change->task.unsettled = true;
    } else {
        change_finish(change, LK_E_NOMEM);
    }
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
        record_free(&records[i]);
    }
}

/* The record's path is taken: by this very operation, by another campaign, by something else? */
static void create_looked(struct flight *flight)
{
    struct change *change = change_of(flight);
    const struct answer *record = &flight->answers[1];
    struct campaign found = { 0 };
    const char *differs = NULL;

    if (record->rc == KEEPER_NO_NODE) {
        create_send(change);
        return;
    }
    int status = answer_status(record);
    if (status == LK_OK)
        status = campaign_decode(&found, record->data, record->data_size);
    if (status == LK_OK && found.deleting)
        status = LK_E_EXISTS;
    else if (status == LK_OK)
        campaign_apply(&found, &change->op, 0, &status, &differs);
    campaign_free(&found);
    if (differs)
        client_log(change->task.ledger->client, LK_LOG_INFO,
                   "ledger: %s was created by this id with another %s", change->task.ledger->path,
                   differs);
    change_finish(change, status);
}

static void create_look(struct change *change)
{
    const char *path = change->task.ledger->path;
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = path },
    };

    task_send(&change->task, requests, 2, create_looked);
}

static void create_parents_landed(struct flight *flight)
{
    struct change *change = change_of(flight);

    change->parents_status = LK_OK;
    for (size_t i = 0; i < flight->count; i++) {
        /* Who may not write beside a parent is told so also when that parent is there: the multi
         * will know. */
        if (flight->answers[i].rc != KEEPER_NODE_EXISTS && !answer_is_lost(&flight->answers[i]))
            change->parents_status = answer_status(&flight->answers[i]);
    }
    create_send(change);
}

static void create_parents(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    struct keeper_request *creates = calloc(strlen(ledger->path), sizeof(*creates));
    size_t count = 0;
    int status = creates ? LK_OK : LK_E_NOMEM;

    for (size_t i = 1; status == LK_OK && ledger->path[i]; i++) {
        if (ledger->path[i] != '/')
            continue;
        char *parent = strndup(ledger->path, i);
        status = parent ? LK_OK : LK_E_NOMEM;
        if (parent)
            creates[count++] = (struct keeper_request){ .verb = KEEPER_CREATE,
                                                        .path = parent,
                                                        .access = client_access(ledger->client) };
    }
    /* A campaign right below the root has no parent that could be missing: but the server says so.
     */
    if (status == LK_OK && count == 0)
        status = LK_E_SERVER;
    if (status == LK_OK)
        task_send(&change->task, creates, count, create_parents_landed);
    else
        change_finish(change, status);
    for (size_t i = 0; i < count; i++)
        free((char *)creates[i].path);
    free(creates);
}

static void create_landed(struct flight *flight)
{
    struct change *change = change_of(flight);
    const struct answer *answer = &flight->answers[0];

    if (answer_is_lost(answer)) {
        create_look(change);
        return;
    }
    change->task.unsettled = false;
    if (answer->rc == KEEPER_NODE_EXISTS)
        create_look(change);
    else if (answer->rc == KEEPER_NO_NODE
             && (change->parents_status > 0 || change->parents_status == LK_OK))
        create_parents(change);
    else if (answer->rc == KEEPER_NO_NODE)
        change_finish(change, change->parents_status);
    else
        change_finish(change, answer_status(answer));
}

static void create_start(struct task *task)
{
    create_send(container_of(task, struct change, task));
}

/* ---- add stock, close ---- */

static void change_read(struct change *change);

static void change_pause_over(struct timer *timer)
{
    change_read(container_of(container_of(timer, struct task, pause), struct change, task));
}

/* Others write the same records: read them anew, from the third time on after a little while. */
static void change_again(struct change *change)
{
    lk_client *client = change->task.ledger->client;
    unsigned conflicts = ++change->conflicts;

    if (conflicts < 3) {
        change_read(change);
        return;
    }
    uint64_t most_ns = (uint64_t)MS << (conflicts < 8 ? conflicts - 3 : 5);
    timer_set(client, &change->task.pause,
              client_now(client) + (int64_t)(client_random(client) % most_ns), change_pause_over);
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
    if (answer->rc == KEEPER_BAD_VERSION || answer->rc == KEEPER_NO_NODE
        || answer->rc == KEEPER_NODE_EXISTS) {
        change_again(change);
        return;
    }
    if (answer->rc == KEEPER_OK && change->op.verb == CAMPAIGN_CLOSE)
        campaign_forget(ledger);
    /* Our own watches would tell, but only those set: what is known of the stock is old from here
     * on. */
    if (answer->rc == KEEPER_OK && ledger->campaign_state == CAMPAIGN_KNOWN)
        shelves_forget(ledger);
    change_finish(change, answer_status(answer));
}

static void change_write(struct change *change, struct keeper_request *operations, size_t count)
{
    const struct lk_ledger *ledger = change->task.ledger;
    struct record_out record = { 0 };
    int status = campaign_encode(&change->campaign, &record);

    operations[0] = (struct keeper_request){
        .verb = KEEPER_SET,
        .path = ledger->path,
        .data = record.bytes,
        .data_size = record.size,
        .version = change->version,
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .path = ledger->path,
                                          .operations = operations,
                                          .operation_count = count };
    if (status == LK_OK) {
        task_send(&change->task, &multi, 1, change_written);
        change->task.unsettled = true;
    } else {
        change_finish(change, status);
    }
    record_free(&record);
}

static void close_write(struct change *change)
{
    struct lk_ledger *ledger = change->task.ledger;
    char *old_seal = name_seal(ledger->path, change->old_seal);
    char *new_seal = name_seal(ledger->path, change->campaign.seal);
    struct keeper_request operations[3] = {
        [1] = { .verb = KEEPER_DELETE, .path = old_seal, .version = KEEPER_ANY_VERSION },
        [2] = { .verb = KEEPER_CREATE, .path = new_seal, .access = client_access(ledger->client) },
    };

    if (old_seal && new_seal)
        change_write(change, operations, 3);
    else
        change_finish(change, LK_E_NOMEM);
    free(old_seal);
    free(new_seal);
}

/* LK_OK with the shard's new record. */
static int add_to_shard(const struct change *change, size_t nth, const struct answer *answer,
                        struct record_out *out)
{
    struct shard shard = { 0 };
    int status = answer_status(answer);

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

static void add_shards_read(struct flight *flight)
{
    struct change *change = change_of(flight);
    struct lk_ledger *ledger = change->task.ledger;
    struct keeper_request operations[2 + LK_SHARDS_MAX] = { 0 };
    struct record_out records[LK_SHARDS_MAX] = { 0 };
    char *names[LK_SHARDS_MAX] = { 0 };
    char *seal = name_seal(ledger->path, change->campaign.seal);
    int status = seal ? LK_OK : LK_E_NOMEM;

    operations[1] = (struct keeper_request){ .verb = KEEPER_CHECK,
                                             .path = seal,
                                             .version = KEEPER_ANY_VERSION };
    for (size_t i = 0; i < change->shard_count && status == LK_OK; i++) {
        status = add_to_shard(change, i, &flight->answers[i], &records[i]);
        names[i] = name_shard(ledger->path, change->shards[i]);
        if (!names[i])
            status = LK_E_NOMEM;
        operations[2 + i] = (struct keeper_request){
            .verb = KEEPER_SET,
            .path = names[i],
            .data = records[i].bytes,
            .data_size = records[i].size,
            .version = flight->answers[i].stat.version,
        };
    }
    if (status == LK_OK)
        change_write(change, operations, 2 + change->shard_count);
    else if (status == LK_E_NOT_FOUND)
        change_again(change);
    else
        change_finish(change, status);
    for (size_t i = 0; i < change->shard_count; i++) {
        record_free(&records[i]);
        free(names[i]);
    }
    free(seal);
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
    enum campaign_verdict verdict = campaign_apply(&change->campaign, &change->op,
                                                   ledger_now_ms(ledger), &status, &differs);
    if (verdict == CAMPAIGN_APPLIED) {
        if (change->op.verb == CAMPAIGN_CLOSE)
            close_write(change);
        else
            add_read_shards(change);
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

static int change_run(struct change *change, lk_ledger *ledger, lk_id *inout_id,
                      int64_t deadline_ns, void (*start)(struct task *task))
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

int lk_campaign_create(lk_ledger *ledger, const lk_campaign_options *options, lk_id *inout_id,
                       int64_t deadline_ns)
{
    struct change change = { .op.verb = CAMPAIGN_CREATE };

    if (!ledger || !options)
        return LK_E_INVALID;
    int status = campaign_rules(options, &change.rules);
    if (status != LK_OK)
        return status;
    change.op.rules = &change.rules;
    change.campaign.rules = change.rules;
    return change_run(&change, ledger, inout_id, deadline_ns, create_start);
}

int lk_campaign_add_stock(lk_ledger *ledger, uint64_t count, lk_id *inout_id, int64_t deadline_ns)
{
    struct change change = { .op = { .verb = CAMPAIGN_ADD_STOCK, .count = count } };

    if (!ledger || count == 0 || count > STOCK_MAX)
        return LK_E_INVALID;
    return change_run(&change, ledger, inout_id, deadline_ns, change_start);
}

int lk_campaign_close(lk_ledger *ledger, lk_id *inout_id, int64_t deadline_ns)
{
    struct change change = { .op.verb = CAMPAIGN_CLOSE };

    if (!ledger)
        return LK_E_INVALID;
    int status = seal_new(ledger, &change.op.seal);
    return status == LK_OK ? change_run(&change, ledger, inout_id, deadline_ns, change_start)
                           : status;
}
