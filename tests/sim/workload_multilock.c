/* workload_multilock.c - clients that take two or three of three lines at once, given in any order,
 * among others who take one of them alone.
 *
 * Each place is judged as any lock's is, by a belief of its own. Beside that: who is answered holds
 * all, or nothing; and in a calm world, where no place has to be looked for first, what is given
 * back goes in the reverse of the order of the paths' bytes. That nobody waits in a ring shows at
 * the end, when everybody must be granted without giving up. */
#include "workload_line.h"

#include <string.h>

#include "line/holder.h"
#include "session/engine.h"
#include "testing/program.h"

#define LINES 3

static const char *const lines[LINES] = { "/deep/er/line", "/line", "/third line" };

struct hand;

/* One of its locks, and what is believed of it. */
struct part {
    struct hand *hand;
    size_t line; /* of lines[], which are in the order of their bytes */
    lk_grant *grant;
    struct belief belief; /* the first has one of the actor's */
    int64_t czxid;        /* that it last held, and that has not been removed */
};

struct hand {
    struct part parts[LINES]; /* the first is what the actor names */
    size_t count;
    lk_multilock *many; /* of the two one is NULL, both when freed */
    lk_lock *one;
};

/* ---- a part ---- */

static int64_t part_remaining_ns(void *handle)
{
    return holder_remaining_ns(grant_holder(((struct part *)handle)->grant));
}

static int part_fence(void *handle, lk_fence *out)
{
    return holder_fence(grant_holder(((struct part *)handle)->grant), out);
}

/* Asked once a grant. */
static int part_node(void *handle, char *name, size_t size)
{
    struct part *part = handle;
    lk_fence fence = { 0 };

    if (part_fence(part, &fence) == LK_OK)
        part->czxid = (int64_t)fence.zxid;
    return holder_node(grant_holder(part->grant), name, size);
}

static void part_believe(struct part *part, struct sim_client *client)
{
    struct sim *sim = client->sim;
    const char *root = client->lk->root ? client->lk->root : "";
    char *path = arena_take(&sim->world.arena, strlen(root) + strlen(lines[part->line]) + 1);

    strcpy(path, root);
    strcat(path, lines[part->line]);
    part->belief = (struct belief){ .client = client,
                                    .path = path,
                                    .handle = part,
                                    .remaining_ns = part_remaining_ns,
                                    .fence = part_fence,
                                    .node_name = part_node };
    list_append(&sim->beliefs, &part->belief.node);
}

/* ---- a hand ---- */

static struct sim_client *client_of(struct sim *sim, const lk_client *lk)
{
    list_for_each (node, &sim->clients) {
        struct sim_client *client = container_of(node, struct sim_client, node);
        if (client->lk == lk)
            return client;
    }
    return NULL;
}

static int hand_make_many(struct hand *hand, lk_client *lk, const lk_lock_options *options)
{
    const char *paths[LINES];

    for (size_t i = 0; i < hand->count; i++)
        paths[i] = lines[hand->parts[i].line];
    int status = lk_multilock_new(&hand->many, lk, paths, hand->count, options);
    for (size_t i = 0; status == LK_OK && i < hand->count; i++)
        hand->parts[i].grant = lk_multilock_grant(hand->many, i);
    return status;
}

/* The actor's own line first, the others behind it in some order. */
static void hand_choose(struct hand *hand, struct chance *chance, const char *path)
{
    size_t first = 0, step = (size_t)chance_between(chance, 1, LINES - 1);

    while (strcmp(lines[first], path) != 0)
        first++;
    hand->count = chance_percent(chance, 25) ? 1 : (size_t)chance_between(chance, 2, LINES);
    for (size_t i = 0; i < hand->count; i++)
        hand->parts[i] = (struct part){ .hand = hand, .line = (first + i * step) % LINES };
}

static int hand_make(void **out, lk_client *lk, const char *path, lk_grant_fn *on_change, void *arg)
{
    struct sim *sim = sim_used();
    struct hand *hand = arena_take(&sim->world.arena, sizeof(*hand));
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    options.on_change = on_change;
    options.on_change_arg = arg;
    hand_choose(hand, &sim->world.chance, path);
    int status = hand->count > 1 ? hand_make_many(hand, lk, &options)
                                 : lk_lock_new(&hand->one, lk, path, &options);
    if (status != LK_OK)
        return status;
    if (hand->one)
        hand->parts[0].grant = lk_lock_grant(hand->one);
    for (size_t i = 1; i < hand->count; i++)
        part_believe(&hand->parts[i], client_of(sim, lk));
    *out = &hand->parts[0];
    return LK_OK;
}

static struct hand *hand_of(void *handle)
{
    return ((struct part *)handle)->hand;
}

static void hand_free(void *handle)
{
    struct hand *hand = hand_of(handle);

    lk_multilock_free(hand->many);
    lk_lock_free(hand->one);
    hand->many = NULL;
    hand->one = NULL;
    for (size_t i = 1; i < hand->count; i++) {
        hand->parts[i].belief.handle = NULL;
        list_remove(&hand->parts[i].belief.node);
    }
}

/* ---- all or none ---- */

struct waited {
    struct hand *hand;
    bool is_give;
    lk_done_fn *done;
    void *arg;
};

static void waited_ended(int status, void *arg)
{
    struct waited *waited = arg;
    struct hand *hand = waited->hand;

    for (size_t i = 0; (hand->many || hand->one) && i < hand->count; i++) {
        lk_grant_state state = grant_holder(hand->parts[i].grant)->state;
        bool is_out = state == LK_IDLE || state == LK_LOST;
        bool is_lost = hand->one ? state == LK_LOST : lk_multilock_state(hand->many) == LK_LOST;
        /* What was had may have been lost, in part, before this is told. */
        bool is_right = waited->is_give || status != LK_OK ? is_out
                        : is_lost                          ? state != LK_WAITING
                                                           : !is_out && state != LK_WAITING;
        if (!is_right)
            world_fail(
                &sim_used()->world, "a request for several lines ended with %s, and %s is %s",
                lk_status_name(status), lines[hand->parts[i].line], lk_grant_state_name(state));
    }
    waited->done(status, waited->arg);
}

static struct waited *wait_for(struct hand *hand, bool is_give, lk_done_fn *done, void *arg)
{
    struct waited *waited = arena_take(&sim_used()->world.arena, sizeof(*waited));

    *waited = (struct waited){ .hand = hand, .is_give = is_give, .done = done, .arg = arg };
    return waited;
}

static int hand_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                    lk_done_fn *done, void *arg, lk_op *out_op)
{
    struct hand *hand = hand_of(handle);
    struct waited *waited = wait_for(hand, false, done, arg);

    (void)dice;
    if (hand->one)
        return only_if_free
                   ? lk_lock_try_start(hand->one, deadline_ns, waited_ended, waited, out_op)
                   : lk_lock_acquire_start(hand->one, deadline_ns, waited_ended, waited, out_op);
    return only_if_free
               ? lk_multilock_try_start(hand->many, deadline_ns, waited_ended, waited, out_op)
               : lk_multilock_acquire_start(hand->many, deadline_ns, waited_ended, waited, out_op);
}

static int hand_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op)
{
    struct hand *hand = hand_of(handle);
    struct waited *waited = wait_for(hand, true, done, arg);

    return hand->one
               ? lk_lock_release_start(hand->one, deadline_ns, waited_ended, waited, out_op)
               : lk_multilock_release_start(hand->many, deadline_ns, waited_ended, waited, out_op);
}

/* ---- in reverse ---- */

static struct part *part_of(const struct belief *belief)
{
    return belief->remaining_ns == part_remaining_ns ? belief->handle : NULL;
}

/* By an operator, whose client may be the holder's own. */
static bool is_broken(const struct sim *sim, int64_t czxid)
{
    list_for_each (node, &sim->named)
        if (container_of(node, struct named, node)->czxid == czxid)
            return true;
    return false;
}

static void see_removal(struct sim *sim, int64_t czxid)
{
    struct part *removed = NULL;

    list_for_each (node, &sim->beliefs) {
        struct part *part = part_of(container_of(node, struct belief, node));
        if (part && part->czxid == czxid)
            removed = part;
    }
    if (!removed)
        return;
    removed->czxid = 0;
    if (is_broken(sim, czxid))
        return;
    for (size_t i = 0; i < removed->hand->count; i++)
        if (removed->hand->parts[i].line > removed->line && removed->hand->parts[i].czxid)
            world_fail(&sim->world, "%s is given back before %s", lines[removed->line],
                       lines[removed->hand->parts[i].line]);
}

/* One that can't write the mark is removed by a second request, behind the others. */
static void forgive(struct sim *sim, int64_t session)
{
    list_for_each (node, &sim->beliefs) {
        const struct belief *belief = container_of(node, struct belief, node);
        struct part *part = part_of(belief);
        if (part && link_session_of(belief->client) == session)
            part->czxid = 0;
    }
}

static void witness(struct sim *sim, const struct tree *before, const struct txn *txn)
{
    line_workload_witness(sim, before, txn);
    if (sim->profile != PROFILE_CALM)
        return;
    if (txn->rc != KEEPER_OK)
        forgive(sim, txn->session);
    for (size_t i = 0; txn->rc == KEEPER_OK && i < txn->count; i++) {
        const struct znode *znode = txn->changes[i].kind == CHANGE_DELETE
                                        ? tree_find(before, txn->changes[i].path)
                                        : NULL;
        if (znode)
            see_removal(sim, znode->stat.czxid);
    }
}

/* ---- the workload ---- */

static void begin(struct sim *sim)
{
    static const struct vocabulary multilock = {
        .make = hand_make,
        .free = hand_free,
        .ask = hand_ask,
        .give = hand_give,
        .remaining_ns = part_remaining_ns,
        .fence = part_fence,
        .node_name = part_node,
        .can_try = true,
        .is_many = true,
    };
    line_workload_begin(sim, &multilock);
}

const struct workload workload_multilock = {
    .name = "multilock",
    .bears_scarcity = true,
    .begin = begin,
    LINE_WORKLOAD_ACTS,
    .witness = witness,
};
