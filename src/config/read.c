/* read.c - a libconfig file against the table of keys. The first thing that is wrong is the answer,
 * with its line: a setting that was misspelt and silently left out would be found on the day of an
 * outage.
 *
 * libconfig gets the text in memory, never the file: its scanner ends the whole process when a read
 * fails (a folder will do). For the same reason @include is refused. */
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "config/values.h"

#define FILE_MAX_SIZE (1024 * 1024)
#define SECRET_MAX_SIZE 4096
#define GROUP_NAME_MAX 32

struct reader {
    const char *file;
    char *error; /* NULL: nobody asks */
    struct lk_config *config;
};

static void free_config(struct lk_config **config)
{
    lk_config_free(*config);
}

static void free_bytes(char **bytes)
{
    free(*bytes);
}

static void close_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* `line` 0: the file as a whole. Answers LK_E_CONFIG. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct reader *reader, int line,
                                                        const char *format, ...)
{
    char what[LK_CONFIG_ERROR_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    /* The file's name gives way, its end is what tells files apart. */
    size_t size = strlen(reader->file);
    const char *name = size > 256 ? reader->file + size - 256 : reader->file;
    if (reader->error && line > 0)
        snprintf(reader->error, LK_CONFIG_ERROR_SIZE, "%s:%d: %.230s", name, line, what);
    else if (reader->error)
        snprintf(reader->error, LK_CONFIG_ERROR_SIZE, "%s: %.240s", name, what);
    return LK_E_CONFIG;
}

/* All of a file, as a NUL-terminated text. 0, or an errno; EFBIG: above `most`; EILSEQ: has a NUL.
 */
static int read_all(const char *file, size_t most, char **out)
{
    __attribute__((cleanup(close_file))) int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    __attribute__((cleanup(free_bytes))) char *text = malloc(most + 1);
    if (!text)
        return ENOMEM;
    size_t size = 0;
    for (;;) {
        ssize_t got = read(fd, text + size, most + 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            break;
        size += (size_t)got;
        if (size > most)
            return EFBIG;
    }
    if (memchr(text, '\0', size))
        return EILSEQ;
    text[size] = '\0';
    *out = text;
    text = NULL;
    return 0;
}

/* Where a line begins with @include: its number, else 0. */
static int include_line(const char *text)
{
    int line = 1;

    for (const char *at = text;; line++) {
        at += strspn(at, " \t");
        if (strncmp(at, "@include", 8) == 0)
            return line;
        at = strchr(at, '\n');
        if (!at)
            return 0;
        at++;
    }
}

static enum config_name key_of(const char *name)
{
    enum config_name key = 0;

    while (key < CONFIG_KEYS && strcmp(config_keys[key].name, name) != 0)
        key++;
    return key;
}

static bool is_group(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        if (strncmp(config_keys[i].name, name, size) == 0 && config_keys[i].name[size] == '.')
            return true;
    }
    return false;
}

static const char *type_name(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a fraction";
    case CONFIG_TYPE_STRING:
        return "a text";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_GROUP:
        return "a group";
    default:
        return "a list";
    }
}

static int refuse_type(const struct reader *reader, const config_setting_t *setting,
                       const struct config_key *key, const char *wanted)
{
    return refuse(reader, config_setting_source_line(setting), "'%s' must be %s, not %s", key->name,
                  wanted, type_name(setting));
}

static int keep_text(struct config_value *value, const char *text)
{
    value->text = strdup(text);
    value->given = value->text != NULL;
    return value->given ? LK_OK : LK_E_NOMEM;
}

static int read_text(const struct reader *reader, const config_setting_t *setting,
                     const struct config_key *key, struct config_value *value)
{
    int line = config_setting_source_line(setting);
    const char *text = config_setting_get_string(setting);

    if (!text)
        return refuse_type(reader, setting, key, "a text");
    if (key->type == CONFIG_PATH) {
        if (strcmp(text, "/") != 0 && path_check(text) != LK_OK)
            return refuse(reader, line, "'%s' is not an absolute path that ZooKeeper takes",
                          key->name);
        return keep_text(value, text);
    }
    size_t size = strlen(text);
    if ((double)size < key->least || (double)size > key->most)
        return refuse(reader, line, "'%s' must have %.0f to %.0f bytes", key->name, key->least,
                      key->most);
    if (!utf8_is_valid(text, size))
        return refuse(reader, line, "'%s' is not UTF-8, or has control characters", key->name);
    return keep_text(value, text);
}

static int read_word(const struct reader *reader, const config_setting_t *setting,
                     const struct config_key *key, struct config_value *value)
{
    const char *text = config_setting_get_string(setting);
    char known[128] = "";

    if (!text)
        return refuse_type(reader, setting, key, "a text");
    for (int64_t i = 0; key->words[i]; i++) {
        if (strcmp(key->words[i], text) == 0) {
            value->number = i;
            return keep_text(value, text);
        }
        strcat(known, i ? ", " : "");
        strcat(known, key->words[i]);
    }
    return refuse(reader, config_setting_source_line(setting), "'%s' must be one of: %s", key->name,
                  known);
}

static int read_number(const struct reader *reader, const config_setting_t *setting,
                       const struct config_key *key, struct config_value *value)
{
    int type = config_setting_type(setting);
    bool seconds = key->type == CONFIG_SECONDS;
    bool whole = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;

    if (!whole && !(seconds && type == CONFIG_TYPE_FLOAT))
        return refuse_type(reader, setting, key,
                           seconds ? "a number of seconds" : "a whole number");
    double number = whole ? (double)config_setting_get_int64(setting)
                          : config_setting_get_float(setting);
    if (!(number >= key->least && number <= key->most))
        return refuse(reader, config_setting_source_line(setting), "'%s' must be %.16g to %.16g",
                      key->name, key->least, key->most);
    value->number = seconds ? (int64_t)(number * 1000 + 0.5) : (int64_t)number;
    value->given = true;
    return LK_OK;
}

/* The file's own folder is where a relative name counts from: the working directory is the
 * program's affair. */
static char *beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    char *path = NULL;

    if (name[0] == '/' || !slash)
        return strdup(name);
    return asprintf(&path, "%.*s/%s", (int)(slash - file), file, name) < 0 ? NULL : path;
}

static int read_secret(const struct reader *reader, const config_setting_t *setting,
                       const struct config_key *key, struct config_value *value)
{
    int line = config_setting_source_line(setting);
    const char *name = config_setting_get_string(setting);

    if (!name)
        return refuse_type(reader, setting, key, "a text");
    __attribute__((cleanup(free_bytes))) char *file = beside(reader->file, name);
    if (!file)
        return LK_E_NOMEM;
    int failed = read_all(file, SECRET_MAX_SIZE, &value->text);
    if (failed == ENOMEM)
        return LK_E_NOMEM;
    if (failed)
        return refuse(reader, line, "'%s': can't read %.120s: %s", key->name, name,
                      failed == EILSEQ ? "it holds a NUL byte" : strerror(failed));
    value->text[strcspn(value->text, "\r\n")] = '\0';
    value->given = true;
    if (value->text[0] == '\0')
        return refuse(reader, line, "'%s': the first line of %.120s is empty", key->name, name);
    return LK_OK;
}

static int read_value(const struct reader *reader, const config_setting_t *setting,
                      enum config_name name)
{
    const struct config_key *key = &config_keys[name];
    struct config_value *value = &reader->config->values[name];

    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
        return read_text(reader, setting, key, value);
    case CONFIG_WORD:
        return read_word(reader, setting, key, value);
    case CONFIG_COUNT:
    case CONFIG_SECONDS:
        return read_number(reader, setting, key, value);
    case CONFIG_SECRET:
        return read_secret(reader, setting, key, value);
    }
    return LK_E_INVALID;
}

/* `group` is NULL at the top; groups do not nest, so this goes two deep at most. */
static int read_group(const struct reader *reader, const config_setting_t *settings,
                      const char *group)
{
    for (int i = 0; i < config_setting_length(settings); i++) {
        const config_setting_t *setting = config_setting_get_elem(settings, (unsigned)i);
        int line = config_setting_source_line(setting);
        char name[GROUP_NAME_MAX + 64];

        snprintf(name, sizeof(name), "%s%s%.63s", group ? group : "", group ? "." : "",
                 config_setting_name(setting));
        enum config_name key = key_of(name);
        int status;
        if (key != CONFIG_KEYS)
            status = read_value(reader, setting, key);
        else if (group || !is_group(name))
            status = refuse(reader, line, "unknown key '%s'", name);
        else if (!config_setting_is_group(setting))
            status = refuse(reader, line, "'%s' must be a group { ... }, not %s", name,
                            type_name(setting));
        else
            status = read_group(reader, setting, name);
        if (status != LK_OK)
            return status;
    }
    return LK_OK;
}

static int check_auth(const struct reader *reader, const config_t *parsed)
{
    const struct config_value *values = reader->config->values;
    const config_setting_t *auth = config_lookup(parsed, "auth");

    if (!auth || (values[CONFIG_AUTH_SCHEME].given && values[CONFIG_AUTH_FILE].given))
        return LK_OK;
    return refuse(reader, config_setting_source_line(auth), "'auth' needs both scheme and file");
}

static int parse(const struct reader *reader, const char *text)
{
    int line = include_line(text);
    if (line)
        return refuse(reader, line, "@include is not supported");
    __attribute__((cleanup(config_destroy))) config_t parsed;
    config_init(&parsed);
    if (!config_read_string(&parsed, text))
        return refuse(reader, config_error_line(&parsed), "%s", config_error_text(&parsed));
    int status = read_group(reader, config_root_setting(&parsed), NULL);
    return status != LK_OK ? status : check_auth(reader, &parsed);
}

int lk_config_read(lk_config **out, const char *file, char error[LK_CONFIG_ERROR_SIZE])
{
    if (!out || !file)
        return LK_E_INVALID;
    __attribute__((cleanup(free_config))) struct lk_config *config = calloc(1, sizeof(*config));
    if (!config)
        return LK_E_NOMEM;
    const struct reader reader = { file, error, config };
    __attribute__((cleanup(free_bytes))) char *text = NULL;
    int failed = read_all(file, FILE_MAX_SIZE, &text);
    if (failed == ENOMEM)
        return LK_E_NOMEM;
    if (failed) {
        refuse(&reader, 0, "%s", failed == EILSEQ ? "holds a NUL byte" : strerror(failed));
        return failed == ENOENT ? LK_E_NOT_FOUND : LK_E_CONFIG;
    }
    int status = parse(&reader, text);
    if (status != LK_OK)
        return status;
    *out = config;
    config = NULL;
    return LK_OK;
}
