/* config.c - the keys that a configuration file may have, and what a program asks of a file that
 * was read.
 *
 * A file can only set what it names; whatever it leaves out stays as the program had it. That is
 * why every question brings its fallback along. */
#include "config/values.h"

#include <stdlib.h>
#include <string.h>

static const char *const access_words[] = { "open", "creator", NULL }; /* lk_access */
static const char *const log_words[] = { "error", "warning", "info", "debug",
                                         NULL }; /* lk_log_level */
static const char *const on_lost_words[] = { "TERM", "KILL", "HUP",    "INT",
                                             "USR1", "USR2", "ignore", NULL };

#define DAY_SECONDS 86400.0
#define LONG_SECONDS (100 * 365 * DAY_SECONDS) /* in nanoseconds it still fits an int64_t */

const struct config_key config_keys[CONFIG_KEYS] = {
    [CONFIG_SERVERS] = { "servers", CONFIG_TEXT, 1, 4096, NULL },
    [CONFIG_ROOT] = { "root", CONFIG_PATH, 0, 0, NULL },
    [CONFIG_SESSION_TIMEOUT] = { "session_timeout", CONFIG_SECONDS, 0.1, DAY_SECONDS, NULL },
    [CONFIG_CONNECT_TIMEOUT] = { "connect_timeout", CONFIG_SECONDS, 0, LONG_SECONDS, NULL },
    [CONFIG_AUTH_SCHEME] = { "auth.scheme", CONFIG_TEXT, 1, 64, NULL },
    [CONFIG_AUTH_FILE] = { "auth.file", CONFIG_SECRET, 1, 4096, NULL },
    [CONFIG_ACCESS] = { "access", CONFIG_WORD, 0, 0, access_words },
    [CONFIG_LABEL] = { "label", CONFIG_TEXT, 1, 255, NULL },
    [CONFIG_LOG_LEVEL] = { "log_level", CONFIG_WORD, 0, 0, log_words },
    [CONFIG_LOCK_LABEL] = { "lock.label", CONFIG_TEXT, 1, 255, NULL },
    [CONFIG_LOCK_WAIT] = { "lock.wait", CONFIG_SECONDS, 0, LONG_SECONDS, NULL },
    [CONFIG_LOCK_GRACE] = { "lock.grace", CONFIG_SECONDS, 0, DAY_SECONDS, NULL },
    [CONFIG_LOCK_ON_LOST] = { "lock.on_lost", CONFIG_WORD, 0, 0, on_lost_words },
    [CONFIG_ELECT_ID] = { "elect.id", CONFIG_TEXT, 1, 4096, NULL },
    [CONFIG_COUPON_SHARDS] = { "coupon.shards", CONFIG_COUNT, 1, 64, NULL },
    [CONFIG_COUPON_PER_USER] = { "coupon.per_user", CONFIG_COUNT, 0, UINT32_MAX, NULL },
    [CONFIG_COUPON_FREEZE_TTL] = { "coupon.freeze_ttl", CONFIG_SECONDS, 0, LONG_SECONDS, NULL },
};

lk_config *lk_config_free(lk_config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        char *text = config->values[i].text;
        if (text && config_keys[i].type == CONFIG_SECRET)
            explicit_bzero(text, strlen(text));
        free(text);
    }
    free(config);
    return NULL;
}

static void set_text(const lk_config *config, enum config_name name, const char **option)
{
    if (config->values[name].given)
        *option = config->values[name].text;
}

void lk_config_client(const lk_config *config, lk_client_options *options)
{
    const struct config_value *values = config->values;

    set_text(config, CONFIG_SERVERS, &options->servers);
    set_text(config, CONFIG_ROOT, &options->root);
    set_text(config, CONFIG_AUTH_SCHEME, &options->auth_scheme);
    set_text(config, CONFIG_AUTH_FILE, &options->auth);
    set_text(config, CONFIG_LABEL, &options->label);
    if (values[CONFIG_SESSION_TIMEOUT].given)
        options->session_timeout_ms = values[CONFIG_SESSION_TIMEOUT].number;
    if (values[CONFIG_ACCESS].given)
        options->access = (lk_access)values[CONFIG_ACCESS].number;
    if (values[CONFIG_LOG_LEVEL].given)
        options->log_level = (lk_log_level)values[CONFIG_LOG_LEVEL].number;
}

int64_t lk_config_connect_timeout_ms(const lk_config *config, int64_t fallback_ms)
{
    const struct config_value *value = &config->values[CONFIG_CONNECT_TIMEOUT];

    return value->given ? value->number : fallback_ms;
}

/* NULL: the file does not have it, or there is no such key. */
static const struct config_value *value_of(const lk_config *config, const char *key)
{
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        if (config->values[i].given && strcmp(config_keys[i].name, key) == 0)
            return &config->values[i];
    }
    return NULL;
}

const char *lk_config_text(const lk_config *config, const char *key, const char *fallback)
{
    const struct config_value *value = value_of(config, key);

    return value && value->text ? value->text : fallback;
}

int64_t lk_config_number(const lk_config *config, const char *key, int64_t fallback)
{
    const struct config_value *value = value_of(config, key);

    return value && !value->text ? value->number : fallback;
}
