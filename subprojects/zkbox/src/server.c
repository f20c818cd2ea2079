/* server.c - see server.h. */
#include "server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"

extern char **environ;

/* Where Debian's packages libzookeeper-java and libslf4j-java put them. The second is for the log:
 * without a binding of slf4j a server dies without a word. */
#define ZOOKEEPER_JAR "/usr/share/java/zookeeper.jar"
#define LOGGER_JAR "/usr/share/java/slf4j-simple.jar"

static void free_text(char **text)
{
    free(*text);
}

#define owned_text __attribute__((cleanup(free_text))) char *

static __attribute__((format(printf, 1, 2))) char *text(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *made;
    if (vasprintf(&made, format, arguments) < 0)
        made = NULL;
    va_end(arguments);
    return made;
}

/* ---------------------------------------------------------------------------- the command line */

/* $JAVA_HOME/bin/java, or the first java on $PATH. NULL and errno, ENOENT if there is none. */
static char *find_java(void)
{
    const char *home = getenv("JAVA_HOME");
    if (home && *home) {
        owned_text at_home = text("%s/bin/java", home);
        if (at_home && access(at_home, X_OK) == 0)
            return realpath(at_home, NULL);
    }
    const char *path = getenv("PATH");
    for (const char *next = path ? path : "/usr/bin:/bin"; *next;) {
        size_t length = strcspn(next, ":");
        owned_text candidate = text("%.*s/java", (int)length, next);
        if (candidate && access(candidate, X_OK) == 0)
            return realpath(candidate, NULL);
        next += length + (next[length] == ':');
    }
    errno = ENOENT;
    return NULL;
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static void free_list(char **list)
{
    for (char **item = list; item && *item; item++)
        free(*item);
    free(list);
}

/* What is preloaded into the caller (a sanitizer, a false clock) is not meant for the servers. */
static char **server_environment(void)
{
    size_t room = count((const char *const *)environ) + 1;
    char **envp = calloc(room, sizeof(*envp));
    size_t n = 0;
    for (char **variable = environ; envp && variable && *variable; variable++) {
        if (strncmp(*variable, "LD_PRELOAD=", strlen("LD_PRELOAD=")) == 0)
            continue;
        envp[n] = strdup(*variable);
        if (!envp[n++]) {
            free_list(envp);
            return NULL;
        }
    }
    return envp;
}

static char **server_command(const zkbox_options *options, const char *java, const char *folder,
                             int gate)
{
    static const char *const fixed[] = {
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData", /* its file stays behind in /tmp when java is killed */
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
    };
    enum { FIXED = sizeof(fixed) / sizeof(*fixed), OTHERS = 11 };
    char **argv = calloc(FIXED + OTHERS + count(options->java_args) + 1, sizeof(*argv));
    if (!argv)
        return NULL;

    size_t n = 0;
    argv[n++] = strdup(java);
    argv[n++] = text("-Xmx%dm", options->heap_mb);
    argv[n++] = strdup(options->full_jit ? "-XX:+TieredCompilation" : "-XX:TieredStopAtLevel=1");
    argv[n++] = text("-Djava.io.tmpdir=%s", folder);
    for (size_t i = 0; i < FIXED; i++)
        argv[n++] = strdup(fixed[i]);
    for (size_t i = 0; i < count(options->java_args); i++)
        argv[n++] = strdup(options->java_args[i]);
    if (gate) {
        argv[n++] = strdup("-DsocksProxyHost=127.0.0.1");
        argv[n++] = text("-DsocksProxyPort=%d", gate);
        argv[n++] = strdup("-DsocksNonProxyHosts="); /* else the loopback is spared */
    }
    argv[n++] = strdup("-cp");
    argv[n++] = strdup(ZOOKEEPER_JAR ":" LOGGER_JAR);
    argv[n++] = strdup(options->nodes == 1 ? "org.apache.zookeeper.server.ZooKeeperServerMain"
                                           : "org.apache.zookeeper.server.quorum.QuorumPeerMain");
    argv[n++] = text("%s/zoo.cfg", folder);
    for (size_t i = 0; i < n; i++) {
        if (argv[i])
            continue;
        for (size_t j = 0; j < n; j++)
            free(argv[j]);
        free(argv);
        return NULL;
    }
    return argv;
}

int server_plan(struct guardian_plan *plan, const zkbox_options *options, const char *folder,
                const int *gates, char *error, size_t error_size)
{
    owned_text java = find_java();
    if (!java) {
        snprintf(error, error_size,
                 "no java in $JAVA_HOME/bin or on $PATH: install the package "
                 "default-jre-headless");
        return -ENOENT;
    }
    if (access(ZOOKEEPER_JAR, R_OK)) {
        snprintf(error, error_size, "%s is missing: install the package libzookeeper-java",
                 ZOOKEEPER_JAR);
        return -ENOENT;
    }

    *plan = (struct guardian_plan){ .folder = strdup(folder),
                                    .envp = server_environment(),
                                    .nodes = options->nodes };
    bool complete = plan->folder && plan->envp;
    for (int node = 0; complete && node < plan->nodes; node++) {
        struct guardian_server *server = &plan->server[node];
        server->folder = text("%s/node%d", folder, node);
        server->log = text("%s/node%d/server.log", folder, node);
        if (server->folder)
            server->argv = server_command(options, java, server->folder, gates[node]);
        complete = server->folder && server->log && server->argv;
    }
    if (complete)
        return 0;
    server_plan_free(plan);
    return -ENOMEM;
}

void server_plan_free(struct guardian_plan *plan)
{
    for (int node = 0; node < plan->nodes; node++) {
        free(plan->server[node].folder);
        free(plan->server[node].log);
        free_list(plan->server[node].argv);
    }
    free(plan->folder);
    free_list(plan->envp);
    *plan = (struct guardian_plan){ 0 };
}

/* ------------------------------------------------------------------------------------ the files */

static char *configuration(const zkbox_options *options, const char *folder, int node,
                           const struct server_ports ports[ZKBOX_NODES_MAX])
{
    owned_text single = text("tickTime=%d\n"
                             "dataDir=%s/node%d/data\n"
                             "clientPort=%d\n"
                             "clientPortAddress=127.0.0.1\n"
                             "maxClientCnxns=0\n"
                             "minSessionTimeout=%d\n"
                             "maxSessionTimeout=%d\n"
                             "admin.enableServer=false\n"
                             "4lw.commands.whitelist=*\n"
                             "forceSync=%s\n"
                             "preAllocSize=%d\n"
                             "extendedTypesEnabled=%s\n",
                             options->tick_ms, folder, node, ports[node].client,
                             options->min_session_ms ? options->min_session_ms
                                                     : 2 * options->tick_ms,
                             options->max_session_ms, options->fsync ? "yes" : "no",
                             options->prealloc_kb, options->extended_types ? "true" : "false");
    if (!single || options->nodes == 1) {
        char *all = single;
        single = NULL;
        return all;
    }
    return text("%s"
                "initLimit=%d\n"
                "syncLimit=%d\n"
                "cnxTimeout=500\n"
                "standaloneEnabled=false\n"
                "server.1=127.0.0.1:%d:%d\n"
                "server.2=127.0.0.1:%d:%d\n"
                "server.3=127.0.0.1:%d:%d\n",
                single, options->init_limit, options->sync_limit, ports[0].peer, ports[0].election,
                ports[1].peer, ports[1].election, ports[2].peer, ports[2].election);
}

static int make_folder(const char *path)
{
    return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int server_write_files(const zkbox_options *options, const char *folder, int node,
                       const struct server_ports ports[ZKBOX_NODES_MAX])
{
    owned_text home = text("%s/node%d", folder, node);
    owned_text data = text("%s/node%d/data", folder, node);
    owned_text myid = text("%s/node%d/data/myid", folder, node);
    owned_text number = text("%d\n", node + 1);
    owned_text zoo_cfg = text("%s/node%d/zoo.cfg", folder, node);
    owned_text settings = configuration(options, folder, node, ports);
    if (!home || !data || !myid || !number || !zoo_cfg || !settings)
        return -ENOMEM;

    int rc = make_folder(home);
    if (rc == 0)
        rc = make_folder(data);
    if (rc == 0)
        rc = folder_write(myid, number);
    if (rc == 0)
        rc = folder_write(zoo_cfg, settings);
    if (rc < 0 || !options->data_from)
        return rc;

    /* Every node of an ensemble gets the same: two empty ones would outvote one with data. */
    owned_text from = text("%s/version-2", options->data_from);
    owned_text to = text("%s/version-2", data);
    if (!from || !to)
        return -ENOMEM;
    rc = make_folder(to);
    return rc < 0 ? rc : folder_copy_files(from, to);
}

/* -------------------------------------------------------------------------------------- the log */

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* The first line about an exception names the cause; what follows is the stack. */
void server_last_words(const char *log, char *line, size_t size)
{
    if (size == 0)
        return;
    line[0] = '\0';
    __attribute__((cleanup(close_file))) FILE *file = fopen(log, "re");
    owned_text next = NULL;
    size_t room = 0;
    bool cause_found = false;
    while (file && getline(&next, &room, file) >= 0) {
        next[strcspn(next, "\n")] = '\0';
        bool is_cause = strstr(next, "Exception:") || strstr(next, "Error:");
        if (is_cause ? !cause_found : !cause_found && *next && !strstr(next, "\tat "))
            snprintf(line, size, "%s", next);
        cause_found = cause_found || is_cause;
    }
}
