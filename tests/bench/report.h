/* report.h - how a benchmark tells its figures: a table for people, or with --json one object for
 * programs.
 *
 *   {"benchmark": "lock", "command": "bench_lock --json", "figures":
 *    [{"name": "lock_us", "what": "a lock, ...", "value": 704.1, "unit": "us"}, ...], "notes": [...]}
 *
 * The names are for scripts and stay; the words are for people. Printed as it comes, so that a run
 * of minutes shows something. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

struct report {
    bool is_json, has_notes;
    unsigned figures;
    char notes[2000]; /* of JSON: they come last */
};

/* Tells which benchmark this is, the command, and the machine's cores. */
void report_begin(struct report *report, const char *benchmark, bool is_json, int argc,
                  char **argv);
/* `unit`: "us", "bytes", "x" (a ratio), ... Without control characters and quotes, like all words. */
__attribute__((format(printf, 5, 6))) void report_figure(struct report *report, const char *name,
                                                         double value, const char *unit,
                                                         const char *what, ...);
/* A sentence: what is missing, what is compared with what. */
__attribute__((format(printf, 2, 3))) void report_note(struct report *report, const char *note,
                                                       ...);
void report_end(struct report *report);

#endif
