/* workload_courtesy.c - locks with a lock delay, whose holders are asked to let go.
 *
 * Beside what holds for any lock:
 *   delay    after a holder was lost, its znode gone without its release, nobody is granted before
 *            the line's delay has passed; in a calm world nobody waits for it after a release,
 *            whoever gives up meanwhile
 *   asking   a word is written into the znode that bears the fence, and into no other, be it a
 *            namesake or another program's; its holder is told once for each word, and nobody who
 *            was not asked is told; in a calm world who holds on is told */
#include "workload_line.h"

#include <stdio.h>
#include <string.h>

#include "line/records.h"
#include "session/engine.h"
#include "testing/program.h"

#define LINES_MAX 2

struct courtesy;

/* Somebody's wish that the place with this fence be left. */
struct plea {
    struct list node;
    int64_t czxid;
    int64_t written_ns; /* the first; 0: not yet */
    unsigned written, told;
};

/* What befell a line's last holder. */
struct past {
    char path[64];
    int64_t lost_ns, lost_czxid; /* lost_ns 0: it was released */
    int64_t released_ns, released_czxid;
    bool has_neighbours; /* of other programs, who stand as long as they like */
    bool is_muddled;     /* the delay may be waited for after a release too */
};

struct hand {
    struct courtesy *courtesy;
    struct sim_client *client;
    lk_lock *lock;
    struct past *past;
    int64_t asked_ns, granted_ns, czxid; /* czxid: of its last grant */
};

struct asker {
    struct program program;
    struct list node;
    struct courtesy *courtesy;
};

struct courtesy {
    struct vocabulary vocabulary;
    struct sim *sim;
    int64_t delay_ms;
    struct list pleas, askers;
    struct past pasts[LINES_MAX];
    size_t past_count;
    bool settling;
};

static struct courtesy *courtesy_of(const struct sim *sim)
{
    return (struct courtesy *)line_workload_vocabulary(sim->state);
}

/* ---- what befalls a line ---- */

/* NULL: it is no line. */
static struct past *past_of(struct courtesy *courtesy, const char *path)
{
    for (size_t i = 0; i < courtesy->past_count; i++)
        if (strcmp(courtesy->pasts[i].path, path) == 0)
            return &courtesy->pasts[i];
    return NULL;
}

static struct past *past_begin(struct courtesy *courtesy, const char *path)
{
    if (past_of(courtesy, path))
        return past_of(courtesy, path);
    struct past *past = &courtesy->pasts[courtesy->past_count++];
    strcpy(past->path, path);
    return past;
}

static void past_forget(struct past *past)
{
    past->lost_ns = past->released_ns = 0;
    past->is_muddled = true;
}

static int64_t held_in(const struct tree *tree, const char *path)
{
    const struct znode *parent = tree_find(tree, path);
    struct line_record record;

    return parent
                   && line_record_read(&record, parent->data, (size_t)parent->stat.data_size)
                          == LK_OK
               ? record.held
               : 0;
}

static bool changes(const struct txn *txn, const char *path)
{
    for (size_t i = 0; i < txn->count; i++)
        if (txn->changes[i].kind != CHANGE_NONE && strcmp(txn->changes[i].path, path) == 0)
            return true;
    return false;
}

static struct plea *plea_for(struct courtesy *courtesy, int64_t czxid)
{
    list_for_each (node, &courtesy->pleas) {
        struct plea *plea = container_of(node, struct plea, node);
        if (plea->czxid == czxid)
            return plea;
    }
    return NULL;
}

static void see_word(struct courtesy *courtesy, const struct txn *txn, const struct znode *znode)
{
    struct plea *plea = plea_for(courtesy, znode->stat.czxid);

    if (!plea && (!txn->session || txn->session == znode->stat.ephemeral_owner))
        return;
    if (!plea) {
        world_fail(&courtesy->sim->world, "a word is written to %s, whom nobody has named",
                   znode->path);
        return;
    }
    if (!plea->written++)
        plea->written_ns = courtesy->sim->world.now_ns;
}

static void see_departure(struct courtesy *courtesy, const struct tree *before,
                          const struct txn *txn, const struct znode *znode)
{
    const char *parent = znode->parent ? znode->parent->path : "";
    struct past *past = past_of(courtesy, parent);

    if (!past || held_in(before, parent) != znode->stat.czxid || changes(txn, parent))
        return;
    past->lost_ns = txn->made_ns;
    past->lost_czxid = znode->stat.czxid;
}

static void see_end(struct courtesy *courtesy, const struct tree *before, const struct txn *txn)
{
    for (size_t i = 0; i < TREE_BUCKETS; i++)
        for (const struct znode *znode = before->buckets[i]; znode; znode = znode->bucket_next)
            if (znode->stat.ephemeral_owner == txn->session)
                see_departure(courtesy, before, txn, znode);
}

static void see_change(struct courtesy *courtesy, const struct tree *before, const struct txn *txn,
                       const struct change *change)
{
    const struct znode *znode = tree_find(before, change->path);

    for (size_t i = 0; i < courtesy->past_count; i++) {
        struct past *past = &courtesy->pasts[i];
        size_t size = strlen(past->path);
        /* Of a line that a stranger has written over or removed nobody knows who held. */
        if (strcmp(past->path, change->path) == 0
            && (change->kind == CHANGE_DELETE || !txn->session))
            past_forget(past);
        else if (strncmp(past->path, change->path, size) == 0 && !change->owner
                 && change->kind == CHANGE_CREATE)
            past->has_neighbours = true;
    }
    if (!znode)
        return;
    if (change->kind == CHANGE_DELETE)
        see_departure(courtesy, before, txn, znode);
    else if (change->kind == CHANGE_SET && znode->parent && past_of(courtesy, znode->parent->path))
        see_word(courtesy, txn, znode);
}

static void witness(struct sim *sim, const struct tree *before, const struct txn *txn)
{
    line_workload_witness(sim, before, txn);
    struct courtesy *courtesy = sim->state ? courtesy_of(sim) : NULL;
    if (!courtesy)
        return;
    if (txn->kind == TXN_CLOSE_SESSION)
        see_end(courtesy, before, txn);
    if (txn->rc != KEEPER_OK) /* a release, it may be, that falls back on what looks like a loss */
        for (size_t i = 0; i < courtesy->past_count; i++)
            courtesy->pasts[i].is_muddled = true;
    for (size_t i = 0; txn->rc == KEEPER_OK && i < txn->count; i++)
        if (txn->changes[i].kind != CHANGE_NONE)
            see_change(courtesy, before, txn, &txn->changes[i]);
}

/* ---- a lock ---- */

static void asked_to_let_go(void *arg)
{
    struct hand *hand = arg;
    struct plea *plea = plea_for(hand->courtesy, hand->czxid);

    world_tell(&hand->courtesy->sim->world, "%s is asked to let go of %s", hand->client->name,
               hand->past->path);
    if (!plea || plea->told >= plea->written)
        world_fail(&hand->courtesy->sim->world, "%s is asked to let go, and nobody has asked it",
                   hand->client->name);
    else
        plea->told++;
}

static int hand_make(void **out, lk_client *lk, const char *path, lk_grant_fn *on_change, void *arg)
{
    struct sim *sim = sim_used();
    struct hand *hand = arena_take(&sim->world.arena, sizeof(*hand));
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    char full[64];

    hand->courtesy = courtesy_of(sim);
    list_for_each (node, &sim->clients)
        if (container_of(node, struct sim_client, node)->lk == lk)
            hand->client = container_of(node, struct sim_client, node);
    snprintf(full, sizeof(full), "%s%s", lk->root ? lk->root : "", path);
    hand->past = past_begin(hand->courtesy, full);
    options.on_change = on_change;
    options.on_change_arg = arg;
    options.on_revoke = asked_to_let_go;
    options.on_revoke_arg = hand;
    options.delay_ms = hand->courtesy->delay_ms;
    int status = lk_lock_new(&hand->lock, lk, path, &options);
    if (status == LK_OK)
        *out = hand;
    return status;
}

static void hand_free(void *handle)
{
    lk_lock_free(((struct hand *)handle)->lock);
}

static int hand_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                    lk_done_fn *done, void *arg, lk_op *out_op)
{
    struct hand *hand = handle;

    (void)dice;
    hand->asked_ns = hand->courtesy->sim->world.now_ns;
    return only_if_free ? lk_lock_try_start(hand->lock, deadline_ns, done, arg, out_op)
                        : lk_lock_acquire_start(hand->lock, deadline_ns, done, arg, out_op);
}

/* Long enough ago to have been read, and not just before it was granted either. */
static void check_heard(const struct hand *hand)
{
    const struct plea *plea = plea_for(hand->courtesy, hand->czxid);
    const struct sim *sim = hand->courtesy->sim;
    int64_t by_ns = sim->world.now_ns - SECOND;

    if (sim->profile == PROFILE_CALM && plea && plea->written && plea->written_ns < by_ns
        && hand->granted_ns < by_ns && !plea->told)
        world_fail(&hand->courtesy->sim->world, "%s was never asked to let go", hand->client->name);
}

static int hand_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op)
{
    struct hand *hand = handle;

    if (lk_lock_remaining_ns(hand->lock) > 0) {
        check_heard(hand);
        hand->past->released_ns = hand->courtesy->sim->world.now_ns;
        hand->past->released_czxid = hand->czxid;
    }
    return lk_lock_release_start(hand->lock, deadline_ns, done, arg, out_op);
}

static int64_t hand_remaining_ns(void *handle)
{
    return lk_lock_remaining_ns(((struct hand *)handle)->lock);
}

static int hand_fence(void *handle, lk_fence *out)
{
    return lk_lock_fence(((struct hand *)handle)->lock, out);
}

/* ---- the delay ---- */

static bool is_named(const struct sim *sim, int64_t czxid)
{
    list_for_each (node, &sim->named)
        if (container_of(node, struct named, node)->czxid == czxid)
            return true;
    return false;
}

static void check_delay(const struct hand *hand)
{
    const struct past *past = hand->past;
    struct sim *sim = hand->courtesy->sim;
    int64_t now_ns = sim->world.now_ns, delay_ns = hand->courtesy->delay_ms * MS;
    /* Clocks are a hundredth fast or slow. */
    bool is_early = past->lost_ns && past->lost_czxid != hand->czxid
                    && now_ns < past->lost_ns + delay_ns / 50 * 49;
    bool was_released = past->released_ns && past->released_ns > past->lost_ns && !past->is_muddled
                        && !past->has_neighbours && !is_named(sim, past->released_czxid);

    if (is_early)
        world_fail(&sim->world, "%s is granted %s %lld ms after its holder was lost",
                   hand->client->name, past->path, (long long)((now_ns - past->lost_ns) / MS));
    if (sim->profile == PROFILE_CALM && was_released && hand->asked_ns < past->released_ns
        && now_ns > past->released_ns + delay_ns / 2)
        world_fail(&sim->world, "%s waits for %s for %lld ms, though it was released",
                   hand->client->name, past->path, (long long)((now_ns - past->released_ns) / MS));
}

/* Asked once a grant. */
static int hand_node(void *handle, char *name, size_t size)
{
    struct hand *hand = handle;
    lk_fence fence = { 0 };

    (void)!lk_lock_fence(hand->lock, &fence);
    hand->czxid = (int64_t)fence.zxid;
    hand->granted_ns = hand->courtesy->sim->world.now_ns;
    check_delay(hand);
    hand->past->lost_ns = hand->past->released_ns = 0;
    hand->past->is_muddled = false;
    return lk_lock_node(hand->lock, name, size);
}

/* ---- who asks ---- */

static bool is_over(const struct asker *asker)
{
    const struct courtesy *courtesy = asker->courtesy;
    return courtesy->settling || courtesy->sim->world.failure[0]
           || !sim_client_is_open(asker->program.client);
}

static int64_t between(const struct asker *asker, int64_t low, int64_t high)
{
    return chance_between(&asker->courtesy->sim->world.chance, low, high);
}

static int64_t soon(const struct asker *asker)
{
    int64_t most_ms = 2 * asker->courtesy->sim->longest_ns / MS;
    return sim_client_now(asker->program.client) + between(asker, 0, most_ms) * MS;
}

static bool can_be(const struct asker *asker, int status, uint64_t refused_before)
{
    const struct sim *sim = asker->courtesy->sim;

    return status == LK_OK || status == LK_E_NOT_FOUND || status == LK_E_DEADLINE
           || status == LK_E_NO_SERVER
           || (status == LK_E_CLOSED && !sim_client_is_open(asker->program.client))
           || (status == LK_E_NOMEM && sim->memory.refused > refused_before);
}

static void plead(struct asker *asker, const char *path, const lk_line_entry *entry)
{
    struct courtesy *courtesy = asker->courtesy;
    struct sim *sim = courtesy->sim;
    uint64_t refused_before = sim->memory.refused;
    bool is_nobodys = between(asker, 0, 9) == 0;
    lk_fence fence = { .zxid = entry->fence.zxid ^ ((uint64_t)is_nobodys << 60) };
    struct plea *plea = plea_for(courtesy, (int64_t)entry->fence.zxid);

    if (!plea && !is_nobodys) {
        plea = arena_take(&sim->world.arena, sizeof(*plea));
        plea->czxid = (int64_t)fence.zxid;
        list_append(&courtesy->pleas, &plea->node);
    }
    world_tell(&sim->world, "%s asks %s to let go", asker->program.client->name, entry->node);
    int status = lk_line_revoke(asker->program.client->lk, path, fence, soon(asker));
    if (!can_be(asker, status, refused_before))
        world_fail(&sim->world, "asking to let go is answered %s", lk_status_name(status));
    if (status == LK_OK && (is_nobodys || !plea->written))
        world_fail(&sim->world, "nobody was asked, and it says so");
}

static void ask_somebody(struct asker *asker)
{
    struct courtesy *courtesy = asker->courtesy;
    lk_client *lk = asker->program.client->lk;
    uint64_t refused_before = courtesy->sim->memory.refused;
    const char *path = courtesy->pasts[0].path + (lk->root ? strlen(lk->root) : 0);
    lk_line *line = NULL;

    if (!courtesy->pasts[0].path[0])
        return;
    int status = lk_line_list(lk, path, soon(asker), &line);
    if (!can_be(asker, status, refused_before))
        world_fail(&courtesy->sim->world, "listing is answered %s", lk_status_name(status));
    if (status != LK_OK)
        return;
    if (between(asker, 0, 1))
        program_sleep(&asker->program, between(asker, 0, 300) * MS);
    for (size_t i = 0; i < line->count && !is_over(asker); i++)
        if (line->entries[i].holds || between(asker, 0, 9) == 0)
            plead(asker, path, &line->entries[i]);
    lk_line_free(line);
}

static void ask_about(struct program *program)
{
    struct asker *asker = container_of(program, struct asker, program);
    bool is_busy = asker->courtesy->sim->profile == PROFILE_ANEW;

    while (!is_over(asker)) {
        program_sleep(program, between(asker, 1, is_busy ? 20 : 1000) * MS);
        if (!is_over(asker))
            ask_somebody(asker);
    }
}

/* ---- the workload ---- */

static const struct vocabulary words = {
    .make = hand_make,
    .free = hand_free,
    .ask = hand_ask,
    .give = hand_give,
    .remaining_ns = hand_remaining_ns,
    .fence = hand_fence,
    .node_name = hand_node,
    .can_try = true,
};

static void begin(struct sim *sim)
{
    struct courtesy *courtesy = arena_take(&sim->world.arena, sizeof(*courtesy));
    struct asker *asker = arena_take(&sim->world.arena, sizeof(*asker));

    courtesy->vocabulary = words;
    courtesy->sim = sim;
    courtesy->delay_ms = chance_between(&sim->world.chance, 300, 1500);
    line_workload_begin(sim, &courtesy->vocabulary);
    asker->courtesy = courtesy;
    list_append(&courtesy->askers, &asker->node);
    program_start(&asker->program, sim_client_any(sim), ask_about);
}

static void settle(struct sim *sim)
{
    courtesy_of(sim)->settling = true;
    line_workload_settle(sim);
}

static bool is_settled(struct sim *sim)
{
    list_for_each (node, &courtesy_of(sim)->askers) {
        const struct program *program = &container_of(node, struct asker, node)->program;
        if (program->run && !program->done && !program->client->is_dead)
            return false;
    }
    return line_workload_is_settled(sim);
}

static void free_handles(struct sim *sim)
{
    struct courtesy *courtesy = courtesy_of(sim);

    courtesy->settling = true;
    list_for_each (node, &courtesy->askers) {
        struct program *program = &container_of(node, struct asker, node)->program;
        if (program->run && !program->done && program->client->lk)
            (void)!lk_client_close(program->client->lk, 0);
        program_join(program);
    }
    line_workload_free_handles(sim);
}

const struct workload workload_courtesy = {
    .name = "courtesy",
    .judges_words = true,
    .bears_scarcity = true,
    .begin = begin,
    .settle = settle,
    .is_settled = is_settled,
    .free_handles = free_handles,
    .witness = witness,
    .check = line_workload_check,
    .check_end = line_workload_check_end,
};
