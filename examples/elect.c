/* elect.c - one leader at a time, and everybody sees who.
 *
 *     elect [SERVERS]
 *
 * Start it in several terminals and kill the one that leads: another takes over. Each stands with a
 * card, which the observers are shown. The leader asks before every step whether it certainly still
 * leads: nobody can tell a program that is cut off that it was replaced. */
#include <latchkey/latchkey.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEPS = 3 };

static void show_leader(const lk_leader *leader, void *arg)
{
    (void)arg;
    if (leader->present)
        printf("%.*s leads\n", (int)leader->card_size, (const char *)leader->card);
    else
        printf("nobody leads\n");
}

static void show_change(const lk_grant_change *change, void *arg)
{
    (void)arg;
    printf("we are %s\n", lk_grant_state_name(change->state));
}

/* A step five times a second, for as long as it is certain that we lead. */
static void lead(lk_candidate *candidate)
{
    for (int step = 1; step <= STEPS && lk_candidate_remaining_ns(candidate) > 0; step++) {
        printf("step %d of %d\n", step, STEPS);
        if (lk_candidate_wait_lost(candidate, lk_in_ms(200)) != LK_E_DEADLINE)
            return;
    }
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_candidate_options stands = LK_CANDIDATE_OPTIONS_INIT;
    lk_client *client = NULL;
    lk_candidate *candidate = NULL;
    lk_observer *observer = NULL;
    char card[64];

    if (servers)
        options.servers = servers;
    options.callback_thread = true; /* so that show_leader() and show_change() run while we wait */
    stands.card = card;
    stands.card_size = (size_t)snprintf(card, sizeof card, "process %ld", (long)getpid());
    stands.on_change = show_change;

    int status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_client_wait_connected(client, lk_in_ms(10000));
    if (status == LK_OK)
        status = lk_observer_new(&observer, client, "/jobs/leader", show_leader, NULL);
    if (status == LK_OK)
        status = lk_candidate_new(&candidate, client, "/jobs/leader", &stands);
    if (status == LK_OK)
        status = lk_candidate_stand(candidate, LK_FOREVER, NULL);
    if (status == LK_OK) {
        lead(candidate);
        status = lk_candidate_resign(candidate, lk_in_ms(5000));
    }
    if (status != LK_OK)
        fprintf(stderr, "elect: %s\n", lk_status_text(status));
    lk_candidate_free(candidate);
    lk_observer_free(observer);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
