/* rwlock.c - readers side by side, a writer alone; and a writer that goes on reading.
 *
 *     rwlock [SERVERS]
 *
 * The downgrade is what a writer does who publishes something and then wants to be sure for a while
 * that nobody changes it: between writing and reading no other writer comes in. The other way is
 * refused, since two readers who would write would wait for each other. */
#include <latchkey/latchkey.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int publish_and_read(lk_rwlock *editor, lk_rwlock *visitor, bool *out_refused)
{
    int status = lk_rwlock_write(editor, lk_in_ms(10000), NULL);
    if (status != LK_OK)
        return status;
    int early = lk_rwlock_try_read(visitor, lk_in_ms(10000), NULL);
    printf("the editor writes; a visitor who would read: %s\n", lk_status_text(early));

    status = lk_rwlock_downgrade(editor, lk_in_ms(10000), NULL);
    if (status == LK_OK)
        status = lk_rwlock_read(visitor, lk_in_ms(10000), NULL);
    if (status != LK_OK)
        return status;
    printf("the editor reads what it wrote, and the visitor beside it\n");

    int upgrade = lk_rwlock_write(editor, lk_in_ms(10000), NULL);
    printf("the editor would write again: %s\n", lk_status_text(upgrade));
    *out_refused = early == LK_E_BUSY && upgrade == LK_E_STATE;

    status = lk_rwlock_release(editor, lk_in_ms(5000));
    return status == LK_OK ? lk_rwlock_release(visitor, lk_in_ms(5000)) : status;
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_rwlock *editor = NULL, *visitor = NULL;
    bool refused = false;

    if (servers)
        options.servers = servers;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_rwlock_new(&editor, client, "/pages/front", NULL);
    if (status == LK_OK)
        status = lk_rwlock_new(&visitor, client, "/pages/front", NULL);
    if (status == LK_OK)
        status = publish_and_read(editor, visitor, &refused);
    if (status != LK_OK)
        fprintf(stderr, "rwlock: %s\n", lk_status_text(status));
    lk_rwlock_free(editor);
    lk_rwlock_free(visitor);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK && refused ? EXIT_SUCCESS : EXIT_FAILURE;
}
