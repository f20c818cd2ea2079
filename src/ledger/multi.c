/* multi.c - a commit as one request: what is in it, in which order, and whose each operation was.
 *
 *   commit    check(seal), set(shard, version)..., create(account) or set(account, version)...
 *   witness   check(seal), check(shard, version)..., check(account, version)... or create(account),
 *             and, if one was to be created, a check that always fails
 *
 * The check that fails takes the created accounts back, and says that they were not there.
 *
 * A znode whose version nears its end is deleted and created in place of being set, and then
 *
 *   ..., delete(seal), create(new seal), set(CAMPAIGN, version)
 *
 * follow: see ledger/rotate.h. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

/* A seal is never set. */
#define SEAL_VERSION_NEVER 1

static bool commit_creates(const struct commit *commit)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        if (commit->seats[i].seat->version == VERSION_NONE)
            return true;
    }
    return false;
}

struct multi {
    struct keeper_request *operations;
    size_t count;
    char *paths, *path; /* of the accounts, and where the next goes */
};

/* Shelves and seats may need two each. */
static bool multi_open(struct multi *multi, const struct commit *commit)
{
    size_t most = 5 + 2 * (commit->stock.count + commit->seat_count), size = 1;

    for (size_t i = 0; i < commit->seat_count; i++)
        size += name_account_size(commit->ledger->path, commit->seats[i].seat->user);
    *multi = (struct multi){ .operations = malloc(most * sizeof(*multi->operations)),
                             .paths = malloc(size) };
    multi->path = multi->paths;
    return multi->operations && multi->paths;
}

static void multi_close(struct multi *multi)
{
    free(multi->operations);
    free(multi->paths);
}

static const char *multi_path(struct multi *multi, const struct seat *seat)
{
    char *path = multi->path;

    name_account_into(seat->ledger->path, seat->user, path);
    multi->path += strlen(path) + 1;
    return path;
}

static void multi_add(struct multi *multi, struct keeper_request request)
{
    multi->operations[multi->count++] = request;
}

/* Where it is as it was known to be. */
static void multi_write(struct multi *multi, lk_access access, const char *path, int32_t version,
                        const struct record_out *record)
{
    multi->count += write_of(&multi->operations[multi->count], path, record, version, access);
}

static void multi_check(struct multi *multi, lk_access access, const char *path, int32_t version)
{
    multi_add(multi,
              version == VERSION_NONE ? create_of(path, NULL, access) : check_of(path, version));
}

static int multi_write_shelves(struct multi *multi, lk_access access, const struct commit *commit,
                               struct record_out *records)
{
    int status = LK_OK;

    for (size_t i = 0; i < commit->stock.count && status == LK_OK; i++) {
        const struct shelf *shelf = &commit->ledger->shelves[i];
        if (!commit->touched[i])
            continue;
        if (commit->is_witness) {
            multi_add(multi, check_of(shelf->path, shelf->version));
            continue;
        }
        status = shard_encode(&commit->shards[i], &records[i]);
        multi_write(multi, access, shelf->path, shelf->version, &records[i]);
    }
    return status;
}

/* What a rotation adds. */
struct renewal {
    struct record_out record;
    char *seal_path;
};

static int multi_renew_seal(struct multi *multi, const struct lk_ledger *ledger,
                            struct renewal *renewal)
{
    struct campaign campaign = ledger->campaign;

    campaign.seal = client_random(ledger->client);
    renewal->seal_path = name_seal(ledger->path, campaign.seal);
    if (!renewal->seal_path)
        return LK_E_NOMEM;
    multi_add(multi, delete_of(ledger->seal_path));
    multi_add(multi, create_of(renewal->seal_path, NULL, client_access(ledger->client)));
    int status = campaign_encode(&campaign, &renewal->record);
    multi_add(multi, set_of(ledger->path, &renewal->record, ledger->campaign_version));
    return status;
}

int commit_send(struct commit *commit, void (*landed)(struct flight *flight))
{
    struct lk_ledger *ledger = commit->ledger;
    struct record_out shards[LK_SHARDS_MAX] = { 0 };
    struct renewal renewal = { 0 };
    lk_access access = client_access(ledger->client);
    struct multi multi;

    if (!multi_open(&multi, commit)) {
        multi_close(&multi);
        return LK_E_NOMEM;
    }
    multi_add(&multi, check_there(ledger->seal_path));
    int status = multi_write_shelves(&multi, access, commit, shards);
    for (size_t i = 0; i < commit->seat_count; i++) {
        const struct commit_seat *place = &commit->seats[i];
        const char *path = multi_path(&multi, place->seat);
        if (commit->is_witness)
            multi_check(&multi, access, path, place->seat->version);
        else
            multi_write(&multi, access, path, place->seat->version, &place->record);
    }
    if (commit->is_witness && commit_creates(commit))
        multi_add(&multi, check_of(ledger->seal_path, SEAL_VERSION_NEVER));
    if (status == LK_OK && commit->rotates)
        status = multi_renew_seal(&multi, ledger, &renewal);
    const struct keeper_request request = multi_of(ledger->path, multi.operations, multi.count);
    if (status == LK_OK)
        status = flight_send(&commit->flight, ledger->client, &request, 1, landed);
    for (size_t i = 0; i < commit->stock.count; i++)
        record_free(&shards[i]);
    record_free(&renewal.record);
    free(renewal.seal_path);
    multi_close(&multi);
    return status;
}

/* ---- whose it was: in the order of commit_send() ---- */

static size_t operations_of(const struct commit *commit, int32_t version)
{
    return !commit->is_witness && version >= VERSION_ROTATE ? 2 : 1;
}

enum owner commit_owner(const struct commit *commit, size_t operation, size_t *out)
{
    size_t at = 1;

    if (operation == 0)
        return OWNER_SEAL;
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (!commit->touched[i])
            continue;
        at += operations_of(commit, commit->ledger->shelves[i].version);
        *out = i;
        if (operation < at)
            return OWNER_SHELF;
    }
    for (size_t i = 0; i < commit->seat_count; i++) {
        at += operations_of(commit, commit->seats[i].seat->version);
        *out = i;
        if (operation < at)
            return OWNER_SEAT;
    }
    return OWNER_END;
}
