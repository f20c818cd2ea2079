/* test_birth.c - a forked child is told from its parent, with the kernel's help and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include "session/birth.h"

/* Told through a pipe: at its end valgrind finds a child's copies of what its parent has, and its exit
 * code says so. */
static bool child_was_here(const struct birth *birth)
{
    bool was_here = false;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        was_here = birth_was_here(birth);
        _exit(write(ends[1], &was_here, sizeof was_here) != sizeof was_here);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &was_here, sizeof was_here), sizeof was_here);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    return was_here;
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
