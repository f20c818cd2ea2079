/* threads.c - one lock for the threads of a program, among the programs of a cluster.
 *
 *     threads [SERVERS]
 *
 * Four threads count to a hundred together. One znode stands for them in the line, however many
 * wait; here up to nine hand-overs in a row go from thread to thread without asking a server, and
 * other programs wait that much longer. */
#include <latchkey/latchkey.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, EACH = 25 };

struct counter {
    lk_mutex *mutex;
    int count; /* the mutex guards it */
};

static int count_once(struct counter *counter)
{
    int status = lk_mutex_lock(counter->mutex, lk_in_ms(30000), NULL);

    if (status != LK_OK)
        return status;
    counter->count++;
    return lk_mutex_unlock(counter->mutex, lk_in_ms(30000));
}

static void *work(void *arg)
{
    struct counter *counter = arg;
    int status = LK_OK;

    for (int i = 0; i < EACH && status == LK_OK; i++)
        status = count_once(counter);
    return status == LK_OK ? NULL : (void *)lk_status_text(status);
}

static int run_threads(struct counter *counter)
{
    pthread_t threads[THREADS];
    int started = 0, failed = 0;
    void *trouble;

    while (started < THREADS && pthread_create(&threads[started], NULL, work, counter) == 0)
        started++;
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], &trouble);
        if (trouble) {
            fprintf(stderr, "threads: %s\n", (const char *)trouble);
            failed++;
        }
    }
    printf("%d threads counted to %d\n", started, counter->count);
    return started == THREADS && failed == 0 ? LK_OK : LK_E_SYSTEM;
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_mutex_options turns = LK_MUTEX_OPTIONS_INIT;
    lk_client *client = NULL;
    struct counter counter = { 0 };

    if (servers)
        options.servers = servers;
    turns.local_turns = 9;
    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_mutex_new(&counter.mutex, client, "/jobs/count", &turns);
    if (status == LK_OK)
        status = run_threads(&counter);
    else
        fprintf(stderr, "threads: %s\n", lk_status_text(status));
    lk_mutex_free(counter.mutex);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK && counter.count == THREADS * EACH ? EXIT_SUCCESS : EXIT_FAILURE;
}
