/* acquire.c - take a lock, use its fence, give it back.
 *
 *     acquire [SERVERS]
 *
 * Run it twice at the same time: the second waits until the first has given the lock back, or has
 * died. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_lock *lock = NULL;
    lk_fence fence;
    char text[LK_FENCE_TEXT_SIZE];

    if (servers)
        options.servers = servers;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_lock_new(&lock, client, "/jobs/billing", NULL);
    if (status == LK_OK)
        status = lk_lock_acquire(lock, LK_FOREVER, &fence);
    if (status == LK_OK) {
        printf("ours for %lld ms at least, and longer while the servers confirm it\n",
               (long long)lk_lock_remaining_ns(lock) / 1000000);
        printf("every write that the lock guards bears the fence %s\n", lk_fence_text(fence, text));
        status = lk_lock_release(lock, lk_in_ms(5000));
    }
    if (status != LK_OK)
        fprintf(stderr, "acquire: %s\n", lk_status_text(status));
    lk_lock_free(lock);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
