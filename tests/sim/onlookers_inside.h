/* onlookers_inside.h - between the files of the onlookers: observers.c, watchers.c,
 * clerks.c, onlookers.c. */
#ifndef SIM_ONLOOKERS_INSIDE_H
#define SIM_ONLOOKERS_INSIDE_H

#include "onlookers.h"

/* Who was first; czxid 0: nobody. */
struct sighting {
    struct list node;
    int64_t czxid, mzxid, owner, seen_ns;
    const char *name;
    const void *data;
    size_t size;
};

/* One line, as the servers name it. */
struct road {
    const char *path;
    struct list history;   /* of struct sighting */
    struct list standings; /* watchers.c */
};

struct onlookers {
    struct line_workload *workload;
    struct sim *sim;
    struct road roads[2];
    int road_count;
    struct list observers, watchers, clerks, neighbours;
    bool settling, operator_is_busy;
    int64_t settled_ns;
};

static inline int64_t onlookers_between(const struct onlookers *onlookers, int64_t low,
                                        int64_t high)
{
    return chance_between(&onlookers->sim->world.chance, low, high);
}

static inline bool onlookers_in_percent(const struct onlookers *onlookers, unsigned percent)
{
    return chance_percent(&onlookers->sim->world.chance, percent);
}

static inline void onlookers_act_in(struct onlookers *onlookers, struct event *event,
                                    int64_t most_ns, void (*run)(struct event *event))
{
    struct world *world = &onlookers->sim->world;
    event_at(world, event, world->now_ns + onlookers_between(onlookers, 0, most_ns), run);
}

static inline const struct road *onlookers_any_road(const struct onlookers *onlookers)
{
    return &onlookers->roads[onlookers_between(onlookers, 0, onlookers->road_count - 1)];
}

/* observers.c */
const struct znode *road_first(const struct tree *tree, const char *path);
void observers_note(struct onlookers *onlookers, const struct tree *tree); /* who is first now */
void observers_add(struct onlookers *onlookers, struct sim_client *client);
void observers_check(struct onlookers *onlookers);
bool observers_are_right(const struct onlookers *onlookers);
void observers_free(struct onlookers *onlookers);

/* watchers.c */
void watchers_note(struct onlookers *onlookers, const struct tree *tree); /* who stands now */
void watchers_add(struct onlookers *onlookers, struct sim_client *client);
void watchers_check(struct onlookers *onlookers);
bool watchers_are_right(const struct onlookers *onlookers);
void watchers_free(struct onlookers *onlookers);

/* clerks.c */
void clerks_add_herald(struct onlookers *onlookers, struct sim_client *client);
void clerks_add_operator(struct onlookers *onlookers, struct sim_client *client);
bool clerks_are_done(const struct onlookers *onlookers);
void clerks_free(struct onlookers *onlookers);

#endif
