/* testing.c - your own code under faults, on simulated servers: no server, no waiting, no luck.
 *
 * withdraw() is the code under test. Whichever reply of the servers is lost, it takes the money
 * once and leaves nothing behind; and when its session ends on the way it takes nothing. */
#include <latchkey/latchkey.h>
#include <latchkey/testing.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : (fprintf(stderr, "testing: not %s\n", #condition), exit(EXIT_FAILURE)))

static int balance = 100;

/* While it holds the lock, and after three seconds in which the customer may think better of it. */
static int withdraw(lk_client *client, int amount)
{
    lk_lock *lock = NULL;

    int status = lk_lock_new(&lock, client, "/accounts/alice", NULL);
    if (status == LK_OK)
        status = lk_lock_acquire(lock, lk_in_ms(20000), NULL);
    if (status == LK_OK && lk_lock_wait_lost(lock, lk_in_ms(3000)) == LK_OK)
        status = LK_E_LOST;
    if (status == LK_OK) {
        balance -= amount;
        status = lk_lock_release(lock, lk_in_ms(20000));
    }
    lk_lock_free(lock);
    return status;
}

struct customer {
    lk_client *client;
    int status;
};

static void withdraw_ten(void *arg)
{
    struct customer *customer = arg;
    customer->status = withdraw(customer->client, 10);
}

static void test(uint64_t seed, int64_t lost_reply, bool expires, int expected)
{
    lk_testing_options options = LK_TESTING_OPTIONS_INIT;
    lk_testing *world;
    lk_testing_program *program;
    struct customer customer;
    char why[LK_TESTING_TEXT_SIZE];

    options.seed = seed;
    CHECK(lk_testing_new(&world, &options) == LK_OK);
    CHECK(lk_client_new(&customer.client, NULL) == LK_OK);
    CHECK(lk_testing_lose_reply(customer.client, lost_reply) == LK_OK);
    CHECK(lk_testing_start(world, customer.client, withdraw_ten, &customer, &program) == LK_OK);
    lk_testing_run_ms(world, 2000);
    CHECK(!expires || lk_testing_expire(customer.client) == LK_OK);
    CHECK(lk_testing_join(program, 60000) == LK_OK);
    CHECK(customer.status == expected);
    lk_client_free(customer.client);
    CHECK(lk_testing_free(world, why, sizeof(why)) == LK_OK);
}

int main(void)
{
    for (int n = 1; n <= 8; n++)
        test((uint64_t)n, n, false, LK_OK);
    CHECK(balance == 20);
    test(9, 0, true, LK_E_LOST);
    CHECK(balance == 20);
    printf("half a minute of theirs, and none of ours\n");
    return EXIT_SUCCESS;
}
