/* report.c - figures as a table, or as JSON. See report.h. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_command(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');

    printf("%s", name ? name + 1 : argv[0]);
    for (int i = 1; i < argc; i++)
        printf(" %s", argv[i]);
}

void report_begin(struct report *report, const char *benchmark, bool is_json, int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    *report = (struct report){ .is_json = is_json };
    printf(is_json ? "{\"benchmark\": \"%s\", \"cores\": %ld, \"command\": \"" : "%s, %ld cores: ",
           benchmark, cores);
    print_command(argc, argv);
    printf(is_json ? "\", \"figures\": [" : "\n");
    fflush(stdout);
}

void report_figure(struct report *report, const char *name, double value, const char *unit,
                   const char *what, ...)
{
    char words[300];
    va_list arguments;
    int decimals = strcmp(unit, "x") == 0 ? 3 : value < 100 ? 2 : value < 10000 ? 1 : 0;

    va_start(arguments, what);
    vsnprintf(words, sizeof words, what, arguments);
    va_end(arguments);
    if (report->is_json)
        printf("%s\n  {\"name\": \"%s\", \"what\": \"%s\", \"value\": %.4f, \"unit\": \"%s\"}",
               report->figures ? "," : "", name, words + strspn(words, " "), value, unit);
    else
        printf("  %-70s %10.*f %s\n", words, decimals, value, unit);
    report->figures++;
    fflush(stdout);
}

void report_note(struct report *report, const char *note, ...)
{
    char words[400];
    size_t used = strlen(report->notes);
    va_list arguments;

    va_start(arguments, note);
    vsnprintf(words, sizeof words, note, arguments);
    va_end(arguments);
    if (!report->is_json)
        printf("%s\n", words);
    else
        snprintf(report->notes + used, sizeof report->notes - used, "%s\n  \"%s\"",
                 report->has_notes ? "," : "", words);
    report->has_notes = true;
    fflush(stdout);
}

void report_end(struct report *report)
{
    if (report->is_json)
        printf("],\n \"notes\": [%s]}\n", report->notes);
    fflush(stdout);
}
