/* test_ledger_campaign.c - a campaign's rules, what is applied to it once, and its record. */
#include "ledger_story.h"

static void defaults_are_filled_in_and_nonsense_is_refused(void **state)
{
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT, rules;

    (void)state;
    assert_int_equal(campaign_rules(&options, &rules), LK_OK);
    assert_int_equal(rules.shards, 16);
    assert_int_equal(rules.freeze_ttl_ms, 900000);
    assert_int_equal(rules.history, 64);
    options.history = 7;
    assert_int_equal(campaign_rules(&options, &rules), LK_E_INVALID);
    options.history = LK_HISTORY_MAX + 1;
    assert_int_equal(campaign_rules(&options, &rules), LK_E_INVALID);
    options.history = LK_HISTORY_MAX;
    assert_int_equal(campaign_rules(&options, &rules), LK_OK);
    options.history = 8;
    assert_int_equal(campaign_rules(&options, &rules), LK_OK);
    options.shards = LK_SHARDS_MAX + 1;
    assert_int_equal(campaign_rules(&options, &rules), LK_E_INVALID);
    options.shards = 1;
    options.stock = STOCK_MAX + 1;
    assert_int_equal(campaign_rules(&options, &rules), LK_E_INVALID);
    options.stock = STOCK_MAX;
    assert_int_equal(campaign_rules(&options, &rules), LK_OK);
    int64_t *times[] = { &options.opens_ms, &options.closes_ms, &options.ends_ms,
                         &options.freeze_ttl_ms };
    for (size_t i = 0; i < 4; i++) {
        *times[i] = -1;
        assert_int_equal(campaign_rules(&options, &rules), LK_E_INVALID);
        *times[i] = 0;
    }
    options.size--;
    assert_int_equal(campaign_rules(&options, &rules), LK_E_INVALID);
}

static void a_campaign_is_open_from_its_opening_to_its_close(void **state)
{
    struct campaign campaign = { 0 };
    int64_t retry_ms = 0;

    (void)state;
    assert_int_equal(campaign_may_claim(&campaign, NOON, &retry_ms), LK_OK);
    campaign.rules.opens_ms = NOON;
    campaign.rules.closes_ms = NOON + 10;
    campaign.rules.ends_ms = NOON + 20;
    assert_int_equal(campaign_may_claim(&campaign, NOON - 1, &retry_ms), LK_E_NOT_OPEN);
    assert_int_equal(retry_ms, NOON);
    assert_int_equal(campaign_may_claim(&campaign, NOON, &retry_ms), LK_OK);
    assert_int_equal(campaign_may_claim(&campaign, NOON + 9, &retry_ms), LK_OK);
    assert_int_equal(campaign_may_claim(&campaign, NOON + 10, &retry_ms), LK_E_CAMPAIGN_CLOSED);
    assert_false(campaign_has_ended(&campaign, NOON + 19));
    assert_int_equal(campaign_may_claim(&campaign, NOON + 20, &retry_ms), LK_E_CAMPAIGN_ENDED);
    assert_true(campaign_has_ended(&campaign, NOON + 20));
}

static void an_operation_on_a_campaign_is_applied_once(void **state)
{
    struct campaign campaign = { .seal = 1 };
    struct campaign_op add = { .verb = CAMPAIGN_ADD_STOCK, .id = story_id(1), .count = 5 };
    const char *differs = NULL;
    int status;

    (void)state;
    assert_int_equal(campaign_apply(&campaign, &add, NOON, &status, &differs), CAMPAIGN_APPLIED);
    assert_int_equal(campaign_apply(&campaign, &add, NOON, &status, &differs), CAMPAIGN_REPEATED);
    assert_int_equal(status, LK_OK);
    add.count = 6;
    assert_int_equal(campaign_apply(&campaign, &add, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_int_equal(status, LK_E_ID_DIFFERS);
    assert_string_equal(differs, "count");
    const struct campaign_op close = { .verb = CAMPAIGN_CLOSE, .id = story_id(1), .seal = 2 };
    assert_int_equal(campaign_apply(&campaign, &close, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_string_equal(differs, "verb");
    assert_false(campaign.closed);
    campaign_free(&campaign);
}

static void closing_changes_the_seal_and_ends_adding(void **state)
{
    struct campaign campaign = { .seal = 1 };
    const struct campaign_op close = { .verb = CAMPAIGN_CLOSE, .id = story_id(1), .seal = 2 };
    const struct campaign_op add = { .verb = CAMPAIGN_ADD_STOCK, .id = story_id(2), .count = 5 };
    const char *differs = NULL;
    int status;

    (void)state;
    assert_int_equal(campaign_apply(&campaign, &close, NOON, &status, &differs), CAMPAIGN_APPLIED);
    assert_true(campaign.closed);
    assert_int_equal(campaign.seal, 2);
    assert_int_equal(campaign_apply(&campaign, &add, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_int_equal(status, LK_E_CAMPAIGN_CLOSED);
    campaign.rules.ends_ms = NOON;
    assert_int_equal(campaign_apply(&campaign, &add, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_int_equal(status, LK_E_CAMPAIGN_ENDED);
    campaign_free(&campaign);
}

static void stock_may_be_added_before_the_opening(void **state)
{
    struct campaign campaign = { .rules.opens_ms = NOON + 1 };
    const struct campaign_op add = { .verb = CAMPAIGN_ADD_STOCK, .id = story_id(2), .count = 5 };
    const char *differs = NULL;
    int status;

    (void)state;
    assert_int_equal(campaign_apply(&campaign, &add, NOON, &status, &differs), CAMPAIGN_APPLIED);
    campaign_free(&campaign);
}

static void a_create_is_known_again_by_its_id_and_rules(void **state)
{
    struct campaign campaign = { 0 };
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    const char *differs = NULL;
    int status;

    (void)state;
    assert_int_equal(campaign_rules(&options, &campaign.rules), LK_OK);
    const struct applied created = { .id = story_id(1), .verb = CAMPAIGN_CREATE };
    assert_int_equal(applied_add(&campaign.applied, &created), LK_OK);
    lk_campaign_options wanted = campaign.rules;
    struct campaign_op create = { .verb = CAMPAIGN_CREATE, .id = story_id(1), .rules = &wanted };
    assert_int_equal(campaign_apply(&campaign, &create, NOON, &status, &differs),
                     CAMPAIGN_REPEATED);
    static const char *const names[] = { "history", "shards", "freeze_ttl", "ends",
                                         "closes",  "opens",  "per_user",   "stock" };
    for (size_t i = 0; i < 8; i++) {
        /* Each that differs is named before those that differed already. */
        if (i == 0)
            wanted.history++;
        else if (i == 1)
            wanted.shards++;
        else if (i == 6)
            wanted.per_user++;
        else if (i == 7)
            wanted.stock++;
        else
            ++*(i == 2   ? &wanted.freeze_ttl_ms
                : i == 3 ? &wanted.ends_ms
                : i == 4 ? &wanted.closes_ms
                         : &wanted.opens_ms);
        assert_int_equal(campaign_apply(&campaign, &create, NOON, &status, &differs),
                         CAMPAIGN_REFUSED);
        assert_int_equal(status, LK_E_ID_DIFFERS);
        assert_string_equal(differs, names[i]);
    }
    create.id = story_id(2);
    assert_int_equal(campaign_apply(&campaign, &create, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_int_equal(status, LK_E_EXISTS);
    campaign_free(&campaign);
}

/* ---- growing ---- */

static int story_grow(struct story *s, uint64_t number, uint64_t shards, const char **differs)
{
    const struct campaign_op grow = {
        .verb = CAMPAIGN_GROW, .id = story_id(number), .count = shards, .seal = 100 + number
    };
    int status;

    campaign_apply(&s->campaign, &grow, s->now_ms, &status, differs);
    return status;
}

static void growing_adds_shards_and_changes_the_seal(void **state)
{
    struct story *s = *state;
    const char *differs = NULL;

    assert_int_equal(story_grow(s, 1, 3, &differs), LK_OK);
    assert_int_equal(s->campaign.rules.shards, 3);
    assert_int_equal(s->campaign.seal, 101);
    assert_int_equal(story_grow(s, 2, LK_SHARDS_MAX, &differs), LK_OK);
    assert_int_equal(s->campaign.rules.shards, LK_SHARDS_MAX);
    assert_int_equal(s->campaign.grown, LK_SHARDS_MAX - 1);
    /* The first one again: answered, and nothing is done. */
    assert_int_equal(story_grow(s, 1, 3, &differs), LK_OK);
    assert_int_equal(s->campaign.rules.shards, LK_SHARDS_MAX);
    assert_int_equal(s->campaign.seal, 102);
    assert_int_equal(story_grow(s, 1, 4, &differs), LK_E_ID_DIFFERS);
    assert_string_equal(differs, "shards");
}

static void growing_to_no_more_shards_or_too_many_is_refused(void **state)
{
    struct story *s = *state;
    const char *differs = NULL;

    assert_int_equal(story_grow(s, 1, 0, &differs), LK_E_INVALID);
    assert_int_equal(story_grow(s, 1, 1, &differs), LK_E_INVALID);
    assert_int_equal(story_grow(s, 1, LK_SHARDS_MAX + 1, &differs), LK_E_INVALID);
    assert_int_equal(s->campaign.applied.count, 0);
    s->campaign.rules.opens_ms = NOON + 1;
    assert_int_equal(story_grow(s, 1, 2, &differs), LK_OK);
    s->campaign.closed = true;
    assert_int_equal(story_grow(s, 2, 1, &differs), LK_E_CAMPAIGN_CLOSED);
    s->campaign.rules.ends_ms = NOON;
    assert_int_equal(story_grow(s, 2, 1, &differs), LK_E_CAMPAIGN_ENDED);
}

static void a_campaign_that_grew_is_still_known_as_it_was_created(void **state)
{
    struct story *s = *state;
    struct campaign read = { 0 };
    struct record_out out = { 0 };
    const struct applied created = { .id = story_id(1), .verb = CAMPAIGN_CREATE };
    const lk_campaign_options wanted = s->campaign.rules;
    struct campaign_op create = { .verb = CAMPAIGN_CREATE, .id = story_id(1), .rules = &wanted };
    const char *differs = NULL;
    int status;

    assert_int_equal(applied_add(&s->campaign.applied, &created), LK_OK);
    assert_int_equal(story_grow(s, 2, 5, &differs), LK_OK);
    assert_int_equal(story_grow(s, 3, 9, &differs), LK_OK);
    assert_int_equal(campaign_encode(&s->campaign, &out), LK_OK);
    assert_int_equal(campaign_decode(&read, out.bytes, out.size), LK_OK);
    assert_int_equal(read.rules.shards, 9);
    assert_int_equal(campaign_apply(&read, &create, NOON, &status, &differs), CAMPAIGN_REPEATED);
    create.rules = &read.rules;
    assert_int_equal(campaign_apply(&read, &create, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_string_equal(differs, "shards");
    record_free(&out);
    campaign_free(&read);
}

static void a_record_survives_the_way_out_and_in_and_no_cut(void **state)
{
    struct story *s = *state;
    struct campaign read = { 0 };
    struct record_out out = { 0 }, again = { 0 };
    const char *differs;
    int status;

    for (uint64_t i = 0; i < 2 * APPLIED_KEPT; i++) {
        const struct campaign_op add = { .verb = CAMPAIGN_ADD_STOCK,
                                         .id = story_id(i),
                                         .count = i };
        assert_int_equal(campaign_apply(&s->campaign, &add, NOON, &status, &differs),
                         CAMPAIGN_APPLIED);
    }
    const struct campaign_op old = { .verb = CAMPAIGN_ADD_STOCK, .id = story_id(1), .count = 1 };
    assert_int_equal(campaign_apply(&s->campaign, &old, NOON, &status, &differs), CAMPAIGN_REFUSED);
    assert_int_equal(status, LK_E_ID_TOO_OLD);
    assert_int_equal(campaign_encode(&s->campaign, &out), LK_OK);
    assert_int_equal(campaign_decode(&read, out.bytes, out.size), LK_OK);
    assert_int_equal(campaign_encode(&read, &again), LK_OK);
    assert_int_equal(again.size, out.size);
    assert_memory_equal(again.bytes, out.bytes, out.size);
    for (size_t size = 2; size < out.size; size++) {
        struct campaign cut = { 0 };
        assert_int_equal(campaign_decode(&cut, out.bytes, size), LK_E_CORRUPT);
    }
    record_free(&out);
    record_free(&again);
    campaign_free(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in_and_nonsense_is_refused),
        cmocka_unit_test(a_campaign_is_open_from_its_opening_to_its_close),
        cmocka_unit_test(an_operation_on_a_campaign_is_applied_once),
        cmocka_unit_test(closing_changes_the_seal_and_ends_adding),
        cmocka_unit_test(stock_may_be_added_before_the_opening),
        cmocka_unit_test(a_create_is_known_again_by_its_id_and_rules),
        cmocka_unit_test_setup_teardown(growing_adds_shards_and_changes_the_seal, story_begin,
                                        story_end),
        cmocka_unit_test_setup_teardown(growing_to_no_more_shards_or_too_many_is_refused,
                                        story_begin, story_end),
        cmocka_unit_test_setup_teardown(a_campaign_that_grew_is_still_known_as_it_was_created,
                                        story_begin, story_end),
        cmocka_unit_test_setup_teardown(a_record_survives_the_way_out_and_in_and_no_cut,
                                        story_begin, story_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
