/* test_sweep.c - each public call under each fault at each of its requests and allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep.h"

/* Public functions that ask no server for anything, and why they are not in the table. */
static const char *const asks_nothing[] = {
    /* of memory that is there already */
    "lk_account_free",
    "lk_audit_free",
    "lk_line_free",
    "lk_config_free",
    /* read what is known here */
    "lk_candidate_fence",
    "lk_candidate_node",
    "lk_candidate_remaining_ns",
    "lk_candidate_state",
    "lk_lock_fence",
    "lk_lock_node",
    "lk_lock_remaining_ns",
    "lk_lock_state",
    "lk_candidate_grant",
    "lk_lock_grant",
    "lk_multilock_culprit",
    "lk_multilock_fence",
    "lk_multilock_grant",
    "lk_multilock_remaining_ns",
    "lk_multilock_state",
    "lk_mutex_depth",
    "lk_mutex_fence",
    "lk_mutex_grant",
    "lk_mutex_remaining_ns",
    "lk_mutex_state",
    "lk_rwlock_fence",
    "lk_rwlock_grant",
    "lk_rwlock_mode",
    "lk_rwlock_node",
    "lk_rwlock_remaining_ns",
    "lk_rwlock_state",
    "lk_semaphore_fence",
    "lk_semaphore_grant",
    "lk_semaphore_node",
    "lk_semaphore_remaining_ns",
    "lk_semaphore_state",
    "lk_guard_culprit",
    "lk_guard_results",
    "lk_client_info_get",
    "lk_ledger_get_stats",
    "lk_fd",
    "lk_now_ns",
    "lk_in_ms",
    "lk_id_new",
    "lk_version",
    /* of a transaction that is not sent yet; their memory is refused in the row of
       lk_guard_create() */
    "lk_guard_check",
    "lk_guard_clear",
    "lk_guard_delete",
    "lk_guard_free",
    "lk_guard_hold",
    "lk_guard_set",
    /* of memory that its caller guards */
    "lk_gate_read",
    "lk_gate_write",
    /* runs what waits */
    "lk_dispatch",
    /* stops listening */
    "lk_observer_free",
    "lk_line_watch_free",
    "lk_campaign_watch_free",
    /* have a client and a thread of their own, in the world outside: tests/live/test_ledger_time.c */
    "lk_sweeper_free",
    "lk_sweeper_leads",
    "lk_sweeper_new",
    /* texts and numbers */
    "lk_coupon_parse",
    "lk_coupon_state_name",
    "lk_coupon_text",
    "lk_fence_compare",
    "lk_fence_text",
    "lk_grant_state_name",
    "lk_id_from_text",
    "lk_id_text",
    "lk_campaign_event_name",
    "lk_fault_kind_name",
    "lk_ledger_verb_name",
    "lk_status_name",
    "lk_status_text",
    /* files */
    "lk_config_client",
    "lk_config_connect_timeout_ms",
    "lk_config_number",
    "lk_config_read",
    "lk_config_text",
};

static const struct {
    const struct row *rows;
    const size_t *count;
} tables[] = { { sweep_line_rows, &sweep_line_count },
               { sweep_shared_rows, &sweep_shared_count },
               { sweep_parts_rows, &sweep_parts_count },
               { sweep_client_rows, &sweep_client_count },
               { sweep_ledger_rows, &sweep_ledger_count } };
#define TABLES (sizeof(tables) / sizeof(*tables))

struct sweep_of {
    const struct row *row;
    int servers;
    char name[128];
};

static void every_round_passes(void **state)
{
    const struct sweep_of *of = *state;
    const char *wrong = sweep_row(of->row, of->servers);

    if (wrong)
        fail_msg("%s", wrong);
}

static bool is_swept(const char *name)
{
    for (size_t i = 0; i < TABLES; i++)
        for (size_t j = 0; j < *tables[i].count; j++)
            if (strcmp(tables[i].rows[j].call, name) == 0)
                return true;
    return false;
}

static bool is_named(const char *name)
{
    for (size_t i = 0; i < sizeof(asks_nothing) / sizeof(*asks_nothing); i++)
        if (strcmp(asks_nothing[i], name) == 0)
            return true;
    return false;
}

/* The library's exported functions, one a line. */
static void every_public_function_is_swept_or_asks_nothing(void **state)
{
    const char *path = getenv("SYMBOLS");
    FILE *symbols = path ? fopen(path, "r") : NULL;
    char name[128];
    size_t seen = 0;

    (void)state;
    assert_non_null(symbols);
    for (; fscanf(symbols, "%127s", name) == 1; seen++)
        if (is_swept(name) == is_named(name))
            fail_msg("%s is %s", name,
                     is_named(name) ? "swept, and said to ask nothing" : "not swept");
    fclose(symbols);
    assert_true(seen > sizeof(asks_nothing) / sizeof(*asks_nothing));
}

/* test_sweep [FILTER]: only the rows whose name has it. */
int main(int argc, char **argv)
{
    static struct CMUnitTest tests[512] = { cmocka_unit_test(
        every_public_function_is_swept_or_asks_nothing) };
    static struct sweep_of sweeps[512];
    size_t count = 0;

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    for (size_t i = 0; i < TABLES; i++)
        for (size_t j = 0; j < 2 * *tables[i].count; j++) {
            struct sweep_of *of = &sweeps[count++];
            of->row = &tables[i].rows[j / 2];
            of->servers = j % 2 ? 3 : 1;
            snprintf(of->name, sizeof(of->name), "%s%s%s, %d server(s)", of->row->call,
                     *of->row->setting ? ", " : "", of->row->setting, of->servers);
            tests[count] = (struct CMUnitTest){ .name = of->name,
                                                .test_func = every_round_passes,
                                                .initial_state = of };
        }
    return _cmocka_run_group_tests("sweep", tests, count + 1, NULL, NULL);
}
