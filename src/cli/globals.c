/* globals.c - the global options, and where each comes from when it is not given: the environment,
 * the configuration file, a default, in this order. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/frame.h"

#define NS_PER_MS 1000000
#define DEFAULT_CONNECT_MS 10000

void globals_init(struct cli_globals *globals, struct cli *cli)
{
    const struct cli_option table[] = {
        { CLI_TEXT, 's', "servers", &globals->servers, NULL, 0, 0 },
        { CLI_TEXT, 'C', "config", &globals->config, NULL, 0, 0 },
        { CLI_TEXT, 0, "root", &globals->root, NULL, 0, 0 },
        { CLI_SECONDS, 0, "session-timeout", &globals->session_timeout_ns,
          &globals->session_timeout_given, 0, 0 },
        { CLI_SECONDS, 0, "connect-timeout", &globals->connect_timeout_ns,
          &globals->connect_timeout_given, 0, 0 },
        { CLI_TEXT, 0, "auth", &globals->auth, NULL, 0, 0 },
        { CLI_FLAG, 0, "json", &cli->json, NULL, 0, 0 },
        { CLI_FLAG, 'q', "quiet", &cli->quiet, NULL, 0, 0 },
        { CLI_FLAG, 'v', "verbose", &cli->verbose, NULL, 0, 0 },
        { CLI_FLAG, 0, "version", &globals->version, NULL, 0, 0 },
        { CLI_FLAG, 0, "help", &globals->help, NULL, 0, 0 },
        { CLI_END, 0, NULL, NULL, NULL, 0, 0 },
    };
    _Static_assert(sizeof(table) <= sizeof(globals->table), "GLOBAL_OPTIONS_MAX is too small");
    memcpy(globals->table, table, sizeof(table));
}

void globals_free(struct cli_globals *globals)
{
    globals->config_read = lk_config_free(globals->config_read);
    free(globals->config_path);
    free(globals->auth_scheme);
    if (globals->credential != NULL)
        explicit_bzero(globals->credential, strlen(globals->credential));
    free(globals->credential);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static bool read_config(struct cli *cli, const char *file)
{
    struct cli_globals *globals = cli->globals;
    char error[LK_CONFIG_ERROR_SIZE] = "";
    int rc = lk_config_read(&globals->config_read, file, error);
    if (rc == LK_E_CONFIG && *error != '\0')
        cli_refuse(cli, EXIT_CONFIG,
                   "configuration %s; correct it, the sample latchkey.conf lists the keys", error);
    else if (rc == LK_E_NOT_FOUND)
        cli_refuse(cli, EXIT_CONFIG,
                   "configuration %s: there is no such file; correct --config or $LATCHKEY_CONFIG",
                   file);
    else if (rc != LK_OK)
        cli_fail(cli, rc, "configuration %s", file);
    if (rc != LK_OK)
        return false;

    globals->config_path = realpath(file, NULL);
    cli->config = globals->config_read;
    cli->config_file = globals->config_path != NULL ? globals->config_path : file;
    return true;
}

/* A file that was named must be there; one of the usual places is used if it is. */
static bool find_config(struct cli *cli)
{
    const char *named = cli->globals->config != NULL ? cli->globals->config
                                                     : environment("LATCHKEY_CONFIG");
    if (named != NULL)
        return read_config(cli, named);

    char own[PATH_MAX];
    const char *home = environment("HOME");
    bool fits = home != NULL
                && snprintf(own, sizeof(own), "%s/.config/latchkey.conf", home) < (int)sizeof(own);
    if (fits && access(own, F_OK) == 0)
        return read_config(cli, own);
    static const char common[] = "/etc/latchkey.conf";
    return access(common, F_OK) != 0 || read_config(cli, common);
}

/* "SCHEME:FILE". The credential stands in a file since a command line can be read by everybody on
 * the machine. */
static bool read_credential(struct cli *cli, const char *given)
{
    enum { CREDENTIAL_MAX = 4096 };
    struct cli_globals *globals = cli->globals;
    const char *colon = strchr(given, ':');
    if (colon == NULL || colon == given || colon[1] == '\0') {
        cli_usage(cli, "--auth: '%s' is not SCHEME:FILE", given);
        return false;
    }
    int fd = open(colon + 1, O_RDONLY | O_CLOEXEC);
    char *text = calloc(1, CREDENTIAL_MAX + 1);
    globals->auth_scheme = strndup(given, (size_t)(colon - given));
    globals->credential = text;
    ssize_t size = fd == -1 || text == NULL ? -1 : read(fd, text, CREDENTIAL_MAX);
    int error = errno;
    if (fd != -1)
        close(fd);

    if (size == -1 || globals->auth_scheme == NULL) {
        cli_refuse(cli, EXIT_CONFIG,
                   "--auth: can't read %s: %s; name a file that holds the credential", colon + 1,
                   strerror(error));
        return false;
    }
    text[strcspn(text, "\r\n")] = '\0';
    if (*text == '\0' || size == CREDENTIAL_MAX) {
        cli_refuse(cli, EXIT_CONFIG,
                   "--auth: %s is empty or too long; its first line must be the credential",
                   colon + 1);
        return false;
    }
    cli->client.auth_scheme = globals->auth_scheme;
    cli->client.auth = globals->credential;
    return true;
}

static void resolve_servers(struct cli *cli)
{
    const char *usual = cli->client.servers;
    if (cli->config != NULL)
        lk_config_client(cli->config, &cli->client);
    cli->servers_named = cli->client.servers != usual;

    const char *named = cli->globals->servers != NULL ? cli->globals->servers
                                                      : environment("LATCHKEY_SERVERS");
    if (named != NULL) {
        cli->client.servers = named;
        cli->servers_named = true;
    }
}

/* An empty $LATCHKEY_ROOT says that there is none, whatever the file has: so CMD's environment can
 * say it. */
static bool resolve_root(struct cli *cli)
{
    const char *root = cli->globals->root != NULL ? cli->globals->root : getenv("LATCHKEY_ROOT");
    if (root == NULL)
        root = cli->client.root != NULL ? cli->client.root : "";
    if (strcmp(root, "/") == 0)
        root = "";
    if (*root != '\0' && *root != '/') {
        cli_usage(cli, "the root '%s' is not an absolute path", root);
        return false;
    }
    cli->root = root;
    cli->client.root = *root != '\0' ? root : NULL;
    return true;
}

bool globals_resolve(struct cli *cli)
{
    const struct cli_globals *globals = cli->globals;
    if (!find_config(cli))
        return false;
    resolve_servers(cli);
    if (!resolve_root(cli))
        return false;

    int64_t connect_ms = DEFAULT_CONNECT_MS;
    if (cli->config != NULL)
        connect_ms = lk_config_connect_timeout_ms(cli->config, DEFAULT_CONNECT_MS);
    cli->connect_timeout_ns = globals->connect_timeout_given ? globals->connect_timeout_ns
                                                             : connect_ms * NS_PER_MS;
    if (globals->session_timeout_given)
        cli->client.session_timeout_ms = (globals->session_timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (cli->verbose && cli->client.log_level < LK_LOG_INFO)
        cli->client.log_level = LK_LOG_INFO;
    return globals->auth == NULL || read_credential(cli, globals->auth);
}

bool cli_path(struct cli *cli, const char *path)
{
    if (*path == '/')
        return true;
    cli_usage(cli, "'%s' is not an absolute path", path);
    return false;
}

const char *cli_config_text(const struct cli *cli, const char *key, const char *fallback)
{
    return cli->config != NULL ? lk_config_text(cli->config, key, fallback) : fallback;
}

int64_t cli_config_number(const struct cli *cli, const char *key, int64_t fallback)
{
    return cli->config != NULL ? lk_config_number(cli->config, key, fallback) : fallback;
}
