/* create.c - lk_campaign_create().
 *
 *   multi: the record, its seal, its clock, the folders, all shards. Whole or not at all.
 *
 * Whether a lost one was applied is seen in the record that stands there: it bears the id. */
#include <stdlib.h>
#include <string.h>

#include "ledger/change.h"

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
        creates[i] = create_of(names[i], &records[i], client_access(ledger->client));
    const struct keeper_request multi = multi_of(ledger->path, creates, count);
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
            creates[count++] = create_of(parent, NULL, client_access(ledger->client));
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

/* A write that waits for a connection would be in doubt at its deadline, though it was never sent. */
static void create_start(struct task *task)
{
    struct change *change = container_of(task, struct change, task);

    if (client_waits_for_server(task->ledger->client))
        create_look(change);
    else
        create_send(change);
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
