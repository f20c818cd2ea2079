/* test_config.c - a configuration file is taken whole or refused with its line: every key, every
 * way to be wrong, and the example in docs/latchkey.conf, which must stay true.
 *
 * SOURCE_ROOT is the folder of the checkout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <latchkey/config.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/latchkey-config-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "some.conf", "secret", "dir.conf" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char file[128];
        snprintf(file, sizeof(file), "%s/%s", folder, names[i]);
        remove(file);
    }
    return rmdir(folder);
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/%s", folder, name);
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static int read_text(const char *text, lk_config **out, char *error)
{
    char file[128];
    write_bytes("some.conf", text, strlen(text));
    snprintf(file, sizeof(file), "%s/some.conf", folder);
    return lk_config_read(out, file, error);
}

/* `text` must be refused with "FILE:LINE: what". */
static void assert_refused(const char *text, int line, const char *what)
{
    lk_config *config = NULL;
    char error[LK_CONFIG_ERROR_SIZE] = "", wanted[LK_CONFIG_ERROR_SIZE];

    assert_int_equal(read_text(text, &config, error), LK_E_CONFIG);
    assert_null(config);
    snprintf(wanted, sizeof(wanted), "%s/some.conf:%d: %s", folder, line, what);
    assert_string_equal(error, wanted);
}

static void what_the_file_names_is_set_and_the_rest_is_left(void **state)
{
    lk_config *config;
    char error[LK_CONFIG_ERROR_SIZE];
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    (void)state;
    options.label = "before";
    assert_int_equal(read_text("servers = \"a:1,b:2\";\nsession_timeout = 6.25\n", &config, error),
                     LK_OK);
    lk_config_client(config, &options);
    assert_string_equal(options.servers, "a:1,b:2");
    assert_int_equal(options.session_timeout_ms, 6250);
    assert_string_equal(options.label, "before");
    assert_null(options.root);
    assert_int_equal(options.access, LK_ACCESS_OPEN);
    assert_int_equal(lk_config_connect_timeout_ms(config, 77), 77);
    assert_int_equal(lk_config_number(config, "coupon.shards", 3), 3);
    assert_string_equal(lk_config_text(config, "lock.label", "none"), "none");
    assert_null(lk_config_free(config));
}

static void an_empty_file_sets_nothing(void **state)
{
    lk_config *config;
    char error[LK_CONFIG_ERROR_SIZE];
    lk_client_options options;
    unsigned char before[sizeof(options)];

    (void)state;
    memset(&options, 0x5a, sizeof(options));
    memcpy(before, &options, sizeof(options));
    assert_int_equal(read_text("", &config, error), LK_OK);
    lk_config_client(config, &options);
    assert_memory_equal(&options, before, sizeof(options));
    lk_config_free(config);
}

static void the_credential_is_read_from_its_file_beside_the_configuration(void **state)
{
    lk_config *config;
    char error[LK_CONFIG_ERROR_SIZE];
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    (void)state;
    write_bytes("secret", "me:pass word\n", 13);
    assert_int_equal(
        read_text("access = \"creator\"\nauth = { scheme = \"digest\" file = \"secret\" }", &config,
                  error),
        LK_OK);
    lk_config_client(config, &options);
    assert_string_equal(options.auth_scheme, "digest");
    assert_string_equal(options.auth, "me:pass word");
    assert_int_equal(options.access, LK_ACCESS_CREATOR);
    lk_config_free(config);
}

static void a_credential_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    assert_refused("auth = {\n  scheme = \"digest\"\n  file = \"absent\"\n}", 3,
                   "'auth.file': can't read absent: No such file or directory");
    write_bytes("secret", "\n", 1);
    assert_refused("auth = { scheme = \"digest\"\n file = \"secret\" }", 2,
                   "'auth.file': the first line of secret is empty");
    write_bytes("secret", "a\0b", 3);
    assert_refused("auth = { scheme = \"digest\"\n file = \"secret\" }", 2,
                   "'auth.file': can't read secret: it holds a NUL byte");
    write_bytes("secret", "me:pass", 7);
    assert_refused("\nauth = { file = \"secret\" }", 2, "'auth' needs both scheme and file");
    assert_refused("\nauth = { scheme = \"digest\" }", 2, "'auth' needs both scheme and file");
}

static void an_unknown_key_is_named_with_its_line(void **state)
{
    (void)state;
    assert_refused("servers = \"a:1\"\nfoo = 1\n", 2, "unknown key 'foo'");
    assert_refused("lock = {\n  label = \"x\"\n  waits = 1\n}", 3, "unknown key 'lock.waits'");
    assert_refused("lock = { elect = { id = \"x\" } }", 1, "unknown key 'lock.elect'");
    assert_refused("wait = 3", 1, "unknown key 'wait'");
    assert_refused("loc = { }", 1, "unknown key 'loc'");
}

static void a_wrong_type_is_named_with_what_it_must_be(void **state)
{
    (void)state;
    assert_refused("servers = 1", 1, "'servers' must be a text, not a whole number");
    assert_refused("\n\nlabel = [\"a\"]", 3, "'label' must be a text, not a list");
    assert_refused("session_timeout = \"10\"", 1,
                   "'session_timeout' must be a number of seconds, not a text");
    assert_refused("coupon = { shards = 2.5 }", 1,
                   "'coupon.shards' must be a whole number, not a fraction");
    assert_refused("coupon = { per_user = true }", 1,
                   "'coupon.per_user' must be a whole number, not true or false");
    assert_refused("lock = 1", 1, "'lock' must be a group { ... }, not a whole number");
    assert_refused("access = { }", 1, "'access' must be a text, not a group");
}

static void a_value_out_of_range_is_refused(void **state)
{
    (void)state;
    assert_refused("session_timeout = 0", 1, "'session_timeout' must be 0.1 to 86400");
    assert_refused("session_timeout = 1e999", 1, "'session_timeout' must be 0.1 to 86400");
    assert_refused("connect_timeout = -1", 1, "'connect_timeout' must be 0 to 3153600000");
    assert_refused("coupon = { shards = 65 }", 1, "'coupon.shards' must be 1 to 64");
    assert_refused("coupon = { shards = 0 }", 1, "'coupon.shards' must be 1 to 64");
    assert_refused("coupon = { per_user = 4294967296L }", 1,
                   "'coupon.per_user' must be 0 to 4294967295");
    assert_refused("access = \"all\"", 1, "'access' must be one of: open, creator");
    assert_refused("lock = { on_lost = \"STOP\" }", 1,
                   "'lock.on_lost' must be one of: TERM, KILL, HUP, INT, USR1, USR2, ignore");
    assert_refused("root = \"team\"", 1, "'root' is not an absolute path that ZooKeeper takes");
    assert_refused("root = \"/team/\"", 1, "'root' is not an absolute path that ZooKeeper takes");
    assert_refused("label = \"\"", 1, "'label' must have 1 to 255 bytes");
    assert_refused("label = \"a\\nb\"", 1, "'label' is not UTF-8, or has control characters");
    assert_refused("label = \"\xff\"", 1, "'label' is not UTF-8, or has control characters");
}

static void a_syntax_error_a_repeated_key_and_an_include_have_their_line(void **state)
{
    (void)state;
    assert_refused("servers = \"a:1\"\nroot = ;\n", 2, "syntax error");
    assert_refused("label = \"a\"\nlabel = \"b\"\n", 2, "duplicate setting name");
    assert_refused("label = \"a\"\n  @include \"/\"\n", 2, "@include is not supported");
}

static void what_is_no_readable_text_is_refused_without_harm(void **state)
{
    lk_config *config = NULL;
    char error[LK_CONFIG_ERROR_SIZE], file[128], wanted[LK_CONFIG_ERROR_SIZE];

    (void)state;
    snprintf(file, sizeof(file), "%s/absent", folder);
    assert_int_equal(lk_config_read(&config, file, error), LK_E_NOT_FOUND);
    snprintf(wanted, sizeof(wanted), "%s: No such file or directory", file);
    assert_string_equal(error, wanted);
    assert_int_equal(lk_config_read(&config, file, NULL), LK_E_NOT_FOUND);

    assert_int_equal(lk_config_read(&config, folder, error), LK_E_CONFIG);
    snprintf(wanted, sizeof(wanted), "%s: Is a directory", folder);
    assert_string_equal(error, wanted);

    write_bytes("some.conf", "label\0", 6);
    snprintf(file, sizeof(file), "%s/some.conf", folder);
    assert_int_equal(lk_config_read(&config, file, error), LK_E_CONFIG);
    snprintf(wanted, sizeof(wanted), "%s: holds a NUL byte", file);
    assert_string_equal(error, wanted);
    assert_null(config);
    assert_null(lk_config_free(NULL));
}

static void the_example_says_what_it_says(void **state)
{
    lk_config *config;
    char error[LK_CONFIG_ERROR_SIZE];
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    (void)state;
    int status = lk_config_read(&config, SOURCE_ROOT "/docs/latchkey.conf", error);
    if (status != LK_OK)
        fail_msg("%s", error);
    lk_config_client(config, &options);
    assert_string_equal(options.servers, "127.0.0.1:2181");
    assert_string_equal(options.root, "/team");
    assert_int_equal(options.session_timeout_ms, 10000);
    assert_int_equal(lk_config_connect_timeout_ms(config, 0), 10000);
    assert_null(options.auth);
    assert_int_equal(options.access, LK_ACCESS_OPEN);
    assert_string_equal(options.label, "billing, rack 7");
    assert_int_equal(options.log_level, LK_LOG_WARNING);
    assert_string_equal(lk_config_text(config, "lock.label", NULL), "nightly billing");
    assert_int_equal(lk_config_number(config, "lock.wait", 0), 30500);
    assert_int_equal(lk_config_number(config, "lock.grace", 0), 1500);
    assert_string_equal(lk_config_text(config, "lock.on_lost", NULL), "TERM");
    assert_string_equal(lk_config_text(config, "elect.id", NULL), "host-a");
    assert_int_equal(lk_config_number(config, "coupon.shards", 0), 8);
    assert_int_equal(lk_config_number(config, "coupon.per_user", 0), 1);
    assert_int_equal(lk_config_number(config, "coupon.freeze_ttl", 0), 900000);
    /* A number is no text, and a text no number. */
    assert_null(lk_config_text(config, "coupon.shards", NULL));
    assert_int_equal(lk_config_number(config, "lock.label", -1), -1);
    lk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_file_names_is_set_and_the_rest_is_left),
        cmocka_unit_test(an_empty_file_sets_nothing),
        cmocka_unit_test(the_credential_is_read_from_its_file_beside_the_configuration),
        cmocka_unit_test(a_credential_that_cannot_be_read_is_named),
        cmocka_unit_test(an_unknown_key_is_named_with_its_line),
        cmocka_unit_test(a_wrong_type_is_named_with_what_it_must_be),
        cmocka_unit_test(a_value_out_of_range_is_refused),
        cmocka_unit_test(a_syntax_error_a_repeated_key_and_an_include_have_their_line),
        cmocka_unit_test(what_is_no_readable_text_is_refused_without_harm),
        cmocka_unit_test(the_example_says_what_it_says),
    };

    return cmocka_run_group_tests_name("config", tests, make_folder, remove_folder);
}
