/* group.c - see group.h. kill(-group, 0) would find zombies too, so this looks into /proc. */
#include "cli/group.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* "PID (NAME) STATE PPID PGRP ...", where NAME may hold anything, parentheses too. */
static bool lives_in(const char *pid, pid_t group)
{
    char name[64], text[512];
    snprintf(name, sizeof(name), "/proc/%.20s/stat", pid);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';

    char state;
    int parent, of_group;
    const char *end = strrchr(text, ')');
    return end != NULL && sscanf(end + 1, " %c %d %d", &state, &parent, &of_group) == 3
           && of_group == group && state != 'Z' && state != 'X';
}

bool group_is_alive(pid_t group)
{
    if (kill(-group, 0) != 0)
        return false;
    DIR *processes = opendir("/proc");
    if (processes == NULL)
        return true;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(processes)) != NULL)
        found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9'
                && lives_in(entry->d_name, group);
    closedir(processes);
    return found;
}
