/* test_config_none.c - built without libconfig, latchkey says so when a file is asked for, and does
 * not look at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <latchkey/config.h>

static void a_file_is_refused_in_one_line(void **state)
{
    lk_config *config = NULL;
    char error[LK_CONFIG_ERROR_SIZE] = "";

    (void)state;
    assert_int_equal(lk_config_read(&config, "/etc/some.conf", error), LK_E_CONFIG);
    assert_string_equal(
        error,
        "/etc/some.conf: not read: this latchkey was built without libconfig; use options and "
        "environment");
    assert_int_equal(lk_config_read(&config, "/etc/some.conf", NULL), LK_E_CONFIG);
    assert_null(config);
    assert_null(lk_config_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_file_is_refused_in_one_line) };

    return cmocka_run_group_tests_name("config, built without libconfig", tests, NULL, NULL);
}
