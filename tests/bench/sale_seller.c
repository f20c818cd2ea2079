/* sale_seller.c - one who sells; see sale.h. What is in doubt is asked again under the same id until
 * it is answered: users are told yes, or a reason. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "sale.h"

enum { OUTSTANDING_MAX = 2000, PATIENCE_MS = 10000 };

struct seller {
    lk_ledger *ledger;
    struct terms terms;
    size_t number, next, under_way, answered, expected;
    int file;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

/* One user before the counter. */
struct guest {
    struct seller *seller;
    size_t user;
};

void sale_user(size_t number, char name[20])
{
    snprintf(name, 20, "guest-%08zu", number % 100000000);
}

void sale_file(const struct terms *terms, size_t seller, char path[SALE_PATH_SIZE])
{
    snprintf(path, SALE_PATH_SIZE, "%s/seller-%zu", terms->folder, seller);
}

bool sale_has_two_sellers(size_t user)
{
    return user % 10 == 0;
}

bool sale_comes_to(size_t user, size_t seller)
{
    return user % SELLERS == seller
           || (sale_has_two_sellers(user) && (user + 1) % SELLERS == seller);
}

static void write_down(struct seller *seller, size_t user, const lk_ledger_result *result)
{
    char line[120], coupon[LK_COUPON_TEXT_SIZE] = "-";

    if (result->status == LK_OK)
        lk_coupon_text(result->coupons[0], coupon);
    int size = snprintf(line, sizeof line, "%zu %s %s\n", user, lk_status_name(result->status),
                        coupon);
    MUST(write(seller->file, line, (size_t)size) == size);
}

static bool is_final(int status)
{
    if (status == LK_OK || status == LK_E_LIMIT || status == LK_E_SOLD_OUT)
        return true;
    if (status == LK_E_UNKNOWN || status == LK_E_DEADLINE || status == LK_E_NO_SERVER)
        return false;
    fprintf(stderr, "a claim was answered %s\n", lk_status_name(status));
    exit(1);
}

static void guest_answered(const lk_ledger_result *result, void *arg);

static void guest_ask(struct guest *guest)
{
    struct seller *seller = guest->seller;
    char user[20], name[60];
    lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = user };

    sale_user(guest->user, user);
    snprintf(name, sizeof name, "seller %zu, user %zu", seller->number, guest->user);
    MUST(lk_id_from_text(name, &claim.id) == LK_OK);
    MUST(lk_ledger_do_start(seller->ledger, &claim, lk_in_ms(PATIENCE_MS), guest_answered, guest,
                            NULL)
         == LK_OK);
}

/* False: all have come. Under the mutex. */
static bool next_guest(struct seller *seller, struct guest *guest)
{
    while (seller->next < seller->terms.users && !sale_comes_to(seller->next, seller->number))
        seller->next++;
    if (seller->next == seller->terms.users)
        return false;
    guest->user = seller->next++;
    return true;
}

static void tell_part(struct seller *seller)
{
    size_t part = seller->answered * PARTS / seller->expected;

    if (part != (seller->answered - 1) * PARTS / seller->expected) {
        printf("part %zu\n", part);
        fflush(stdout);
    }
}

static void guest_answered(const lk_ledger_result *result, void *arg)
{
    struct guest *guest = arg;
    struct seller *seller = guest->seller;

    if (!is_final(result->status)) {
        guest_ask(guest);
        return;
    }
    write_down(seller, guest->user, result);
    pthread_mutex_lock(&seller->mutex);
    seller->answered++;
    tell_part(seller);
    bool goes_on = next_guest(seller, guest);
    if (!goes_on && --seller->under_way == 0)
        pthread_cond_signal(&seller->changed);
    pthread_mutex_unlock(&seller->mutex);
    if (goes_on)
        guest_ask(guest);
    else
        free(guest);
}

static void sell_to_all(struct seller *seller)
{
    size_t outstanding = seller->terms.users / 200 + 1;

    if (outstanding > OUTSTANDING_MAX)
        outstanding = OUTSTANDING_MAX;
    for (size_t i = 0; i < outstanding; i++) {
        struct guest *guest = malloc(sizeof *guest);
        MUST(guest);
        guest->seller = seller;
        pthread_mutex_lock(&seller->mutex);
        bool comes = next_guest(seller, guest);
        seller->under_way += comes;
        pthread_mutex_unlock(&seller->mutex);
        if (comes)
            guest_ask(guest);
        else
            free(guest);
    }
    pthread_mutex_lock(&seller->mutex);
    while (seller->under_way > 0)
        pthread_cond_wait(&seller->changed, &seller->mutex);
    pthread_mutex_unlock(&seller->mutex);
}

#define TEXT(word) ((char *)(uintptr_t)(word))

void seller_arguments(const struct terms *terms, size_t seller, char *argv[6])
{
    static char numbers[SELLERS][2][24];

    snprintf(numbers[seller][0], sizeof numbers[seller][0], "%zu", seller);
    snprintf(numbers[seller][1], sizeof numbers[seller][1], "%zu", terms->users);
    argv[0] = TEXT("seller");
    argv[1] = TEXT(terms->servers);
    argv[2] = TEXT(terms->folder);
    argv[3] = numbers[seller][0];
    argv[4] = numbers[seller][1];
    argv[5] = NULL;
}

bool is_seller(char **argv)
{
    return strcmp(argv[0], "seller") == 0;
}

int sell(char **argv)
{
    struct seller seller = {
        .terms = { .servers = argv[1], .folder = argv[2], .users = strtoul(argv[4], NULL, 10) },
        .number = strtoul(argv[3], NULL, 10),
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER
    };
    lk_client *client = bench_client(argv[1]);
    char path[SALE_PATH_SIZE];

    for (size_t user = 0; user < seller.terms.users; user++)
        seller.expected += sale_comes_to(user, seller.number);
    sale_file(&seller.terms, seller.number, path);
    seller.file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    MUST(seller.file >= 0);
    MUST(lk_ledger_new(&seller.ledger, client, SALE_CAMPAIGN) == LK_OK);
    sell_to_all(&seller);
    printf("done\n");
    fflush(stdout);
    lk_ledger_free(seller.ledger);
    bench_client_end(client);
    close(seller.file);
    return 0;
}
