/* world.c - the real world: the machine's clocks and chance, and sessions by libzookeeper_mt. */
#include "keeper/real.h"

#include <sys/random.h>
#include <time.h>

/* CLOCK_BOOTTIME: a lease runs on while the machine is suspended, since the server's patience does.
 */
static int64_t world_now_ns(struct keeper_world *world)
{
    struct timespec now;

    (void)world;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t world_wall_ms(struct keeper_world *world)
{
    struct timespec now;

    (void)world;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Ids made of this must differ between processes, also after a fork: so nothing is kept here. A
 * request of this size fails only on a kernel without getrandom(); the clock then keeps one process
 * apart from itself. */
static uint64_t world_random(struct keeper_world *world)
{
    uint64_t value;

    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        value = (uint64_t)world_now_ns(world) * UINT64_C(0x9e3779b97f4a7c15);
    return value;
}

struct keeper_world *keeper_real_world(void)
{
    /* Never written. */
    static struct keeper_world world = {
        .open = keeper_zookeeper_open,
        .now_ns = world_now_ns,
        .wall_ms = world_wall_ms,
        .random = world_random,
        .has_threads = true,
    };
    return &world;
}
