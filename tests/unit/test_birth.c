/* test_birth.c - a forked child is told from its parent, with the kernel's help and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include "session/birth.h"

static bool child_was_here(const struct birth *birth)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(birth_was_here(birth));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_child_was_not_here_before(void **state)
{
    struct birth birth;

    (void)state;
    birth_note(&birth);
    assert_true(birth_was_here(&birth));
    assert_false(child_was_here(&birth));
    assert_true(birth_was_here(&birth));
    birth_forget(&birth);
}

static void where_no_page_is_wiped_the_pid_tells(void **state)
{
    struct birth birth;

    (void)state;
    birth_note(&birth);
    birth_forget(&birth);
    birth.page = NULL;
    assert_true(birth_was_here(&birth));
    assert_false(child_was_here(&birth));
    birth_forget(&birth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_was_not_here_before),
        cmocka_unit_test(where_no_page_is_wiped_the_pid_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
