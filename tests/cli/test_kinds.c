/* test_kinds.c - a path serves one kind of thing: every verb that needs another says so, in one
 * line, and nothing is changed. */
#include "expect.h"

#include <string.h>

enum kind { LOCK = 1, ELECTION = 2, CAMPAIGN = 4, RWLOCK = 8, SEMAPHORE = 16 };
#define ANY_LINE (LOCK | ELECTION | RWLOCK | SEMAPHORE)
enum { WORDS_MAX = 8, REFUSED = 1, REFUSED_WITH_COMMAND = 125 };

/* PATH stands for the path. */
static const struct {
    int fits; /* the kinds that the verb is for */
    int code; /* when it meets another */
    const char *words[WORDS_MAX];
} verbs[] = {
    { LOCK | RWLOCK, REFUSED_WITH_COMMAND, { "lock", "-n", "PATH", "--", "true" } },
    /* A lock's path is refused with words of its own: test_share.c. */
    { LOCK | RWLOCK, REFUSED_WITH_COMMAND, { "lock", "-sn", "PATH", "--", "true" } },
    { SEMAPHORE, REFUSED_WITH_COMMAND, { "lock", "--permits", "2", "-n", "PATH", "--", "true" } },
    { ELECTION, REFUSED_WITH_COMMAND, { "elect", "PATH", "--", "true" } },
    { ELECTION, REFUSED, { "observe", "PATH" } },
    { ANY_LINE, REFUSED, { "status", "PATH" } },
    { ANY_LINE, REFUSED, { "break", "PATH", "--fence", "5" } },
    { CAMPAIGN, REFUSED, { "coupon", "create", "PATH", "--stock", "1" } },
    { CAMPAIGN, REFUSED, { "coupon", "create", "PATH", "--stock", "1", "--opens", "+5" } },
    { CAMPAIGN, REFUSED, { "coupon", "claim", "PATH", "ann" } },
    { CAMPAIGN, REFUSED, { "coupon", "freeze", "PATH", "ann", "0-1", "--order", "o" } },
    { CAMPAIGN, REFUSED, { "coupon", "unfreeze", "PATH", "ann", "0-1" } },
    { CAMPAIGN, REFUSED, { "coupon", "redeem", "PATH", "ann", "0-1" } },
    { CAMPAIGN, REFUSED, { "coupon", "refund", "PATH", "ann", "0-1" } },
    { CAMPAIGN, REFUSED, { "coupon", "void", "PATH", "ann", "0-1" } },
    { CAMPAIGN, REFUSED, { "coupon", "add-stock", "PATH", "1" } },
    { CAMPAIGN, REFUSED, { "coupon", "close", "PATH" } },
    { CAMPAIGN, REFUSED, { "coupon", "delete", "PATH", "--yes" } },
    { CAMPAIGN, REFUSED, { "coupon", "show", "PATH" } },
    { CAMPAIGN, REFUSED, { "coupon", "show", "PATH", "ann" } },
    { CAMPAIGN, REFUSED, { "coupon", "lookup", "PATH", "ann", "x" } },
    { CAMPAIGN, REFUSED, { "coupon", "list", "PATH" } },
    { CAMPAIGN, REFUSED, { "coupon", "audit", "PATH" } },
};

#define OTHER_KIND                                                                                 \
    "the path already serves another kind of thing; use another path, `latchkey doctor PATH`"

/* The line names the path, says why, and what to do. */
static void all_verbs_of_other_kinds_refuse(enum kind kind, const char *path)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const char *args[WORDS_MAX + 1] = { NULL };

        if (verbs[i].fits & kind)
            continue;
        for (size_t j = 0; j < WORDS_MAX && verbs[i].words[j]; j++)
            args[j] = strcmp(verbs[i].words[j], "PATH") == 0 ? path : verbs[i].words[j];
        expect_refuses(verbs[i].code, path, args);
        expect_refuses(verbs[i].code, OTHER_KIND, args);
    }
}

static void a_lock_s_path_is_only_a_lock(void **state)
{
    const char *path = harness_path("lock");

    (void)state;
    tool_free(tool_run(0, ARGS("lock", path, "--", "true")));
    all_verbs_of_other_kinds_refuse(LOCK, path);
    says(0, "is a lock line; 0 stand there", "doctor", path);
}

static void an_election_s_path_is_only_an_election(void **state)
{
    const char *path = harness_path("election");

    (void)state;
    tool_free(tool_run(0, ARGS("elect", path, "--", "true")));
    all_verbs_of_other_kinds_refuse(ELECTION, path);
    says(0, "is an election line; 0 stand there", "doctor", path);
}

static void an_rwlock_s_path_is_for_who_shares_and_who_excludes(void **state)
{
    const char *path = harness_path("rwlock");

    (void)state;
    tool_free(tool_run(0, ARGS("lock", "-s", path, "--", "true")));
    all_verbs_of_other_kinds_refuse(RWLOCK, path);
    says(0, "is an rwlock line; 0 stand there", "doctor", path);
}

static void a_semaphore_s_path_is_only_a_semaphore(void **state)
{
    const char *path = harness_path("semaphore");

    (void)state;
    tool_free(tool_run(0, ARGS("lock", "--permits", "2", path, "--", "true")));
    all_verbs_of_other_kinds_refuse(SEMAPHORE, path);
    says(0, "is a semaphore line; 0 stand there", "doctor", path);
}

static void a_campaign_s_path_is_only_a_campaign(void **state)
{
    const char *path = harness_path("campaign");

    (void)state;
    tool_free(tool_run(0, ARGS("coupon", "create", path, "--stock", "3")));
    all_verbs_of_other_kinds_refuse(CAMPAIGN, path);
    says(0, "is a campaign: 0 of 3 coupons issued", "doctor", path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_s_path_is_only_a_lock),
        cmocka_unit_test(an_election_s_path_is_only_an_election),
        cmocka_unit_test(an_rwlock_s_path_is_for_who_shares_and_who_excludes),
        cmocka_unit_test(a_semaphore_s_path_is_only_a_semaphore),
        cmocka_unit_test(a_campaign_s_path_is_only_a_campaign),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("kinds", tests, harness_start, harness_stop);
}
