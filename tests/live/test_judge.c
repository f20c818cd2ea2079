/* test_judge.c - the judge of turns (judge.h) itself: made-up logs, right ones and such as broken
 * locks would write. No server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "judge.h"

enum { LOG_MAX = 4 };

#define WRITES(who, czxid, entered, left)                                                          \
    {                                                                                              \
        who, "lk-lock-0000000000", false, false, czxid, entered, left                              \
    }
#define READS(who, czxid, entered, left)                                                           \
    {                                                                                              \
        who, "lk-read-lock-0000000000", true, false, czxid, entered, left                          \
    }
#define KILLED_WRITER(who, czxid, entered)                                                         \
    {                                                                                              \
        who, "lk-lock-0000000000", false, true, czxid, entered, 0                                  \
    }
#define KILLED_READER(who, czxid, entered)                                                         \
    {                                                                                              \
        who, "lk-read-lock-0000000000", true, true, czxid, entered, 0                              \
    }

struct page {
    struct turn turns[LOG_MAX];
    const char *wrong; /* who is found out; NULL: all is right */
};

static void judge(const struct page *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct turn turns[LOG_MAX];
        char wrong[JUDGE_WRONG_SIZE] = "";
        size_t size = 0;

        while (size < LOG_MAX && pages[i].turns[size].czxid)
            size++;
        memcpy(turns, pages[i].turns, sizeof turns);
        bool right = judge_turns(turns, size, wrong);
        if (right != !pages[i].wrong)
            fail_msg("log %zu: judged %s %s", i, right ? "right" : "wrong:", wrong);
        if (!right && !strstr(wrong, pages[i].wrong))
            fail_msg("log %zu: found out %s, not %s", i, wrong, pages[i].wrong);
    }
}

#define JUDGE(pages) judge(pages, sizeof(pages) / sizeof(pages)[0])

static void turns_in_order_are_right_however_they_are_told(void **state)
{
    const struct page pages[] = {
        { { WRITES("A", 1, 4, 5), WRITES("B", 2, 6, 7), WRITES("C", 3, 8, 9) }, NULL },
        { { WRITES("C", 3, 8, 9), WRITES("A", 1, 4, 5), WRITES("B", 2, 6, 7) }, NULL },
        { { WRITES("A", 1, 3, 4), WRITES("A", 5, 6, 7) }, NULL },
    };
    (void)state;
    JUDGE(pages);
}

static void two_holders_at_once_are_found_out(void **state)
{
    const struct page pages[] = {
        { { WRITES("A", 1, 3, 6), WRITES("B", 2, 4, 5) }, "B entered" }, /* inside the other's */
        { { WRITES("A", 1, 3, 5), WRITES("B", 2, 4, 6) }, "B entered" }, /* across its end */
        { { WRITES("B", 1, 4, 6), WRITES("A", 2, 3, 5) }, "A entered" },
        { { WRITES("A", 1, 4, 5), WRITES("B", 2, 3, 6) }, "B entered" }, /* around it */
        { { WRITES("A", 1, 3, 6), KILLED_WRITER("B", 2, 4) }, "B entered" },
        { { READS("A", 1, 3, 6), WRITES("B", 2, 4, 5) }, "B entered" },
        { { WRITES("A", 1, 3, 6), READS("B", 2, 4, 5) }, "B entered" },
        /* not a neighbour: between them one who held for less */
        { { READS("A", 1, 4, 9), READS("B", 2, 5, 6), WRITES("C", 3, 7, 8) }, "C entered" },
    };
    (void)state;
    JUDGE(pages);
}

static void one_who_overtakes_is_found_out_though_it_held_alone(void **state)
{
    const struct page pages[] = {
        { { WRITES("A", 1, 5, 6), WRITES("B", 2, 3, 4) }, "B entered" },
        { { WRITES("A", 1, 4, 5), WRITES("B", 2, 8, 9), WRITES("C", 3, 6, 7) }, "C entered" },
        { { WRITES("A", 1, 5, 6), READS("B", 2, 3, 4) }, "B entered" },
        { { READS("A", 1, 5, 6), WRITES("B", 2, 3, 4) }, "B entered" },
        { { KILLED_WRITER("A", 1, 5), WRITES("B", 2, 3, 4) }, "B entered" },
    };
    (void)state;
    JUDGE(pages);
}

static void readers_share_and_none_passes_a_writer(void **state)
{
    const struct page pages[] = {
        { { READS("A", 1, 4, 7), READS("B", 2, 5, 6), WRITES("C", 3, 8, 9) }, NULL },
        { { READS("B", 2, 4, 7), READS("A", 1, 5, 6) }, NULL }, /* in whichever order */
        { { READS("A", 1, 4, 9), WRITES("B", 2, 10, 11), READS("C", 3, 5, 6) }, "C entered" },
        { { WRITES("A", 1, 2, 3), READS("A", 1, 4, 8), READS("B", 5, 6, 7) },
          NULL }, /* downgrade */
        { { READS("A", 1, 4, 8), WRITES("A", 1, 2, 3), READS("B", 5, 6, 7) }, NULL },
    };
    (void)state;
    JUDGE(pages);
}

static void who_was_killed_may_leave_without_a_word_and_nobody_else(void **state)
{
    const struct page pages[] = {
        { { KILLED_WRITER("A", 1, 3), WRITES("B", 2, 4, 5) }, NULL },
        { { KILLED_READER("A", 1, 4), READS("B", 2, 3, 5), WRITES("C", 6, 7, 8) }, NULL },
        { { WRITES("A", 1, 3, 0), WRITES("B", 2, 4, 5) }, "A with" },
    };
    (void)state;
    JUDGE(pages);
}

static void a_log_that_can_not_be_is_not_taken_for_a_right_one(void **state)
{
    const struct page pages[] = {
        { { WRITES("A", 1, -1, 5) }, "A with" }, /* its clock refused it */
        { { WRITES("A", 1, 3, -1) }, "A with" },
        { { WRITES("A", -1, 3, 4) }, "A with" }, /* its place was gone */
        { { WRITES("A", 5, 3, 6) }, "A with" },  /* held before it came */
        { { WRITES("A", 1, 4, 3) }, "A with" },
    };
    (void)state;
    JUDGE(pages);
}

/* ---- who stood there ---- */

static void who_holds_while_one_before_it_stands_there_is_found_out(void **state)
{
    const struct {
        struct turn turn;
        const char *children;
        const char *wrong;
    } cases[] = {
        { { "B", "lk-lock-0000000007", .czxid = 1 }, "lk-lock-0000000007,x-lock-0000000008", NULL },
        { { "B", "lk-lock-0000000007", .czxid = 1 },
          "lk-lock-0000000007,_c_a-lock-0000000006",
          "although _c_a-lock-0000000006" },
        { { "B", "lk-lock-0000000010", .czxid = 1 },
          "b__lock__0000000009,lk-lock-0000000010",
          "although b__lock__" },
        { { "B", "lk-lock-0000000007", .czxid = 1 },
          "lk-read-lock-0000000006,lk-lock-0000000007",
          "although lk-read-lock-" },
        { { "B", "_c_b-__READ__0000000007", .reads = true, .czxid = 1 },
          "lk-__READ__0000000005,a__rlock__0000000004,lk-read-lock-0000000006,_c_b-__READ__"
          "0000000007",
          NULL },
        { { "B", "_c_b-__READ__0000000007", .reads = true, .czxid = 1 },
          "lk-__READ__0000000005,_c_a-__WRIT__0000000006,_c_b-__READ__0000000007",
          "although _c_a-__WRIT__" },
        { { "B", "lk-lock-0000000007", .czxid = 1 }, "lk-lock-0000000008", "does not stand there" },
        { { "B", "lk-lock-0000000007", .czxid = 1 }, "", "does not stand there" },
        { { "B", "nonsense", .czxid = 1 }, "nonsense", "without a number" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wrong[JUDGE_WRONG_SIZE] = "";
        bool right = judge_presence(&cases[i].turn, cases[i].children, wrong);
        if (right != !cases[i].wrong || (!right && !strstr(wrong, cases[i].wrong)))
            fail_msg("case %zu: judged %s %s", i, right ? "right" : "wrong:", wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_in_order_are_right_however_they_are_told),
        cmocka_unit_test(two_holders_at_once_are_found_out),
        cmocka_unit_test(one_who_overtakes_is_found_out_though_it_held_alone),
        cmocka_unit_test(readers_share_and_none_passes_a_writer),
        cmocka_unit_test(who_was_killed_may_leave_without_a_word_and_nobody_else),
        cmocka_unit_test(a_log_that_can_not_be_is_not_taken_for_a_right_one),
        cmocka_unit_test(who_holds_while_one_before_it_stands_there_is_found_out),
    };

    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
