/* revoke.c - asks a holder to let go, by a word in its znode. See lk_line_revoke(). */
#include <latchkey/grant.h>

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/place.h"
#include "session/visit.h"

static const char curator_word[] = "__REVOKE__";

struct revoke {
    struct visit visit; /* at the holder's znode */
    int64_t czxid;
};

static void revoke_got(struct flight *flight);

static void revoke_written(struct flight *flight)
{
    const struct answer *answer = &flight->answers[0];

    /* Asking twice does no harm. */
    if (answer->rc == KEEPER_BAD_VERSION || answer_is_lost(answer))
        visit_read(flight_visit(flight), revoke_got);
    else
        visit_end(flight_visit(flight), answer_status(answer));
}

/* What a newer latchkey wrote is not written over: who reads it would not know its own znode. */
static int revoke_words(const struct answer *answer, struct record_out *out)
{
    struct place_record record;
    int status = place_record_read(&record, answer->data, answer->data_size);

    if (status == LK_E_FOREIGN) {
        record_put_bytes(out, curator_word, strlen(curator_word));
        return out->status;
    }
    if (status != LK_OK)
        return status;
    record.asked = true;
    return place_record_write(out, &record);
}

static void revoke_got(struct flight *flight)
{
    __attribute__((cleanup(record_free))) struct record_out out = { 0 };
    struct revoke *revoke = container_of(flight_visit(flight), struct revoke, visit);
    const struct answer *answer = &flight->answers[0];
    int status = answer_status(answer);

    if (status == LK_OK && answer->stat.czxid != revoke->czxid)
        status = LK_E_NOT_FOUND; /* a namesake */
    if (status == LK_OK)
        status = revoke_words(answer, &out);
    if (status == LK_OK)
        visit_write(&revoke->visit, &out, answer->stat.version, revoke_written);
    else
        visit_end(&revoke->visit, status);
}

static void revoke_begin(struct visit *visit)
{
    visit_read(visit, revoke_got);
}

static int revoke_node(lk_client *client, const char *path, const char *name, lk_fence fence,
                       int64_t deadline_ns)
{
    struct revoke revoke = { .czxid = (int64_t)fence.zxid };
    char *node = path_join(path, name);

    if (!node)
        return LK_E_NOMEM;
    int status = visit_run(&revoke.visit, client, node, deadline_ns, revoke_begin);
    free(node);
    return status;
}

int lk_line_revoke(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    lk_line *line = NULL;
    int status = lk_line_list(client, path, deadline_ns, &line);

    if (status != LK_OK)
        return status;
    status = LK_E_NOT_FOUND;
    for (size_t i = 0; i < line->count; i++)
        if (line->entries[i].number >= 0 && line->entries[i].fence.zxid == fence.zxid)
            status = revoke_node(client, path, line->entries[i].node, fence, deadline_ns);
    lk_line_free(line);
    return status;
}
