/* client_log.c - the ZooKeeper client's log lines, brought to the handle that they are about.
 *
 * The client's log callback gets a text and nothing else, and half of its lines come from a thread that is never ours
 * to mark. So a handle is known by which function the client calls: each open handle has one of a fixed set. This
 * table is the library's only state that is shared by all its clients; a slot is written only by who has taken it,
 * before the client's threads start, and given back after they have ended, so reading it needs no lock. With all slots
 * taken a handle is silent.
 *
 * What is logged at all is decided by zoo_set_debug_level(), which is the process's, not ours: it may belong to other
 * users of the client and is left alone. It lets INFO and above through unless somebody changes it. */
#include "keeper/real.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct slot {
    atomic_bool taken;
    const struct keeper_events *events;
    void *owner;
};
enum { SLOTS = 32 };
static struct slot slots[SLOTS];

/* "2026-01-31 12:00:00,000:4711(0x7f...):ZOO_WARN@function@2640: what happened" */
static void slot_log(const struct slot *slot, const char *message)
{
    const char *level_name = strstr(message, "):ZOO_");
    const char *text = level_name ? strstr(level_name + 2, ": ") : NULL;
    lk_log_level level = LK_LOG_INFO;
    char line[1024];

    if (!slot->events->log)
        return;
    if (text) {
        level_name += strlen("):ZOO_");
        level = *level_name == 'E'   ? LK_LOG_ERROR
                : *level_name == 'W' ? LK_LOG_WARNING
                : *level_name == 'D' ? LK_LOG_DEBUG
                                     : LK_LOG_INFO;
        text += 2;
    } else {
        text = message;
    }
    snprintf(line, sizeof line, "zookeeper client: %.*s", (int)strcspn(text, "\n"), text);
    slot->events->log(slot->owner, level, line);
}

static void silent(const char *message)
{
    (void)message;
}

/* clang-format off */
#define EACH_SLOT(X)                                                                                                   \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)                              \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
/* clang-format on */

#define SLOT_FUNCTION(n)                                                                                               \
    static void slot_log_##n(const char *message)                                                                      \
    {                                                                                                                  \
        slot_log(&slots[n], message);                                                                                  \
    }
EACH_SLOT(SLOT_FUNCTION)

#define SLOT_NAME(n) slot_log_##n,
static keeper_log_fn *const slot_functions[SLOTS] = { EACH_SLOT(SLOT_NAME) };

keeper_log_fn *keeper_log_take(const struct keeper_events *events, void *owner)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (atomic_exchange_explicit(&slots[i].taken, true, memory_order_acquire))
            continue;
        slots[i].events = events;
        slots[i].owner = owner;
        return slot_functions[i];
    }
    return silent;
}

void keeper_log_give(keeper_log_fn *fn)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (slot_functions[i] == fn)
            atomic_store_explicit(&slots[i].taken, false, memory_order_release);
}
