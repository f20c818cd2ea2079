/* fuzz_config.c - a configuration file: taken whole, with every value within its bounds, or refused
 * in one line. The file is in memory; names of secrets that it makes up are looked for in /proc. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/path.h"
#include "config/values.h"

static void value_is_sound(const struct config_key *key, const struct config_value *value)
{
    if (!value->given) {
        MUST(!value->text && value->number == 0);
        return;
    }
    switch (key->type) {
    case CONFIG_TEXT:
        MUST(value->text && (double)strlen(value->text) >= key->least
             && (double)strlen(value->text) <= key->most);
        MUST(utf8_is_valid(value->text, strlen(value->text)));
        break;
    case CONFIG_PATH:
        MUST(value->text && (strcmp(value->text, "/") == 0 || path_check(value->text) == LK_OK));
        break;
    case CONFIG_WORD:
        MUST(value->text && strcmp(key->words[value->number], value->text) == 0);
        break;
    case CONFIG_COUNT:
        MUST(!value->text && (double)value->number >= key->least
             && (double)value->number <= key->most);
        break;
    case CONFIG_SECONDS:
        MUST(!value->text && (double)value->number >= key->least * 1000
             && (double)value->number <= key->most * 1000);
        break;
    case CONFIG_SECRET:
        MUST(value->text && *value->text && !strpbrk(value->text, "\r\n"));
        break;
    }
}

/* For a terminal, and for a log of lines. */
static void is_one_line(const char *error)
{
    size_t size = strnlen(error, LK_CONFIG_ERROR_SIZE);

    MUST(size > 0 && size < LK_CONFIG_ERROR_SIZE);
    for (size_t i = 0; i < size; i++)
        MUST((unsigned char)error[i] >= 0x20 && error[i] != 0x7f);
}

static void judge(const char *file)
{
    char error[LK_CONFIG_ERROR_SIZE] = "";
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_config *config = NULL;
    int status = lk_config_read(&config, file, error);

    MUST(status == LK_OK || status == LK_E_CONFIG);
    if (status != LK_OK) {
        MUST(!config);
        is_one_line(error);
        return;
    }
    for (size_t i = 0; i < CONFIG_KEYS; i++)
        value_is_sound(&config_keys[i], &config->values[i]);
    lk_config_client(config, &options);
    MUST(!options.auth == !options.auth_scheme);
    MUST(lk_config_connect_timeout_ms(config, 7) >= 0);
    lk_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char file[64];
    int fd = memfd_create("latchkey.conf", MFD_CLOEXEC);

    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
    judge(file);
    close(fd);
    return 0;
}
