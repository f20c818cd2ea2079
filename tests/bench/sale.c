/* sale.c - the sale as a whole; see sale.h.
 *
 *     sale [--users N] [--stock N]
 *
 * A thread follows each seller, and does to it, or to the server, what its story says: seller 0 is
 * killed at 3 % of its users and seller 1 at 6 %, the server at 5 % of seller 2's. As there is one
 * coupon for ten users all that happens while there are some. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "sale.h"

static const struct story {
    size_t dies_at, server_dies_at; /* parts of its users; 0: never */
} stories[SELLERS] = { { .dies_at = 3 }, { .dies_at = 6 }, { .server_dies_at = 5 }, { 0 } };

struct follower {
    pthread_t thread;
    const struct terms *terms;
    zkbox *box;
    size_t seller;
};

static struct process *seller_start(const struct terms *terms, size_t seller)
{
    char *argv[6];

    seller_arguments(terms, seller, argv);
    return process_start(NULL, argv);
}

static void *follow(void *arg)
{
    struct follower *follower = arg;
    struct story story = stories[follower->seller];
    struct process *seller = seller_start(follower->terms, follower->seller);

    for (const char *word; strcmp(word = process_hear(seller, ""), "done") != 0;) {
        size_t part = strtoul(word + strlen("part "), NULL, 10);
        if (story.dies_at && part >= story.dies_at) {
            story.dies_at = 0;
            kill(seller->pid, SIGKILL);
            MUST(process_end(seller) == -SIGKILL);
            seller = seller_start(follower->terms, follower->seller);
        } else if (story.server_dies_at && part >= story.server_dies_at) {
            story.server_dies_at = 0;
            MUST(zkbox_restart(follower->box, 0) == 0);
        }
    }
    MUST(process_end(seller) == 0);
    MUST(story.dies_at == 0 && story.server_dies_at == 0);
    return NULL;
}

static lk_ledger *campaign_open(lk_client *client, size_t stock)
{
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    lk_ledger *ledger;

    rules.stock = stock;
    rules.per_user = 1;
    MUST(lk_ledger_new(&ledger, client, SALE_CAMPAIGN) == LK_OK);
    MUST(lk_campaign_create(ledger, &rules, NULL, lk_in_ms(30000)) == LK_OK);
    return ledger;
}

static struct terms read_arguments(int argc, char **argv)
{
    static const struct option known[] = { { "users", required_argument, NULL, 'u' },
                                           { "stock", required_argument, NULL, 's' },
                                           { 0 } };
    struct terms terms = { .users = 1000000, .stock = 100000 };

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'u')
            terms.users = strtoul(optarg, NULL, 10);
        else if (c == 's')
            terms.stock = strtoul(optarg, NULL, 10);
        else
            exit(64);
    }
    MUST(terms.users >= 10 * terms.stock && terms.stock > 0);
    return terms;
}

static void files_remove(const struct terms *terms)
{
    char path[SALE_PATH_SIZE];

    for (size_t i = 0; i < SELLERS; i++) {
        sale_file(terms, i, path);
        unlink(path);
    }
}

int main(int argc, char **argv)
{
    struct follower followers[SELLERS];

    if (is_seller(argv))
        return sell(argv);
    struct terms terms = read_arguments(argc, argv);
    zkbox *box = bench_server();
    terms.servers = zkbox_servers(box);
    terms.folder = zkbox_folder(box);
    lk_client *client = bench_client(terms.servers);
    lk_ledger *ledger = campaign_open(client, terms.stock);

    int64_t began_ns = lk_now_ns();
    for (size_t i = 0; i < SELLERS; i++) {
        followers[i] = (struct follower){ .terms = &terms, .box = box, .seller = i };
        MUST(pthread_create(&followers[i].thread, NULL, follow, &followers[i]) == 0);
    }
    for (size_t i = 0; i < SELLERS; i++)
        pthread_join(followers[i].thread, NULL);
    double sold_us = us_since(began_ns);
    sale_judge(&terms, ledger);
    printf("%zu users, %zu coupons: all sold once, every answer true; sold in %.1f s, "
           "judged in %.1f s\n",
           terms.users, terms.stock, sold_us / 1e6, (us_since(began_ns) - sold_us) / 1e6);
    lk_ledger_free(ledger);
    bench_client_end(client);
    files_remove(&terms);
    zkbox_stop(box);
    return 0;
}
