/* test_box.c - a box starts, is hurt and heals as told, and leaves nothing behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "net.h"
#include "zkbox.h"

enum { PATIENCE_MS = 30000 };

static zkbox *started(zkbox_options options)
{
    char error[512];
    options.error = error;
    options.error_size = sizeof(error);
    options.fsync = false;
    zkbox *box;
    int rc = zkbox_start(&box, &options);
    if (rc < 0)
        fail_msg("zkbox_start: %s: %s", strerror(-rc), error);
    return box;
}

static zkbox *started_nodes(int nodes)
{
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.nodes = nodes;
    return started(options);
}

/* The first process whose command line names the folder, 0 if there is none. */
static pid_t process_of(const char *folder)
{
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    pid_t found = 0;
    for (const struct dirent *entry; !found && (entry = readdir(processes));) {
        char path[PATH_MAX];
        char line[8192] = "";
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        size_t size = fread(line, 1, sizeof(line), file);
        fclose(file);
        if (memmem(line, size, folder, strlen(folder)))
            found = atoi(entry->d_name);
    }
    closedir(processes);
    return found;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int parent = 0;
    int matched = fscanf(file, "%*d (%*[^)]) %*c %d", &parent);
    fclose(file);
    assert_int_equal(matched, 1);
    return parent;
}

static bool exists(const char *path)
{
    struct stat ignored;
    return lstat(path, &ignored) == 0;
}

static void create_by(const zkbox *box, int node, const char *path)
{
    struct client client;
    assert_int_equal(client_connect(&client, zkbox_address(box, node)), 0);
    assert_int_equal(client_create(&client, path), 0);
    client_disconnect(&client);
}

static void assert_is_there(const zkbox *box, int node, const char *path)
{
    struct client client;
    assert_int_equal(client_connect(&client, zkbox_address(box, node)), 0);
    assert_int_equal(client_exists(&client, path, false), 0);
    client_disconnect(&client);
}

static void one_node_starts_answers_and_leaves_nothing(void **state)
{
    (void)state;
    zkbox *box = started_nodes(1);
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", zkbox_folder(box));
    assert_true(exists(folder));
    assert_int_equal(zkbox_nodes(box), 1);
    assert_int_equal(zkbox_leader(box), 0);
    assert_string_equal(zkbox_servers(box), zkbox_address(box, 0));
    assert_int_equal(zkbox_port(box, 1), -EINVAL);

    char *text;
    assert_int_equal(zkbox_ask(box, 0, "mntr", &text), 0);
    assert_non_null(strstr(text, "zk_server_state\tstandalone"));
    free(text);
    assert_true(process_of(folder) > 0);

    assert_null(zkbox_stop(box));
    assert_false(exists(folder));
    assert_int_equal(process_of(folder), 0);
}

static void data_outlives_a_kill_and_a_restart_on_the_same_port(void **state)
{
    (void)state;
    zkbox *box = started_nodes(1);
    create_by(box, 0, "/kept");
    int port = zkbox_port(box, 0);
    assert_int_equal(zkbox_kill(box, 0), 0);
    assert_int_equal(zkbox_kill(box, 0), -ESRCH);
    assert_int_equal(zkbox_leader(box), -EAGAIN);
    struct client client;
    assert_int_equal(client_connect(&client, zkbox_address(box, 0)), NETWORK_ERROR(ECONNREFUSED));
    assert_int_equal(zkbox_restart(box, 0), 0);
    assert_int_equal(zkbox_port(box, 0), port);
    assert_is_there(box, 0, "/kept");
    zkbox_stop(box);
}

static void a_box_can_begin_with_the_data_of_another(void **state)
{
    (void)state;
    zkbox *first = started_nodes(1);
    create_by(first, 0, "/inherited");
    assert_int_equal(zkbox_kill(first, 0), 0);
    char data[PATH_MAX];
    snprintf(data, sizeof(data), "%s/node0/data", zkbox_folder(first));

    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.data_from = data;
    zkbox *single = started(options);
    assert_is_there(single, 0, "/inherited");
    zkbox_stop(single);
    options.nodes = 3;
    zkbox *ensemble = started(options);
    for (int node = 0; node < 3; node++)
        assert_is_there(ensemble, node, "/inherited");
    zkbox_stop(ensemble);
    zkbox_stop(first);
}

static void an_ensemble_elects_another_leader_and_takes_the_old_one_back(void **state)
{
    (void)state;
    zkbox *box = started_nodes(3);
    int leader = zkbox_leader(box);
    assert_in_range(leader, 0, 2);
    create_by(box, (leader + 1) % 3, "/before");

    assert_int_equal(zkbox_kill(box, leader), 0);
    int next = zkbox_wait_leader(box, PATIENCE_MS);
    assert_in_range(next, 0, 2);
    assert_int_not_equal(next, leader);
    create_by(box, next, "/between");

    assert_int_equal(zkbox_restart(box, leader), 0);
    assert_is_there(box, leader, "/before");
    assert_is_there(box, leader, "/between");
    assert_int_equal(zkbox_leader(box), next);
    zkbox_stop(box);
}

static void an_ensemble_that_died_whole_comes_back_node_by_node(void **state)
{
    (void)state;
    zkbox *box = started_nodes(3);
    create_by(box, 0, "/kept");
    for (int node = 0; node < 3; node++)
        assert_int_equal(zkbox_kill(box, node), 0);
    for (int node = 0; node < 3; node++)
        assert_int_equal(zkbox_restart(box, node), 0);
    assert_in_range(zkbox_wait_leader(box, PATIENCE_MS), 0, 2);
    assert_is_there(box, 2, "/kept");
    zkbox_stop(box);
}

static void a_paused_node_stands_still_until_resumed(void **state)
{
    (void)state;
    zkbox *box = started_nodes(1);
    struct client client;
    assert_int_equal(client_connect(&client, zkbox_address(box, 0)), 0);
    assert_int_equal(zkbox_pause(box, 0), 0);
    assert_int_equal(zkbox_pause(box, 0), 0);
    assert_int_equal(client_send_create(&client, "/paused"), 0);
    struct reply reply;
    assert_int_equal(client_receive(&client, &reply, 100), NETWORK_ERROR(ETIMEDOUT));

    assert_int_equal(zkbox_resume(box, 0), 0);
    assert_int_equal(client_receive(&client, &reply, PATIENCE_MS), 0);
    assert_int_equal(reply.error, 0);
    client_disconnect(&client);

    assert_int_equal(zkbox_pause(box, 0), 0);
    assert_int_equal(zkbox_restart(box, 0), 0);
    assert_is_there(box, 0, "/paused");
    assert_int_equal(zkbox_pause(box, 0), 0); /* and a paused one can be stopped */
    zkbox_stop(box);
}

static void a_busy_port_is_refused_and_named(void **state)
{
    (void)state;
    int listening = net_listen(0);
    assert_true(listening >= 0);
    char error[256];
    char wanted[16];
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.port = net_port(listening);
    options.error = error;
    options.error_size = sizeof(error);
    zkbox *box = NULL;
    assert_int_equal(zkbox_start(&box, &options), -EADDRINUSE);
    assert_null(box);
    snprintf(wanted, sizeof(wanted), "%d", options.port);
    assert_non_null(strstr(error, wanted));
    net_close(&listening);

    box = started(options);
    assert_int_equal(zkbox_port(box, 0), options.port);
    zkbox_stop(box);
}

static void a_start_that_cannot_succeed_says_why(void **state)
{
    (void)state;
    char error[256];
    zkbox *box = NULL;
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.error = error;
    options.error_size = sizeof(error);

    options.nodes = 2;
    assert_int_equal(zkbox_start(&box, &options), -EINVAL);
    assert_non_null(strstr(error, "nodes must be 1 or 3"));

    options.nodes = 1;
    options.folder = "/nowhere";
    assert_int_equal(zkbox_start(&box, &options), -ENOENT);
    assert_non_null(strstr(error, "/nowhere"));

    options.folder = NULL;
    const char *const nonsense[] = { "-XX:NoSuchFlag", NULL };
    options.java_args = nonsense;
    assert_int_equal(zkbox_start(&box, &options), -ECHILD);
    assert_non_null(strstr(error, "died"));
    assert_null(box);
}

/* ------------------------------------------------------------------------ whoever dies, however */

/* This program again, as one that holds a box until it is killed. It prints the box's folder. A
 * child of it outlives it, with copies of all its descriptors, until its standard input ends. */
static int hold(const char *parent)
{
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.folder = parent;
    zkbox *box;
    if (zkbox_start(&box, &options) < 0)
        return 1;
    char byte;
    if (fork() == 0)
        _exit(read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1);
    printf("%s\n", zkbox_folder(box));
    fflush(stdout);
    for (;;)
        pause();
}

struct holder {
    pid_t pid;
    int keep_child; /* closed: the holder's child ends */
    char folder[PATH_MAX];
};

static struct holder start_holder(const char *parent)
{
    int input[2], output[2];
    char self[PATH_MAX] = ""; /* read, since valgrind knows this link only by readlink() */
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    struct holder holder = { .pid = fork(), .keep_child = input[1] };
    assert_true(holder.pid >= 0);
    if (holder.pid == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        execl(self, self, "--hold", parent, (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    FILE *said = fdopen(output[0], "r");
    assert_non_null(fgets(holder.folder, sizeof(holder.folder), said));
    fclose(said);
    holder.folder[strcspn(holder.folder, "\n")] = '\0';
    return holder;
}

static void assert_folder_goes(int notifier, const char *folder)
{
    char event[4096];
    while (exists(folder)) {
        struct pollfd slot = { .fd = notifier, .events = POLLIN };
        assert_int_equal(poll(&slot, 1, PATIENCE_MS), 1);
        assert_true(read(notifier, event, sizeof(event)) > 0);
    }
}

static void a_killed_caller_leaves_no_server_and_no_folder(void **state)
{
    (void)state;
    char parent[] = "/tmp/zkbox-test-XXXXXX";
    assert_non_null(mkdtemp(parent));
    int notifier = inotify_init1(IN_CLOEXEC);
    assert_true(inotify_add_watch(notifier, parent, IN_DELETE) >= 0);
    struct holder holder = start_holder(parent);
    assert_true(process_of(holder.folder) > 0);

    assert_int_equal(kill(holder.pid, SIGKILL), 0);
    assert_int_equal(waitpid(holder.pid, NULL, 0), holder.pid);
    assert_folder_goes(notifier, holder.folder);
    assert_int_equal(process_of(holder.folder), 0);

    close(holder.keep_child);
    close(notifier);
    assert_int_equal(rmdir(parent), 0);
}

static void a_killed_guardian_takes_its_servers_along(void **state)
{
    (void)state;
    zkbox *box = started_nodes(1);
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", zkbox_folder(box));
    pid_t server = process_of(folder);
    assert_true(server > 0);
    pid_t guardian = parent_of(server);
    assert_int_equal(parent_of(guardian), getpid());

    assert_int_equal(kill(guardian, SIGKILL), 0);
    assert_int_equal(zkbox_kill(box, 0), -EPIPE);
    assert_int_equal(process_of(folder), 0);
    zkbox_stop(box);
    assert_false(exists(folder));
}

static void the_terminals_signals_do_not_reach_the_servers(void **state)
{
    (void)state;
    zkbox *box = started_nodes(1);
    pid_t server = process_of(zkbox_folder(box));
    pid_t guardian = parent_of(server);
    assert_int_not_equal(getpgid(guardian), getpgrp());
    assert_int_not_equal(getsid(server), getsid(0));
    assert_int_equal(kill(guardian, SIGTERM), 0);
    assert_int_equal(kill(guardian, SIGINT), 0);
    assert_int_equal(kill(guardian, SIGHUP), 0);
    assert_int_equal(zkbox_restart(box, 0), 0);
    zkbox_stop(box);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--hold") == 0)
        return hold(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_starts_answers_and_leaves_nothing),
        cmocka_unit_test(data_outlives_a_kill_and_a_restart_on_the_same_port),
        cmocka_unit_test(a_box_can_begin_with_the_data_of_another),
        cmocka_unit_test(an_ensemble_elects_another_leader_and_takes_the_old_one_back),
        cmocka_unit_test(an_ensemble_that_died_whole_comes_back_node_by_node),
        cmocka_unit_test(a_paused_node_stands_still_until_resumed),
        cmocka_unit_test(a_busy_port_is_refused_and_named),
        cmocka_unit_test(a_start_that_cannot_succeed_says_why),
        cmocka_unit_test(a_killed_caller_leaves_no_server_and_no_folder),
        cmocka_unit_test(a_killed_guardian_takes_its_servers_along),
        cmocka_unit_test(the_terminals_signals_do_not_reach_the_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
