/* adopted.c - clients that users made, in a world of testing.c.
 *
 * Nobody tells the world that one was made, called, or freed: it takes each in when it begins, with
 * a reference to it, looks after all of them before time moves, and lets go of one when it has the
 * last reference: then its user has freed it, with all its handles, and its sessions are closed. */
#include "sim.h"

#include "session/engine.h"

/* For the story, and for its user. */
static void log_twice(lk_log_level level, const char *line, void *arg)
{
    struct sim_client *client = arg;

    world_tell(&client->sim->world, "%s: %s", client->name, line);
    if (client->users_log && level <= client->users_log_level)
        client->users_log(level, line, client->users_log_arg);
}

static void take_log(struct sim_client *client)
{
    lk_client *lk = client->lk;

    client->users_log = lk->log;
    client->users_log_arg = lk->log_arg;
    client->users_log_level = lk->log_level;
    lk->log = log_twice;
    lk->log_arg = client;
    lk->log_level = LK_LOG_DEBUG;
}

void sim_client_adopt(struct sim_client *client, lk_client *lk)
{
    struct sim *sim = client->sim;

    client->lk = client_ref(lk); /* so that the last one to let go of it is this world */
    client->is_users = true;
    if (sim->world.traces)
        take_log(client);
    list_append(&sim->clients, &client->node);
    if (lk->timeout_ns > sim->longest_ns)
        sim->longest_ns = lk->timeout_ns;
    world_tell(&sim->world, "%s begins, T = %lld ms", client->name,
               (long long)(lk->timeout_ns / MS));
}

/* Nothing can come back from a process that is gone: for its handles that is a closed client. */
static void bury(struct sim_client *client)
{
    if (client->lk->closing)
        return;
    lk_client_close(client->lk, 0);
    links_bury(client);
}

void sim_clients_tend(struct sim *sim)
{
    list_for_each_safe (node, &sim->clients) {
        struct sim_client *client = container_of(node, struct sim_client, node);
        if (!client->is_users)
            continue;
        if (client->is_dead)
            bury(client);
        if (atomic_load(&client->lk->references) > 1) {
            sim_client_touch(client);
            continue;
        }
        client_unref(client->lk); /* freed, with all handles, and its sessions are closed */
        client->lk = NULL;
        event_stop(&sim->world, &client->tick);
        event_stop(&sim->world, &client->dispatch);
        list_remove(&client->node);
    }
}

void sim_clients_close(struct sim *sim)
{
    list_for_each (node, &sim->clients)
        lk_client_close(container_of(node, struct sim_client, node)->lk, 0);
}
