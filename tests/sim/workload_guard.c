/* workload_guard.c - threads of several programs that share a mutex each, and write what it guards:
 * a counter in guarded transactions, and their fence at a gate.
 *
 * Who has lost the mutex goes on as if it had not been told, as a program would that was stopped.
 * What must hold, whatever the faults:
 *   guard   no write of an older grant is committed after one of a newer; what is answered is what
 *           was committed, operation by operation
 *   gate    it lets nobody pass whose fence is older than one that had passed before he asked, and
 *           refuses nobody without cause
 *   mutex   its threads own it in the order of their calls; from one to the next the fence's turn
 *           grows by one, up to the local turns; and each owner holds as any holder of a lock does
 *           (the beliefs) */
#include "workloads.h"

#include <stdio.h>
#include <string.h>

#include "line/holder.h"
#include "locks/gate_record.h"
#include "testing/program.h"

#define LINE "/line"
#define COUNTER "/counter"
#define GATE "/gate"
#define THREADS_MAX 3
#define TEAMS_MAX 4

struct team;

/* What a guarded write leaves in the counter. */
struct entry {
    uint64_t id;
    lk_fence fence;
};

struct worker {
    struct program program;
    struct team *team;
    struct belief belief;
    lk_grant *grant; /* while it owns; else NULL */
    lk_fence fence;
    uint64_t call; /* the mutex's queue is by this; 0: not in it */
};

/* The threads of one process. */
struct team {
    struct guard_world *world;
    struct sim_client *client;
    lk_mutex *mutex;
    unsigned local_turns;
    uint64_t calls;
    lk_fence fence; /* of its last owner */
    struct worker workers[THREADS_MAX];
    int size;
};

struct write {
    struct list node;
    struct entry entry;
    bool is_denied; /* its caller was told that it is not applied */
    bool is_committed;
    int32_t version;
};

struct guard_world {
    struct sim *sim;
    struct team teams[TEAMS_MAX];
    int team_count;
    struct list writes;
    uint64_t last_id;
    lk_fence written; /* the newest in the counter */
    lk_fence passed;  /* the newest that the gate has let pass, by its answer */
    lk_fence shown;   /* the newest that was shown to it */
    bool settling;
};

/* ---- a worker's ways ---- */

static int64_t between(const struct worker *worker, int64_t low, int64_t high)
{
    return chance_between(&worker->team->world->sim->world.chance, low, high);
}

static bool in_percent(const struct worker *worker, unsigned percent)
{
    return chance_percent(&worker->team->world->sim->world.chance, percent);
}

static bool is_over(const struct worker *worker)
{
    const struct guard_world *world = worker->team->world;
    return world->settling || world->sim->world.failure[0]
           || !sim_client_is_open(worker->team->client);
}

/* Of who is dead nothing is asked. */
static bool is_judged(const struct worker *worker)
{
    return sim_client_is_open(worker->team->client);
}

static int64_t soon(const struct worker *worker)
{
    int64_t most_ms = in_percent(worker, 30) ? 50 : 2 * worker->team->world->sim->longest_ns / MS;
    return sim_client_now(worker->team->client) + between(worker, 0, most_ms) * MS;
}

static void fail(const struct worker *worker, const char *what, int status)
{
    if (is_judged(worker))
        world_fail(&worker->team->world->sim->world, "%s: %s, %s", worker->team->client->name, what,
                   lk_status_name(status));
}

static void tell(const struct worker *worker, const char *what, int status)
{
    char text[LK_FENCE_TEXT_SIZE];

    world_tell(&worker->team->world->sim->world, "%s.%d %s, fence %s: %s",
               worker->team->client->name, (int)(worker - worker->team->workers), what,
               lk_fence_text(worker->fence, text), lk_status_name(status));
}

/* ---- what is believed of it ---- */

static int64_t worker_remaining_ns(void *handle)
{
    const struct worker *worker = handle;
    return worker->grant ? holder_remaining_ns(grant_holder(worker->grant)) : 0;
}

static int worker_fence(void *handle, lk_fence *out)
{
    *out = ((struct worker *)handle)->fence;
    return LK_OK;
}

static int worker_node(void *handle, char *name, size_t size)
{
    return holder_node(grant_holder(((struct worker *)handle)->grant), name, size);
}

/* ---- guarded writes ---- */

static void note_answer(struct worker *worker, struct write *write, const lk_guard *guard,
                        int status, bool is_sound)
{
    size_t count;
    const lk_guard_result *results = lk_guard_results(guard, &count);

    tell(worker, "writes", status);
    switch (status) {
    case LK_OK:
        if (!is_sound || !write->is_committed || results[0].status != LK_OK)
            fail(worker, "a write that was not committed is answered", status);
        else if (results[0].version != write->version)
            fail(worker, "a write's version is not what it became", results[0].status);
        return;
    case LK_E_UNKNOWN:
    case LK_E_CLOSED:
        return;
    case LK_E_NOT_FOUND:
        if (is_sound || lk_guard_culprit(guard) != 1 || results[0].status != LK_E_CANCELLED)
            fail(worker, "a write is refused for another operation's sake", status);
        break;
    case LK_E_LOST:
    case LK_E_NO_SERVER:
        break;
    default:
        fail(worker, "a guarded write is answered", status);
    }
    write->is_denied = true;
    if (write->is_committed)
        fail(worker, "a write that was committed is denied", status);
}

/* An answer that nobody waits for any more tells the engine nothing, but is taken for a word to it
 * that a stranger took its znode: so where strangers are about, each is waited for. */
static int64_t commit_deadline(const struct worker *worker)
{
    enum profile profile = worker->team->world->sim->profile;
    bool has_strangers = profile == PROFILE_STRANGERS || profile == PROFILE_ALL
                         || profile == PROFILE_ANEW;
    return has_strangers ? LK_FOREVER : soon(worker);
}

static void write_counter(struct worker *worker)
{
    struct guard_world *world = worker->team->world;
    struct write *write = arena_take(&world->sim->world.arena, sizeof(*write));
    bool is_sound = !in_percent(worker, 10);
    lk_guard *guard;

    write->entry = (struct entry){ .id = ++world->last_id, .fence = worker->fence };
    list_append(&world->writes, &write->node);
    int status = lk_guard_new(&guard, worker->team->client->lk);
    if (status == LK_OK)
        status = lk_guard_hold(guard, worker->grant);
    if (status == LK_OK)
        status = lk_guard_set(guard, COUNTER, &write->entry, sizeof(write->entry), LK_ANY_VERSION);
    if (status == LK_OK && !is_sound)
        status = lk_guard_delete(guard, "/missing", LK_ANY_VERSION);
    if (status != LK_OK)
        fail(worker, "a guard can't be made", status);
    note_answer(worker, write, guard, lk_guard_commit(guard, commit_deadline(worker)), is_sound);
    lk_guard_free(guard);
}

/* ---- the gate ---- */

static void pass_gate(struct worker *worker)
{
    struct guard_world *world = worker->team->world;
    lk_fence passed = world->passed;

    if (lk_fence_compare(worker->fence, world->shown) > 0)
        world->shown = worker->fence;
    int status = lk_gate_write_at(worker->team->client->lk, GATE, worker->fence, soon(worker));
    tell(worker, "at the gate", status);
    if (status == LK_OK && lk_fence_compare(worker->fence, passed) < 0)
        fail(worker, "the gate lets an older fence pass", status);
    else if (status == LK_E_STALE && lk_fence_compare(worker->fence, world->shown) >= 0)
        fail(worker, "the gate refuses the newest fence", status);
    else if (status != LK_OK && status != LK_E_STALE && status != LK_E_DEADLINE
             && status != LK_E_NO_SERVER)
        fail(worker, "the gate answers", status);
    if (status == LK_OK && lk_fence_compare(worker->fence, world->passed) > 0)
        world->passed = worker->fence;
}

/* ---- the mutex ---- */

static void check_turn(struct worker *worker)
{
    struct team *team = worker->team;
    lk_fence last = team->fence;
    uint64_t due = worker->fence.zxid == last.zxid ? last.turn + 1 : 0;

    team->fence = worker->fence;
    if (worker->fence.turn != due)
        fail(worker, "a hand-over's turn is not the next", LK_OK);
    if (worker->fence.turn > team->local_turns)
        fail(worker, "there are more local turns in a row than allowed", LK_OK);
    for (int i = 0; i < team->size; i++)
        if (team->workers[i].call && team->workers[i].call < worker->call)
            fail(worker, "a thread that called before still waits", LK_OK);
}

static bool take(struct worker *worker, int64_t deadline_ns, bool only_if_free)
{
    struct team *team = worker->team;
    lk_fence fence = { 0 };

    worker->call = ++team->calls;
    int status = only_if_free ? lk_mutex_try(team->mutex, deadline_ns, &fence)
                              : lk_mutex_lock(team->mutex, deadline_ns, &fence);
    if (status == LK_OK) {
        worker->fence = fence;
        check_turn(worker);
        worker->grant = lk_mutex_grant(team->mutex);
    } else if (status != LK_E_DEADLINE && status != LK_E_LOST
               && !(only_if_free && status == LK_E_BUSY)) {
        fail(worker, "locking is answered", status);
    }
    worker->call = 0;
    tell(worker, "locks", status);
    return status == LK_OK;
}

static void take_again(struct worker *worker)
{
    lk_mutex *mutex = worker->team->mutex;
    int status = lk_mutex_lock(mutex, LK_FOREVER, NULL);

    if (status == LK_OK && lk_mutex_depth(mutex) != 2)
        fail(worker, "locking again does not count", status);
    if (status != LK_OK && status != LK_E_LOST)
        fail(worker, "locking again is answered", status);
    if (status == LK_OK)
        (void)!lk_mutex_unlock(mutex, LK_FOREVER);
    if (lk_mutex_depth(mutex) != 1)
        fail(worker, "it does not own the mutex any more", status);
}

static void give(struct worker *worker)
{
    bool is_forever = in_percent(worker, 70);
    int64_t deadline_ns = is_forever ? LK_FOREVER : soon(worker);

    worker->grant = NULL;
    int status = lk_mutex_unlock(worker->team->mutex, deadline_ns);
    tell(worker, "unlocks", status);
    if (status != LK_OK && status != LK_E_LOST && !(status == LK_E_DEADLINE && !is_forever))
        fail(worker, "unlocking is answered", status);
}

/* What it had begun, or handed to others of its program, goes on arriving for a while. */
static void haunt(struct worker *worker)
{
    while (!is_over(worker) && in_percent(worker, 90)) {
        pass_gate(worker);
        program_sleep(&worker->program, between(worker, 0, 40) * MS);
    }
}

static void work(struct program *program)
{
    struct worker *worker = container_of(program, struct worker, program);

    while (!is_over(worker)) {
        program_sleep(program, between(worker, 1, 300) * MS);
        int64_t deadline_ns = in_percent(worker, 50) ? LK_FOREVER : soon(worker);
        if (is_over(worker) || !take(worker, deadline_ns, in_percent(worker, 15)))
            continue;
        for (int64_t deeds = between(worker, 0, 4); deeds > 0 && !is_over(worker); deeds--) {
            int64_t kind = between(worker, 0, 99);
            if (kind < 40)
                write_counter(worker);
            else if (kind < 70)
                pass_gate(worker);
            else if (kind < 80)
                take_again(worker);
            else
                program_sleep(program, between(worker, 0, kind < 95 ? 100 : 3000) * MS);
        }
        bool haunts = worker_remaining_ns(worker) == 0 || in_percent(worker, 10);
        give(worker);
        if (haunts)
            haunt(worker);
    }
}

/* ---- what is committed ---- */

static struct write *write_numbered(struct guard_world *world, uint64_t id)
{
    list_for_each (node, &world->writes) {
        struct write *write = container_of(node, struct write, node);
        if (write->entry.id == id)
            return write;
    }
    return NULL;
}

/* A stranger took its znode, and in a line made anew the name is another's: no server sees the
 * difference. */
static bool has_namesake(const struct sim *sim, const struct tree *before, lk_fence fence)
{
    list_for_each (node, &sim->strucks) {
        const struct struck *struck = container_of(node, struct struck, node);
        if (struck->czxid == (int64_t)fence.zxid && tree_find(before, struck->path))
            return true;
    }
    return false;
}

static bool stands(const struct tree *before, lk_fence fence)
{
    const struct znode *line = tree_find(before, LINE);

    if (!line)
        return false;
    list_for_each (node, &line->children)
        if (container_of(node, struct znode, siblings)->stat.czxid == (int64_t)fence.zxid)
            return true;
    return false;
}

static void see_write(struct guard_world *world, const struct tree *before,
                      const struct entry *entry)
{
    struct write *write = write_numbered(world, entry->id);

    if (!write)
        return;
    write->is_committed = true;
    write->version = tree_find(before, COUNTER)->stat.version + 1;
    if (write->is_denied)
        world_fail(&world->sim->world, "a write is committed after it was denied");
    if (has_namesake(world->sim, before, entry->fence))
        return;
    if (!stands(before, entry->fence))
        world_fail(&world->sim->world, "a write is committed whose grant's znode is gone");
    if (lk_fence_compare(entry->fence, world->written) < 0)
        world_fail(&world->sim->world, "a write of an older grant follows one of a newer");
    world->written = entry->fence;
}

static void witness(struct sim *sim, const struct tree *before, const struct txn *txn)
{
    struct guard_world *world = sim->state;

    for (size_t i = 0; world && txn->rc == KEEPER_OK && i < txn->count; i++) {
        const struct change *change = &txn->changes[i];
        if (change->kind != CHANGE_SET || strcmp(change->path, COUNTER) != 0
            || change->data_size != sizeof(struct entry))
            continue;
        struct entry entry;
        memcpy(&entry, change->data, sizeof(entry));
        see_write(world, before, &entry);
    }
}

/* ---- the workload ---- */

static void add_worker(struct team *team, struct worker *worker)
{
    struct sim *sim = team->world->sim;

    worker->team = team;
    worker->belief = (struct belief){ .client = team->client,
                                      .path = LINE,
                                      .handle = worker,
                                      .remaining_ns = worker_remaining_ns,
                                      .fence = worker_fence,
                                      .node_name = worker_node };
    list_append(&sim->beliefs, &worker->belief.node);
    program_start(&worker->program, team->client, work);
}

static void add_team(struct guard_world *world, struct team *team)
{
    struct chance *chance = &world->sim->world.chance;
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_mutex_options mutex_options = LK_MUTEX_OPTIONS_INIT;

    options.session_timeout_ms = world->sim->ensemble.tick_ns / MS * chance_between(chance, 6, 12);
    team->world = world;
    team->client = sim_client_new(world->sim, &options);
    team->local_turns = (unsigned)chance_between(chance, 0, 3);
    mutex_options.local_turns = team->local_turns;
    int status = lk_mutex_new(&team->mutex, team->client->lk, LINE, &mutex_options);
    if (status != LK_OK)
        world_fail(&world->sim->world, "a new mutex was answered %s", lk_status_name(status));
    team->size = (int)chance_between(chance, 1, THREADS_MAX);
    for (int i = 0; i < team->size; i++)
        add_worker(team, &team->workers[i]);
}

static void begin(struct sim *sim)
{
    struct guard_world *world = arena_take(&sim->world.arena, sizeof(*world));
    const struct keeper_request counter = { .verb = KEEPER_CREATE,
                                            .path = COUNTER,
                                            .mode = KEEPER_PERSISTENT };

    world->sim = sim;
    sim->state = world;
    ensemble_stranger(&sim->ensemble, &counter);
    world->team_count = (int)chance_between(&sim->world.chance, 2, TEAMS_MAX);
    for (int i = 0; i < world->team_count; i++)
        add_team(world, &world->teams[i]);
}

static void settle(struct sim *sim)
{
    ((struct guard_world *)sim->state)->settling = true;
}

static bool is_done(const struct team *team)
{
    for (int i = 0; i < team->size; i++)
        if (!team->workers[i].program.done)
            return false;
    return true;
}

static bool is_settled(struct sim *sim)
{
    const struct guard_world *world = sim->state;

    for (int i = 0; i < world->team_count; i++)
        if (!world->teams[i].client->is_dead && !is_done(&world->teams[i]))
            return false;
    return true;
}

/* Threads that are stuck, of a client that was killed or in a world that failed, wait for each
 * other too: each is let run in turn until all have returned. */
static void end_team(struct team *team)
{
    if (!is_done(team) && team->client->lk)
        (void)!lk_client_close(team->client->lk, 0);
    while (!is_done(team))
        for (int i = 0; i < team->size; i++)
            program_nudge(&team->workers[i].program);
    for (int i = 0; i < team->size; i++) {
        program_join(&team->workers[i].program);
        list_remove(&team->workers[i].belief.node);
    }
    team->mutex = lk_mutex_free(team->mutex);
}

static void free_handles(struct sim *sim)
{
    struct guard_world *world = sim->state;

    world->settling = true;
    for (int i = 0; i < world->team_count; i++) {
        end_team(&world->teams[i]);
        sim_client_touch(world->teams[i].client);
    }
}

const struct workload workload_guard = {
    .name = "guard",
    .begin = begin,
    .settle = settle,
    .is_settled = is_settled,
    .free_handles = free_handles,
    .witness = witness,
};
