/* values.h - what a configuration file may say, as a table, and what one file said.
 *
 * The table is the whole contract: a key that is not in it is unknown. read.c fills `values` from
 * it, config.c answers from it; neither knows a key by name but where a client's option is set. */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include <latchkey/config.h>

enum config_type {
    CONFIG_TEXT,    /* 1 to `most` bytes of UTF-8 */
    CONFIG_PATH,    /* absolute, or "/" */
    CONFIG_WORD,    /* one of `words`; number: its place there */
    CONFIG_COUNT,   /* a whole number, `least` to `most` */
    CONFIG_SECONDS, /* fractions allowed, `least` to `most`; number: milliseconds */
    CONFIG_SECRET,  /* text: the name of a file in the file, its content here */
};

struct config_key {
    const char *name; /* "key" or "group.key" */
    enum config_type type;
    double least, most;
    const char *const *words; /* NULL at the end */
};

enum config_name {
    CONFIG_SERVERS,
    CONFIG_ROOT,
    CONFIG_SESSION_TIMEOUT,
    CONFIG_CONNECT_TIMEOUT,
    CONFIG_AUTH_SCHEME,
    CONFIG_AUTH_FILE,
    CONFIG_ACCESS,
    CONFIG_LABEL,
    CONFIG_LOG_LEVEL,
    CONFIG_LOCK_LABEL,
    CONFIG_LOCK_WAIT,
    CONFIG_LOCK_GRACE,
    CONFIG_LOCK_ON_LOST,
    CONFIG_ELECT_ID,
    CONFIG_COUPON_SHARDS,
    CONFIG_COUPON_PER_USER,
    CONFIG_COUPON_FREEZE_TTL,
    CONFIG_KEYS,
};

extern const struct config_key config_keys[CONFIG_KEYS];

/* One key's value. Not given: text NULL, given false. */
struct config_value {
    bool given;
    char *text;
    int64_t number;
};

struct lk_config {
    struct config_value values[CONFIG_KEYS];
};

#endif
