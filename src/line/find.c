/* find.c - which znode is ours? Asked when a create's reply was lost, and once more after such a
 * place was left.
 *
 * First a barrier, so that a server that lags can't hide it; then the listing, and our kind of names
 * from the newest on, in flights of a few reads. Ours is what bears our session and our token
 * (place_is_own() knows one exception). Not found: the create was not applied, and is sent again
 * with the same token. A create that is applied later still (the server had read it before it lost
 * the connection) is met in seek.c, as a predecessor that is ourselves, or by the sweep, which
 * therefore looks twice, some time apart, before it believes that nothing is there. */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/place.h"

enum { FLIGHT = 32 };

struct finding_read {
    struct place *place;
    const char *name;
};

struct finding {
    char **names; /* newest first */
    size_t count, next, awaited;
    char *found; /* path; the lowest, should there be two */
    struct keeper_stat found_stat;
    bool is_by_word; /* Curator's, in place of our token */
    struct finding_read reads[FLIGHT];
};

static void finding_next(struct place *place);

void finding_free(struct place *place)
{
    struct finding *finding = place->finding;

    if (!finding)
        return;
    for (size_t i = 0; i < finding->count; i++)
        free(finding->names[i]);
    free(finding->names);
    free(finding->found);
    free(finding);
    place->finding = NULL;
}

static void finding_none(struct place *place)
{
    if (place->wanted && !place->is_sweeping) {
        if (place->node)
            place_gone(place);
        else
            place_create(place);
        return;
    }
    if (!place->looked_before) {
        place->looked_before = true;
        place_retry_in(place, client_timeout_ns(place->client) / 6);
        return;
    }
    place->uncertain = false;
    place_left(place);
}

/* Two creates were applied, one of them late: the lower znode stays. Should this be lost, or can't
 * it be sent at once, the sweep finds the other. */
void place_remove_other(struct place *place)
{
    const struct keeper_request remove = { .verb = KEEPER_DELETE,
                                           .path = place->node,
                                           .version = KEEPER_ANY_VERSION };
    if (client_is_connected(place->client))
        (void)!request_send(place->client, NULL, &remove, REQUEST_ONCE, NULL, NULL);
}

/* Ours is known. */
static void finding_go_on(struct place *place)
{
    finding_free(place);
    if (place->wanted && !place->is_sweeping)
        place_read_parent(place);
    else
        place_remove(place);
}

static void finding_end(struct place *place)
{
    struct finding *finding = place->finding;

    if (!finding->found) {
        finding_free(place);
        finding_none(place);
        return;
    }
    /* Whose record was written over too has taken it meanwhile. (Our token says that it is ours,
     * whoever knew another by that name in an earlier line.) */
    if (finding->is_by_word && place_is_anothers(place, finding->found)) {
        finding_free(place);
        place_retry_later(place);
        return;
    }
    if (place->node && strcmp(place->node, finding->found) == 0) {
        finding_go_on(place);
        return;
    }
    if (place->node)
        place_remove_other(place);
    if (place_adopt(place, finding->found, &finding->found_stat))
        finding_go_on(place);
    else
        place_retry_later(place);
}

static void finding_got(void *context, const struct keeper_reply *reply)
{
    struct finding_read *read = context;
    struct place *place = read->place;
    struct finding *finding = place->finding;

    char *path = path_join(place->path, read->name);
    if (!path) {
        place_quiet(place);
        place_retry_later(place);
        return;
    }
    if (place_is_own(place, path, reply)) {
        /* Names are read from the newest on: what is found later is lower. */
        free(finding->found);
        finding->found = path;
        finding->found_stat = reply->stat;
        finding->is_by_word = place_is_curators_word(reply);
    } else {
        free(path);
    }
    if (--finding->awaited == 0)
        finding_next(place);
}

static bool finding_read(struct place *place, struct finding_read *read, const char *name)
{
    char *path = path_join(place->path, name);
    const struct keeper_request get = { .verb = KEEPER_GET, .path = path };

    *read = (struct finding_read){ .place = place, .name = name };
    int status = path ? request_send(place->client, &place->requests, &get, REQUEST_RETRY,
                                     finding_got, read)
                      : LK_E_NOMEM;
    free(path);
    return status == LK_OK;
}

static void finding_next(struct place *place)
{
    struct finding *finding = place->finding;

    /* With a znode of ours known, this looks for another one: all must be seen. */
    if ((finding->found && !place->node) || finding->next == finding->count) {
        finding_end(place);
        return;
    }
    for (size_t i = 0; i < FLIGHT && finding->next < finding->count; i++, finding->awaited++) {
        if (!finding_read(place, &finding->reads[i], finding->names[finding->next])) {
            place_quiet(place);
            place_retry_later(place);
            return;
        }
        finding->next++;
    }
}

static int newest_first(const void *a, const void *b)
{
    /* One prefix, ten digits: as text they compare as numbers do. */
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static bool finding_take_names(struct finding *finding, const char *prefix,
                               const struct keeper_reply *list)
{
    finding->names = calloc(list->child_count + 1, sizeof finding->names[0]);
    if (!finding->names)
        return false;
    for (size_t i = 0; i < list->child_count; i++) {
        /* Also one whose number is none (place_adopt()): it is still ours. */
        if (strncmp(list->children[i], prefix, strlen(prefix)) != 0)
            continue;
        finding->names[finding->count] = strdup(list->children[i]);
        if (!finding->names[finding->count])
            return false;
        finding->count++;
    }
    qsort(finding->names, finding->count, sizeof finding->names[0], newest_first);
    return true;
}

static void finding_listed(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_NO_NODE) {
        finding_none(place);
        return;
    }
    place->finding = calloc(1, sizeof *place->finding);
    if (reply->rc != KEEPER_OK || !place->finding
        || !finding_take_names(place->finding, place->prefix, reply)) {
        /* No right to list, or no memory: it stays unknown until the session ends. */
        place_quiet(place);
        place_retry_later(place);
        return;
    }
    finding_next(place);
}

static void finding_begun(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* the listing behind it is what counts */
}

void place_find(struct place *place)
{
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = place->path };

    place->state = PLACE_FINDING;
    request_drop(&place->requests); /* reads of a search before this one point into it */
    finding_free(place);
    if (place_send(place, &barrier, BARRIER_FLAGS, finding_begun))
        place_send(place, &list, REQUEST_RETRY, finding_listed);
}
