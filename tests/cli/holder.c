/* holder.c - see holder.h. */
#include "holder.h"

zkbox_proxy *holder_proxy;

int holder_world_start(void **state)
{
    int rc = harness_start(state);
    return rc != 0 ? rc : zkbox_proxy_start(&holder_proxy, zkbox_address(harness_box, 0));
}

int holder_world_stop(void **state)
{
    holder_proxy = zkbox_proxy_stop(holder_proxy);
    return harness_stop(state);
}

struct tool *holder_start_with(const char *path, const char *option, const char *other,
                               const char *script)
{
    const struct setting setting = { .servers = zkbox_proxy_address(holder_proxy) };
    struct tool *tool = tool_start_in(&setting,
                                      ARGS("--session-timeout", "4", "lock", "--status-fd", "9",
                                           option, other, path, "--", "sh", "-c", script));
    tool_await_out(tool, "parent=");
    tool_await_out(tool, "child=");
    return tool;
}

struct tool *holder_start(const char *path, const char *option, const char *script)
{
    return holder_start_with(path, option, "-x", script);
}

pid_t holder_command(struct tool *tool)
{
    return (pid_t)number_after(tool_out(tool), "parent=");
}

pid_t holder_child(struct tool *tool)
{
    return (pid_t)number_after(tool_out(tool), "child=");
}

void holder_expect_lost(struct tool *tool)
{
    assert_int_equal(tool_wait(tool), 123);
    assert_string_equal(tool_status(tool), "lost\n");
    await_gone(holder_command(tool));
    await_gone(holder_child(tool));
}

static bool has_passed(void *arg)
{
    enum { MULTI = 14 };
    return zkbox_proxy_requests(holder_proxy, MULTI) >= *(const int64_t *)arg;
}

void holder_await_proofs(int64_t count)
{
    zkbox_proxy_reset_counts(holder_proxy);
    await(has_passed, &count, "proofs of the session");
}
