/* group.h - whether anybody of a process group still lives. */
#ifndef CLI_GROUP_H
#define CLI_GROUP_H

#include <stdbool.h>
#include <sys/types.h>

/* Zombies do not count: they can't act any more, and it is not ours to say when their parent buries
 * them. Where /proc can't be read they do. */
bool group_is_alive(pid_t group);

#endif
