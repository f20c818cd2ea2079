/* semaphore.c - at most so many at once, over all machines; and one who takes several.
 *
 *     semaphore [SERVERS]
 *
 * Four licences: a render job takes one, a big one three of them, all or none. The number stands
 * with the semaphore, so a program with another number in its head is refused, by name. */
#include <latchkey/latchkey.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define LICENCES 4

static int render(lk_semaphore *big, lk_semaphore *small, lk_semaphore *mistaken, bool *out_refused)
{
    int status = lk_semaphore_acquire(big, 3, lk_in_ms(10000), NULL);
    if (status == LK_OK)
        status = lk_semaphore_acquire(small, 1, lk_in_ms(10000), NULL);
    if (status != LK_OK)
        return status;
    printf("three and one are held: all %d\n", LICENCES);

    int answer = lk_semaphore_acquire(mistaken, 1, lk_in_ms(10000), NULL);
    printf("who thinks that there are %d: %s\n", LICENCES + 1, lk_status_text(answer));
    *out_refused = answer == LK_E_PERMITS;

    status = lk_semaphore_release(big, lk_in_ms(5000));
    return status == LK_OK ? lk_semaphore_release(small, lk_in_ms(5000)) : status;
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS"), *path = "/licences/cad";
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_semaphore *big = NULL, *small = NULL, *mistaken = NULL;
    bool refused = false;

    if (servers)
        options.servers = servers;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_semaphore_new(&big, client, path, LICENCES, NULL);
    if (status == LK_OK)
        status = lk_semaphore_new(&small, client, path, LICENCES, NULL);
    if (status == LK_OK)
        status = lk_semaphore_new(&mistaken, client, path, LICENCES + 1, NULL);
    if (status == LK_OK)
        status = render(big, small, mistaken, &refused);
    if (status != LK_OK)
        fprintf(stderr, "semaphore: %s\n", lk_status_text(status));
    lk_semaphore_free(big);
    lk_semaphore_free(small);
    lk_semaphore_free(mistaken);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK && refused ? EXIT_SUCCESS : EXIT_FAILURE;
}
