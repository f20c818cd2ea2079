/* bench_ledger_cpu.c - what the processors spend on it, by the kernel's books: of this process, and
 * of the server, who is found by the folder that its command line names. */
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench_ledger.h"

double cpu_us_now(void)
{
    struct rusage usage;

    MUST(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6
           + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The last argument of the server's java is its configuration in the box's folder. */
static bool serves_box(int pid, const char *folder)
{
    char path[40], line[4096];
    size_t folder_size = strlen(folder), size = 0;

    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *file = fopen(path, "r");
    if (file) {
        size = fread(line, 1, sizeof line, file);
        fclose(file);
    }
    return size > folder_size && memmem(line, size, folder, folder_size)
           && memmem(line, size, "/zoo.cfg", strlen("/zoo.cfg"));
}

static int server_pid(const char *folder)
{
    DIR *processes = opendir("/proc");
    int found = 0;

    MUST(processes);
    for (struct dirent *entry; !found && (entry = readdir(processes)) != NULL;) {
        int pid = (int)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && serves_box(pid, folder))
            found = pid;
    }
    closedir(processes);
    MUST(found);
    return found;
}

double server_cpu_us_now(struct bench *bench)
{
    char path[40], line[1024];
    unsigned long user, kernel;

    if (bench->server_pid == 0)
        bench->server_pid = server_pid(zkbox_folder(bench->box));
    snprintf(path, sizeof path, "/proc/%d/stat", bench->server_pid);
    FILE *file = fopen(path, "r");
    MUST(file && fgets(line, sizeof line, file));
    fclose(file);
    const char *rest = strrchr(line, ')'); /* the name before it may hold anything */
    MUST(rest);
    MUST(sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel)
         == 2);
    return (double)(user + kernel) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}
