/* multilock.c - several locks at once, all or none, and no deadlock.
 *
 *     multilock [SERVERS]
 *
 * A transfer needs both accounts. Two transfers in opposite directions that took one lock after the
 * other as they come would wait for each other for ever; a multi-lock takes its paths in one order,
 * whatever order they are named in. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>

static int transfer(lk_client *client, const char *from, const char *to)
{
    const char *const paths[] = { from, to };
    lk_multilock *both = NULL;

    int status = lk_multilock_new(&both, client, paths, 2, NULL);
    if (status == LK_OK)
        status = lk_multilock_acquire(both, lk_in_ms(10000));
    if (status == LK_OK) {
        printf("%s to %s: both are held for %lld ms at least\n", from, to,
               (long long)lk_multilock_remaining_ns(both) / 1000000);
        status = lk_multilock_release(both, lk_in_ms(5000));
    } else if (both && lk_multilock_culprit(both)) {
        fprintf(stderr, "multilock: not had: %s\n", lk_multilock_culprit(both));
    }
    lk_multilock_free(both);
    return status;
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;

    if (servers)
        options.servers = servers;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = transfer(client, "/accounts/ann", "/accounts/bob");
    if (status == LK_OK)
        status = transfer(client, "/accounts/bob", "/accounts/ann");
    if (status != LK_OK)
        fprintf(stderr, "multilock: %s\n", lk_status_text(status));
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
