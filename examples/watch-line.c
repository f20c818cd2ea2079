/* watch-line.c - who holds, who waits, and since when: seen at each change.
 *
 *     watch-line [SERVERS]
 *
 * Two workers want one lock, and a third party looks on. It is told the line as it stands, then at
 * each change, however many wait; what changes faster than it can be read is told as one. What it
 * is told is a picture: when it arrives, the line may have moved on. So it is for eyes, screens and
 * alarms. Who must know that it holds asks its own lock. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>

static void show(int status, const lk_line *line, void *count)
{
    if (status != LK_OK) {
        printf("the line can't be seen: %s\n", lk_status_text(status));
        return;
    }
    printf("%zu in line\n", line->count);
    for (size_t i = 0; i < line->count; i++) {
        const lk_line_entry *entry = &line->entries[i];
        printf("  %s %.*s, came %lld ms before the last change\n", entry->holds ? "holds" : "waits",
               (int)entry->label_size, entry->label,
               (long long)(line->server_ms - entry->created_ms));
    }
    *(size_t *)count = line->count;
}

static void granted(int status, void *arg)
{
    (void)arg;
    printf("the second worker's wait ends: %s\n", lk_status_text(status));
}

/* The callbacks run in here. */
static void look_until(lk_client *client, const size_t *count, size_t wanted)
{
    while (*count != wanted)
        if (lk_dispatch(client, lk_in_ms(10000)) <= 0)
            exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_lock_options first = LK_LOCK_OPTIONS_INIT, second = LK_LOCK_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_line_watch *watch = NULL;
    lk_lock *a = NULL, *b = NULL;
    size_t count = SIZE_MAX;

    if (servers)
        options.servers = servers;
    first.label = "first worker";
    second.label = "second worker";
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_line_watch_new(&watch, client, "/jobs/nightly", show, &count);
    if (status == LK_OK)
        status = lk_lock_new(&a, client, "/jobs/nightly", &first);
    if (status == LK_OK)
        status = lk_lock_new(&b, client, "/jobs/nightly", &second);
    if (status == LK_OK)
        status = lk_lock_acquire(a, lk_in_ms(10000), NULL);
    if (status == LK_OK)
        status = lk_lock_acquire_start(b, LK_FOREVER, granted, NULL, NULL);
    if (status == LK_OK) {
        look_until(client, &count, 2);
        status = lk_lock_release(a, lk_in_ms(5000));
    }
    if (status == LK_OK) {
        look_until(client, &count, 1);
        lk_lock_free(b); /* gives it back, or gives up */
        b = NULL;
        look_until(client, &count, 0);
    }
    if (status != LK_OK)
        fprintf(stderr, "watch-line: %s\n", lk_status_text(status));
    lk_lock_free(a);
    lk_lock_free(b);
    lk_line_watch_free(watch);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
