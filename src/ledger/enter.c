/* enter.c - getting to know the campaign: its rules, its seal, the server's time.
 *
 * One flight: a barrier, so that a server that lags does not hide a campaign just made; the record;
 * and a write to the clock znode, whose Stat tells the server's time. A Stat that is only read
 * tells a time that may be days old. */
#include <stdlib.h>

#include "ledger/machine.h"

int campaign_read(struct campaign *campaign, const struct answer *answer)
{
    if (answer->rc != KEEPER_OK)
        return answer_status(answer);
    int status = campaign_decode(campaign, answer->data, answer->data_size);
    if (status == LK_OK && campaign->deleting) {
        campaign_free(campaign);
        return LK_E_NOT_FOUND;
    }
    return status;
}

void campaign_forget(struct lk_ledger *ledger)
{
    if (ledger->campaign_state == CAMPAIGN_KNOWN)
        ledger->campaign_state = CAMPAIGN_UNKNOWN;
}

void campaign_miss_part(struct lk_ledger *ledger)
{
    ledger->part_missing = true;
    campaign_forget(ledger);
}

static int campaign_install(struct lk_ledger *ledger, struct campaign *campaign)
{
    char *seal_path = name_seal(ledger->path, campaign->seal);
    if (!seal_path)
        return LK_E_NOMEM;

    bool other = campaign->seal != ledger->campaign.seal
                 || campaign->rules.shards != ledger->campaign.rules.shards
                 || !ledger->shelves[0].path; /* there was no memory for them */
    free(ledger->seal_path);
    ledger->seal_path = seal_path;
    campaign_free(&ledger->campaign);
    ledger->campaign = *campaign;
    *campaign = (struct campaign){ 0 };
    bool missing = ledger->part_missing;
    ledger->part_missing = false;
    if (!other)
        return missing ? LK_E_CORRUPT : LK_OK;
    /* Perhaps another campaign at the same path: nothing known of the old one holds. */
    struct seat *seat, *next;
    HASH_ITER(hh, ledger->seats, seat, next)
    {
        if (seat->state != SEAT_KNOWN)
            continue;
        seat_forget(seat);
        seat_place(seat);
    }
    shelves_close(ledger);
    int status = shelves_open(ledger);
    /* Half known is not known: the next reading finds another campaign again. */
    if (status != LK_OK)
        campaign_free(&ledger->campaign);
    return status;
}

static void campaign_landed(struct flight *flight)
{
    struct lk_ledger *ledger = container_of(flight, struct lk_ledger, entering);
    const struct answer *record = &flight->answers[1], *clock = &flight->answers[2];
    struct campaign campaign = { 0 };
    int64_t now_ns = client_now(ledger->client);

    ledger->campaign_state = CAMPAIGN_UNKNOWN;
    if (answer_is_lost(clock)) {
        campaign_ask(ledger);
        return;
    }
    if (clock->rc == KEEPER_OK)
        servertime_tell(&ledger->time, clock->stat.mtime_ms, now_ns);
    if (record->rc == KEEPER_OK)
        servertime_see(&ledger->time, record->stat.mtime_ms, now_ns);
    int status = campaign_read(&campaign, record);
    if (status == LK_OK && !ledger->time.told && clock->rc != KEEPER_NO_NODE)
        status = answer_status(clock);
    if (status == LK_OK) {
        ledger->campaign_version = record->stat.version;
        status = campaign_install(ledger, &campaign);
    }
    campaign_free(&campaign);
    if (status == LK_OK)
        ledger->campaign_state = CAMPAIGN_KNOWN;
    else
        ledger_fail_waiting(ledger, status, ledger->entered_at);
    /* Nothing can be judged by a record's old time. */
    if (status == LK_OK && !ledger->time.told)
        campaign_miss_part(ledger);
    ledger_pump(ledger);
}

void campaign_ask(struct lk_ledger *ledger)
{
    char *clock = name_clock(ledger->path);
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = ledger->path },
        { .verb = KEEPER_SET, .path = clock, .version = KEEPER_ANY_VERSION },
    };
    int status = clock
                     ? flight_send(&ledger->entering, ledger->client, requests, 3, campaign_landed)
                     : LK_E_NOMEM;

    free(clock);
    ledger->entered_at = ledger->ticket;
    ledger->campaign_state = status == LK_OK ? CAMPAIGN_ASKED : CAMPAIGN_UNKNOWN;
    if (status != LK_OK)
        ledger_fail_waiting(ledger, status, UINT64_MAX);
}
