/* guarded-write.c - a write to ZooKeeper that applies only while the lock is held.
 *
 *     guarded-write [SERVERS]
 *
 * What is kept on ZooKeeper itself needs no fence: the server looks whether the lock's znode
 * stands, in the same commit as the write. Here an operator breaks the lock, and the write that
 * follows changes nothing, whether the news of it has arrived or not. */
#include <latchkey/latchkey.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Writes /limit anew, or makes it. */
static int write_limit(lk_client *client, lk_lock *lock, bool is_new, const char *limit)
{
    lk_guard *guard = NULL;
    int status = lk_guard_new(&guard, client);

    if (status == LK_OK)
        status = lk_guard_hold(guard, lk_lock_grant(lock));
    if (status == LK_OK)
        status = is_new ? lk_guard_create(guard, "/limit", limit, 3)
                        : lk_guard_set(guard, "/limit", limit, 3, LK_ANY_VERSION);
    if (status == LK_OK)
        status = lk_guard_commit(guard, lk_in_ms(10000));
    lk_guard_free(guard);
    return status;
}

static int two_writes(lk_client *client, lk_lock *lock, bool *out_refused)
{
    lk_fence fence;

    int status = lk_lock_acquire(lock, lk_in_ms(10000), &fence);
    if (status == LK_OK)
        status = write_limit(client, lock, true, "100");
    if (status == LK_E_EXISTS)
        status = write_limit(client, lock, false, "100");
    if (status == LK_OK)
        status = lk_line_break(client, "/locks/limit", fence, lk_in_ms(10000));
    if (status != LK_OK)
        return status;
    *out_refused = write_limit(client, lock, false, "200") == LK_E_LOST;
    printf("while held: written; after an operator broke the lock: %s\n",
           *out_refused ? "refused" : "written, which must not be");
    return LK_OK;
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_lock *lock = NULL;
    bool refused = false;

    if (servers)
        options.servers = servers;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_lock_new(&lock, client, "/locks/limit", NULL);
    if (status == LK_OK)
        status = two_writes(client, lock, &refused);
    if (status != LK_OK)
        fprintf(stderr, "guarded-write: %s\n", lk_status_text(status));
    lk_lock_free(lock);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return refused ? EXIT_SUCCESS : EXIT_FAILURE;
}
