/* fenced-writer.c - what a lock alone can't do, and its fence can.
 *
 *     fenced-writer [SERVERS]
 *
 * A holder can be stopped between looking at its lock and writing: by its scheduler, a full disk,
 * an operator. When it goes on, another may hold. No lock service can call back a write that is
 * already on its way; but whoever keeps the data can refuse it, by remembering the largest fence
 * that it has seen. Here Ann holds, an operator breaks her lock, Bob takes it and writes, and Ann's
 * late write is refused. */
#include <latchkey/latchkey.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Stands for your database. The comparison and the write must be one step: WHERE fence <= $new. */
struct store {
    lk_fence newest;
    const char *text;
};

static bool store_write(struct store *store, lk_fence fence, const char *text)
{
    bool is_late = lk_fence_compare(fence, store->newest) < 0;

    printf("%-14s %s\n", text, is_late ? "refused" : "written");
    if (is_late)
        return false;
    store->newest = fence;
    store->text = text;
    return true;
}

static int late_write(lk_client *client, lk_lock *ann, lk_lock *bob, bool *out_refused)
{
    struct store store = { .text = "" };
    lk_fence of_ann, of_bob;

    int status = lk_lock_acquire(ann, lk_in_ms(10000), &of_ann);
    if (status != LK_OK)
        return status;
    store_write(&store, of_ann, "Ann's first");

    status = lk_line_break(client, "/jobs/report", of_ann, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_lock_acquire(bob, lk_in_ms(10000), &of_bob);
    if (status != LK_OK)
        return status;
    store_write(&store, of_bob, "Bob's");

    *out_refused = !store_write(&store, of_ann, "Ann's second");
    return lk_lock_release(bob, lk_in_ms(5000));
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_lock *ann = NULL, *bob = NULL;
    bool refused = false;

    if (servers)
        options.servers = servers;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_lock_new(&ann, client, "/jobs/report", NULL);
    if (status == LK_OK)
        status = lk_lock_new(&bob, client, "/jobs/report", NULL);
    if (status == LK_OK)
        status = late_write(client, ann, bob, &refused);
    if (status != LK_OK)
        fprintf(stderr, "fenced-writer: %s\n", lk_status_text(status));
    lk_lock_free(ann);
    lk_lock_free(bob);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return refused ? EXIT_SUCCESS : EXIT_FAILURE;
}
