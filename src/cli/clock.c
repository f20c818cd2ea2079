/* clock.c - ZooKeeper has no request for the time, but it stamps what it creates: so a place in a
 * line of our own is taken, read, and given back. The empty line is a container, which the server
 * tidies away. */
#include <string.h>

#include "cli/clock.h"

#define CLOCK_PATH "/latchkey-clock"
#define NODE_NAME_SIZE 256

static void free_lock(lk_lock **lock)
{
    lk_lock_free(*lock);
}

static int find_created(lk_client *client, const char *node, int64_t deadline_ns, int64_t *out_ms)
{
    lk_line *line;
    int status = lk_line_list(client, CLOCK_PATH, deadline_ns, &line);
    if (status != LK_OK)
        return status;
    status = LK_E_LOST;
    for (size_t i = 0; i < line->count; i++) {
        if (strcmp(line->entries[i].node, node) == 0) {
            *out_ms = line->entries[i].created_ms;
            status = LK_OK;
        }
    }
    lk_line_free(line);
    return status;
}

int clock_ask(struct cli *cli, lk_client *client, int64_t *out_ms)
{
    __attribute__((cleanup(free_lock))) lk_lock *lock = NULL;
    char node[NODE_NAME_SIZE];
    int64_t deadline_ns = cli_deadline(cli);

    int status = lk_lock_new(&lock, client, CLOCK_PATH, NULL);
    if (status == LK_OK)
        status = lk_lock_acquire(lock, deadline_ns, NULL);
    if (status == LK_OK)
        status = lk_lock_node(lock, node, sizeof(node));
    if (status == LK_OK)
        status = find_created(client, node, deadline_ns, out_ms);
    int released = lk_lock_state(lock) == LK_HELD ? lk_lock_release(lock, deadline_ns) : LK_OK;
    return status != LK_OK ? status : released;
}
