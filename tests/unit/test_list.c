/* test_list.c - a member can leave a list without knowing its head, at any moment, also while the
 * list is walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"

struct guest {
    char name;
    struct list node;
};

/* The names in order. */
static const char *told(struct list *head)
{
    static char names[8];
    size_t count = 0;

    list_for_each (node, head)
        names[count++] = container_of(node, struct guest, node)->name;
    names[count] = '\0';
    return names;
}

static void a_zeroed_head_is_an_empty_list(void **state)
{
    struct list head = { 0 };

    (void)state;
    assert_true(list_is_empty(&head));
    assert_null(list_take(&head));
    assert_string_equal(told(&head), "");
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_take(&head));
}

static void members_stand_in_the_order_in_which_they_came(void **state)
{
    struct list head = { 0 };
    struct guest a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

    (void)state;
    list_append(&head, &b.node);
    list_append(&head, &c.node);
    list_prepend(&head, &a.node);
    assert_string_equal(told(&head), "abc");
    assert_ptr_equal(list_take(&head), &a.node);
    assert_string_equal(told(&head), "bc");
}

static void prepending_to_a_zeroed_head_works_too(void **state)
{
    struct list head = { 0 };
    struct guest a = { .name = 'a' };

    (void)state;
    list_prepend(&head, &a.node);
    assert_string_equal(told(&head), "a");
}

static void a_member_that_left_knows_it_and_may_leave_twice(void **state)
{
    struct list head = { 0 };
    struct guest a = { .name = 'a' }, b = { .name = 'b' };

    (void)state;
    assert_false(list_is_linked(&a.node));
    list_remove(&a.node);
    list_append(&head, &a.node);
    list_append(&head, &b.node);
    assert_true(list_is_linked(&a.node));
    list_remove(&a.node);
    list_remove(&a.node);
    assert_false(list_is_linked(&a.node));
    assert_string_equal(told(&head), "b");
    list_remove(&b.node);
    assert_true(list_is_empty(&head));
    list_append(&head, &a.node);
    assert_string_equal(told(&head), "a");
}

static void members_may_leave_while_the_list_is_walked(void **state)
{
    struct list head = { 0 };
    struct guest guests[] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' } };
    int seen = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        list_append(&head, &guests[i].node);
    list_for_each_safe (node, &head) {
        if (seen++ % 2 == 0)
            list_remove(node);
    }
    assert_int_equal(seen, 4);
    assert_string_equal(told(&head), "bd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_head_is_an_empty_list),
        cmocka_unit_test(members_stand_in_the_order_in_which_they_came),
        cmocka_unit_test(prepending_to_a_zeroed_head_works_too),
        cmocka_unit_test(a_member_that_left_knows_it_and_may_leave_twice),
        cmocka_unit_test(members_may_leave_while_the_list_is_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
